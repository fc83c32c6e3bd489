"""What a program of ours has to do, and when."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

__all__ = ["DueTimes"]


class DueTimes:
    """What is to be done at which time of the lab; times that lie in the past are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._serial = itertools.count()

    def add(self, when: int, action: Callable[[], object]) -> None:
        """Remember."""
        heapq.heappush(self._heap, (when, next(self._serial), action))

    @property
    def first(self) -> int | None:
        """The earliest time."""
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> list[Callable[[], object]]:
        """What is due, in order."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heapq.heappop(self._heap)[2])
        return found
