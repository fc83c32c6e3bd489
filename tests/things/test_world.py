"""The world: pure in time, seed and acts; rooms that react to windows, heaters and people."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.model.world import ARRIVAL_NS, Act, Climate, DayCycle, Room, Schedule, Stock, Total, World
from labs.things.climate import relative_humidity, saturation_g_m3
from labs.things.world import LivingWorld, RoomSense, WorldError

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
GARDEN = Room("garden", {"temperature": DayCycle(10.0), "humidity": DayCycle(80.0)})


def world(climate: Climate, *, presence: Schedule | None = None) -> World:
    quantities = {} if presence is None else {"presence": presence}
    return World({"garden": GARDEN, "hall": Room("hall", quantities, climate)})


def living(climate: Climate, **more: Schedule) -> LivingWorld:
    return LivingWorld(world(climate, **more), "7")


TIGHT = Climate("garden", volume_m3=100, loss_w_per_k=100, inertia_h=5, heater_w=2000, air_changes=0, start=10)


def test_saturation_at_known_temperatures_is_the_published_density() -> None:
    """Vapour density at saturation, CRC Handbook of Chemistry and Physics: 4.85, 17.3 and 51.1 g/m3."""
    assert [saturation_g_m3(t) for t in (0, 20, 40)] == pytest.approx([4.85, 17.3, 51.1], rel=0.01)


def test_heater_on_warms_the_room_along_its_time_constant() -> None:
    """2000 W on 100 W/K ends 20 K higher; after one time constant 63.2 % of that is reached."""
    air = living(TIGHT)
    sense = RoomSense(air, "hall", "7", "relay")
    sense.drive("heater", 1.0, 0)
    assert sense.sense("temperature", 5 * HOUR) == pytest.approx(10 + 20 * (1 - math.exp(-1)), abs=0.05)
    assert sense.sense("temperature", 100 * HOUR) == pytest.approx(30, abs=0.01)


def test_heater_off_again_cools_the_room() -> None:
    sense = RoomSense(living(TIGHT), "hall", "7", "relay")
    sense.drive("heater", 1.0, 0)
    warm = sense.sense("temperature", 2 * HOUR)
    sense.drive("heater", 0.0, 2 * HOUR)
    assert sense.sense("temperature", 4 * HOUR) == pytest.approx(10 + (warm - 10) * math.exp(-2 / 5), abs=0.05)


def test_device_loses_power_relay_falls_back_and_motor_stays() -> None:
    air = living(TIGHT)
    relay, motor = RoomSense(air, "hall", "7", "relay"), RoomSense(air, "hall", "7", "motor")
    relay.drive("heater", 1.0, HOUR)
    motor.drive("window", 0.5, HOUR, stays=True)
    relay.power_lost(2 * HOUR)
    motor.power_lost(2 * HOUR)
    assert (air.level("hall", "heater", 3 * HOUR), air.level("hall", "window", 3 * HOUR)) == (0.0, 0.5)


def test_window_open_brings_the_air_of_outside() -> None:
    air = living(replace(TIGHT, start=25, moisture_g_per_h=500, air_changes=0.2, window_air_changes=20))
    before = [air.value("hall", quantity, HOUR) for quantity in ("temperature", "humidity", "co2")]
    air.act(Act(HOUR, "hall", "window", 1.0))
    after = [air.value("hall", quantity, 9 * HOUR) for quantity in ("temperature", "humidity", "co2")]
    assert after[0] < before[0] - 5
    assert after[2] == pytest.approx(420, abs=1)
    absolute = after[1] / 100 * saturation_g_m3(after[0])
    assert absolute == pytest.approx(0.8 * saturation_g_m3(10) + 500 / 100 / 20.2, rel=0.02)


def test_people_come_raise_co2_to_the_balance() -> None:
    """Four people at 18.7 l/h in 2 air changes of 50 m3 end at 420 + 4 * 0.01872 / 100 * 1e6 ppm."""
    office = replace(TIGHT, volume_m3=50, air_changes=2)
    air = living(office, presence=Schedule(4, 0, 24))
    assert air.value("hall", "co2", 6 * HOUR) == pytest.approx(420 + 4 * 18.72 / 100 * 1000, rel=0.01)


def test_people_stay_away_at_the_weekend_and_come_about_the_hour() -> None:
    monday = 1_776_038_400  # 2026-04-13 00:00:00 UTC
    offices = World({"o": Room("o", {"presence": Schedule(3, 8, 17, frozenset(range(5)), 20)})}, monday)
    air = LivingWorld(offices, "3")

    def present(hours: float) -> float:
        return air.value("o", "presence", ARRIVAL_NS + int(hours * HOUR))

    assert [present(h) for h in (7.5, 12, 17.5, 24 + 12, 5 * 24 + 12)] == [0, 3, 0, 3, 0]
    assert len({present(7.6 + n / 60) for n in range(50)}) > 1


def test_tank_with_pump_empties_to_the_bottom() -> None:
    tank = World({"cellar": Room("cellar", {"level": Stock(2.0, 0.1, {"pump": -1.0}, 0.0, 3.0)})})
    air = LivingWorld(tank, "0")
    assert air.value("cellar", "level", 2 * HOUR) == pytest.approx(2.2)
    air.act(Act(2 * HOUR, "cellar", "pump", 1.0))
    assert air.value("cellar", "level", 3 * HOUR) == pytest.approx(1.3)
    assert air.value("cellar", "level", 30 * HOUR) == 0.0


@pytest.mark.parametrize("hours", [0, 1, 7, 30])
def test_meter_adds_up_what_a_sum_of_the_power_gives(hours: int) -> None:
    power = DayCycle(300, 100, 19, 50, {"pump": 1000})
    cellar = World({"c": Room("c", {"power": power, "energy": Total("power", 5000)})})
    air = LivingWorld(cellar, "0")
    air.act(Act(HOUR, "c", "pump", 0.5))
    air.act(Act(3 * HOUR, "c", "pump", 0.0))
    parts = hours * 60
    summed = sum(air.value("c", "power", int((n + 0.5) * MINUTE)) for n in range(parts)) / 60
    assert air.value("c", "energy", hours * HOUR) == pytest.approx(5000 + summed, rel=1e-4)


def test_relative_humidity_never_passes_a_hundred() -> None:
    assert relative_humidity(5.0, 20.0) == 100.0


ACTS = st.lists(
    st.tuples(st.integers(0, 600), st.sampled_from(["heater", "window", "fan"]), st.floats(0, 1)), max_size=12
)


@given(acts=ACTS, asked=st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_value_is_the_same_whatever_was_asked_before(acts: list[tuple[int, str, float]], asked: list[int]) -> None:
    """The memo never shows: a world that was asked between its acts answers as one that was asked once."""
    climate = replace(TIGHT, start=15, sun_w=3000)
    asked_on_the_way = living(climate)
    for minutes, what, level in sorted(acts):
        for question in asked:
            if question <= minutes:
                asked_on_the_way.value("hall", "temperature", question * MINUTE)
        asked_on_the_way.act(Act(minutes * MINUTE, "hall", what, level))
    asked_once = LivingWorld(asked_on_the_way.world, "7")
    for question in asked:
        at = question * MINUTE + 17
        assert asked_on_the_way.value("hall", "temperature", at) == asked_once.value("hall", "temperature", at)


def test_bath_on_a_probe_changes_that_probe_alone() -> None:
    air = living(TIGHT)
    air.act(Act(HOUR, "hall", "bath", 273.15, "probe"))
    assert RoomSense(air, "hall", "7", "probe").sense("temperature", HOUR) == 0.0
    assert RoomSense(air, "hall", "7", "other").sense("temperature", HOUR) != 0.0
    assert RoomSense(air, "hall", "7").sense("temperature", HOUR) != 0.0


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (Act(HOUR - 1, "hall", "heater", 1.0), "past"),
        (Act(HOUR, "hall", "heater", float("nan")), "not a level"),
    ],
)
def test_act_that_cannot_be_is_refused(act: Act, message: str) -> None:
    air = living(TIGHT)
    air.act(Act(HOUR, "hall", "heater", 1.0))
    with pytest.raises(WorldError, match=message):
        air.act(act)


def test_level_beyond_one_is_refused() -> None:
    with pytest.raises(WorldError, match="from 0 to 1"):
        RoomSense(living(TIGHT), "hall", "7", "relay").drive("heater", 2.0, 0)
