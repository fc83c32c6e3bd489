"""Channels, signal and loss of IEEE 802.15.4 at 2.4 GHz, beside the Wi-Fi that shares the band.

Before changing this file read IEEE 802.15.4-2006 §6.1.2.1 (channels), §6.9.8 (LQI) and §7.5.6.4 (retries). A Wi-Fi
channel is taken as 22 MHz wide, a Zigbee channel as 2 MHz: Wi-Fi 1 hits 11 to 14, 6 hits 16 to 19, 11 hits 21 to 24.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["CHANNELS", "POWER_DBM", "Chances", "chances", "channel_mhz", "interference_dbm", "lqi", "overlaps"]

CHANNELS = range(11, 27)
POWER_DBM = 5.0  # CC2652 without an amplifier
WIFI_MHZ, ZIGBEE_MHZ = 22.0, 2.0
SENSITIVITY_DBM, CLEAN_DBM = -97.0, -87.0
NEEDED_DB = 5.0  # above interference in the channel, O-QPSK
CCA_DBM = -75.0  # more than this and the channel counts as busy
BUSY_SHARE = 0.6  # part of the time that a Wi-Fi network in use fills; a burst of it outlasts all retries
ATTEMPTS = 4  # one and macMaxFrameRetries = 3
BEST_DBM = -25.0
LQI_MAX = 255


class Chances(NamedTuple):
    """Of one frame with all its retries: that the channel stays busy, and that nobody acknowledges."""

    busy: float
    lost: float


def channel_mhz(channel: int) -> int:
    """The middle of a channel.

    Examples
    --------
    >>> channel_mhz(11), channel_mhz(26)
    (2405, 2480)
    """
    return 2405 + 5 * (channel - 11)


def overlaps(zigbee: int, wifi: int) -> bool:
    """Whether a Wi-Fi channel covers a Zigbee channel.

    Examples
    --------
    >>> [channel for channel in CHANNELS if overlaps(channel, 6)]
    [16, 17, 18, 19]
    """
    apart = abs(channel_mhz(zigbee) - (2407 + 5 * wifi))
    return apart < (WIFI_MHZ + ZIGBEE_MHZ) / 2


def interference_dbm(channel: int, networks: Iterable[tuple[int, float]]) -> float:
    """What Wi-Fi networks, given as (channel, dBm), put into a Zigbee channel; minus infinity for none."""
    share = ZIGBEE_MHZ / WIFI_MHZ
    power = sum(share * 10 ** (dbm / 10) for wifi, dbm in networks if overlaps(channel, wifi))
    return 10 * math.log10(power) if power else -math.inf


def lqi(rssi_dbm: float) -> int:
    """Link quality from 0 to 255, linear in dB; what makers do differs.

    Examples
    --------
    >>> lqi(-97), lqi(-61), lqi(-20)
    (0, 128, 255)
    """
    part = (rssi_dbm - SENSITIVITY_DBM) / (BEST_DBM - SENSITIVITY_DBM)
    return round(LQI_MAX * min(max(part, 0.0), 1.0))


def chances(rssi_dbm: float, at_sender_dbm: float, at_receiver_dbm: float) -> Chances:
    """From the signal at the receiver and the interference at both ends."""
    weak = min(max((CLEAN_DBM - rssi_dbm) / (CLEAN_DBM - SENSITIVITY_DBM), 0.0), 1.0) ** ATTEMPTS
    drowned = BUSY_SHARE if rssi_dbm - at_receiver_dbm < NEEDED_DB else 0.0
    return Chances(BUSY_SHARE if at_sender_dbm > CCA_DBM else 0.0, 1 - (1 - weak) * (1 - drowned))
