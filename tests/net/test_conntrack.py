"""Connection tracking and address translation, seen by the packets that pass a router."""

from __future__ import annotations

import pytest

from labs.model.addresses import IPv6
from labs.net import icmp, tcp
from labs.net.conntrack import SECOND, TIMEOUT_NS, Conntrack, Flow, flow_of
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from tests.net.machine import Machine, echo, errors, ip, packets, segment, udp

A, B, OUT = "192.168.1.10", "192.168.1.11", "203.0.113.9"
MASQUERADE = "table ip nat { chain post { type nat hook postrouting priority 100; oifname eth1 masquerade; } }"
FORWARD_IN = (
    "table ip nat { chain pre { type nat hook prerouting priority -100;"
    " iifname eth1 tcp dport 8080 dnat to 192.168.1.10:80; } }"
)


def tracked(table: Conntrack, packet: Ipv4Packet, now: int = 0):
    """Track a packet and let it survive."""
    found = table.track(packet, now)
    if found.connection is not None:
        table.confirm(found.connection)
    return found


@pytest.mark.parametrize("kind", [echo, udp, segment])
def test_first_packet_is_new_the_answer_established_and_then_both_are(kind):
    table = Conntrack()
    there = kind(A, OUT)
    back = {
        echo: lambda: echo(OUT, A, reply=True),
        udp: lambda: udp(OUT, A, 9, 5000),
        segment: lambda: segment(OUT, A, 80, 5000, tcp.SYN | tcp.ACK),
    }[kind]()
    assert tracked(table, there).state == "new"
    assert tracked(table, there).state == "new"
    answer = tracked(table, back)
    assert (answer.state, answer.direction) == ("established", "reply")
    assert tracked(table, there).state == "established"
    assert len(table) == 1


def test_packet_that_was_dropped_leaves_no_connection():
    table = Conntrack()
    table.track(udp(A, OUT), 0)
    assert len(table) == 0


@pytest.mark.parametrize(
    "packet",
    [
        segment(A, OUT, flags=tcp.RST),
        segment(A, OUT, flags=tcp.SYN | tcp.ACK),
        echo(A, OUT, reply=True),
        Ipv4Packet(ip(A), ip(OUT), PROTO_ICMP, IcmpMessage(3, 1, original=udp(OUT, A))),
    ],
)
def test_packet_that_begins_nothing_is_invalid(packet):
    assert Conntrack().track(packet, 0).state == "invalid"


def test_tcp_picked_up_in_the_middle_is_new():
    """nf_conntrack_tcp_loose."""
    assert Conntrack().track(segment(A, OUT, flags=tcp.ACK), 0).state == "new"


def test_error_about_a_known_packet_is_related():
    table = Conntrack()
    tracked(table, udp(A, OUT))
    error = Ipv4Packet(
        ip("198.51.100.1"), ip(A), PROTO_ICMP, IcmpMessage(icmp.DEST_UNREACHABLE, 1, original=udp(A, OUT))
    )
    found = table.track(error, 1)
    assert (found.state, found.direction) == ("related", "reply")


@pytest.mark.parametrize(
    ("packets_sent", "name"),
    [
        ([echo(A, OUT)], "icmp"),
        ([udp(A, OUT)], "udp"),
        ([udp(A, OUT), udp(OUT, A, 9, 5000), udp(A, OUT), udp(A, OUT)], "udp-stream"),
        ([segment(A, OUT)], "SYN_SENT"),
        ([segment(A, OUT), segment(OUT, A, 80, 5000, tcp.SYN | tcp.ACK)], "SYN_RECV"),
        (
            [segment(A, OUT), segment(OUT, A, 80, 5000, tcp.SYN | tcp.ACK), segment(A, OUT, flags=tcp.ACK)],
            "ESTABLISHED",
        ),
        (
            [
                segment(A, OUT),
                segment(OUT, A, 80, 5000, tcp.SYN | tcp.ACK),
                segment(A, OUT, flags=tcp.ACK),
                segment(OUT, A, 80, 5000, tcp.RST),
            ],
            "CLOSE",
        ),
    ],
)
def test_silent_connection_lives_exactly_as_long_as_its_state_allows(packets_sent, name):
    table = Conntrack()
    for packet in packets_sent:
        tracked(table, packet)
    assert len(table.connections(TIMEOUT_NS[name] - 1)) == 1
    assert table.connections(TIMEOUT_NS[name]) == []


def test_attempt_that_is_refused_leaves_no_connection():
    """nf_conntrack_tcp_packet: only ever answered by a reset."""
    table = Conntrack()
    tracked(table, segment(A, OUT))
    assert tracked(table, segment(OUT, A, 80, 5000, tcp.RST | tcp.ACK)).state == "established"
    assert len(table) == 0


def test_closed_from_both_sides_waits_two_minutes():
    table = Conntrack()
    for flags, forth in [
        (tcp.SYN, 1),
        (tcp.SYN | tcp.ACK, 0),
        (tcp.ACK, 1),
        (tcp.FIN | tcp.ACK, 1),
        (tcp.FIN | tcp.ACK, 0),
        (tcp.ACK, 1),
    ]:
        tracked(table, segment(A, OUT, flags=flags) if forth else segment(OUT, A, 80, 5000, flags))
    (connection,) = table.connections(0)
    assert connection.tcp_state == "TIME_WAIT"
    assert connection.expires_ns == 120 * SECOND


def test_flow_reversed_twice_is_the_flow():
    for packet in (udp(A, OUT), segment(A, OUT), echo(A, OUT)):
        flow = flow_of(packet)
        assert flow.reversed.reversed == flow


def home(rules: str = MASQUERADE) -> Machine:
    """A home router: eth0 inside, eth1 outside."""
    machine = Machine(forward=True, rules=rules, eth0="192.168.1.1/24", eth1="203.0.113.2/24")
    machine.know(A, 10)
    machine.know(B, 11)
    machine.know(OUT, 9, "eth1")
    machine.know("203.0.113.1", 1, "eth1")
    machine.route("198.51.100.0/24", "eth1", "203.0.113.1")
    return machine


def only(frames) -> Ipv4Packet:
    (packet,) = packets(frames)
    return packet


@pytest.mark.parametrize("kind", [udp, segment, echo])
def test_masquerade_both_halves(kind):
    machine = home()
    out = only(machine.packet(kind(A, OUT)))
    assert (str(out.src), str(out.dst)) == ("203.0.113.2", OUT)
    back = {
        udp: lambda: udp(OUT, "203.0.113.2", 9, 5000),
        segment: lambda: segment(OUT, "203.0.113.2", 80, 5000, tcp.SYN | tcp.ACK),
        echo: lambda: echo(OUT, "203.0.113.2", reply=True),
    }[kind]()
    answer = only(machine.packet(back, port="eth1"))
    assert (str(answer.src), str(answer.dst)) == (OUT, A)


@pytest.mark.parametrize("kind", [udp, segment])
def test_masquerade_two_clients_with_one_port_get_two(kind):
    machine = home()
    first, second = only(machine.packet(kind(A, OUT))), only(machine.packet(kind(B, OUT)))
    assert first.src == second.src
    assert first.payload.sport == 5000 != second.payload.sport
    for used, client in ((first, A), (second, B)):
        back = kind(
            OUT,
            "203.0.113.2",
            used.payload.dport,
            used.payload.sport,
            **({"flags": tcp.SYN | tcp.ACK} if kind is segment else {}),
        )
        answer = only(machine.packet(back, port="eth1"))
        assert (str(answer.dst), answer.payload.dport) == (client, 5000)


def test_masquerade_two_pings_with_one_identifier_get_two():
    machine = home()
    first, second = only(machine.packet(echo(A, OUT))), only(machine.packet(echo(B, OUT)))
    assert first.payload.identifier != second.payload.identifier
    for used, client in ((first, A), (second, B)):
        answer = only(
            machine.packet(echo(OUT, "203.0.113.2", identifier=used.payload.identifier, reply=True), port="eth1")
        )
        assert (str(answer.dst), answer.payload.identifier) == (client, 1)


def test_masquerade_over_ipv6_two_pings_with_one_identifier_get_two():
    table = Conntrack()
    wished = Flow(IPv6.parse("2001:db8:9::1"), IPv6.parse("2001:db8::1"), PROTO_ICMPV6, 7, 129 << 8)
    asked = Icmpv6Message(128, 0, 7, 1, b"")
    taken = tracked(table, Ipv6Packet(wished.daddr, wished.saddr, PROTO_ICMPV6, asked, 64))
    assert taken.connection is not None
    other = table.free(taken.connection.reply, 0, 0xFFFF)
    assert other.sport != 7
    assert other._replace(sport=7) == taken.connection.reply


@pytest.mark.parametrize("kind", [udp, segment, echo])
def test_masquerade_error_from_outside_reaches_the_client_about_its_own_packet(kind):
    machine = home()
    machine.packet(echo(B, OUT))  # so that the identifier of the next ping is translated too
    out = only(machine.packet(kind(A, OUT)))
    error = Ipv4Packet(
        ip("203.0.113.1"), ip("203.0.113.2"), PROTO_ICMP, IcmpMessage(3, 1, original=out._replace(ttl=63))
    )
    told = only(machine.packet(error, port="eth1"))
    assert (str(told.src), str(told.dst)) == ("203.0.113.1", A)
    inner = told.payload.original
    assert (str(inner.src), str(inner.dst)) == (A, OUT)
    assert flow_of(inner) == flow_of(kind(A, OUT))


def test_masquerade_next_hop_that_nobody_has_the_client_is_told():
    machine = home()
    machine.packet(udp(A, "203.0.113.77"))
    (told,) = [p for p in packets(machine.until(4 * SECOND)) if isinstance(p.payload, IcmpMessage)]
    assert (str(told.src), str(told.dst), str(told.payload.original.src)) == ("203.0.113.2", A, A)


def test_destination_translated_both_halves_and_its_errors():
    machine = home(FORWARD_IN)
    inside = only(machine.packet(segment(OUT, "203.0.113.2", 4000, 8080), port="eth1"))
    assert (str(inside.src), str(inside.dst), inside.payload.dport) == (OUT, A, 80)
    back = only(machine.packet(segment(A, OUT, 80, 4000, tcp.SYN | tcp.ACK)))
    assert (str(back.src), back.payload.sport) == ("203.0.113.2", 8080)
    told = only(machine.packet(Ipv4Packet(ip(A), ip(OUT), PROTO_ICMP, IcmpMessage(3, 13, original=inside))))
    assert (str(told.src), str(told.payload.original.dst), told.payload.original.payload.dport) == (
        "203.0.113.2",
        "203.0.113.2",
        8080,
    )


def test_answer_nobody_asked_for_is_for_the_router_itself():
    machine = home()
    assert errors(machine.packet(udp(OUT, "203.0.113.2", 9, 5000), port="eth1")) == [(3, 3, "203.0.113.2", OUT)]


def test_connection_is_translated_as_it_began_also_when_the_rules_are_gone():
    machine = home()
    machine.packet(udp(A, OUT))
    machine.rules("table ip nat { chain post { type nat hook postrouting priority 100; } }")
    assert str(only(machine.packet(udp(A, OUT))).src) == "203.0.113.2"


def test_full_range_of_ports_is_searched_in_order():
    table = Conntrack()
    reply = Flow(ip(OUT), ip("203.0.113.2"), PROTO_UDP, 9, 5000)
    assert table.free(reply, 1024, 65535) == reply
    taken = table.track(udp("203.0.113.2", OUT, 5000, 9), 0).connection
    table.confirm(taken)
    assert table.free(reply, 1024, 65535).dport == 5001


def test_protocol_numbers():
    assert (PROTO_ICMP, PROTO_TCP, PROTO_UDP) == (1, 6, 17)
