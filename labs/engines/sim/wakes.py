"""When which device is to be woken.

Most alarms that a device sets are never needed: a retransmission timer is cancelled as soon as the acknowledgement
comes. So what is far away waits in a drawer, one for each stretch of time, and is looked at when that begins. What
still stands then goes into the queue of events under the serial number that it got when it was set: in its old place.
"""

# ruff: noqa: SLF001 - a property of SimPy costs a call

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import TYPE_CHECKING, Any

from simpy.events import NORMAL

if TYPE_CHECKING:
    from labs.engines.sim.clock import SimClock
    from labs.net.actions import Action, Note
    from labs.net.linux.node import LinuxNode

__all__ = ["NEVER", "Wakes"]

NEVER = 1 << 62
SHIFT = 27  # a drawer holds 134 ms: less than any retransmission timer waits


class Wakes:
    """The next alarm of each device. `perform` does what a device wants."""

    def __init__(self, clock: SimClock, perform: Callable[[LinuxNode, list[Action | Note]], None]) -> None:
        self._clock = clock
        self._queue: list[Any] = clock._queue
        self._perform = perform
        self._drawers: dict[int, list[tuple[int, int, LinuxNode]]] = {}
        self.at: dict[str, int] = {}
        """By name; a device without an alarm is not in it."""

    def plan(self, node: LinuxNode, when: int) -> None:
        """Wake a device at a time, and not later as planned before."""
        self.at[node.name] = when
        clock = self._clock
        serial = next(clock._eid)
        drawer = when >> SHIFT
        opens = (drawer << SHIFT) - 1
        if opens <= clock._now:
            heappush(self._queue, (when, NORMAL, serial, self._wake, (node, when)))
            return
        held = self._drawers.get(drawer)
        if held is None:
            held = self._drawers[drawer] = []
            heappush(self._queue, (opens, NORMAL, serial, self._open, drawer))
        held.append((when, serial, node))

    def _open(self, drawer: int) -> None:
        """A stretch of time begins."""
        at, queue = self.at, self._queue
        for when, serial, node in self._drawers.pop(drawer):
            if at.get(node.name) != when:
                continue
            if node.due(when):
                heappush(queue, (when, NORMAL, serial, self._wake, (node, when)))
                continue
            del at[node.name]
            following = node.next_wake()
            if following is not None:
                self.plan(node, following)

    def _wake(self, argument: tuple[LinuxNode, int]) -> None:
        node, when = argument
        if self.at.get(node.name) == when:
            del self.at[node.name]
            self._perform(node, node.wake(when))
