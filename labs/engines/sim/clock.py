"""SimPy's event queue, with a faster way in for frames.

SimPy's own processes, timeouts and resources work unchanged. Besides them, `call_at` puts a plain
function and its argument into the same queue under the same `(time, priority, serial)` key, so the order of events is
SimPy's order; it skips the Event object, which is what most of the time goes to when every hop of every packet is an
event (benchmarks/packets.py).
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from enum import StrEnum
from heapq import heappop, heappush
from typing import Any

from simpy.core import Environment
from simpy.events import NORMAL

__all__ = ["SimClock", "Stopped"]


SELDOM = 100_000  # net allocations between two looks for cyclic garbage: events leave next to none, a site is large
OURS = 5  # the length of our entries; those of SimPy have four parts


class Stopped(StrEnum):
    """Why `advance` returned."""

    TIME = "the time is up"
    DONE = "what was waited for has happened"
    BUDGET = "too many events"


class SimClock(Environment):
    """Integer nanoseconds. `budget` bounds the events of one `advance`; `spent` is how many the last one took."""

    spent = 0
    until = -1
    """What `advance` goes on to; -1 outside of it."""

    def call_at(self, when: int, function: Callable[[Any], None], argument: Any) -> None:
        """Call `function(argument)` at `when`; calls of the same time keep their order."""
        heappush(self._queue, (when, NORMAL, next(self._eid), function, argument))  # type: ignore[misc]

    def step(self) -> None:
        """Process the next event, ours or SimPy's."""
        queue: list[Any] = self._queue
        if queue and len(queue[0]) == OURS:
            self._now, _, _, function, argument = heappop(queue)
            function(argument)
        else:
            super().step()

    def advance(self, until: int, *, done: Callable[[], bool] | None = None, budget: int = 5_000_000) -> Stopped:
        """Process events up to and including `until`, or until `done()` is true."""
        if done is not None and done():
            return Stopped.DONE
        self.until = until
        often = gc.get_threshold()
        gc.set_threshold(often[0] and max(often[0], SELDOM), *often[1:])
        try:
            return self._advance(until, done, budget)
        finally:
            gc.set_threshold(*often)
            self.until = -1

    def _advance(self, until: int, done: Callable[[], bool] | None, budget: int) -> Stopped:
        queue: list[Any] = self._queue
        spent = 0
        try:
            for spent in range(budget):  # noqa: B007 - an attribute would be set for every event
                if not queue or queue[0][0] > until:
                    self._now = max(self._now, until)
                    return Stopped.TIME
                entry = heappop(queue)
                if len(entry) == OURS:
                    self._now, _, _, function, argument = entry
                    function(argument)
                else:
                    heappush(queue, entry)
                    super().step()
                if done is not None and done():
                    return Stopped.DONE
        finally:
            self.spent = spent
        return Stopped.BUDGET
