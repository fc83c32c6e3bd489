"""ARP packets. Before changing this file read RFC 826 and RFC 5227."""

from __future__ import annotations

from typing import NamedTuple

from labs.model.addresses import IPv4, Mac

__all__ = ["REPLY", "REQUEST", "ArpPacket"]

REQUEST = 1  # RFC 826: ares_op$REQUEST
REPLY = 2  # RFC 826: ares_op$REPLY


class ArpPacket(NamedTuple):
    """An ARP packet for IPv4 over Ethernet."""

    operation: int
    sender_mac: Mac
    sender: IPv4
    target_mac: Mac
    target: IPv4

    @property
    def length(self) -> int:
        """Bytes: RFC 826 with 6-byte hardware and 4-byte protocol addresses."""
        return 28
