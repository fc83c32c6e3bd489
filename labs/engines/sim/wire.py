"""A lead between two ports: serialisation, a finite queue, propagation delay, jitter and loss.

Each direction is one server with a first-in-first-out queue, computed by its recurrence instead of a stored queue:
`depart = max(now, free) + bits / rate`, `arrive = depart + delay`; what waits is `(free - now) * rate / 8` bytes.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from labs.net.actions import DropReason

if TYPE_CHECKING:
    from labs.model.site import Endpoint, Link

__all__ = ["Wire"]

OVERHEAD_BYTES = 24  # preamble 8, frame check sequence 4, inter-packet gap 12 (IEEE 802.3)
SECOND = 1_000_000_000
STORM_PASSES = 8  # while it storms, one frame in eight still gets through


class Wire:
    """One link in operation."""

    def __init__(self, link: Link, rate_bps: int, seed: str) -> None:
        self.link = link
        self.rate_bps = rate_bps
        self.up = False
        self.storm_until_ns = -(1 << 62)
        self.far: dict[tuple[str, str], Endpoint] = {link.a: link.b, link.b: link.a}
        """The other end of each."""
        self._free: dict[tuple[str, str], int] = {link.a: -(1 << 62), link.b: -(1 << 62)}
        self._last: dict[tuple[str, str], int] = dict(self._free)
        self._random = Random(f"{seed}/{link}") if link.jitter_ns or link.loss else None  # noqa: S311 - not a secret
        self._stormed = 0

    def send(self, end: tuple[str, str], frame_bytes: int, now: int) -> int | DropReason:
        """When a frame sent into `end` arrives at the other, or why it does not."""
        if not self.up:
            return DropReason.NO_CARRIER
        link = self.link
        if now < self.storm_until_ns:
            self._stormed += 1
            if self._stormed % STORM_PASSES:
                return DropReason.STORM
        free = self._free[end]
        if free <= now:
            free = now
        elif (free - now) * self.rate_bps > link.queue_bytes * 8 * SECOND:
            return DropReason.QUEUE_FULL
        depart = free + (frame_bytes + OVERHEAD_BYTES) * 8 * SECOND // self.rate_bps
        self._free[end] = depart
        arrive = depart + link.delay_ns
        if self._random is not None:
            if link.loss and self._random.random() < link.loss:
                return DropReason.LINK_LOSS
            arrive += int(self._random.random() * link.jitter_ns)
            arrive = max(arrive, self._last[end] + 1)
        self._last[end] = arrive
        return arrive
