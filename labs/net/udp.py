"""UDP datagrams. Before changing this file read RFC 768 and RFC 1122 §4.1."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["UdpDatagram"]


class UdpDatagram(NamedTuple):
    """One UDP datagram. `data` is what the application sent, as bytes."""

    sport: int
    dport: int
    data: bytes = b""

    @property
    def length(self) -> int:
        """Bytes, header included."""
        return 8 + len(self.data)
