"""Wi-Fi files, who is let in, and signal into rate and loss."""

from __future__ import annotations

import pytest

from labs.things.wifi.association import (
    MCS,
    TRANSITIONS,
    Outcome,
    State,
    channel_mhz,
    decide,
    noise_dbm,
    quality,
)
from labs.things.wifi.config import WifiConfigError, parse_hostapd, parse_supplicant, psk

POINT = "interface=wlan0\nssid=Winkel\nchannel=6\nhw_mode=g\nwpa=2\nwpa_passphrase=goed-bewaard\nwpa_key_mgmt=WPA-PSK\n"
STATION = 'country=BE\nnetwork={\n\tssid="Winkel"\n\tpsk="goed-bewaard"\n}\n'


@pytest.mark.parametrize(
    ("passphrase", "ssid", "key"),
    [  # IEEE 802.11-2016, J.4.2
        ("password", "IEEE", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"),
        ("ThisIsAPassword", "ThisIsASSID", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"),
    ],
)
def test_key_of_a_passphrase_is_that_of_the_standard(passphrase: str, ssid: str, key: str) -> None:
    assert psk(passphrase, ssid).hex() == key


def test_channels_of_the_standard() -> None:
    assert [channel_mhz(channel) for channel in (1, 6, 11, 13, 14)] == [2412, 2437, 2462, 2472, 2484]


@pytest.mark.parametrize(
    ("point", "station", "rssi", "outcome", "code"),
    [
        ("", "", -60, Outcome.KEYS_AGREE, 0),
        ("", "", -90, Outcome.LOST, 0),
        ("", 'psk="iets-anders"', -60, Outcome.KEYS_DIFFER, 15),
        ("ieee80211w=2", "ieee80211w=0", -60, Outcome.REFUSED, 31),
        ("ieee80211w=2", "ieee80211w=1", -60, Outcome.KEYS_AGREE, 0),
        ("ieee80211w=0", "ieee80211w=2", -60, Outcome.REFUSED, 31),
        ("wpa_key_mgmt=SAE", "", -60, Outcome.REFUSED, 43),
        ("wpa_key_mgmt=SAE WPA-PSK", "", -60, Outcome.KEYS_AGREE, 0),
        ("wpa=0", "", -60, Outcome.REFUSED, 43),
    ],
)
def test_association_is_decided_by_both_files(
    point: str, station: str, rssi: float, outcome: Outcome, code: int
) -> None:
    network = parse_supplicant(STATION.replace("}", f"{station}\n}}") if station else STATION)
    assert decide(network, parse_hostapd(POINT + point + "\n"), rssi)[:2] == (outcome, code)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (POINT.replace("goed-bewaard", "kort"), "Line 6: invalid WPA passphrase length 4 (expected 8..63)"),
        (POINT + "chanel=3\n", "Line 8: unknown configuration item 'chanel'"),
        (POINT.replace("channel=6", "channel=14"), "Channel 14 (primary) not allowed for AP mode"),
        (POINT + "nonsense\n", "Line 8: invalid line 'nonsense'"),
        (POINT.replace("ssid=Winkel\n", ""), "ssid is missing"),
        (POINT + "ieee80211w=3\n", "Line 8: invalid ieee80211w '3'"),
    ],
)
def test_mistake_in_hostapd_conf_is_one_line(text: str, said: str) -> None:
    with pytest.raises(WifiConfigError) as caught:
        parse_hostapd(text)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STATION.replace('"Winkel"', "Winkel"), "ssid must stand between double quotes"),
        (STATION.replace("goed-bewaard", "kort"), "Invalid passphrase length 4"),
        ("country=BE\n", "no network block"),
    ],
)
def test_mistake_in_wpa_supplicant_conf_is_one_line(text: str, said: str) -> None:
    with pytest.raises(WifiConfigError, match=said):
        parse_supplicant(text)


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(TRANSITIONS.values()) | {State.DISCONNECTED}
    assert reached == set(State) == {state for state, _ in TRANSITIONS}


def test_weaker_signals_carry_less_and_lose_more() -> None:
    found = [quality(rssi, -95.0) for rssi in range(-40, -89, -1)]
    assert [q.rate_bps for q in found] == sorted((q.rate_bps for q in found), reverse=True)
    assert [q.loss for q in found] == sorted(q.loss for q in found)
    assert found[0].loss == 0
    assert found[0].mcs == len(MCS) - 1
    assert quality(-70, -95).loss == 0  # the rule of thumb: -70 dBm and 20 dB are enough


def test_neighbour_drowns_by_distance_in_channels() -> None:
    noise = [noise_dbm(6, [(channel, -50.0)]) for channel in (7, 8, 9, 10, 11)]
    assert noise == sorted(noise, reverse=True)
    assert noise[-1] == pytest.approx(-95)
    assert noise_dbm(6, [(6, -50.0)]) == pytest.approx(-95)  # on the same channel they take turns
    assert quality(-60, -95, sharing=1).rate_bps == quality(-60, -95).rate_bps // 2
