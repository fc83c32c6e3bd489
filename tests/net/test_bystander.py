"""A question by ARP to somebody else: counted in one look, or left to the layers where there is more to do."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from labs.net.arp import REPLY, REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.neighbour import NeighbourState
from tests.net.machine import Machine, ip, mac


def asked(target: str, *, sender: str = "10.0.0.9", operation: int = REQUEST, vlan: int | None = None) -> Frame:
    packet = ArpPacket(operation, mac(9), ip(sender), mac(0), ip(target))
    return Frame(BROADCAST, mac(9), ETHERTYPE_ARP, packet, vlan)


def quiet() -> Machine:
    machine = Machine()
    machine.node.tracing = False
    machine.node.powered = True
    machine.node.changed()
    return machine


def test_question_to_a_stranger_is_counted_as_the_layers_count_it():
    """Counters, neighbours and timers are the same either way."""
    short, long = quiet().node, quiet().node
    assert short.link.bystander.overhears("eth0", asked("10.0.0.7"), 5)
    assert not long.receive("eth0", asked("10.0.0.7"), 5)
    assert astuple(short.interfaces["eth0"].rx) == astuple(long.interfaces["eth0"].rx)
    assert short.interfaces["eth0"].rx.packets == 1
    assert not short.link.neighbours.known("eth0", ip("10.0.0.9"))
    assert short._timers == long._timers


@pytest.mark.parametrize(
    "frame",
    [
        asked("10.0.0.1"),
        asked("10.0.0.7", sender="0.0.0.0"),
        asked("10.0.0.7", operation=REPLY),
        asked("10.0.0.7", vlan=7),
    ],
    ids=["to us", "probe", "answer", "tagged"],
)
def test_whatever_else_it_is_goes_through_the_layers(frame: Frame):
    node = quiet().node
    assert not node.link.bystander.overhears("eth0", frame, 5)
    assert node.interfaces["eth0"].rx.packets == 0


def test_known_neighbour_asks_the_layers_hear_where_it_is_now():
    node = quiet().node
    node.link.neighbours.create(node.interfaces["eth0"], ip("10.0.0.9"), NeighbourState.STALE)
    assert not node.link.bystander.overhears("eth0", asked("10.0.0.7"), 5)


def test_capture_or_proxy_begins_the_layers_hear_it_from_then_on():
    """What was known of the port is forgotten with the next change of the device."""
    node = quiet().node
    assert node.link.bystander.overhears("eth0", asked("10.0.0.7"), 5)
    socket = node.transport.packet_open("eth0")
    assert not node.link.bystander.overhears("eth0", asked("10.0.0.7"), 6)
    node.transport.packet_close(socket)
    assert node.link.bystander.overhears("eth0", asked("10.0.0.7"), 7)
    node.sysctl.set("net.ipv4.conf.all.proxy_arp", "1")
    assert not node.link.bystander.overhears("eth0", asked("10.0.0.7"), 8)
