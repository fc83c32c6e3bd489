"""Wi-Fi: keys, names and channels that do not fit, neighbours in the way, and protection that one side lacks."""

from __future__ import annotations

import re
from dataclasses import replace

from labs.faults.edit import change_lines
from labs.faults.fault import FaultError, fault
from labs.model.radio import Neighbour
from labs.model.site import Site
from labs.things.wifi.config import HOSTAPD, SUPPLICANT

__all__ = ["FAULTS"]

FAMILY = "wifi"
A_STATION = "a device with Wi-Fi"
A_POINT = "an access point"


def _set(site: Site, on: str, path: str, key: str, value: str) -> Site:
    """Set a key of hostapd.conf or of the network block; one that is missing is added."""
    what = A_POINT if path == HOSTAPD else A_STATION

    def change(lines: list[str]) -> list[str]:
        place = re.compile(rf"\s*{key}=")
        if any(place.match(line) for line in lines):
            return [re.sub(r"=.*", lambda _: f"={value}", line) if place.match(line) else line for line in lines]
        if path == HOSTAPD:
            return [*lines, f"{key}={value}"]
        at = next((index for index, line in enumerate(lines) if line.strip() == "}"), len(lines))
        return [*lines[:at], f"\t{key}={value}", *lines[at:]]

    return change_lines(site, on, path, what, change)


@fault(
    FAMILY,
    symptom="The device associates and is thrown out again and again",
    shown_by="journalctl on both: 4-Way Handshake failed; AP-STA-POSSIBLE-PSK-MISMATCH",
    fix="Type the passphrase again",
)
def wifi_wrong_passphrase(site: Site, on: str, passphrase: str = "welkom123") -> Site:  # noqa: S107 - the fault
    """A passphrase that the access point does not have."""
    return _set(site, on, SUPPLICANT, "psk", f'"{passphrase}"')


@fault(
    FAMILY,
    symptom="The device looks and looks",
    shown_by="wpa_cli status: wpa_state=SCANNING; iw dev wlan0 scan: the name is spelled otherwise",
    fix="Use the name of the network, letter for letter",
)
def wifi_wrong_ssid(site: Site, on: str, ssid: str) -> Site:
    """The device looks for a network that is not there."""
    return _set(site, on, SUPPLICANT, "ssid", f'"{ssid}"')


@fault(
    FAMILY,
    symptom="A device of another continent sees nothing; everything else is online",
    shown_by="iw dev wlan0 info on the access point: channel 12 or 13; country in wpa_supplicant.conf",
    fix="A channel from 1 to 11, or the right country in the device",
)
def wifi_channel_13_client(site: Site, on: str, of: str) -> Site:
    """The access point is on channel 13, and the device was made for the United States."""
    return _set(_set(site, on, HOSTAPD, "channel", "13"), of, SUPPLICANT, "country", "US")


@fault(
    FAMILY,
    symptom="Slow and lossy although the signal is good",
    shown_by="iw dev wlan0 scan: networks on neighbouring channels; iw dev wlan0 link: a low bitrate",
    fix="Channel 1, 6 or 11, whichever the neighbours do not use",
)
def wifi_channel_overlap(site: Site, on: str, channel: int, room: str) -> Site:
    """A strong neighbour a few channels away from the access point `on`."""
    if not 1 <= channel <= 13:
        message = f"{channel} is no channel; they are 1 to 13"
        raise FaultError(message)
    if on not in site.devices or HOSTAPD not in site.devices[on].files:
        message = f"{on} is not an access point"
        raise FaultError(message)
    neighbour = Neighbour(f"Buren-{channel}", room, channel, 20.0)
    if neighbour in site.radio.neighbours:
        message = f"that neighbour is there already (channel {channel}, {room})"
        raise FaultError(message)
    return replace(site, radio=replace(site.radio, neighbours=(*site.radio.neighbours, neighbour)))


@fault(
    FAMILY,
    symptom="An older device is refused since the access point was made safer",
    shown_by="journalctl -u wpa_supplicant: CTRL-EVENT-ASSOC-REJECT status_code=31; iw scan: MFP-required",
    fix="ieee80211w=1 (optional) on the access point, or new firmware in the device",
)
def wifi_pmf_required(site: Site, on: str, of: str) -> Site:
    """The access point requires protected management frames, and the device cannot."""
    return _set(_set(site, on, HOSTAPD, "ieee80211w", "2"), of, SUPPLICANT, "ieee80211w", "0")


@fault(
    FAMILY,
    symptom="An older device is refused; newer ones are online",
    shown_by="iw dev wlan0 scan: Authentication suites: SAE",
    fix="wpa_key_mgmt=WPA-PSK SAE on a network for older devices",
)
def wifi_wpa3_only(site: Site, on: str) -> Site:
    """The access point speaks WPA3 alone."""
    return _set(site, on, HOSTAPD, "wpa_key_mgmt", "SAE")


@fault(
    FAMILY,
    symptom="Every device of the network is gone from the air",
    shown_by="systemctl status hostapd: failed; journalctl -u hostapd: the line that is wrong",
    fix="Mend the line, start hostapd",
)
def hostapd_bad_line(site: Site, on: str) -> Site:
    """Hostapd does not start: a passphrase that is too short."""
    return _set(site, on, HOSTAPD, "wpa_passphrase", "kort")


FAULTS = (
    wifi_wrong_passphrase,
    wifi_wrong_ssid,
    wifi_channel_13_client,
    wifi_channel_overlap,
    wifi_pmf_required,
    wifi_wpa3_only,
    hostapd_bad_line,
)
