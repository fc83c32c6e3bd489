"""A lead between two ports: serialisation, a finite queue, propagation delay, jitter and loss.

Each direction is one server with a first-in-first-out queue, computed by its recurrence instead of a stored queue:
`depart = max(now, free) + bits / rate`, `arrive = depart + delay`; what waits is `(free - now) * rate / 8` bytes.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from labs.net.actions import DropReason

if TYPE_CHECKING:
    from labs.engines.sim.express import Transits
    from labs.model.site import Endpoint, Link
    from labs.net.linux.node import LinuxNode

__all__ = ["Lane", "Wire"]

OVERHEAD_BYTES = 24  # preamble 8, frame check sequence 4, inter-packet gap 12 (IEEE 802.3)
SECOND = 1_000_000_000
STORM_PASSES = 8  # while it storms, one frame in eight still gets through


class Lane:
    """One direction of a lead. `node` and `port` are where it leads to; whoever lays the lead fills them in."""

    __slots__ = ("delay_ns", "free", "last", "node", "ns_per_byte", "plain", "port", "queue_ns", "transits", "wire")

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.free = -(1 << 62)
        """When the last frame has left."""
        self.last = -(1 << 62)
        """When the last frame arrives."""
        whole, rest = divmod(8 * SECOND, wire.rate_bps)
        self.ns_per_byte = 0 if rest else whole
        """0 where it is no whole number."""
        self.plain = not rest and wire.random is None
        """A frame takes a whole number of nanoseconds for each byte, and nothing is left to chance."""
        self.delay_ns = wire.delay_ns
        self.queue_ns = wire.link.queue_bytes * 8 * SECOND // wire.rate_bps
        """How long a full queue takes to leave."""
        self.node: LinuxNode
        self.port = ""
        self.transits: Transits = {}

    def send(self, frame_bytes: int, now: int) -> int | DropReason:
        """When a frame arrives at the other end, or why it does not."""
        wire = self.wire
        if not wire.up:
            return DropReason.NO_CARRIER
        if now < wire.storm_until_ns and wire.storms():
            return DropReason.STORM
        free = self.free
        if free <= now:
            free = now
        elif free - now > self.queue_ns:
            return DropReason.QUEUE_FULL
        if self.ns_per_byte:
            free += (frame_bytes + OVERHEAD_BYTES) * self.ns_per_byte
        else:
            free += (frame_bytes + OVERHEAD_BYTES) * 8 * SECOND // wire.rate_bps
        self.free = free
        arrive = free + wire.delay_ns
        if wire.random is not None:
            link = wire.link
            if link.loss and wire.random.random() < link.loss:
                return DropReason.LINK_LOSS
            arrive += int(wire.random.random() * link.jitter_ns)
            arrive = max(arrive, self.last + 1)
            self.last = arrive
        return arrive


class Wire:
    """One link in operation."""

    __slots__ = ("_stormed", "delay_ns", "far", "lanes", "link", "random", "rate_bps", "storm_until_ns", "up")

    def __init__(self, link: Link, rate_bps: int, seed: str) -> None:
        self.link = link
        self.rate_bps = rate_bps
        self.delay_ns = link.delay_ns
        self.up = False
        self.storm_until_ns = -(1 << 62)
        self.far: dict[tuple[str, str], Endpoint] = {link.a: link.b, link.b: link.a}
        """The other end of each."""
        self.random = Random(f"{seed}/{link}") if link.jitter_ns or link.loss else None  # noqa: S311 - not a secret
        self._stormed = 0
        self.lanes: dict[tuple[str, str], Lane] = {link.a: Lane(self), link.b: Lane(self)}
        """The way out of each end."""

    def send(self, end: tuple[str, str], frame_bytes: int, now: int) -> int | DropReason:
        """When a frame sent into `end` arrives at the other, or why it does not."""
        return self.lanes[end].send(frame_bytes, now)

    def storms(self) -> bool:
        """Whether the next frame is lost in the storm."""
        self._stormed += 1
        return bool(self._stormed % STORM_PASSES)
