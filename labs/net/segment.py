"""TCP segments as values. Before changing this file read RFC 9293 §3.1."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ACK", "FIN", "PSH", "RECEIVE_WINDOW", "RST", "SYN", "URG", "TcpSegment"]

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32  # RFC 9293 §3.1


RECEIVE_WINDOW = 64240  # what Linux offers at first over Ethernet


class TcpSegment(NamedTuple):
    """One TCP segment. `flags` is the bit set of RFC 9293 §3.1."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    data: bytes = b""
    window: int = RECEIVE_WINDOW
    mss: int = 0
    """The maximum segment size that a SYN offers (RFC 9293 §3.7.1), 0 for none."""

    @property
    def length(self) -> int:
        """Bytes. Linux sends 20 bytes of options with SYN and 12 (timestamps) afterwards; RST goes bare."""
        if self.flags & RST:
            return 20
        return (40 if self.flags & SYN else 32) + len(self.data)
