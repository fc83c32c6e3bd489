"""What a tunnel puts before a packet, byte for byte, and how a packet comes out again.

Before changing this file read RFC 2003 §3, RFC 2784 §2, RFC 2890 §2, RFC 6040 §4 and net/ipv4/gre_demux.c of Linux.
"""

from __future__ import annotations

from struct import pack, unpack_from
from typing import NamedTuple

from labs.net.tunnel import Tunnel

__all__ = ["Inner", "Unpacked", "checksum", "marked_congested", "outer_tos", "unwrap", "wrap"]

CHECKSUM, ROUTING, KEY, SEQUENCE, VERSION = 0x8000, 0x4000, 0x2000, 0x1000, 0x0007
IPV4, IPV6 = 0x0800, 0x86DD
CONGESTED, CAPABLE, ECN = 3, 2, 3  # RFC 3168 §5
DONT_FRAGMENT, OFFSET = 0x4000, 0x1FFF


class Inner:
    """The packet that goes in or comes out, as far as a tunnel looks at it."""

    __slots__ = ("data", "version")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.version = data[0] >> 4 if len(data) >= 20 else 0

    @property
    def tos(self) -> int:
        """Type of service, or traffic class."""
        return self.data[1] if self.version == 4 else (self.data[0] << 4 | self.data[1] >> 4) & 0xFF

    @property
    def ttl(self) -> int:
        """Time to live, or hop limit."""
        return self.data[8] if self.version == 4 else self.data[7]

    @property
    def dont_fragment(self) -> bool:
        """True for IPv4 with DF."""
        return self.version == 4 and bool(unpack_from("!H", self.data, 6)[0] & DONT_FRAGMENT)


class Unpacked(NamedTuple):
    """What was in a packet for this device."""

    inner: bytes
    key: int | None = None
    summed: bool = False
    intact: bool = True


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(unpack_from(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def wrap(settings: Tunnel, packet: bytes) -> bytes:
    """The payload of the packet around."""
    if settings.mode == "ipip":
        return packet
    key = settings.output_key
    flags = (KEY if key is not None else 0) | (CHECKSUM if settings.output_sum else 0)
    head = pack("!HH", flags, IPV6 if packet[0] >> 4 == 6 else IPV4)
    after = b"" if key is None else pack("!I", key)
    if not settings.output_sum:
        return head + after + packet
    found = checksum(head + bytes(4) + after + packet)
    return head + pack("!HH", found, 0) + after + packet


def unwrap(mode: str, payload: bytes) -> Unpacked | None:
    """What is inside; None for what no tunnel takes (gre_parse_header)."""
    if mode == "ipip":
        return Unpacked(payload)
    if len(payload) < 4:
        return None
    flags, kind = unpack_from("!HH", payload)
    if flags & (VERSION | ROUTING) or kind not in (IPV4, IPV6):
        return None
    place = 4 + 4 * bool(flags & CHECKSUM)
    key = None
    if len(payload) < place + 4 * bool(flags & KEY) + 4 * bool(flags & SEQUENCE):
        return None
    if flags & KEY:
        key = unpack_from("!I", payload, place)[0]
        place += 4
    place += 4 * bool(flags & SEQUENCE)
    summed = bool(flags & CHECKSUM)
    return Unpacked(payload[place:], key, summed, not summed or checksum(payload) == 0)


def outer_tos(settings: Tunnel, inner: Inner) -> int:
    """Type of service of the packet around: congestion that was seen inside is not told outside (RFC 3168 §9.1)."""
    tos = inner.tos if settings.inherit_tos else settings.tos
    seen = inner.tos & ECN
    return tos & ~ECN | (CAPABLE if seen == CONGESTED else seen)


def marked_congested(outer_tos: int, packet: bytes) -> bytes | None:
    """The packet inside, told of congestion that was seen outside; None where it must be dropped (RFC 6040 §4.2)."""
    if outer_tos & ECN != CONGESTED:
        return packet
    inner = Inner(packet)
    if inner.tos & ECN == 0:
        return None
    if inner.version == 6:
        return bytes([packet[0], packet[1] | CONGESTED << 4]) + packet[2:]
    length = (packet[0] & 15) * 4
    head = bytes([packet[0], packet[1] | CONGESTED]) + packet[2:10] + bytes(2) + packet[12:length]
    return head[:10] + pack("!H", checksum(head)) + packet[12:]
