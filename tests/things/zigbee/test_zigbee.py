"""Zigbee without an engine: channels against Wi-Fi, chances of a frame, files, and what a coordinator answers."""

from __future__ import annotations

import json
import math

import pytest

from labs.net.zigbee import BROADCAST_PAN, COORDINATOR, Kind, ZigbeeFrame
from labs.things.thing_config import ThingConfigError
from labs.things.zigbee.association import TRANSITIONS, Answer, Coordinator, Dropped, Joined, Reported, State, seal
from labs.things.zigbee.config import (
    Network,
    database_of,
    named,
    network_file,
    parse_bridge,
    parse_database,
    parse_device,
    parse_network,
)
from labs.things.zigbee.link import BUSY_SHARE, CHANNELS, chances, channel_mhz, interference_dbm, lqi, overlaps

IEEE = "0x00124b0000000001"
NETWORK = Network(15, 0x1A62, bytes(range(16)))
BRIDGE = """
mqtt: {base_topic: home/zigbee, server: 'mqtt://server:1884', user: z2m, password: one}
serial: {port: /dev/ttyACM0}
advanced: {channel: 15, pan_id: 6754, network_key: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}
devices:
  '0x00124b0000000001': {friendly_name: hall}
"""


@pytest.mark.parametrize(
    ("wifi", "hit"),
    [(1, {11, 12, 13, 14}), (6, {16, 17, 18, 19}), (11, {21, 22, 23, 24}), (13, {23, 24, 25, 26})],
)
def test_wifi_channel_hits_the_published_zigbee_channels(wifi: int, hit: set[int]) -> None:
    assert {channel for channel in CHANNELS if overlaps(channel, wifi)} == hit


def test_gaps_beside_wifi_1_6_11_are_the_published_ones() -> None:
    assert [c for c in CHANNELS if not any(overlaps(c, wifi) for wifi in (1, 6, 11))] == [15, 20, 25, 26]
    assert (channel_mhz(15), channel_mhz(20)) == (2425, 2450)


def test_interference_counts_only_what_covers_the_channel() -> None:
    assert interference_dbm(15, [(1, -30.0), (6, -30.0)]) == -math.inf
    assert interference_dbm(16, [(6, -50.0)]) == pytest.approx(-60.4, abs=0.1)  # 2 of 22 MHz


def test_chances_fall_with_signal_and_with_wifi() -> None:
    quiet = -math.inf
    assert chances(-70, quiet, quiet) == (0.0, 0.0)
    assert chances(-97, quiet, quiet).lost == 1.0
    assert 0 < chances(-94, quiet, quiet).lost < chances(-96, quiet, quiet).lost
    assert chances(-70, quiet, -72) == (0.0, BUSY_SHARE)
    assert chances(-70, -60, quiet) == (BUSY_SHARE, 0.0)
    assert [lqi(dbm) for dbm in (-120, -97, 0)] == [0, 0, 255]


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(TRANSITIONS.values())
    assert reached == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.JOINED}


def frame(kind: Kind, body: bytes = b"", key: bytes = b"", pan: int = NETWORK.pan_id) -> ZigbeeFrame:
    return ZigbeeFrame(kind, 15, pan, IEEE, COORDINATOR, body, seal(key, IEEE, body) if key else b"")


def report(counter: int, key: bytes = NETWORK.key) -> ZigbeeFrame:
    return frame(Kind.DATA, json.dumps({"n": counter, "values": {"temperature": 20.5}}).encode(), key)


def test_coordinator_that_permits_hands_over_its_key() -> None:
    machine = Coordinator(NETWORK, [])
    machine.permit = True
    answer, joined = machine.receive(frame(Kind.ASSOCIATE_REQUEST))
    assert isinstance(answer, Answer)
    assert json.loads(answer.frame.body) == {"status": 0, "key": NETWORK.key.hex()}
    assert joined == Joined(IEEE, known=False)
    assert machine.receive(report(5)) == [Reported(IEEE, {"temperature": 20.5})]


def test_coordinator_that_does_not_permit_says_so_and_lets_nobody_in() -> None:
    machine = Coordinator(NETWORK, [])
    (beacon,) = machine.receive(frame(Kind.BEACON_REQUEST, pan=BROADCAST_PAN))
    (refusal,) = machine.receive(frame(Kind.ASSOCIATE_REQUEST))
    assert isinstance(beacon, Answer)
    assert isinstance(refusal, Answer)
    assert json.loads(beacon.frame.body) == {"permit": False}
    assert json.loads(refusal.frame.body) == {"status": 2}
    assert machine.receive(report(1)) == [Dropped(IEEE, "is not in the database")]


def test_frame_with_another_key_or_counter_is_dropped() -> None:
    machine = Coordinator(NETWORK, [IEEE])
    assert "network key" in machine.receive(report(1, bytes(16)))[0].reason  # type: ignore[union-attr]
    assert isinstance(machine.receive(report(7))[0], Reported)
    assert machine.receive(report(7)) == [Dropped(IEEE, "repeats frame 7")]
    assert machine.receive(frame(Kind.DATA, b"[]", NETWORK.key)) == [Dropped(IEEE, "sends what nobody understands")]
    assert machine.receive(frame(Kind.DATA, pan=7)) == []


def test_files_are_read_as_they_are_written() -> None:
    assert parse_network(network_file(NETWORK)) == NETWORK
    assert parse_network("{}") is parse_network("nonsense") is None
    assert parse_database(database_of([IEEE])) == [IEEE]
    bridge = parse_bridge(BRIDGE)
    assert (bridge.network, bridge.names, bridge.permit_join) == (NETWORK, {IEEE: "hall"}, False)
    assert (bridge.mqtt.host, bridge.mqtt.port, bridge.mqtt.topic) == ("server", 1884, "home/zigbee")
    other = "0x00124b0000000002"
    assert parse_bridge(named(BRIDGE, other, "bath")).names == {IEEE: "hall", other: "bath"}
    assert parse_bridge(named(BRIDGE, IEEE, None)).names == {}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("advanced: {channel: 15", "advanced: {channel: 27", "advanced.channel is 27"),
        ("pan_id: 6754", "pan_id: 65535", "advanced.pan_id is 65535"),
        ("[0, 1,", "[256, 1,", "16 numbers from 0 to 255"),
        ("base_topic", "base_topik", 'did you mean "base_topic"?'),
        ("mqtt://server:1884", "server:1884", "mqtt://HOST:PORT"),
        ("mqtt://server:1884", "mqtt://server:99999", "mqtt://HOST:PORT"),
        ("serial:", "permit_join: often\nserial:", "permit_join is 'often'"),
        ("devices:", "devices: [", "line"),
        ("'0x00124b0000000001'", "0x00124b0000000001", "no IEEE address in quotes"),
    ],
)
def test_mistake_in_the_configuration_is_named(before: str, after: str, said: str) -> None:
    with pytest.raises(ThingConfigError, match=said.replace(".", r"\.").replace("?", r"\?")):
        parse_bridge(BRIDGE.replace(before, after))


@pytest.mark.parametrize("wrong", ['ieee = "1"', 'quantity = "mood"'])
def test_mistake_in_the_file_of_a_sensor_is_named(wrong: str) -> None:
    key = wrong.split(" ", maxsplit=1)[0]
    lines = [f'ieee = "{IEEE}"', "[sensor]", 'quantity = "temperature"']
    text = "[zigbee]\n" + "\n".join(wrong if line.startswith(key) else line for line in lines) + "\n"
    with pytest.raises(ThingConfigError, match=key):
        parse_device(text)
