"""Every fault of radio hurts where it is meant to, and the tool of a technician shows it."""

from __future__ import annotations

import pytest

from labs.faults import radio
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import MINUTE_NS, Workshop, name_of

WORKSHOP = Workshop("radio_workshop.yaml")

# The checks that break, the line of a technician, and a word of its answer.
SHOWN = {
    "lorawan-wrong-appkey": ({"t1"}, "server", "lorawanctl log", "t1: join request: MIC mismatch"),
    "lorawan-eui-reversed": ({"t2"}, "server", "lorawanctl log", "join request of unknown device 70b3d5"),
    "lorawan-devnonce-reused": ({"t3"}, "server", "lorawanctl log", "t3: join request: DevNonce 1 already used"),
    "lorawan-wrong-region": ({"t1"}, "t1", "lorawanctl status", "US915"),
    "lorawan-duty-cycle": ({"t3"}, "t3", "lorawanctl log", "duty cycle: not sent, the band is free in"),
    "lorawan-sf-too-high": ({"t1"}, "server", "lorawanctl status", " 12   -81    56.0"),
    "weak-signal": ({"t1"}, "hands", "look t1", "in valley"),
    "antenna-missing": ({"t2"}, "server", "lorawanctl status", "t2             70b3d5"),
    "lora-gateway-offline": ({"t1", "t2", "t3"}, "lgw", "journalctl -u lora-pkt-fwd", "lorawan.example"),
}


def test_site_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_radio_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in radio.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(use: FaultUse) -> None:
    hurt, place, line, word = SHOWN[use.fault]
    assert WORKSHOP.broken_by(use) >= hurt
    engine = WORKSHOP.started(use, wait_ns=6 * MINUTE_NS)
    assert word in engine.run(place, line).text


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("lorawan-wrong-appkey", {"on": "server", "of": "t9"}, 'server does not know "t9"; it knows: t1, t2, t3'),
        ("lorawan-wrong-appkey", {"on": "lgw", "of": "t1"}, "the fault needs a LoRaWAN network server"),
        ("lorawan-wrong-region", {"on": "t1", "region": "MARS"}, '"MARS" is not a region; known are EU868'),
        ("lorawan-duty-cycle", {"on": "t1", "interval": 600}, "every 600 s is allowed even at SF12"),
        ("lorawan-sf-too-high", {"on": "t1", "sf": 13}, '"lorawan.sf" is 13; it must be from 7 to 12'),
        ("weak-signal", {"on": "t1", "room": "barn"}, "t1 is in barn already"),
        ("weak-signal", {"on": "t1", "room": "moon"}, 'there is no room "moon"'),
        ("lora-gateway-offline", {"on": "server"}, "the fault needs a LoRaWAN gateway"),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(name, parameters, said)
