"""Temperature, humidity and CO2 of a room from heat, air and people: one balance each, in steps of a minute.

Each balance is dx/dt = source - k * (x - outside). A step solves it backwards (implicit Euler): only +, -, * and /,
so that every machine computes the same digits. Sources: density and heat capacity of air 1.2 kg/m3 and 1005 J/(kg K)
(ISO 6946 annex values at 20 °C); saturation by the Magnus formula of the WMO CIMO guide (WMO-No. 8, annex 4.B);
a seated person gives off about 100 W (ISO 7730, 58 W/m2 on 1.8 m2), 0.0052 l/s of CO2 (Persily and de Jonge 2017,
1.2 met) and 50 g/h of vapour (ASHRAE Fundamentals, seated at 24 °C); CO2 outside is taken as 420 ppm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from labs.model.world import Climate

__all__ = ["ClimateMachine", "Forcing", "State", "relative_humidity", "saturation_g_m3"]

MINUTE_NS = 60_000_000_000
STEP_S = 60.0
HOUR_S = 3600.0
AIR_J_PER_M3_K = 1.2 * 1005.0
PERSON_W = 100.0
PERSON_CO2_M3_PER_H = 0.0052e-3 * HOUR_S
PERSON_VAPOUR_G_PER_H = 50.0
OUTSIDE_CO2_PPM = 420.0
SETTLE_STEPS = 24 * 60


class State(NamedTuple):
    """Air of the room: °C, grams of vapour per m3, ppm."""

    temperature: float
    vapour: float
    co2: float


class Forcing(NamedTuple):
    """What acts on a room at a moment. Levels run from 0 to 1, `sun` too."""

    outside_c: float
    outside_vapour: float
    sun: float
    people: float
    heater: float
    cooler: float
    window: float
    fan: float


def saturation_g_m3(celsius: float) -> float:
    """The most vapour that air can hold, in g/m3 (Magnus over water, ideal gas)."""
    pressure_hpa = 6.112 * math.exp(17.62 * celsius / (243.12 + celsius))
    return 216.7 * pressure_hpa / (273.15 + celsius)


def relative_humidity(celsius: float, vapour: float) -> float:
    """Relative humidity in %, at most 100."""
    return min(100.0, 100.0 * vapour / saturation_g_m3(celsius))


def _rates(climate: Climate, force: Forcing) -> tuple[float, float, float, float]:
    """Air changes per hour, heat conductance in W/K, heat in W, and heat capacity in J/K."""
    air = climate.air_changes + climate.window_air_changes * force.window + climate.fan_air_changes * force.fan
    still = climate.loss_w_per_k + AIR_J_PER_M3_K * climate.volume_m3 * climate.air_changes / HOUR_S
    conductance = climate.loss_w_per_k + AIR_J_PER_M3_K * climate.volume_m3 * air / HOUR_S
    heat = (
        climate.heater_w * force.heater
        - climate.cooler_w * force.cooler
        + climate.sun_w * force.sun
        + PERSON_W * force.people
    )
    return air, conductance, heat, still * climate.inertia_h * HOUR_S


def _step(climate: Climate, state: State, force: Forcing, seconds: float) -> State:
    air, conductance, heat, capacity = _rates(climate, force)
    gain = seconds / capacity
    temperature = (state.temperature + gain * (conductance * force.outside_c + heat)) / (1 + gain * conductance)
    part = seconds / HOUR_S
    fresh = 1 + part * air
    vapour_in = (climate.moisture_g_per_h + PERSON_VAPOUR_G_PER_H * force.people) / climate.volume_m3
    vapour = (state.vapour + part * (air * force.outside_vapour + vapour_in)) / fresh
    co2_in = PERSON_CO2_M3_PER_H * force.people / climate.volume_m3 * 1e6
    co2 = (state.co2 + part * (air * OUTSIDE_CO2_PPM + co2_in)) / fresh
    return State(temperature, min(vapour, saturation_g_m3(temperature)), co2)


def _settled(climate: Climate, force: Forcing) -> State:
    """Where the balances come to rest."""
    air, conductance, heat, _ = _rates(climate, force)
    temperature = force.outside_c + heat / conductance if conductance else force.outside_c
    renewed = max(air, 0.01)  # a room without any air change would fill up for ever
    vapour_in = (climate.moisture_g_per_h + PERSON_VAPOUR_G_PER_H * force.people) / climate.volume_m3
    vapour = min(force.outside_vapour + vapour_in / renewed, saturation_g_m3(temperature))
    co2_in = PERSON_CO2_M3_PER_H * force.people / climate.volume_m3 * 1e6
    return State(temperature, vapour, OUTSIDE_CO2_PPM + co2_in / renewed)


class ClimateMachine:
    """The room over time. What it has computed it remembers; `forget_after` says that the rest may have changed.

    `forcing(now)` gives what acts on the room, `breaks(start, end)` the moments in between at which a level changed.
    """

    def __init__(
        self, climate: Climate, forcing: Callable[[int], Forcing], breaks: Callable[[int, int], list[int]]
    ) -> None:
        self._climate = climate
        self._forcing = forcing
        self._breaks = breaks
        self._known: list[State] = []  # at whole minutes since time zero
        self._last: tuple[int, State] | None = None

    def forget_after(self, now: int) -> None:
        """Something was done at this time."""
        del self._known[max(1, now // MINUTE_NS + 1) :]
        self._last = None

    def at(self, now: int) -> State:
        """The state at a time; before time zero it is what it was at zero."""
        if self._last is not None and self._last[0] == now:
            return self._last[1]
        known = self._known
        if not known:
            known.append(self._first())
        whole, rest = divmod(max(now, 0), MINUTE_NS)
        while len(known) <= whole:
            begin = (len(known) - 1) * MINUTE_NS
            known.append(self._advance(known[-1], begin, begin + MINUTE_NS))
        state = known[whole] if not rest else self._advance(known[whole], whole * MINUTE_NS, now)
        self._last = (now, state)
        return state

    def _advance(self, state: State, begin: int, end: int) -> State:
        """From one moment to a later one, at most a minute apart, in pieces between changes of level."""
        for until in (*self._breaks(begin, end), end):
            if until > begin:
                # Levels hold from their moment on: what acts on a piece is what acts just before its end.
                state = _step(self._climate, state, self._forcing(until - 1), (until - begin) / 1e9)
                begin = until
        return state

    def _first(self) -> State:
        climate = self._climate
        if climate.start is not None:
            return _settled(climate, self._forcing(0))._replace(temperature=climate.start)
        begin = -SETTLE_STEPS * MINUTE_NS
        state = _settled(climate, self._forcing(begin))
        for index in range(1, SETTLE_STEPS + 1):
            state = _step(climate, state, self._forcing(begin + index * MINUTE_NS), STEP_S)
        return state
