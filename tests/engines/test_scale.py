"""What a site costs grows with its devices and no faster: counted in lines of Python, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from benchmarks.scale import address, flat_site
from labs.engines.sim import SimEngine


def lines(work: Callable[[], object]) -> int:
    """How many lines of Python a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def cost(hosts: int) -> tuple[float, float]:
    """Lines per device to build the site, and for the first ping, which asks every host."""
    engine = SimEngine()
    site = flat_site(hosts)
    build = lines(lambda: engine.start(site))
    ping = lines(lambda: engine.run("h0", f"ping -c 1 {address(hosts - 1)}"))
    assert engine.run("h0", f"ping -c 1 {address(hosts - 1)}").status == 0
    return build / len(site.devices), ping / len(site.devices)


def test_ten_times_the_hosts_cost_the_same_per_device():
    """Ten hosts on one switch, a hundred on five."""
    cost(2)  # whatever is imported and read only once
    few, many = cost(10), cost(100)
    assert many[0] < 1.2 * few[0]
    assert many[1] < 1.2 * few[1]
