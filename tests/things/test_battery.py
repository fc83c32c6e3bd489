"""How long a battery lasts, against worked figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.things.battery import charge_left, life_years, mah_per_day
from labs.things.library import MODELS
from labs.things.library.model import Battery

CELL = Battery("test", 2400, 0.85, 100.0)
LORA = replace(MODELS["lht65n"], sleep_ua=6, measure_ma=0.0, measure_ms=0.0, send_ma=44.0, send_ms=1000.0, battery=CELL)


def test_sleep_alone_takes_its_current() -> None:
    """6 uA are 0.144 mAh a day: 2400 mAh at 85 % last 38.8 years."""
    assert mah_per_day(replace(LORA, send_ms=0.0), 3600) == pytest.approx(0.144)
    assert life_years(CELL, mah_per_day(replace(LORA, send_ms=0.0), 3600)) == pytest.approx(2040 / 0.144 / 365.25)


def test_average_of_a_duty_cycle_is_the_known_one() -> None:
    """15 mA for 1 % of the time and 3 uA else average 153 uA: 3.67 mAh a day."""
    model = replace(LORA, sleep_ua=3, send_ma=15.0, send_ms=600.0)
    assert mah_per_day(model, 60) / 24 * 1000 == pytest.approx(153, abs=0.1)


def test_longer_interval_lasts_longer_up_to_the_shelf_life() -> None:
    years = [life_years(CELL, mah_per_day(LORA, seconds)) for seconds in (600, 3600, 86_400)]
    assert years == sorted(years)
    assert life_years(replace(CELL, shelf_years=10), mah_per_day(LORA, 86_400)) == 10


def test_sampling_more_often_than_reporting_costs() -> None:
    model = replace(LORA, measure_ma=5.0, measure_ms=100.0)
    assert mah_per_day(model, 3600, 60) > mah_per_day(model, 3600)


def test_charge_falls_with_time_and_sags_when_nearly_empty() -> None:
    full, half, flat = (charge_left(CELL, share, 0, 1.0) for share in (1.0, 0.5, 0.0))
    assert full.idle_v > half.idle_v > flat.idle_v
    assert full.idle_v - full.loaded_v < flat.idle_v - flat.loaded_v
    assert flat.loaded_v < CELL.empty_v
    assert charge_left(CELL, 1.0, 86_400 * 1020, 1.0).share == pytest.approx(0.5)
    assert charge_left(CELL, 1.0, 86_400 * 9999, 1.0).share == 0.0
