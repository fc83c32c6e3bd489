"""A learning bridge, without a device around it."""

from __future__ import annotations

import pytest

from labs.model.addresses import IPv4, Mac
from labs.net.actions import DropReason
from labs.net.arp import REQUEST, ArpPacket
from labs.net.bridge import AGEING_TIME_NS, MAX_ENTRIES, MAX_HOPS, Bridge, StationKey
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.interface import Interface

A, B = Mac(0x02_00_00_00_00_0A), Mac(0x02_00_00_00_00_0B)
OWN = Mac(0x02_00_00_00_00_FF)
PAYLOAD = ArpPacket(REQUEST, A, IPv4(1), Mac(0), IPv4(2))


def frame(src: Mac, dst: Mac, hops: int = 0) -> Frame:
    return Frame(dst, src, ETHERTYPE_ARP, PAYLOAD, hops=hops)


def relay(bridge: Bridge, sent: Frame, port: Interface, now: int) -> list[Interface] | DropReason:
    found = bridge.relay(sent, port, OWN, now)
    return found if isinstance(found, DropReason) else found.ports


@pytest.fixture
def ports() -> list[Interface]:
    made = []
    for number in range(3):
        mac = Mac(0x02_FF_00_00_00_00 + number)
        made.append(Interface(f"p{number}", number, "ether", mac, mac, up=True, carrier=True))
    return made


@pytest.fixture
def bridge(ports) -> Bridge:
    made = Bridge()
    for port in ports:
        made.add_port(port)
    return made


def test_unknown_station_floods_to_all_other_ports(bridge, ports):
    assert relay(bridge, frame(A, B), ports[0], 0) == ports[1:]


def test_broadcast_floods_even_when_everybody_is_known(bridge, ports):
    bridge.learn(B, ports[1], 0)
    assert relay(bridge, frame(A, BROADCAST), ports[0], 0) == ports[1:]


def test_known_station_gets_the_frame_alone(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    assert relay(bridge, frame(A, B), ports[0], 1) == [ports[1]]


def test_station_that_moves_is_learned_again_at_once(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    relay(bridge, frame(B, BROADCAST), ports[2], 1)
    assert relay(bridge, frame(A, B), ports[0], 2) == [ports[2]]


def test_station_on_the_port_it_came_from_goes_nowhere(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[0], 0)
    assert relay(bridge, frame(A, B), ports[0], 1) == []


def test_silent_station_is_forgotten_after_the_ageing_time_and_not_before(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    assert relay(bridge, frame(A, B), ports[0], AGEING_TIME_NS) == [ports[1]]
    assert relay(bridge, frame(A, B), ports[0], AGEING_TIME_NS + 1) == ports[1:]


def test_talking_station_does_not_age(bridge, ports):
    for now in range(0, 10 * AGEING_TIME_NS, AGEING_TIME_NS // 2):
        relay(bridge, frame(B, BROADCAST), ports[1], now)
        assert relay(bridge, frame(A, B), ports[0], now) == [ports[1]]


def test_address_of_a_port_is_never_learned_elsewhere(bridge, ports):
    relay(bridge, frame(ports[2].mac, BROADCAST), ports[0], 0)
    assert bridge.stations[StationKey(ports[2].mac)].port is ports[2]


def test_group_address_is_never_learned(bridge, ports):
    relay(bridge, frame(BROADCAST, B), ports[0], 0)
    assert StationKey(BROADCAST) not in bridge.stations


@pytest.mark.parametrize("what", ["up", "carrier"])
def test_port_that_is_down_gets_nothing(bridge, ports, what):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    setattr(ports[1], what, False)
    assert relay(bridge, frame(A, B), ports[0], 1) == []
    assert relay(bridge, frame(A, BROADCAST), ports[0], 1) == [ports[2]]


def test_lost_link_forgets_who_was_behind_it(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    bridge.forget(ports[1])
    assert StationKey(B) not in bridge.stations
    assert StationKey(ports[1].mac) in bridge.stations


def test_removed_port_is_forgotten_with_its_own_address(bridge, ports):
    relay(bridge, frame(B, BROADCAST), ports[1], 0)
    gone = ports[1].mac
    bridge.remove_port(ports[1])
    assert {B, gone}.isdisjoint(key.mac for key in bridge.stations)


def test_frame_that_goes_round_is_stopped(bridge, ports):
    assert relay(bridge, frame(A, BROADCAST, hops=MAX_HOPS), ports[0], 0) == ports[1:]
    assert relay(bridge, frame(A, BROADCAST, hops=MAX_HOPS + 1), ports[0], 0) is DropReason.STORM


def test_full_table_floods_for_strangers(bridge, ports):
    for number in range(MAX_ENTRIES + 10):
        bridge.learn(Mac(0x02_10_00_00_00_00 + number), ports[1], 0)
    assert len(bridge.stations) == MAX_ENTRIES
    bridge.learn(B, ports[1], 0)
    assert relay(bridge, frame(A, B), ports[0], 0) == ports[1:]
