"""hostapd.conf and wpa_supplicant.conf: the keys that decide who associates with whom.

Before changing this file read hostapd.conf(5) and wpa_supplicant.conf(5) of hostap 2.10.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = [
    "HOSTAPD",
    "SUPPLICANT",
    "AccessPoint",
    "Network",
    "WifiConfigError",
    "parse_hostapd",
    "parse_supplicant",
    "psk",
]

HOSTAPD = "/etc/hostapd/hostapd.conf"
SUPPLICANT = "/etc/wpa_supplicant/wpa_supplicant.conf"
MAX_CHANNEL = {"US": 11, "CA": 11}  # every other country here has 13
EUROPE = 13
KEY_MGMT = ("WPA-PSK", "WPA-PSK-SHA256", "SAE")
HOSTAPD_KEYS = frozenset(
    "interface driver ssid channel hw_mode country_code wpa wpa_passphrase wpa_key_mgmt wpa_pairwise rsn_pairwise "
    "ieee80211w ieee80211n ieee80211d wmm_enabled auth_algs ignore_broadcast_ssid bridge ctrl_interface macaddr_acl "
    "max_num_sta beacon_int dtim_period".split()
)


class WifiConfigError(ValueError):
    """A configuration that the daemon does not start with, in its own words."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """What hostapd.conf says. `pmf` is ieee80211w: 0 off, 1 optional, 2 required."""

    interface: str
    ssid: str
    channel: int
    country: str
    passphrase: str
    key_mgmt: tuple[str, ...]
    pmf: int
    hidden: bool
    max_stations: int

    @property
    def flags(self) -> str:
        """As wpa_cli scan_results shows it."""
        if not self.passphrase:
            return "[ESS]"
        suites = "+".join(name.removeprefix("WPA-") for name in self.key_mgmt)
        return f"[WPA2-{suites}-CCMP][ESS]"


@dataclass(frozen=True, slots=True)
class Network:
    """The network of wpa_supplicant.conf. `passphrase` empty for an open one."""

    ssid: str
    passphrase: str
    key_mgmt: tuple[str, ...]
    pmf: int
    country: str
    scan_ssid: bool = False

    @property
    def max_channel(self) -> int:
        """The highest channel at 2.4 GHz where it was made for."""
        return MAX_CHANNEL.get(self.country, EUROPE)


@lru_cache(64)
def psk(passphrase: str, ssid: str) -> bytes:
    """The pairwise master key of a passphrase (IEEE 802.11-2016, J.4.1)."""
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode(), ssid.encode(), 4096, 32)


def _number(path_line: str, key: str, text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        message = f"{path_line}: invalid {key} '{text}'"
        raise WifiConfigError(message)
    return int(text)


def parse_hostapd(text: str) -> AccessPoint:
    """Raises WifiConfigError."""
    found: dict[str, str] = {}
    lines: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise WifiConfigError(f"Line {number}: invalid line '{line}'")
        if key not in HOSTAPD_KEYS:
            raise WifiConfigError(f"Line {number}: unknown configuration item '{key}'")
        found[key], lines[key] = value, f"Line {number}"
    for key in ("interface", "ssid", "channel"):
        if key not in found:
            raise WifiConfigError(f"{key} is missing")
    if found.get("hw_mode", "g") not in ("b", "g"):
        raise WifiConfigError(f"{lines['hw_mode']}: hw_mode '{found['hw_mode']}' is not simulated; use g (2.4 GHz)")
    passphrase = found.get("wpa_passphrase", "")
    wpa = _number(lines.get("wpa", ""), "wpa", found.get("wpa", "0"), 0, 3)
    if wpa and not 8 <= len(passphrase) <= 63:
        where = lines.get("wpa_passphrase", lines["wpa"])
        raise WifiConfigError(f"{where}: invalid WPA passphrase length {len(passphrase)} (expected 8..63)")
    country = found.get("country_code", "BE")
    channel = _number(lines["channel"], "channel", found["channel"], 1, 14)
    if channel > MAX_CHANNEL.get(country, EUROPE):
        raise WifiConfigError(f"Channel {channel} (primary) not allowed for AP mode")
    key_mgmt = tuple(found.get("wpa_key_mgmt", "WPA-PSK").split())
    pmf = _number(lines.get("ieee80211w", ""), "ieee80211w", found.get("ieee80211w", "0"), 0, 2)
    for name in key_mgmt:
        if name not in KEY_MGMT:
            raise WifiConfigError(f"{lines['wpa_key_mgmt']}: invalid key_mgmt '{name}'")
    return AccessPoint(
        found["interface"],
        found["ssid"],
        channel,
        country,
        passphrase if wpa else "",
        key_mgmt,
        pmf,
        found.get("ignore_broadcast_ssid", "0") != "0",
        _number(lines.get("max_num_sta", ""), "max_num_sta", found.get("max_num_sta", "8"), 1, 8),
    )


def parse_supplicant(text: str) -> Network:
    """The first network. Raises WifiConfigError."""
    bare = re.sub(r"(?m)^\s*#.*$", "", text)
    country = re.search(r"(?m)^\s*country=(\w\w)", bare)
    block = re.search(r"network\s*=\s*\{(.*?)\}", bare, re.DOTALL)
    if block is None:
        raise WifiConfigError("no network block")
    found: dict[str, str] = {}
    for line in block[1].strip().splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:
            raise WifiConfigError(f"invalid network line '{line.strip()}'")
        found[key] = value
    ssid, passphrase = _text(found, "ssid"), _text(found, "psk")
    if not ssid:
        raise WifiConfigError("the network has no ssid")
    key_mgmt = tuple(found.get("key_mgmt", "WPA-PSK" if passphrase else "NONE").split())
    if key_mgmt != ("NONE",) and not 8 <= len(passphrase) <= 63:
        raise WifiConfigError(f"Invalid passphrase length {len(passphrase)} (expected: 8..63)")
    pmf = found.get("ieee80211w", "1")
    if pmf not in ("0", "1", "2"):
        raise WifiConfigError(f"invalid ieee80211w '{pmf}'")
    return Network(
        ssid,
        "" if key_mgmt == ("NONE",) else passphrase,
        key_mgmt,
        int(pmf),
        country[1] if country else "BE",
        found.get("scan_ssid") == "1",
    )


def _text(found: dict[str, str], key: str) -> str:
    value = found.get(key, "")
    if value and not (len(value) > 1 and value[0] == value[-1] == '"'):
        raise WifiConfigError(f'{key} must stand between double quotes: {key}="…"')
    return value[1:-1]
