"""SimPy's event queue, with a faster way in for frames.

SimPy's own processes, timeouts and resources work unchanged. Besides them, `call_at` puts a plain
`(function, argument)` into the same queue under the same `(time, priority, serial)` key, so the order of events is
SimPy's order; it skips the Event object, which is what most of the time goes to when every hop of every packet is an
event (benchmarks/packets.py).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from heapq import heappop, heappush
from typing import Any

from simpy.core import Environment
from simpy.events import NORMAL

__all__ = ["SimClock", "Stopped"]


class Stopped(StrEnum):
    """Why `advance` returned."""

    TIME = "the time is up"
    DONE = "what was waited for has happened"
    BUDGET = "too many events"


class SimClock(Environment):
    """Integer nanoseconds. `budget` bounds the events of one `advance`; `spent` is how many the last one took."""

    spent = 0
    _until = -1

    def call_at(self, when: int, function: Callable[[Any], None], argument: Any) -> None:
        """Call `function(argument)` at `when`; calls of the same time keep their order."""
        heappush(self._queue, (when, NORMAL, next(self._eid), (function, argument)))  # type: ignore[misc]

    @property
    def next_event(self) -> int:
        """Before this time nothing else happens, and `advance` goes on at least until there; -1 outside of it."""
        queue = self._queue
        until = self._until
        return min(queue[0][0], until + 1) if queue else until + 1  # type: ignore[return-value]

    def step(self) -> None:
        """Process the next event, ours or SimPy's."""
        queue: list[Any] = self._queue
        if queue and type(queue[0][3]) is tuple:
            self._now, _, _, (function, argument) = heappop(queue)
            function(argument)
        else:
            super().step()

    def advance(self, until: int, *, done: Callable[[], bool] | None = None, budget: int = 5_000_000) -> Stopped:
        """Process events up to and including `until`, or until `done()` is true."""
        if done is not None and done():
            return Stopped.DONE
        self._until = until
        try:
            return self._advance(until, done, budget)
        finally:
            self._until = -1

    def _advance(self, until: int, done: Callable[[], bool] | None, budget: int) -> Stopped:
        queue: list[Any] = self._queue
        for self.spent in range(budget):
            if not queue or queue[0][0] > until:
                self._now = max(self._now, until)
                return Stopped.TIME
            entry = queue[0][3]
            if type(entry) is tuple:
                self._now, _, _, (function, argument) = heappop(queue)
                function(argument)
            else:
                super().step()
            if done is not None and done():
                return Stopped.DONE
        return Stopped.BUDGET
