"""Every fault of Wi-Fi hurts where it is meant to, and the tool of a technician shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE, wifi
from labs.faults.fault import FaultError
from labs.journal import Header
from labs.scenario.library import load_scenario
from labs.scenario.scenario import FaultUse
from labs.scenario.variant import break_site, draw

SCENARIO = load_scenario(Path(__file__).parent / "wifi_workshop.yaml")
VARIANT = draw(SCENARIO, "0")
USES = SCENARIO.faults[0].options

# The checks that break, the line of a technician, and a word of its answer.
SHOWN = {
    "wifi-wrong-passphrase": ({"tablet"}, "ap", "journalctl -u hostapd", "AP-STA-POSSIBLE-PSK-MISMATCH"),
    "wifi-wrong-ssid": ({"tablet"}, "tablet", "wpa_cli status", "wpa_state=SCANNING"),
    "wifi-channel-13-client": ({"scale"}, "ap", "iw dev wlan0 info", "channel 13 (2472 MHz)"),
    "wifi-channel-overlap": ({"scale"}, "scale", "iw dev wlan0 scan", "SSID: Buren-8"),
    "wifi-pmf-required": ({"scale"}, "scale", "journalctl -u wpa_supplicant", "CTRL-EVENT-ASSOC-REJECT"),
    "wifi-wpa3-only": ({"tablet", "scale"}, "tablet", "iw dev wlan0 scan", "Authentication suites: SAE"),
    "hostapd-bad-line": ({"tablet", "scale"}, "ap", "journalctl -u hostapd", "invalid WPA passphrase length 4"),
}


def broken_by(uses: tuple[FaultUse, ...]) -> set[str]:
    site = break_site(SCENARIO, VARIANT.healthy, uses, VARIANT.placeholders)
    grade = judge(VARIANT, Header(SCENARIO.id, SCENARIO.digest, "0"), site=site)
    assert Verdict.ERROR not in {result.verdict for result in grade.results}
    return {result.id for result in grade.results if result.verdict is not Verdict.PASS}


def test_site_without_a_fault_is_healthy() -> None:
    assert not broken_by(())


def test_every_fault_of_wifi_is_tried() -> None:
    assert {use.fault for use in USES} == {fault.name for fault in wifi.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", USES, ids=lambda use: use.fault)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(use: FaultUse) -> None:
    hurt, place, line, word = SHOWN[use.fault]
    assert broken_by((use,)) >= hurt
    engine = SimEngine()
    engine.start(break_site(SCENARIO, VARIANT.healthy, (use,), VARIANT.placeholders))
    assert word in engine.run(place, line).text


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("wifi-wrong-passphrase", {"on": "server"}, "the fault needs a device with Wi-Fi"),
        ("wifi-wpa3-only", {"on": "tablet"}, "the fault needs an access point"),
        ("wifi-channel-overlap", {"on": "ap", "channel": 15, "room": "shop"}, "15 is no channel"),
        ("wifi-channel-overlap", {"on": "sw", "channel": 3, "room": "shop"}, "sw is not an access point"),
        ("wifi-wrong-ssid", {"on": "tablet", "ssid": "Winkel"}, "there is nothing in"),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    with pytest.raises(FaultError, match=re.escape(said)):
        CATALOGUE[name].apply(VARIANT.healthy, parameters)
