"""Which way the kernel would send a packet, asked over rtnetlink (rtnetlink(7), RTM_GETROUTE)."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from typing import NamedTuple

__all__ = ["RouteTable", "Way"]

RTM_NEWROUTE, RTM_GETROUTE, NLM_F_REQUEST = 24, 26, 1
RTA_DST, RTA_SRC, RTA_OIF, RTA_METRICS, RTAX_MTU = 1, 2, 4, 8, 2
SIOCGIFMTU = 0x8921
HEADER = struct.Struct("=IHHII")
ROUTE = struct.Struct("=8BI")
ATTRIBUTE = struct.Struct("=HH")
NESTED = 0x3FFF


class Way(NamedTuple):
    """An interface by number and name, and the largest packet that passes as far as the kernel has learned."""

    interface: int
    device: str
    mtu: int


class RouteTable:
    """Asks the kernel of this network namespace."""

    def __init__(self) -> None:
        self._asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._asking.bind((0, 0))
        self._handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._number = 0

    def find(self, target: int, source: int = 0, interface: int = 0, tos: int = 0) -> Way | None:
        """The way to an address, from an address of this device and by an interface where these are not 0."""
        self._number += 1
        words = [(RTA_DST, struct.pack("!I", target))]
        words += [(RTA_SRC, struct.pack("!I", source))] if source else []
        words += [(RTA_OIF, struct.pack("=I", interface))] if interface else []
        body = ROUTE.pack(socket.AF_INET, 32, 32 if source else 0, tos & 0x1C, 0, 0, 0, 0, 0)
        body += b"".join(ATTRIBUTE.pack(8, kind) + value for kind, value in words)
        self._asking.send(HEADER.pack(16 + len(body), RTM_GETROUTE, NLM_F_REQUEST, self._number, 0) + body)
        while True:
            answer = self._asking.recv(4096)
            if HEADER.unpack_from(answer)[3] == self._number:
                return self._read(answer)

    def _read(self, answer: bytes) -> Way | None:
        length, kind = HEADER.unpack_from(answer)[:2]
        if kind != RTM_NEWROUTE:  # an error
            return None
        found = attributes(answer[28:length])
        if RTA_OIF not in found:
            return None
        index = struct.unpack("=I", found[RTA_OIF])[0]
        metrics = attributes(found.get(RTA_METRICS, b""))
        with contextlib.suppress(OSError):
            name = socket.if_indextoname(index)
            learned = struct.unpack("=I", metrics[RTAX_MTU])[0] if RTAX_MTU in metrics else 0
            return Way(index, name, learned or self.mtu(name))
        return None

    def mtu(self, name: str) -> int:
        """The MTU of an interface. Raises OSError."""
        answer = fcntl.ioctl(self._handle, SIOCGIFMTU, struct.pack("16s16x", name.encode()))
        return int(struct.unpack_from("=i", answer, 16)[0])


def attributes(data: bytes) -> dict[int, bytes]:
    """Type to value."""
    found = {}
    while len(data) >= 4:
        length, kind = ATTRIBUTE.unpack_from(data)
        if length < 4:
            break
        found[kind & NESTED] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found
