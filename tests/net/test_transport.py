"""Sockets of one device: who gets what, and what a program is told."""

from __future__ import annotations

import pytest

from labs.model.addresses import InterfaceAddress
from labs.net import tcp
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import ANY, PROTO_ICMP, Ipv4Packet
from labs.net.linux.transport import BACKLOG
from labs.net.sockets import QUEUE_LIMIT, SocketError
from labs.net.tcp import TcpState
from tests.net.machine import SECOND, Machine, echo, errors, ip, packets, segment, udp

ME, PEER = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.know(PEER, 2)
    return made


def test_datagram_goes_to_the_socket_of_its_port(machine):
    nine, ten = machine.node.transport.udp_open(9), machine.node.transport.udp_open(10)
    machine.packet(udp(PEER, ME, data=b"hello"))
    assert [d.data for d in nine.queue] == [b"hello"]
    assert not ten.queue


def test_datagram_to_a_closed_port_is_refused(machine):
    assert errors(machine.packet(udp(PEER, ME, dport=77))) == [(3, 3, ME, PEER)]


def test_socket_bound_to_one_address_hears_that_one_alone(machine):
    machine.node.add_address(machine.node.interfaces["eth0"], InterfaceAddress.parse("10.0.0.5/24"))
    bound = machine.node.transport.udp_open(9, ip("10.0.0.5"))
    machine.packet(udp(PEER, ME))
    assert not bound.queue
    machine.packet(udp(PEER, "10.0.0.5"))
    assert len(bound.queue) == 1


def test_socket_bound_to_an_interface_hears_that_one_alone():
    machine = Machine(eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    bound = machine.node.transport.udp_open(9, interface="eth1")
    machine.packet(udp(PEER, ME))
    machine.packet(udp("10.1.0.2", "10.1.0.1"), port="eth1")
    assert [d.interface for d in bound.queue] == ["eth1"]


def test_full_queue_drops_what_comes(machine):
    socket = machine.node.transport.udp_open(9)
    for _ in range(QUEUE_LIMIT + 5):
        machine.packet(udp(PEER, ME))
    assert len(socket.queue) == QUEUE_LIMIT


def test_port_in_use_and_address_of_somebody_else_are_refused(machine):
    transport = machine.node.transport
    transport.udp_open(9)
    transport.tcp_listen(80, ANY)
    for attempt in (lambda: transport.udp_open(9), lambda: transport.tcp_listen(80, ip(ME))):
        with pytest.raises(SocketError, match="Address already in use"):
            attempt()
    for attempt in (lambda: transport.udp_open(10, ip(PEER)), lambda: transport.tcp_listen(81, ip(PEER))):
        with pytest.raises(SocketError, match="Cannot assign requested address"):
            attempt()


def test_closed_socket_frees_its_port(machine):
    transport = machine.node.transport
    transport.udp_close(transport.udp_open(9))
    transport.udp_open(9)
    transport.tcp_unlisten(transport.tcp_listen(80, ANY))
    transport.tcp_listen(80, ANY)


def test_ephemeral_ports_differ(machine):
    ports = {machine.node.transport.udp_open().port for _ in range(100)}
    assert len(ports) == 100
    assert min(ports) >= 32768


def test_error_reaches_the_socket_that_sent(machine):
    mine, other = machine.node.transport.udp_open(), machine.node.transport.udp_open()
    machine.node.transport.udp_send(mine, ip("10.0.0.2"), 9, b"x")
    (out,) = packets(machine.frames(machine.node.drain(0)))
    machine.packet(Ipv4Packet(ip(PEER), ip(ME), PROTO_ICMP, IcmpMessage(3, 3, original=out)))
    assert [(str(e.source), e.type, e.code, e.dport) for e in mine.errors] == [(PEER, 3, 3, 9)]
    assert not other.errors


def test_echo_is_answered_with_its_identifier_sequence_and_data(machine):
    (answer,) = packets(machine.packet(echo(PEER, ME, identifier=77)))
    assert (answer.payload.type, answer.payload.identifier, answer.payload.sequence, len(answer.payload.data)) == (
        0,
        77,
        1,
        56,
    )
    assert answer.ttl == 64


def test_echo_is_not_answered_when_the_setting_says_so(machine):
    machine.node.sysctl.set("net.ipv4.icmp_echo_ignore_all", "1")
    assert machine.packet(echo(PEER, ME)) == []


def test_echo_reply_of_a_stranger_is_dropped(machine):
    socket = machine.node.transport.echo_open()
    machine.packet(echo(PEER, ME, identifier=socket.identifier + 1, reply=True))
    assert not socket.replies


def handshake(machine: Machine, port: int = 80, sport: int = 5000):
    (answer,) = packets(machine.packet(segment(PEER, ME, sport, port, seq=100)))
    machine.packet(segment(PEER, ME, sport, port, tcp.ACK, seq=101, ack=answer.payload.seq + 1))
    return answer


def test_syn_to_a_listener_is_accepted_at_the_third_segment(machine):
    listener = machine.node.transport.tcp_listen(80, ANY)
    answer = handshake(machine)
    assert answer.payload.flags == tcp.SYN | tcp.ACK
    assert [c.state for c in listener.backlog] == [TcpState.ESTABLISHED]


def test_syn_to_a_closed_port_is_reset(machine):
    (answer,) = packets(machine.packet(segment(PEER, ME, seq=100)))
    assert (answer.payload.flags, answer.payload.ack) == (tcp.RST | tcp.ACK, 101)


def test_acknowledgement_to_a_closed_port_is_reset_at_its_number(machine):
    """RFC 9293 §3.10.7.1."""
    (answer,) = packets(machine.packet(segment(PEER, ME, flags=tcp.ACK, ack=555)))
    assert (answer.payload.flags, answer.payload.seq) == (tcp.RST, 555)


def test_reset_to_a_closed_port_is_not_answered(machine):
    assert machine.packet(segment(PEER, ME, flags=tcp.RST)) == []


def test_full_backlog_syn_is_ignored(machine):
    machine.node.transport.tcp_listen(80, ANY)
    for number in range(BACKLOG):
        handshake(machine, sport=5000 + number)
    assert machine.packet(segment(PEER, ME, 4000)) == []


def test_listener_closed_waiting_connections_are_reset(machine):
    listener = machine.node.transport.tcp_listen(80, ANY)
    handshake(machine)
    machine.node.transport.tcp_unlisten(listener)
    (reset,) = packets(machine.frames(machine.node.drain(0)))
    assert reset.payload.flags & tcp.RST


def test_time_wait_new_syn_of_the_same_ports_begins_a_new_connection(machine):
    listener = machine.node.transport.tcp_listen(80, ANY)
    answer = handshake(machine)
    connection = listener.backlog.popleft()
    connection.close(machine.now)
    mine = answer.payload.seq + 1
    machine.packet(segment(PEER, ME, flags=tcp.FIN | tcp.ACK, seq=101, ack=mine + 1))
    assert connection.state is TcpState.TIME_WAIT
    again = handshake(machine)
    assert again.payload.flags == tcp.SYN | tcp.ACK
    assert len(listener.backlog) == 1
    machine.until(70 * SECOND)
    assert [c.state for c in machine.node.transport.connections()] == [TcpState.ESTABLISHED]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (0, "Network is unreachable"),
        (1, "No route to host"),
        (3, "Connection refused"),
        (9, "Network is unreachable"),
        (13, "No route to host"),
    ],
)
def test_connecting_an_error_ends_it_in_the_words_of_the_kernel(machine, code, error):
    connection = machine.node.transport.tcp_connect(ip(PEER), 80)
    (syn,) = packets(machine.frames(machine.node.drain(0)))
    machine.packet(Ipv4Packet(ip("10.0.0.254"), ip(ME), PROTO_ICMP, IcmpMessage(3, code, original=syn)))
    assert (connection.state, connection.error) == (TcpState.CLOSED, error)


def test_connected_an_error_is_only_a_hint(machine):
    """RFC 5461."""
    listener = machine.node.transport.tcp_listen(80, ANY)
    answer = handshake(machine)
    machine.packet(Ipv4Packet(ip("10.0.0.254"), ip(ME), PROTO_ICMP, IcmpMessage(3, 1, original=answer)))
    assert listener.backlog[0].state is TcpState.ESTABLISHED


def test_connection_to_everybody_is_refused(machine):
    with pytest.raises(SocketError, match="Network is unreachable"):
        machine.node.transport.tcp_connect(ip("10.0.0.255"), 80)


@pytest.mark.parametrize(
    ("kind", "error"),
    [("prohibit", "Permission denied"), ("unreachable", "No route to host"), ("blackhole", "Invalid argument")],
)
def test_connection_over_a_route_that_refuses_says_why(machine, kind, error):
    machine.route("172.16.0.0/12", kind=kind)
    with pytest.raises(SocketError, match=error):
        machine.node.transport.tcp_connect(ip("172.16.0.1"), 80)


def test_capture_hears_both_directions_until_it_is_closed(machine):
    capture = machine.node.transport.packet_open("eth0")
    machine.packet(echo(PEER, ME))
    assert [direction for _, _, direction, _ in capture.queue] == ["in", "out"]
    machine.node.transport.packet_close(capture)
    machine.packet(echo(PEER, ME))
    assert len(capture.queue) == 2


def test_connection_to_the_unspecified_address_is_one_to_oneself(machine):
    """0.0.0.0 is what a filter answers for a name that it blocks: refused at once where nobody listens here."""
    refused = machine.node.transport.tcp_connect(ANY, 8883)
    machine.until(machine.now + SECOND)
    assert refused.error == "Connection refused"
    machine.node.transport.tcp_listen(8884, ANY)
    taken = machine.node.transport.tcp_connect(ANY, 8884)
    machine.until(machine.now + SECOND)
    assert taken.state is TcpState.ESTABLISHED
