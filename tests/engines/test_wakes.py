"""Alarms of devices: those far away wait in drawers, and ring at their time and in their order all the same."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from labs.engines.sim.clock import SimClock
from labs.engines.sim.wakes import SHIFT, Wakes

STRETCH = 1 << SHIFT


class Sleeper:
    """As much of a device as is needed: alarms that may be cancelled."""

    def __init__(self, name: str, rang: Callable[[str], None]) -> None:
        self.name = name
        self._rang = rang
        self.alarms: list[tuple[int, int]] = []
        self.cancelled: set[int] = set()

    def due(self, now: int) -> bool:
        while self.alarms and self.alarms[0][1] in self.cancelled:
            heapq.heappop(self.alarms)
        return bool(self.alarms) and self.alarms[0][0] <= now

    def next_wake(self) -> int | None:
        return self.alarms[0][0] if self.alarms else None

    def wake(self, now: int) -> list[object]:
        while self.alarms and self.alarms[0][0] <= now:
            _, number = heapq.heappop(self.alarms)
            if number not in self.cancelled:
                self._rang(f"{self.name} {number}")
        return []


def run(plan: list[tuple[int, int, bool]]) -> list[tuple[int, str]]:
    """Set every alarm of (time, device, to be cancelled) at the start, and note when which one rings."""
    clock = SimClock()
    rang: list[tuple[int, str]] = []
    sleepers = [Sleeper(f"d{number}", lambda text: rang.append((int(clock.now), text))) for number in range(3)]

    def perform(sleeper: Sleeper, _items: object) -> None:
        following = sleeper.next_wake()
        if following is not None and following < wakes.at.get(sleeper.name, 1 << 62):
            wakes.plan(sleeper, following)  # type: ignore[arg-type]

    wakes = Wakes(clock, perform)  # type: ignore[arg-type]
    for number, (when, device, cancelled) in enumerate(plan):
        sleeper = sleepers[device]
        heapq.heappush(sleeper.alarms, (when, number))
        perform(sleeper, [])
        if cancelled:
            sleeper.cancelled.add(number)
    clock.advance(10 * STRETCH)
    return rang


MOMENTS = st.one_of(
    st.integers(0, 5 * STRETCH), st.sampled_from([0, 1, STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH])
)


@given(st.lists(st.tuples(MOMENTS, st.integers(0, 2), st.booleans()), max_size=25))
def test_alarms_ring_at_their_time_and_cancelled_ones_never(plan: list[tuple[int, int, bool]]):
    """Whatever is not cancelled rings once, at its own time."""
    rang = run(plan)
    wanted = sorted((when, f"d{device} {number}") for number, (when, device, gone) in enumerate(plan) if not gone)
    assert sorted(rang) == wanted
    assert [when for when, _ in rang] == [when for when, _ in wanted]


def test_alarms_of_one_moment_ring_in_the_order_in_which_they_were_set():
    """A drawer keeps the place of an alarm among others of the same time."""
    late = 4 * STRETCH + 5
    assert run([(late, 2, False), (late, 0, False), (late, 1, False)]) == [
        (late, "d2 0"),
        (late, "d0 1"),
        (late, "d1 2"),
    ]
