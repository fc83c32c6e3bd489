"""ICMP messages. Before changing this file read RFC 792 and RFC 1812 §4.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import IPv4

if TYPE_CHECKING:
    from labs.net.ipv4 import Ipv4Packet

__all__ = [
    "ADMIN_PROHIBITED",
    "DEST_UNREACHABLE",
    "ECHO_REPLY",
    "ECHO_REQUEST",
    "ERROR_TYPES",
    "FRAGMENTATION_NEEDED",
    "HARD_ERRORS",
    "HOST_PROHIBITED",
    "HOST_UNREACHABLE",
    "NET_PROHIBITED",
    "NET_UNREACHABLE",
    "PORT_UNREACHABLE",
    "PROTOCOL_UNREACHABLE",
    "REASSEMBLY_TIME",
    "REDIRECT",
    "REDIRECT_HOST",
    "TIME_EXCEEDED",
    "IcmpMessage",
]

ECHO_REPLY = 0
DEST_UNREACHABLE = 3
REDIRECT = 5
REDIRECT_HOST = 1  # the code of redirect that Linux sends
REASSEMBLY_TIME = 1  # a code of TIME_EXCEEDED
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
ERROR_TYPES = frozenset({DEST_UNREACHABLE, REDIRECT, TIME_EXCEEDED, 4, 12})  # RFC 1122 §3.2.2

# Codes of DEST_UNREACHABLE: RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1
NET_UNREACHABLE = 0
HOST_UNREACHABLE = 1
PROTOCOL_UNREACHABLE = 2
PORT_UNREACHABLE = 3
FRAGMENTATION_NEEDED = 4
NET_PROHIBITED = 9
HOST_PROHIBITED = 10
ADMIN_PROHIBITED = 13
HARD_ERRORS = frozenset({2, 3, 6, 7, 8, 9, 10, 13, 14, 15})  # the fatal ones of icmp_err_convert, net/ipv4/icmp.c


class IcmpMessage(NamedTuple):
    """One ICMP message. Echo uses `identifier`, `sequence`, `data`; an error carries its cause in `original`.

    In "fragmentation needed" `sequence` is the MTU of the next link; in a redirect both numbers are the gateway.
    """

    type: int
    code: int = 0
    identifier: int = 0
    sequence: int = 0
    data: bytes = b""
    original: Ipv4Packet | None = None

    @property
    def gateway(self) -> IPv4:
        """The better gateway that a redirect names."""
        return IPv4(self.identifier << 16 | self.sequence)

    @property
    def length(self) -> int:
        """Bytes. Linux returns as much of the original as fits 576 bytes (RFC 1812 §4.3.2.3)."""
        if self.original is not None:
            return min(8 + self.original.length, 576 - 20)
        return 8 + len(self.data)
