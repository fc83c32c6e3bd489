"""4-20 mA against worked examples and the limits of NAMUR NE 43."""

from __future__ import annotations

import pytest

from labs.things.chain.current_loop import Ne43, current_of, judge_current, loop_current, value_of, voltage_of


@pytest.mark.parametrize(("bar", "ma"), [(0, 4), (2.5, 8), (5, 12), (7.5, 16), (10, 20), (-1, 3.8), (11, 20.5)])
def test_transmitter_of_ten_bar_sends_the_printed_current(bar: float, ma: float) -> None:
    assert current_of(bar, 0, 10) == pytest.approx(ma)


def test_range_of_another_transmitter_shows_its_share() -> None:
    """A 0-16 bar transmitter at 8 bar (12 mA), scaled 0-10 bar, shows 5 bar: 62.5 %."""
    assert value_of(current_of(8, 0, 16), 0, 10) == pytest.approx(5)


@pytest.mark.parametrize(
    ("ma", "verdict"),
    [
        (0.0, Ne43.NONE), (3.5, Ne43.FAILED_LOW), (3.6, Ne43.FAILED_LOW), (3.7, Ne43.UNDER), (3.8, Ne43.GOOD),
        (12, Ne43.GOOD), (20.5, Ne43.GOOD), (20.7, Ne43.OVER), (21, Ne43.FAILED_HIGH), (21.5, Ne43.FAILED_HIGH),
    ],
)  # fmt: skip
def test_current_is_judged_by_ne43(ma: float, verdict: Ne43) -> None:
    assert judge_current(ma) is verdict


@pytest.mark.parametrize(("ohm", "flows"), [(250, 20.0), (700, 20.0), (875, 16.0), (1400, 10.0)])
def test_burden_beyond_what_24_v_drive_flattens_the_current(ohm: float, flows: float) -> None:
    """24 V and a transmitter that needs 10 V: up to 700 ohm."""
    assert loop_current(20, supply_v=24, minimum_v=10, loop_ohm=ohm) == pytest.approx(flows)


def test_supply_below_the_minimum_drives_nothing() -> None:
    assert loop_current(12, supply_v=9, minimum_v=10, loop_ohm=250) == 0.0


def test_short_across_the_transmitter_is_over_range() -> None:
    assert judge_current(loop_current(12, supply_v=24, minimum_v=10, loop_ohm=270, shorted=True)) is Ne43.FAILED_HIGH


def test_moisture_across_the_terminals_adds_current() -> None:
    """12 mA leave 24 - 3 V across 20 kohm: about 1 mA more."""
    flows = loop_current(12, supply_v=24, minimum_v=10, loop_ohm=250, leak_ohm=20_000)
    assert flows == pytest.approx(12 + 21 / 20_000 * 1000, abs=0.05)


def test_voltage_output_stops_at_its_ends() -> None:
    assert [voltage_of(v, 0, 50) for v in (-5, 0, 25, 60)] == [0, 0, 5, 10]
