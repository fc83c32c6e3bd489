"""Every fault of Zigbee hurts where it is meant to, the tool of a technician shows it, and the repair helps."""

from __future__ import annotations

import pytest

from labs.faults import zigbee
from labs.scenario.scenario import FaultUse
from labs.things.zigbee.config import parse_device
from tests.faults.workshop import MINUTE_NS, Workshop, name_of

WORKSHOP = Workshop("zigbee_workshop.yaml")
SUB = "mosquitto_sub -h server -u all -P two -C 1 -W 5 -t zigbee2mqtt/"
PUB = "mosquitto_pub -h server -u all -P two -t zigbee2mqtt/bridge/request/permit_join -m "
OPEN = ("server", f"{PUB}true")

# The checks that break, the line of a technician, and a word of its answer.
SHOWN = {
    "zigbee-wifi-overlap": ({"t1", "t2"}, "t1", "journalctl -u zigbee", "channel access failure (0xe1)"),
    "zigbee-key-mismatch": ({"t1"}, "hub", "journalctl -u zigbee2mqtt", "cannot be deciphered"),
    "permit-join-off": ({"t2"}, "t2", "journalctl -u zigbee", "joining is not permitted: network 0x"),
    "permit-join-left-on": ({"ours"}, "server", f"{SUB}bridge/info", '"permit_join":true'),
    "zigbee-wrong-channel": ({"t1", "t2"}, "server", f"{SUB}bridge/info", '"channel":20'),
    "zigbee-out-of-range": ({"t1"}, "t1", "journalctl -u zigbee", "no acknowledgement (0xe9)"),
    "zigbee-wrong-port": ({"t1", "t2"}, "hub", "journalctl -u zigbee2mqtt", "cannot open /dev/ttyUSB0"),
}
SETTINGS = "/etc/zigbee2mqtt/configuration.yaml"
STRANGER = parse_device(WORKSHOP.healthy.devices["stranger"].files["/etc/zigbee.toml"]).ieee
WHILE_OPEN = [  # whoever searches while joining is permitted gets in
    ("hands", "wait 1 min"),
    ("server", f"{PUB}false"),
    ("server", f"{PUB.replace('permit_join', 'device/remove')}'{STRANGER}'"),
]
AGAIN = ("hub", "systemctl restart zigbee2mqtt")
REPAIRS = {
    "zigbee-key-mismatch": [OPEN, ("hands", "pair t1"), *WHILE_OPEN],
    "permit-join-off": [OPEN, ("hands", "pair t2"), *WHILE_OPEN],
    "permit-join-left-on": [("hub", rf"sed -i s/permit_join:.*/permit_join:\ false/ {SETTINGS}"), AGAIN, *WHILE_OPEN],
    "zigbee-wrong-channel": [("hub", f"sed -i 's/channel: 20/channel: 15/' {SETTINGS}"), AGAIN],
    "zigbee-out-of-range": [("hands", "move t1 hall")],
    "zigbee-wrong-port": [("hub", f"sed -i s/ttyUSB0/ttyACM0/ {SETTINGS}"), AGAIN],
}


def test_site_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_zigbee_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in zigbee.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(use: FaultUse) -> None:
    hurt, place, line, word = SHOWN[use.fault]
    assert WORKSHOP.broken_by(use) >= hurt
    engine = WORKSHOP.started(use, wait_ns=5 * MINUTE_NS)
    assert word in engine.run(place, line).text


@pytest.mark.parametrize("use", [use for use in WORKSHOP.uses if use.fault in REPAIRS], ids=name_of)
def test_repair_helps(use: FaultUse) -> None:
    lines = [*REPAIRS[use.fault], ("hands", "wait 2 min")]
    assert not WORKSHOP.broken_by(use, lines=lines)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("zigbee-wifi-overlap", {"on": "hub", "channel": 6, "room": "office"}, "does not reach Zigbee channel 15"),
        ("zigbee-wifi-overlap", {"on": "hub", "channel": 15, "room": "office"}, "15 is no Wi-Fi channel"),
        ("zigbee-wifi-overlap", {"on": "server", "channel": 4, "room": "office"}, "the fault needs a Zigbee gateway"),
        ("zigbee-key-mismatch", {"on": "server"}, "the fault needs a Zigbee sensor"),
        ("permit-join-off", {"on": "hub", "of": "stranger"}, "stranger is not paired with hub"),
        ("zigbee-wrong-channel", {"on": "hub", "channel": 15}, "is on channel 15 already"),
        ("zigbee-wrong-channel", {"on": "hub", "channel": 27}, "27 is no Zigbee channel"),
        ("permit-join-left-on", {"on": "t1"}, "the fault needs a Zigbee gateway"),
        ("zigbee-out-of-range", {"on": "t1", "room": "attic"}, 'there is no room "attic"'),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(name, parameters, said)
