"""A lead between two ports: serialisation, a finite queue, propagation delay, jitter and loss.

Each direction is one server with a first-in-first-out queue, computed by its recurrence instead of a stored queue:
`depart = max(now, free) + bits / rate`, `arrive = depart + delay`; what waits is `(free - now) * rate / 8` bytes.

An end with half duplex listens before it sends and waits until the lead is silent. One with full duplex does not: when
it talks into a frame of a half-duplex end, both frames are lost, or the listener repeats its own where the collision
came within the first 64 bytes (IEEE 802.3 clause 4.2.3). Two ends with half duplex take turns.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from labs.net.actions import DropReason

if TYPE_CHECKING:
    from labs.engines.sim.express import Transits
    from labs.model.site import Endpoint, Link
    from labs.net.linux.node import LinuxNode
    from labs.net.phy import LinkMode

__all__ = ["Lane", "Wire"]

OVERHEAD_BYTES = 24  # preamble 8, frame check sequence 4, inter-packet gap 12 (IEEE 802.3)
SECOND = 1_000_000_000
SLOT_BITS = 512  # how long a collision may be noticed and repaired (IEEE 802.3 clause 4.4.2)
STORM_PASSES = 8  # while it storms, one frame in eight still gets through


class Sending(NamedTuple):
    """A frame of a half-duplex end: when it is on the lead, and when it arrives."""

    start: int
    end: int
    arrive: int


class Lane:
    """One direction of a lead. `node` and `port` are where it leads to; whoever lays the lead fills them in."""

    __slots__ = (
        "delay_ns",
        "free",
        "last",
        "listens",
        "node",
        "ns_per_byte",
        "plain",
        "port",
        "queue_ns",
        "sending",
        "spoiled",
        "transits",
        "wire",
    )

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.free = -(1 << 62)
        """When the last frame has left."""
        self.last = -(1 << 62)
        """When the last frame arrives."""
        self.listens = False
        """The end that sends into it has half duplex."""
        self.sending: deque[Sending] = deque()
        """Frames that somebody could still talk into."""
        self.spoiled: dict[int, bool] = {}
        """Frames that collided, by the time of their arrival; True where they are repeated instead of lost."""
        self.ns_per_byte: int
        """0 where it is no whole number."""
        self.plain: bool
        """A frame takes a whole number of nanoseconds for each byte, and nothing is left to chance."""
        self.delay_ns = wire.delay_ns
        self.queue_ns: int
        """How long a full queue takes to leave."""
        self.node: LinuxNode
        self.port = ""
        self.transits: Transits = {}
        self.tune()

    def tune(self) -> None:
        """Work out what follows from the speed and the duplex of the lead."""
        wire = self.wire
        whole, rest = divmod(8 * SECOND, wire.rate_bps)
        self.ns_per_byte = 0 if rest else whole
        self.plain = not rest and wire.random is None and not wire.half
        self.queue_ns = wire.link.queue_bytes * 8 * SECOND // wire.rate_bps
        self.transits.clear()
        self.sending.clear()
        self.spoiled.clear()

    def send(self, frame_bytes: int, now: int) -> int | DropReason:
        """When a frame arrives at the other end, or why it does not."""
        wire = self.wire
        if not wire.up:
            return DropReason.NO_CARRIER
        if now < wire.storm_until_ns and wire.storms():
            return DropReason.STORM
        if wire.half:
            return self._contend(frame_bytes, now)
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

    def _contend(self, frame_bytes: int, now: int) -> int | DropReason:
        """The same where an end has half duplex."""
        wire, other = self.wire, self.wire.opposite(self)
        start = max(now, self.free, other.free if self.listens else now)
        if start - now > self.queue_ns:
            return DropReason.QUEUE_FULL
        end = start + (frame_bytes + OVERHEAD_BYTES) * 8 * SECOND // wire.rate_bps
        self.free = end
        arrive = end + wire.delay_ns
        if wire.random is not None:
            if wire.link.loss and wire.random.random() < wire.link.loss:
                return DropReason.LINK_LOSS
            arrive += int(wire.random.random() * wire.link.jitter_ns)
        arrive = self.last = max(arrive, self.last + 1)
        if self.listens:
            if not other.listens:
                self.sending.append(Sending(start, end, arrive))
        elif other.interrupted(start, end, now):
            return DropReason.COLLISION
        return arrive

    def interrupted(self, start: int, end: int, now: int) -> bool:
        """The deaf end sends from `start` to `end`: whether that meets a frame of ours. Frames not yet begun wait."""
        met = False
        slot = SLOT_BITS * SECOND // self.wire.rate_bps
        while self.sending and self.sending[0].end <= now:
            self.sending.popleft()
        for frame in [frame for frame in self.sending if frame.start < end and start < frame.end]:
            self.sending.remove(frame)
            late = start - frame.start >= slot
            self.spoiled[frame.arrive] = not late
            if frame.start <= start:
                met = True
                sender = self.wire.opposite(self)  # leads to the end that was sending
                sender.node.interfaces[sender.port].tx.collide(late=late)
        return met


class Wire:
    """One link in operation."""

    __slots__ = (
        "_stormed",
        "delay_ns",
        "far",
        "half",
        "lanes",
        "link",
        "modes",
        "random",
        "rate_bps",
        "storm_until_ns",
        "up",
    )

    def __init__(self, link: Link, rate_bps: int, seed: str) -> None:
        self.link = link
        self.rate_bps = rate_bps
        self.delay_ns = link.delay_ns
        self.up = False
        self.modes: tuple[LinkMode, LinkMode] | None = None
        """The mode of each end while it carries."""
        self.half = False
        """At least one end has half duplex."""
        self.storm_until_ns = -(1 << 62)
        self.far: dict[tuple[str, str], Endpoint] = {link.a: link.b, link.b: link.a}
        """The other end of each."""
        self.random = Random(f"{seed}/{link}") if link.jitter_ns or link.loss else None  # noqa: S311 - not a secret
        self._stormed = 0
        self.lanes: dict[tuple[str, str], Lane] = {link.a: Lane(self), link.b: Lane(self)}
        """The way out of each end."""

    def tune(self, modes: tuple[LinkMode, LinkMode] | None) -> None:
        """From now on it carries in these modes, or not at all."""
        self.up = modes is not None
        if modes is not None and modes != self.modes:
            self.rate_bps = modes[0].speed_bps
            self.half = not all(mode.full for mode in modes)
            for end, mode in zip(self.link.ends, modes, strict=True):
                self.lanes[end].listens = not mode.full
                self.lanes[end].tune()
        self.modes = modes

    def opposite(self, lane: Lane) -> Lane:
        """The other direction."""
        first, second = self.lanes.values()
        return second if lane is first else first

    def send(self, end: tuple[str, str], frame_bytes: int, now: int) -> int | DropReason:
        """When a frame sent into `end` arrives at the other, or why it does not."""
        return self.lanes[end].send(frame_bytes, now)

    def storms(self) -> bool:
        """Whether the next frame is lost in the storm."""
        self._stormed += 1
        return bool(self._stormed % STORM_PASSES)
