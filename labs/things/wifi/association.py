"""Who is let in and how well it carries: an association as a table of states, and signal into rate and loss.

Before changing this file read IEEE 802.11-2016 §11.3 (states), §12.7.6 (4-way handshake) and Table 9-46 (status codes).
Rates: IEEE 802.11n, 20 MHz, one stream, 800 ns guard interval, with the SNR that is usually asked for each. Overlap at
2.4 GHz: a neighbour counts less with each channel of distance and not at all from five on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from labs.things.wifi.config import AccessPoint, Network, psk

__all__ = ["TRANSITIONS", "Outcome", "Quality", "State", "channel_mhz", "decide", "noise_dbm", "quality"]

WEAKEST_DBM = -88.0
NOISE_FLOOR_DBM = -95.0
CHANNELS_APART = 5
# MCS 0 to 7: Mbit/s and the SNR in dB from which it works.
MCS = ((6.5, 5.0), (13.0, 8.0), (19.5, 11.0), (26.0, 14.0), (39.0, 18.0), (52.0, 22.0), (58.5, 24.0), (65.0, 26.0))
CLEAN_SNR_DB, DEAD_SNR_DB = 20.0, 4.0
MOST_LOSS = 0.6


class State(StrEnum):
    """wpa_state of wpa_supplicant."""

    DISCONNECTED = "DISCONNECTED"
    SCANNING = "SCANNING"
    ASSOCIATING = "ASSOCIATING"
    HANDSHAKE = "4WAY_HANDSHAKE"
    COMPLETED = "COMPLETED"


class Outcome(StrEnum):
    """What happens to an association. Closed."""

    FOUND = "found"
    NOT_FOUND = "no network"
    ASSOCIATED = "associated"
    REFUSED = "refused"
    KEYS_AGREE = "keys agree"
    KEYS_DIFFER = "keys differ"
    LOST = "lost"


# State and outcome -> next state. What is not here cannot happen.
TRANSITIONS: dict[tuple[State, Outcome], State] = {
    (State.DISCONNECTED, Outcome.NOT_FOUND): State.SCANNING,
    (State.DISCONNECTED, Outcome.FOUND): State.ASSOCIATING,
    (State.SCANNING, Outcome.NOT_FOUND): State.SCANNING,
    (State.SCANNING, Outcome.FOUND): State.ASSOCIATING,
    (State.ASSOCIATING, Outcome.REFUSED): State.DISCONNECTED,
    (State.ASSOCIATING, Outcome.ASSOCIATED): State.HANDSHAKE,
    (State.ASSOCIATING, Outcome.LOST): State.DISCONNECTED,
    (State.HANDSHAKE, Outcome.KEYS_AGREE): State.COMPLETED,
    (State.HANDSHAKE, Outcome.KEYS_DIFFER): State.DISCONNECTED,
    (State.HANDSHAKE, Outcome.LOST): State.DISCONNECTED,
    (State.COMPLETED, Outcome.LOST): State.DISCONNECTED,
}


class Quality(NamedTuple):
    """How an association carries. `rate_bps` is the gross rate of the MCS; half of it is left for frames."""

    snr_db: float
    mcs: int
    rate_bps: int
    loss: float


def channel_mhz(channel: int) -> int:
    """The middle of a channel at 2.4 GHz.

    Examples
    --------
    >>> channel_mhz(1), channel_mhz(13)
    (2412, 2472)
    """
    return 2407 + 5 * channel if channel < 14 else 2484


def decide(network: Network, point: AccessPoint, rssi_dbm: float) -> tuple[Outcome, int, str]:
    """Whether a station is let in: the outcome, a status or reason code, and why."""
    if rssi_dbm < WEAKEST_DBM:
        return Outcome.LOST, 0, "too weak"
    if bool(point.passphrase) != bool(network.passphrase):
        return Outcome.REFUSED, 43, "security differs"  # invalid AKMP
    if point.passphrase and not set(network.key_mgmt) & set(point.key_mgmt):
        return Outcome.REFUSED, 43, "no common key management"
    if point.pmf == 2 and not network.pmf:
        return Outcome.REFUSED, 31, "management frame protection required"  # robust management frame policy violation
    if network.pmf == 2 and not point.pmf:
        return Outcome.REFUSED, 31, "management frame protection missing"
    if point.passphrase and psk(point.passphrase, point.ssid) != psk(network.passphrase, network.ssid):
        return Outcome.KEYS_DIFFER, 15, "wrong key"  # 4-way handshake timeout
    return Outcome.KEYS_AGREE, 0, ""


def noise_dbm(channel: int, others: Iterable[tuple[int, float]]) -> float:
    """Noise with what other transmitters, given as (channel, dBm), put into a channel."""
    power = 10 ** (NOISE_FLOOR_DBM / 10)
    for other, rssi in others:
        weight = max(0.0, 1 - abs(other - channel) / CHANNELS_APART)
        if weight < 1:  # on the same channel they wait for each other: air time is shared, nothing is drowned
            power += weight * 10 ** (rssi / 10)
    return 10 * math.log10(power)


def quality(rssi_dbm: float, noise: float, sharing: int = 0) -> Quality:
    """Rate and loss from signal and noise; `sharing` networks on the same channel take their part of the time."""
    snr = rssi_dbm - noise
    mcs = max((index for index, (_, needed) in enumerate(MCS) if snr >= needed), default=0)
    rate = int(MCS[mcs][0] * 1e6)
    short = min(max((CLEAN_SNR_DB - snr) / (CLEAN_SNR_DB - DEAD_SNR_DB), 0.0), 1.0)
    return Quality(snr, mcs, rate // (1 + sharing), MOST_LOSS * short**2)
