"""ICMP errors that the end of a tunnel sends, through a raw socket: the kernel picks address and way as for its own.

Before changing this file read RFC 1812 §4.3.2 and net/ipv4/icmp.c of Linux (__icmp_send).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import time

from labs.engines.kernel.tunnels.header import OFFSET, checksum
from labs.engines.kernel.tunnels.routes import RouteTable

__all__ = [
    "DEST_UNREACHABLE",
    "FRAGMENTATION_NEEDED",
    "HOST_UNREACHABLE",
    "PORT_UNREACHABLE",
    "REDIRECT",
    "TIME_EXCEEDED",
    "ErrorSender",
]

DEST_UNREACHABLE, REDIRECT, TIME_EXCEEDED = 3, 5, 11
HOST_UNREACHABLE, PORT_UNREACHABLE, FRAGMENTATION_NEEDED = 1, 3, 4
ERRORS = frozenset({3, 4, 5, 11, 12})
LONGEST = 576 - 28  # of the packet that is told of (RFC 1812 §4.3.2.3)
INTERNET_CONTROL, TOS_BITS = 0xC0, 0x1E
PROTO_ICMP = 1
IP_PKTINFO, SOL_RAW, ICMP_FILTER = 8, 255, 1
BURST = 6  # XRLIM_BURST_FACTOR
ERROR_MASK = 6168  # icmp(7), icmp_ratemask


class ErrorSender:
    """Tells senders; of other things than packets that are too large at most one in a second, after a burst."""

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._end: socket.socket | None = None
        self._tokens: dict[int, tuple[float, float]] = {}

    def about(self, packet: bytes, kind: int, code: int, mtu: int = 0, source: int = 0) -> None:
        """Send an error about a packet to whoever sent it, from an address of ours or from what the kernel picks."""
        sender, target = struct.unpack_from("!II", packet, 12)
        if packet[0] >> 4 != 4 or not _may_tell(packet, sender, target):
            return
        if not (kind == DEST_UNREACHABLE and code == FRAGMENTATION_NEEDED) and not self._allows(sender, kind):
            return
        if self._end is None:
            self._end = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTO_ICMP)
            self._end.setsockopt(SOL_RAW, ICMP_FILTER, b"\xff" * 4)  # it only speaks
        body = struct.pack("!I", mtu) + packet[:LONGEST]
        head = struct.pack("!BBH", kind, code, 0)
        head = struct.pack("!BBH", kind, code, checksum(head + body))
        extra = [(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("=i", packet[1] & TOS_BITS | INTERNET_CONTROL))]
        if source:
            extra.append((socket.IPPROTO_IP, IP_PKTINFO, struct.pack("!iI4x", 0, source)))
        with contextlib.suppress(OSError):
            self._end.sendmsg([head + body], extra, 0, (str(ipaddress.IPv4Address(sender)), 0))

    def _allows(self, target: int, kind: int) -> bool:
        """The bucket of each address that is told, but this device's own (icmpv4_xrlim_allow)."""
        way = self._routes.find(target)
        if way is not None and way.device == "lo":
            return True
        each_s = _setting("icmp_ratelimit", 1000) / 1000
        if not each_s or not _setting("icmp_ratemask", ERROR_MASK) >> kind & 1:
            return True
        now = time.monotonic()
        tokens, seen = self._tokens.get(target, (BURST * each_s, now))
        tokens = min(tokens + now - seen, BURST * each_s)
        able = tokens >= each_s
        self._tokens[target] = (tokens - each_s * able, now)
        if len(self._tokens) > 1024:
            del self._tokens[next(iter(self._tokens))]
        return able


def _setting(name: str, otherwise: int) -> int:
    try:
        with open(f"/proc/sys/net/ipv4/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return otherwise


def _may_tell(packet: bytes, sender: int, target: int) -> bool:
    """Not about errors, later fragments, and what was for many or came from nobody (RFC 1812 §4.3.2.7)."""
    if struct.unpack_from("!H", packet, 6)[0] & OFFSET:
        return False
    place = (packet[0] & 15) * 4
    if packet[9] == PROTO_ICMP and (len(packet) <= place or packet[place] in ERRORS):
        return False
    return 0 < sender < 0xE000_0000 and 0 < target < 0xE000_0000 and sender >> 24 != 127
