"""What makes a device one that somebody touched: settings of frames count, what a spanning tree decides does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grader.checks.untouched import _live
from labs.lab import engine_named
from labs.model.addresses import Mac
from labs.model.state import DeviceState, InterfaceState
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def switch() -> DeviceState:
    engine = engine_named("sim")
    engine.start(draw(find_scenario("three-floors-one-trunk"), "3").broken)
    devices = engine.observe().devices.values()
    engine.stop()
    return next(d.state for d in devices if d.state and any(i.bridge_port for i in d.state.interfaces))


def said(before: DeviceState, **changes: object) -> list[str]:
    return [str(what) for what in _live(before, replace(before, **changes))]  # type: ignore[arg-type]


def with_port(state: DeviceState, /, **changes: object) -> tuple[InterfaceState, ...]:
    """The interfaces of a switch, with other settings of its first port."""
    first = next(interface for interface in state.interfaces if interface.bridge_port)
    assert first.bridge_port is not None
    changed = replace(first, bridge_port=replace(first.bridge_port, **changes))  # type: ignore[arg-type]
    return tuple(changed if interface is first else interface for interface in state.interfaces)


def test_port_with_other_vlans_or_apart_from_others_is_a_change(switch: DeviceState) -> None:
    for changes in ({"vlans": {77: True}}, {"pvid": 77}, {"isolated": True}):
        assert "were changed" in said(switch, interfaces=with_port(switch, **changes))[0]


def test_port_that_the_spanning_tree_blocks_is_no_change(switch: DeviceState) -> None:
    assert said(switch, interfaces=with_port(switch, state="blocking")) == []


def test_stations_by_hand_in_another_order_are_no_change(switch: DeviceState) -> None:
    def with_stations(*stations: Mac) -> DeviceState:
        bridged = (
            replace(known, bridge=replace(known.bridge, static_stations=stations)) if known.bridge else known
            for known in switch.interfaces
        )
        return replace(switch, interfaces=tuple(bridged))

    assert list(_live(with_stations(Mac(1), Mac(2)), with_stations(Mac(2), Mac(1)))) == []
    assert list(_live(switch, with_stations(Mac(1)))) != []


def test_clock_that_is_put_right_by_itself_is_no_change(switch: DeviceState) -> None:
    wrong = replace(switch, clock_offset_ns=3600 * SECOND)
    assert said(wrong, clock_offset_ns=0) == []
    assert said(switch, clock_offset_ns=-3600 * SECOND) == ["its clock was changed"]
