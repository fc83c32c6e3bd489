"""Forwarding, delivery and ICMP errors of one device."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.model.state import Route
from labs.net import icmp
from labs.net.actions import Dropped, DropReason, Forwarded
from labs.net.ethernet import BROADCAST
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, Ipv4Packet
from tests.net.machine import MS, SECOND, Machine, echo, errors, ip, mac, packets, segment, udp

NEAR, FAR = "10.0.0.2", "10.1.0.2"


def router(**more: object) -> Machine:
    machine = Machine(forward=True, eth0="10.0.0.1/24", eth1="10.1.0.1/24", **more)  # type: ignore[arg-type]
    machine.know(NEAR, 2)
    machine.know(FAR, 3, "eth1")
    return machine


def death(machine: Machine) -> DropReason:
    return next(note.reason for note in machine.notes if isinstance(note, Dropped))


def test_router_forwards_with_one_hop_less_and_new_macs():
    machine = router()
    (frame,) = machine.packet(echo(NEAR, FAR, ttl=9))
    assert frame.payload.ttl == 8
    assert (frame.src, frame.dst) == (machine.node.interfaces["eth1"].mac, mac(3))
    forwarded = next(note for note in machine.notes if isinstance(note, Forwarded))
    assert (forwarded.incoming, forwarded.outgoing) == ("eth0", "eth1")


@pytest.mark.parametrize("ttl", [0, 1])
def test_last_hop_used_up_the_sender_is_told_from_the_near_address(ttl):
    assert errors(router().packet(echo(NEAR, FAR, ttl=ttl))) == [(11, 0, "10.0.0.1", NEAR)]


def test_last_hop_is_enough_for_the_router_itself():
    (frame,) = router().packet(echo(NEAR, "10.1.0.1", ttl=1))
    assert frame.payload.src == ip("10.1.0.1")


def test_no_router_forwards_nothing_and_says_nothing():
    machine = Machine(forward=False, eth0="10.0.0.1/24", eth1="10.1.0.1/24")
    machine.know(NEAR, 2)
    assert machine.packet(echo(NEAR, FAR)) == []
    assert death(machine) is DropReason.NOT_FORWARDING


@pytest.mark.parametrize(
    ("kind", "code"),
    [("", 0), ("unreachable", icmp.HOST_UNREACHABLE), ("prohibit", icmp.ADMIN_PROHIBITED), ("blackhole", None)],
)
def test_no_way_on_the_sender_is_told_what_the_route_says(kind, code):
    machine = router()
    if kind:
        machine.route("172.16.0.0/12", kind=kind)
    told = errors(machine.packet(echo(NEAR, "172.16.0.1")))
    assert told == ([] if code is None else [(3, code, "10.0.0.1", NEAR)])


def test_errors_about_missing_routes_a_ping_that_goes_on_sees_four():
    """ip_error and icmpv4_xrlim_allow share one bucket: measured on Linux 6.18."""
    machine = router()
    told = [len(errors(machine.packet(echo(NEAR, "172.16.0.1"), at=second * SECOND))) for second in range(9)]
    assert told == [1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_other_errors_a_burst_of_six_then_one_a_second():
    machine = router()
    burst = [len(errors(machine.packet(echo(NEAR, FAR, ttl=1), at=1))) for _ in range(8)]
    assert burst == [1] * 6 + [0] * 2
    assert errors(machine.packet(echo(NEAR, FAR, ttl=1), at=SECOND // 2)) == []
    assert len(errors(machine.packet(echo(NEAR, FAR, ttl=1), at=2 * SECOND))) == 1


def test_every_peer_has_its_own_limit():
    machine = router()
    machine.know("10.0.0.3", 4)
    for _ in range(8):
        machine.packet(echo(NEAR, FAR, ttl=1))
    assert len(errors(machine.packet(echo("10.0.0.3", FAR, ttl=1)))) == 1


@pytest.mark.parametrize(
    "packet",
    [
        Ipv4Packet(ip(NEAR), ip(FAR), PROTO_ICMP, IcmpMessage(3, 1, original=echo(FAR, NEAR)), ttl=1),
        udp("255.255.255.255", FAR, ttl=1),
        udp("0.0.0.0", FAR, ttl=1),
        udp("224.0.0.1", FAR, ttl=1),
    ],
)
def test_error_is_never_sent_about_an_error_or_to_a_group(packet):
    """RFC 1122 §3.2.2."""
    assert errors(router().packet(packet)) == []


@pytest.mark.parametrize("source", ["10.0.0.1", "10.1.0.1", "127.0.0.1"])
def test_source_that_is_our_own_is_a_martian(source):
    machine = router()
    assert machine.packet(echo(source, FAR)) == []
    assert death(machine) is DropReason.INVALID_SOURCE


@pytest.mark.parametrize(
    ("mode", "source", "believed"),
    [
        (0, "10.1.0.9", True),
        (1, "10.1.0.9", False),
        (2, "10.1.0.9", True),
        (0, "172.16.0.1", True),
        (1, "172.16.0.1", False),
        (2, "172.16.0.1", False),
        (1, NEAR, True),
    ],
)
def test_reverse_path_filter_strict_and_loose(mode, source, believed):
    """RFC 3704: 1 believes a source on its own interface only, 2 on any."""
    machine = router()
    machine.node.sysctl.set("net.ipv4.conf.eth0.rp_filter", str(mode))
    machine.packet(echo(source, FAR))
    assert (
        death(machine) is DropReason.INVALID_SOURCE
        if machine.notes and isinstance(machine.notes[0], Dropped)
        else False
    ) is not believed


def test_reverse_path_filter_all_and_interface_the_larger_counts():
    machine = router()
    machine.node.sysctl.set("net.ipv4.conf.all.rp_filter", "1")
    machine.node.sysctl.set("net.ipv4.conf.eth0.rp_filter", "2")
    assert len(packets(machine.packet(echo("10.1.0.9", FAR)))) == 1


def test_packet_for_another_machine_in_a_broadcast_frame_is_not_forwarded():
    machine = router()
    assert machine.packet(echo(NEAR, FAR), dst=BROADCAST) == []
    assert death(machine) is DropReason.NOT_LOCAL


def test_too_big_for_the_next_link_the_sender_is_told_its_mtu():
    machine = router()
    machine.node.interfaces["eth1"].mtu = 1000
    big = udp(NEAR, FAR, data=bytes(1200), dont_fragment=True)  # type: ignore[arg-type]
    (frame,) = machine.packet(big)
    assert errors([frame]) == [(3, 4, "10.0.0.1", NEAR)]
    assert frame.payload.payload.sequence == 1000


@pytest.mark.parametrize("target", ["10.0.0.255", "255.255.255.255"])
def test_broadcast_reaches_a_socket_and_is_never_answered_by_echo(target):
    machine = router()
    socket = machine.node.transport.udp_open(9)
    machine.packet(udp(NEAR, target), dst=BROADCAST)
    assert len(socket.queue) == 1
    assert machine.packet(echo(NEAR, target), dst=BROADCAST) == []
    assert machine.packet(udp(NEAR, target, dport=77), dst=BROADCAST) == [], "no error about a broadcast"
    assert machine.packet(segment(NEAR, target), dst=BROADCAST) == [], "TCP has one peer"


def test_broadcast_of_a_network_whose_interface_is_down_is_no_broadcast():
    machine = router()
    machine.node.set_up(machine.node.interfaces["eth1"], up=False)
    assert not machine.node.ip.is_broadcast(ip("10.1.0.255"))


def test_program_may_not_ask_everybody_unless_it_says_so():
    machine = router()
    socket = machine.node.transport.udp_open()
    assert machine.node.transport.udp_send(socket, ip("10.0.0.255"), 9, b"x") == "Permission denied"
    socket.broadcast = True
    assert machine.node.transport.udp_send(socket, ip("10.0.0.255"), 9, b"x") is None
    assert [frame.dst for frame in machine.frames(machine.node.drain(0))] == [BROADCAST]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("", "Network is unreachable"),
        ("blackhole", "Invalid argument"),
        ("unreachable", "No route to host"),
        ("prohibit", "Permission denied"),
    ],
)
def test_own_packet_without_a_way_out_the_program_is_told(kind, error):
    machine = router()
    if kind:
        machine.route("172.16.0.0/12", kind=kind)
    assert machine.send(udp("0.0.0.0", "172.16.0.1")) == (error, [])


def test_source_address_is_the_one_in_the_network_of_the_gateway():
    machine = Machine(eth0="10.0.0.1/24 10.5.0.1/24")
    machine.route("0.0.0.0/0", "eth0", "10.5.0.254")
    machine.know("10.5.0.254", 9)
    _, (frame,) = machine.send(udp("0.0.0.0", "8.8.8.8"))
    assert frame.payload.src == ip("10.5.0.1")


def test_source_address_of_the_route_wins():
    machine = Machine(eth0="10.0.0.1/24 10.5.0.1/24")
    machine.know("10.0.0.7", 7)
    machine.route("10.0.0.7/32", "eth0", source=ip("10.5.0.1"))
    _, (frame,) = machine.send(udp("0.0.0.0", "10.0.0.7"))
    assert frame.payload.src == ip("10.5.0.1")


def test_own_second_address_is_reached_from_the_first():
    machine = Machine(eth0="10.0.0.1/24 10.0.0.5/24 10.9.0.1/24")
    assert [str(machine.node.ip.preferred_source(ip(text))) for text in ("10.0.0.5", "10.9.0.1", "127.0.0.9")] == [
        "10.0.0.1",
        "10.9.0.1",
        "127.0.0.1",
    ]


def test_loopback_down_nobody_reaches_himself():
    machine = router()
    machine.node.set_up(machine.node.interfaces["lo"], up=False)
    assert machine.send(echo("10.0.0.1", "127.0.0.1"))[0] == "Network is unreachable"


def test_interface_down_takes_its_routes_and_up_brings_the_connected_one_back():
    machine = router()
    machine.route("172.16.0.0/12", "eth1", FAR)
    machine.node.set_up(machine.node.interfaces["eth1"], up=False)
    assert {r.device for r in machine.node.routes()} == {"eth0"}
    machine.node.set_up(machine.node.interfaces["eth1"], up=True)
    assert [str(r.prefix) for r in machine.node.routes() if r.device == "eth1"] == ["10.1.0.0/24"]


CHANGES = st.sampled_from(
    [
        "forward on", "forward off", "route", "no route", "prohibit", "down", "up", "address", "no address",
        "strict", "loose", "gateway", "rename", "mtu", "settle",
    ]
)  # fmt: skip


def change(machine: Machine, what: str) -> None:
    """One change of the configuration, as the commands of a device make it."""
    from labs.net.linux import link_config

    node, eth1 = machine.node, next(i for i in machine.node.interfaces.values() if i.index == 3)
    extra = InterfaceAddress.parse("10.2.0.1/24")
    via = Route(Network.parse("10.2.0.0/16"), eth1.name, via=ip(FAR))
    refusing = Route(Network.parse("10.2.0.0/24"), None, kind="prohibit")
    if what.startswith("forward"):
        node.sysctl.set("net.ipv4.ip_forward", str(int(what.endswith("on"))))
    elif what in {"route", "prohibit"}:
        node.ip.routes.add(via if what == "route" else refusing)
    elif what == "no route":
        node.ip.routes.remove_where([r for r in node.routes() if r.protocol != "kernel"])
    elif what in {"down", "up"}:
        node.set_up(eth1, up=what == "up")
        if what == "up":
            machine.know(FAR, 3, eth1.name)
    elif what == "address":
        node.add_address(eth1, extra)
    elif what == "no address" and extra in eth1.addresses:
        node.remove_address(eth1, extra)
    elif what in {"strict", "loose"}:
        node.sysctl.set("net.ipv4.conf.all.rp_filter", str(int(what == "strict")))
    elif what == "gateway":
        node.ip.routes.replace(Route(Network.parse("0.0.0.0/0"), eth1.name, via=ip(FAR)))
    elif what == "rename":
        link_config.rename(node, eth1, "wan" if eth1.name == "eth1" else "eth1")
        machine.know(FAR, 3, eth1.name)
    elif what == "mtu":
        eth1.mtu = 1000 if eth1.mtu == 1500 else 1500
    elif what == "settle":
        machine.until(machine.now + 10 * SECOND)
    node.drain(machine.now)


@given(
    st.lists(
        st.tuples(
            CHANGES,
            st.sampled_from([FAR, "10.2.0.5", "10.2.0.1", "10.0.0.77", "172.16.0.1"]),
            st.sampled_from([NEAR, FAR, "10.2.0.9"]),
        ),
        max_size=25,
    )
)
def test_remembered_decisions_after_any_change_are_those_made_afresh(steps):
    """The same packets and changes on two routers, one of which forgets everything before each packet."""
    remembering, forgetful = router(), router()
    for what, target, source in steps:
        seen = []
        for machine in (remembering, forgetful):
            change(machine, what)
            if machine is forgetful:
                machine.node.ip.routes.forget_answers()
            out = machine.packet(udp(source, target, data=bytes(1100), dont_fragment=True))  # type: ignore[arg-type]
            seen.append((out, machine.notes, machine.until(machine.now + MS)))
        assert seen[0] == seen[1]


def test_type_of_address_multicast_is_no_unicast():
    assert not router().node.ip.is_local(IPv4.parse("224.0.0.1"))
