"""Packets that do not fit, path MTUs, and redirects, on one device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import IPv4
from labs.net import icmp
from labs.net.actions import Dropped, DropReason
from labs.net.fragmentation import Reassembler, fragments
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, PROTO_UDP, Fragment, Ipv4Packet
from labs.net.tcp import ACK, SYN, TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire import decode, encode
from tests.net.machine import MS, SECOND, Machine, errors, ip, packets, segment, udp

NEAR, FAR, HERE = "10.0.0.2", "10.1.0.2", "10.0.0.1"


def router(**more: object) -> Machine:
    machine = Machine(forward=True, eth0="10.0.0.1/24", eth1="10.1.0.1/24", **more)  # type: ignore[arg-type]
    machine.know(NEAR, 2)
    machine.know(FAR, 3, "eth1")
    machine.node.interfaces["eth0"].mtu = 4000
    machine.node.interfaces["eth1"].mtu = 1000
    return machine


def host() -> Machine:
    machine = Machine()
    machine.know("10.0.0.254", 9)
    machine.know("10.0.0.253", 8)
    machine.route("0.0.0.0/0", "eth0", "10.0.0.254")
    return machine


def pieces(machine: Machine, packet: Ipv4Packet) -> list[Fragment]:
    return [one.payload for one in packets(machine.packet(packet)) if isinstance(one.payload, Fragment)]


def tell(original: Ipv4Packet, mtu: int, *, source: str = "10.0.0.254") -> Ipv4Packet:
    """A router says that a packet was too big."""
    message = IcmpMessage(icmp.DEST_UNREACHABLE, icmp.FRAGMENTATION_NEEDED, 0, mtu, original=original)
    return Ipv4Packet(ip(source), original.src, PROTO_ICMP, message)


def redirect(original: Ipv4Packet, gateway: str, *, source: str = "10.0.0.254") -> Ipv4Packet:
    number = int(ip(gateway))
    message = IcmpMessage(icmp.REDIRECT, icmp.REDIRECT_HOST, number >> 16, number & 0xFFFF, original=original)
    return Ipv4Packet(ip(source), original.src, PROTO_ICMP, message)


def test_too_big_without_df_leaves_in_pieces_that_fit():
    found = pieces(router(), udp(NEAR, FAR, data=bytes(2000)))  # type: ignore[arg-type]
    assert [(one.offset, one.size, one.more) for one in found] == [
        (0, 976, True),
        (976, 976, True),
        (1952, 56, False),
    ]


def test_fragment_too_big_for_the_next_link_is_cut_again():
    first = fragments(udp(NEAR, FAR, data=bytes(3000)), 1500)[0]  # type: ignore[arg-type]
    found = pieces(router(), first)
    assert [(one.offset, one.size, one.more) for one in found] == [(0, 976, True), (976, 504, True)]


def test_router_with_rules_puts_pieces_together_before_it_judges():
    machine = router(rules="table ip f { chain c { type filter hook forward priority 0; udp dport 9 drop; } }")
    for piece in fragments(udp(NEAR, FAR, data=bytes(2000), dport=9), 1500):  # type: ignore[arg-type]
        assert machine.packet(piece) == []
    assert any(isinstance(note, Dropped) and note.reason is DropReason.POLICY for note in machine.notes)


@given(st.integers(0, 4000), st.integers(68, 1500), st.integers(68, 1500), st.randoms())
def test_pieces_in_any_order_and_cut_twice_become_the_packet(size, mtu, smaller, chance):
    whole = Ipv4Packet(ip(NEAR), ip(FAR), PROTO_UDP, UdpDatagram(1, 2, bytes(size)), identification=7)
    cut = [small for piece in fragments(whole, mtu) for small in fragments(piece, smaller)]
    chance.shuffle(cut)
    machine = Reassembler()
    results = [machine.add(piece) for piece in cut]
    assert all(piece.length <= max(28, mtu) for piece in cut)
    assert results[-1] == whole
    assert not any(isinstance(found, Ipv4Packet) for found in results[:-1])


def test_overlapping_pieces_are_all_thrown_away():
    whole = udp(NEAR, FAR, data=bytes(2000))  # type: ignore[arg-type]
    first, second = fragments(whole, 1500)
    machine = Reassembler()
    machine.add(first)
    overlap = Fragment(whole.payload, 8, 1472, more=True)
    assert machine.add(second._replace(payload=overlap)) is None
    assert not isinstance(machine.add(second), Ipv4Packet)


@pytest.mark.parametrize(("place", "said"), [(0, [(11, 1, HERE, NEAR)]), (1, [])])
def test_missing_fragment_after_thirty_seconds_the_sender_is_told_if_the_first_came(place, said):
    machine = router()
    piece = fragments(udp(NEAR, HERE, data=bytes(2000)), 1500)[place]  # type: ignore[arg-type]
    assert machine.packet(piece) == []
    assert machine.until(29 * SECOND) == []
    assert errors(machine.until(31 * SECOND)) == said


def test_fragments_for_a_program_arrive_as_one_datagram():
    machine = router()
    socket = machine.node.transport.udp_open(9)
    for piece in reversed(fragments(udp(NEAR, HERE, data=bytes(2000), dport=9), 1500)):  # type: ignore[arg-type]
        machine.packet(piece)
    assert [len(datagram.data) for datagram in socket.queue] == [2000]


def test_later_fragment_without_a_way_is_dropped_in_silence():
    machine = router()
    first, second = fragments(udp(NEAR, "172.16.0.1", data=bytes(2000)), 1500)  # type: ignore[arg-type]
    assert errors(machine.packet(first)) == [(3, 0, HERE, NEAR)]
    assert machine.packet(second) == []


def test_path_mtu_learned_is_used_and_forgotten_after_ten_minutes():
    machine = host()
    big = udp("10.0.0.1", FAR, data=bytes(1400), dont_fragment=True)  # type: ignore[arg-type]
    assert machine.send(big)[0] is None
    machine.packet(tell(big, 1300), at=MS)
    assert machine.send(big)[0] == "Message too long"
    assert machine.node.ip.paths.mtu_to(ip(FAR)) == 1300
    assert machine.node.ip.paths.mtu_to(ip("10.1.0.3")) == 1500
    machine.until(MS + 600 * SECOND)
    assert machine.send(big)[0] is None


def test_path_mtu_below_what_is_believed_is_locked_and_packets_go_without_df():
    machine = host()
    big = udp("10.0.0.1", FAR, data=bytes(1400), dont_fragment=True)  # type: ignore[arg-type]
    machine.packet(tell(big, 100), at=MS)
    assert machine.node.ip.paths.mtu_to(ip(FAR)) == 552
    socket = machine.node.transport.udp_open(5)
    assert machine.node.transport.udp_send(socket, ip(FAR), 9, bytes(100)) is None
    (sent,) = packets(machine.frames(machine.node.drain(machine.now)))
    assert not sent.dont_fragment


def test_path_mtu_larger_than_known_changes_nothing():
    machine = host()
    big = udp("10.0.0.1", FAR, data=bytes(1400), dont_fragment=True)  # type: ignore[arg-type]
    machine.packet(tell(big, 1300), at=MS)
    machine.packet(tell(big, 1400), at=2 * MS)
    assert machine.node.ip.paths.mtu_to(ip(FAR)) == 1300


def test_path_mtu_about_a_packet_of_somebody_else_is_not_believed():
    machine = host()
    machine.packet(tell(udp("10.0.0.77", FAR), 1300)._replace(dst=ip("10.0.0.1")), at=MS)
    assert machine.node.ip.paths.mtu_to(ip(FAR)) == 1500


def test_route_replaced_what_was_learned_on_it_is_gone():
    machine = host()
    big = udp("10.0.0.1", FAR, data=bytes(1400), dont_fragment=True)  # type: ignore[arg-type]
    machine.packet(tell(big, 1300), at=MS)
    machine.route("10.1.0.0/16", "eth0", "10.0.0.253")
    assert machine.node.ip.paths.mtu_to(ip(FAR)) == 1500


def test_tcp_told_of_a_smaller_mtu_sends_again_in_smaller_segments():
    machine = host()
    connection = machine.node.transport.tcp_connect(ip(FAR), 80)
    (syn,) = packets(machine.frames(machine.node.drain(0)))
    assert syn.payload.mss == 1460  # type: ignore[union-attr]
    answer = TcpSegment(80, connection.local[1], 5, syn.payload.seq + 1, SYN | ACK, mss=1460)  # type: ignore[union-attr]
    machine.packet(segment(FAR, "10.0.0.1")._replace(payload=answer), at=MS)
    connection.send(bytes(2000), MS)
    sent = packets(machine.frames(machine.node.drain(MS)))
    assert [packet.length for packet in sent] == [1500, 604]
    again = packets(machine.packet(tell(sent[0], 1300), at=2 * MS))
    assert [packet.length for packet in again] == [1300, 252]


def test_peer_that_offers_no_mss_gets_small_segments():
    machine = host()
    connection = machine.node.transport.tcp_connect(ip(FAR), 80)
    (syn,) = packets(machine.frames(machine.node.drain(0)))
    answer = TcpSegment(80, connection.local[1], 5, syn.payload.seq + 1, SYN | ACK)  # type: ignore[union-attr]
    machine.packet(segment(FAR, "10.0.0.1")._replace(payload=answer), at=MS)
    connection.send(bytes(600), MS)
    sent = packets(machine.frames(machine.node.drain(MS)))
    assert [len(packet.payload.data) for packet in sent] == [524, 76]  # type: ignore[union-attr]


def test_way_back_out_where_it_came_in_the_sender_is_redirected_less_and_less():
    machine = Machine(forward=True, eth0="10.0.0.1/24")
    machine.know(NEAR, 2)
    machine.know("10.0.0.253", 8)
    machine.route("10.9.0.0/16", "eth0", "10.0.0.253")
    told = []
    for step in range(100):
        frames = machine.packet(udp(NEAR, "10.9.0.9"), at=step * 100 * MS)
        told += [step for packet in packets(frames) if packet.protocol == PROTO_ICMP]
    assert told[:4] == [0, 1, 2, 4]
    assert len(told) <= 9


@pytest.mark.parametrize("where", ["other network", "switched off"])
def test_no_neighbour_or_switched_off_nobody_is_redirected(where):
    machine = Machine(forward=True, eth0="10.0.0.1/24")
    machine.know("10.0.0.253", 8)
    machine.know(NEAR, 2)
    machine.route("10.9.0.0/16", "eth0", "10.0.0.253")
    if where == "switched off":
        machine.node.sysctl.set("net.ipv4.conf.all.send_redirects", "0")
        machine.node.sysctl.set("net.ipv4.conf.eth0.send_redirects", "0")
    else:
        machine.route("10.8.0.0/16", "eth0", NEAR)
    source = NEAR if where == "switched off" else "10.8.0.5"
    assert [packet.protocol for packet in packets(machine.packet(udp(source, "10.9.0.9")))] == [PROTO_UDP]


@pytest.mark.parametrize(
    ("change", "believed"),
    [({}, True), ({"source": "10.0.0.77"}, False), ({"gateway": "10.0.0.255"}, False), ({"off": True}, False)],
)
def test_redirect_is_believed_from_the_gateway_in_use_about_a_neighbour(change, believed):
    machine = host()
    for name in ("all", "eth0") if change.get("off") else ():
        machine.node.sysctl.set(f"net.ipv4.conf.{name}.accept_redirects", "0")
    sent = udp("10.0.0.1", FAR)
    told = redirect(sent, change.get("gateway", "10.0.0.253"), source=change.get("source", "10.0.0.254"))
    machine.packet(told, at=MS)
    _, frames = machine.send(sent)
    assert (int(frames[0].dst) & 0xFF == 8) is believed


def test_fragments_on_the_wire_come_back():
    from labs.net.ethernet import ETHERTYPE_IPV4, Frame
    from tests.net.machine import mac

    whole = Ipv4Packet(IPv4(1), IPv4(2), PROTO_UDP, UdpDatagram(5, 6, bytes(range(256)) * 8), identification=3)
    for piece in fragments(whole, 1000):
        data = encode(Frame(mac(1), mac(2), ETHERTYPE_IPV4, piece))
        again = decode(data).payload
        assert isinstance(again, Ipv4Packet)
        assert isinstance(again.payload, Fragment)
        assert (again.payload.offset, again.payload.size, again.payload.more) == piece.payload[1:]  # type: ignore[index]
        assert encode(decode(data)) == data or not again.payload.offset


def test_frame_longer_than_the_port_takes_is_an_error_of_the_receiver():
    machine = router()
    machine.node.interfaces["eth0"].mtu = 1000
    assert machine.packet(udp(NEAR, HERE, data=bytes(1200))) == []  # type: ignore[arg-type]
    counters = machine.node.interfaces["eth0"].rx
    assert (counters.errors, counters.too_long, counters.packets) == (1, 1, 0)


def test_bridge_does_not_pass_on_what_the_other_port_does_not_take():
    from labs.net.ethernet import ETHERTYPE_IPV4, Frame
    from labs.net.linux import link_config
    from tests.net.machine import mac

    machine = Machine(p1="", p2="")
    bridge = link_config.add_bridge(machine.node, "br0")
    for name in ("p1", "p2"):
        link_config.enslave(machine.node, machine.node.interfaces[name], bridge)
    machine.node.set_up(bridge, up=True)
    machine.node.interfaces["p2"].mtu = 1000
    fitting, big = (Frame(mac(2), mac(1), ETHERTYPE_IPV4, udp(NEAR, FAR, data=bytes(size))) for size in (900, 1200))  # type: ignore[arg-type]
    assert len(machine.put(fitting, port="p1")) == 1
    assert machine.put(big, port="p1") == []


CLAMP = "table ip f { chain c { type filter hook forward priority 0; tcp flags syn tcp option maxseg size set %s; } }"


@pytest.mark.parametrize(
    ("value", "offered", "passed_on"),
    [("rt mtu", 1460, 960), ("rt mtu", 500, 500), ("1200", 1460, 1200), ("1460", 1200, 1200), ("rt mtu", 0, 0)],
)
def test_clamped_syn_offers_no_more_than_the_way_takes(value, offered, passed_on):
    machine = router(rules=CLAMP % value)
    syn = TcpSegment(40000, 80, 5, 0, SYN, mss=offered)
    (sent,) = packets(machine.packet(segment(NEAR, FAR)._replace(payload=syn)))
    assert sent.payload.mss == passed_on  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["rt mtu", "1360"])
def test_clamp_is_listed_as_it_was_written(value):
    from labs.net.nftables import from_json, render_ruleset, to_json
    from labs.net.nftables.apply import load

    rule = f"tcp option maxseg size set {value}"
    ruleset = load(f"table ip f {{\n chain c {{\n tcp flags syn {rule}\n }}\n}}\n")
    assert rule in render_ruleset(ruleset)
    assert rule in render_ruleset(from_json(to_json(ruleset)))
