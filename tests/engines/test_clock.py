"""SimPy's queue with our entries in it."""

from __future__ import annotations

import gc

import simpy
from hypothesis import given
from hypothesis import strategies as st

from labs.engines.sim.clock import SELDOM, SimClock, Stopped


def test_calls_of_one_time_keep_their_order():
    clock, seen = SimClock(), []
    for number in range(50):
        clock.call_at(5, seen.append, number)
    assert clock.advance(5) is Stopped.TIME
    assert seen == list(range(50))


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40))
def test_our_entries_and_simpys_events_come_in_one_order(plan):
    """A timeout and a call made for the same time come in the order in which they were made."""
    clock, seen = SimClock(), []
    for number, (when, ours) in enumerate(plan):
        if ours:
            clock.call_at(when, seen.append, (when, number))
        else:
            clock.timeout(when, (when, number)).callbacks.append(lambda event: seen.append(event.value))
    clock.advance(100)
    assert seen == sorted(seen)
    assert len(seen) == len(plan)


def test_simpys_processes_and_stores_run_unchanged():
    clock, seen = SimClock(), []
    store = simpy.Store(clock)

    def producer():
        for number in range(3):
            yield clock.timeout(10)
            yield store.put(number)

    def consumer():
        while True:
            number = yield store.get()
            seen.append((clock.now, number))

    clock.process(producer())
    clock.process(consumer())
    clock.run(until=100)
    assert seen == [(10, 0), (20, 1), (30, 2)]


def test_nothing_to_do_time_passes_all_the_same():
    clock = SimClock()
    assert clock.advance(70) is Stopped.TIME
    assert clock.now == 70


def test_event_after_the_end_waits():
    clock, seen = SimClock(), []
    clock.call_at(71, seen.append, 1)
    clock.advance(70)
    assert (clock.now, seen) == (70, [])
    clock.advance(71)
    assert seen == [1]


def test_done_stops_at_the_event_that_made_it_so():
    clock, seen = SimClock(), []
    for when in (1, 2, 3):
        clock.call_at(when, seen.append, when)
    assert clock.advance(9, done=lambda: len(seen) == 2) is Stopped.DONE
    assert (clock.now, seen) == (2, [1, 2])
    assert clock.advance(9, done=lambda: True) is Stopped.DONE
    assert clock.now == 2


def test_endless_chain_stops_at_the_budget():
    clock = SimClock()

    def again(_):
        clock.call_at(clock.now, again, None)

    clock.call_at(0, again, None)
    assert clock.advance(10, budget=1000) is Stopped.BUDGET
    assert clock.now == 0


def test_collector_looks_seldom_only_while_the_clock_runs():
    """Whoever set the collector finds it as it was; one that was switched off stays off."""
    clock, seen, before = SimClock(), [], gc.get_threshold()
    clock.call_at(1, lambda _: seen.append(gc.get_threshold()[0]), None)
    clock.advance(2)
    assert seen == [max(before[0], SELDOM)]
    assert gc.get_threshold() == before
    gc.set_threshold(0)
    try:
        clock.call_at(3, lambda _: seen.append(gc.get_threshold()[0]), None)
        clock.advance(4)
    finally:
        gc.set_threshold(*before)
    assert seen[1] == 0
