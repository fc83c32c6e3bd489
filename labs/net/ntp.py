"""NTP packets: 48 bytes each way. Before changing this file read RFC 5905 §6, §7.3 and §8.

Extension fields and authentication are left out: a packet with more than the header is read as its header.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from labs.model.addresses import IPv4

__all__ = [
    "LOCAL_REFERENCE",
    "MAX_STRATUM",
    "PORT",
    "Leap",
    "Mode",
    "NtpPacket",
    "decode",
    "encode",
    "timestamp",
    "unix_ns",
]

PORT = 123
VERSION = 4
MAX_STRATUM = 16  # RFC 5905 §7.2 MAXSTRAT: not synchronised
ERA_S = 1 << 32
UNIX_EPOCH_S = 2_208_988_800  # seconds from 1900 to 1970, RFC 5905 §6, figure 4
SECOND = 1_000_000_000
LOCAL_REFERENCE = IPv4(0x7F7F0101)  # 127.127.1.1: the server's own clock
_HEADER = struct.Struct(">BBbbIIIQQQQ")


class Leap(IntEnum):
    """The leap indicator (§7.3, figure 9)."""

    NONE = 0
    LAST_MINUTE_61 = 1
    LAST_MINUTE_59 = 2
    UNKNOWN = 3


class Mode(IntEnum):
    """Who speaks (§7.3, figure 10); the modes that this project uses."""

    CLIENT = 3
    SERVER = 4


class NtpPacket(NamedTuple):
    """One packet. Timestamps are 64-bit NTP timestamps, root delay and dispersion nanoseconds."""

    mode: int
    leap: int = Leap.NONE
    stratum: int = 0
    poll: int = 0
    precision: int = 0
    root_delay_ns: int = 0
    root_dispersion_ns: int = 0
    reference_id: int = 0
    reference: int = 0
    origin: int = 0
    receive: int = 0
    transmit: int = 0
    version: int = VERSION

    @property
    def synchronised(self) -> bool:
        """True where the sender claims to know the time."""
        return self.leap != Leap.UNKNOWN and 0 < self.stratum < MAX_STRATUM


def timestamp(unix: int) -> int:
    """Nanoseconds since 1970 as a 64-bit timestamp (32 bits of seconds since 1900, 32 bits of fraction)."""
    seconds, rest = divmod(unix, SECOND)
    return (seconds + UNIX_EPOCH_S) % ERA_S << 32 | ((rest << 32) + SECOND // 2) // SECOND & 0xFFFFFFFF


def unix_ns(stamp: int) -> int:
    """A 64-bit timestamp as nanoseconds since 1970; the era is the one that starts in 1970 or later."""
    seconds = (stamp >> 32) - UNIX_EPOCH_S
    if seconds < 0:
        seconds += ERA_S
    return seconds * SECOND + ((stamp & 0xFFFFFFFF) * SECOND + (1 << 31) >> 32)


def _short(duration_ns: int) -> int:
    """The 32-bit short format: 16 bits of seconds, 16 bits of fraction."""
    return min(max(duration_ns, 0) * 65_536 // SECOND, 0xFFFFFFFF)


def encode(packet: NtpPacket) -> bytes:
    """The 48 bytes of the header (§7.3, figure 8)."""
    return _HEADER.pack(
        packet.leap << 6 | packet.version << 3 | packet.mode,
        packet.stratum,
        packet.poll,
        packet.precision,
        _short(packet.root_delay_ns),
        _short(packet.root_dispersion_ns),
        packet.reference_id,
        packet.reference,
        packet.origin,
        packet.receive,
        packet.transmit,
    )


def decode(data: bytes) -> NtpPacket:
    """Read a packet. Raises ValueError for fewer than 48 bytes or an unknown version."""
    if len(data) < _HEADER.size:
        message = f"an NTP packet has 48 bytes, not {len(data)}"
        raise ValueError(message)
    first, stratum, poll, precision, delay, dispersion, *rest = _HEADER.unpack(data[: _HEADER.size])
    version = first >> 3 & 7
    if not 1 <= version <= VERSION:
        message = f"NTP version {version}"
        raise ValueError(message)
    reference_id, reference, origin, receive, transmit = rest
    return NtpPacket(
        first & 7,
        first >> 6,
        stratum,
        poll,
        precision,
        delay * SECOND // 65_536,
        dispersion * SECOND // 65_536,
        reference_id,
        reference,
        origin,
        receive,
        transmit,
        version,
    )
