"""Every fault of Wi-Fi hurts where it is meant to, and the tool of a technician shows it."""

from __future__ import annotations

import pytest

from labs.faults import wifi
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import Workshop, name_of

WORKSHOP = Workshop("wifi_workshop.yaml")

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


def test_site_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_wifi_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in wifi.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(use: FaultUse) -> None:
    hurt, place, line, word = SHOWN[use.fault]
    assert WORKSHOP.broken_by(use) >= hurt
    engine = WORKSHOP.started(use)
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
    WORKSHOP.refuses(name, parameters, said)
