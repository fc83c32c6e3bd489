"""What one report of a sensor costs, counted in calls of Python functions, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from benchmarks.things import MINUTE, reports, sensor_site
from labs.engines.sim import SimEngine

MOST_CALLS = 160  # a report, its acknowledgement and a sixth of a ping, over two switches; it took 479 once


def calls(work: Callable[[], object]) -> int:
    """How many functions written in Python a call enters, generators that go on included."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_report_of_a_sensor_takes_few_calls():
    """Measured, published, carried over two switches, taken by the broker, acknowledged."""
    engine = SimEngine()
    engine.start(sensor_site(20))
    engine.wait(2 * MINUTE)
    before = reports(engine)
    taken = calls(lambda: engine.wait(4 * MINUTE))
    done = reports(engine) - before
    assert done == 20 * 24
    assert taken / done < MOST_CALLS
