"""The physical world as pure functions of time, seed and acts: what a perfect instrument in a room would read."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from labs.model.site import Site
from labs.model.world import ARRIVAL_NS, Act, Climate, DayCycle, Quantity, Schedule, Stock, Total, World
from labs.things.chain.stage import lagged
from labs.things.climate import ClimateMachine, Forcing, relative_humidity, saturation_g_m3

if TYPE_CHECKING:
    from labs.things.wiring import Arriving, Wiring

__all__ = ["KELVIN", "MAX_ACTS", "SPOTS", "LivingWorld", "RoomSense", "WorldError", "hang", "value_at"]

DAY_S = 86_400
KELVIN = 273.15
HOUR_NS = 3_600_000_000_000
MAX_ACTS = 100_000
LONG_AGO_NS = -(10**18)  # what hangs somewhere has hung there for years: a slow probe must not see it move
SPOTS = ("shade", "sun", "heater", "draught")
# How much warmer a probe in full sun or above a heater gets, how much cooler one in a draught: of the order of what
# unshielded thermometers read beside shielded ones (WMO-No. 8, chapter 2).
SUN_K, HEATER_K, DRAUGHT_K = 9.0, 6.0, 3.0
CLIMATE = {"temperature": "°C", "humidity": "%", "co2": "ppm"}
SUNRISE, SUNSET = 6.0, 18.0  # of an equinox
FULL_SUN_LX = 100_000.0  # direct sun, CIE standard overcast to clear sky range
OUTSIDE_HUMIDITY = 75.0  # % where the scenario says nothing: the yearly mean of Ukkel is 80


class WorldError(ValueError):
    """Something that cannot be done to the world, in one line."""


def value_at(quantity: DayCycle, seconds: float, phase: float = 0.0) -> float:
    """The true value at `seconds` (Unix time). `phase` (radians) tells one room's slow wander from another's.

    The wander is a sum of two sines with periods of 47 and 131 minutes: smooth, bounded by `wander`, free of state.
    """
    hour = seconds % DAY_S / 3600
    day = math.cos((hour - quantity.peak_hour) / 24 * 2 * math.pi)
    slow = 0.6 * math.sin(seconds / (47 * 60) + phase) + 0.4 * math.sin(seconds / (131 * 60) + 2 * phase)
    return quantity.mean + quantity.swing * day + quantity.wander * slow


def phase_of(seed: str, room: str, quantity: str) -> float:
    """A phase that differs per seed, room and quantity and is the same on every machine."""
    value = 0
    for byte in f"{seed}/{room}/{quantity}".encode():
        value = (value * 257 + byte) % 1_000_003
    return value / 1_000_003 * 2 * math.pi


def _summed(quantity: DayCycle, seconds: float, phase: float) -> float:
    """An antiderivative of `value_at` over seconds."""
    turn = 2 * math.pi / DAY_S
    total = quantity.mean * seconds
    total += quantity.swing / turn * math.sin((seconds - quantity.peak_hour * 3600) * turn)
    total -= quantity.wander * 0.6 * (47 * 60) * math.cos(seconds / (47 * 60) + phase)
    return total - quantity.wander * 0.4 * (131 * 60) * math.cos(seconds / (131 * 60) + 2 * phase)


def _between(value: float, lowest: float, highest: float) -> float:
    return lowest if value < lowest else min(value, highest)


class _Levels:
    """At what level one thing runs, over time."""

    __slots__ = ("levels", "times")

    def __init__(self) -> None:
        self.times: list[int] = []
        self.levels: list[float] = []

    def at(self, now: int) -> float:
        index = bisect_right(self.times, now)
        return self.levels[index - 1] if index else 0.0

    def full_hours(self, now: int) -> float:
        """The integral of the level from time zero, in hours."""
        total = 0.0
        for index, since in enumerate(self.times):
            if since >= now:
                break
            until = self.times[index + 1] if index + 1 < len(self.times) else now
            total += self.levels[index] * (min(until, now) - since)
        return total / HOUR_NS


class LivingWorld:
    """A world and everything done to it. One engine owns one; a value depends on time, seed and acts alone."""

    def __init__(self, world: World, seed: str) -> None:
        self._world = world
        self._frozen = world
        self.seed = seed
        self.acts: list[Act] = []
        self._levels: dict[tuple[str, str, str], _Levels] = {}
        self._phases: dict[tuple[str, str], float] = {}
        self._climates: dict[str, ClimateMachine] = {}
        self._presence: dict[tuple[str, int], list[tuple[float, float]]] = {}
        self._latest: dict[tuple[str, str], tuple[int, int, float]] = {}  # of a quantity: when, acts by then, value
        for act in world.acts:
            self.act(act)

    @property
    def world(self) -> World:
        """The same as a value, with every act so far."""
        if len(self._frozen.acts) != len(self.acts):
            self._frozen = replace(self._world, acts=tuple(self.acts))
        return self._frozen

    def act(self, act: Act) -> None:
        """Note what was done. Raises WorldError for too many acts and for one before the last."""
        if len(self.acts) >= MAX_ACTS:
            message = f"more than {MAX_ACTS} things were done to the world"
            raise WorldError(message)
        if self.acts and act.at_ns < self.acts[-1].at_ns:
            message = "nothing can be done in the past"
            raise WorldError(message)
        if not math.isfinite(act.level):
            message = f"{act.level} is not a level"
            raise WorldError(message)
        self.acts.append(act)
        levels = self._levels.setdefault((act.room, act.device, act.what), _Levels())
        levels.times.append(act.at_ns)
        levels.levels.append(act.level)
        for machine in self._climates.values():
            machine.forget_after(act.at_ns)

    def level(self, room: str, what: str, now: int, device: str = "") -> float:
        """At what level something is at a time; 0 where nobody touched it."""
        levels = self._levels.get((room, device, what))
        return 0.0 if levels is None else levels.at(now)

    def changes(self, room: str, what: str, device: str = "") -> list[tuple[int, float]]:
        """Every change of a level: when, and to what."""
        levels = self._levels.get((room, device, what))
        return [] if levels is None else list(zip(levels.times, levels.levels, strict=True))

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds."""
        return self._world.epoch_s + (now - ARRIVAL_NS) / 1e9

    def quantities(self, room: str) -> list[str]:
        """What can be measured in a room."""
        place = self._world.rooms[room]
        return list(dict.fromkeys((*place.quantities, *(CLIMATE if place.climate is not None else ()))))

    def value(self, room: str, quantity: str, now: int) -> float:
        """The true value of a quantity in a room. Raises KeyError where there is none."""
        latest = self._latest.get((room, quantity))
        if latest is not None and latest[0] == now and latest[1] == len(self.acts):
            return latest[2]
        value = self._value(room, quantity, now)
        self._latest[room, quantity] = now, len(self.acts), value
        return value

    def _value(self, room: str, quantity: str, now: int) -> float:
        place = self._world.rooms[room]
        known = place.quantities.get(quantity)
        if known is not None:
            return self._known(room, quantity, known, now)
        if place.climate is None or quantity not in CLIMATE:
            raise KeyError(quantity)
        state = self._climate(room, place.climate).at(now)
        if quantity == "humidity":
            return relative_humidity(state.temperature, state.vapour)
        return state.temperature if quantity == "temperature" else state.co2

    def spot_effect(self, room: str, device: str, now: int) -> float:
        """By how many kelvin the place of a probe in its room is warmer than the room."""
        spot = SPOTS[int(self.level(room, "spot", now, device))]
        if spot == "sun":
            return SUN_K * self.sunlight(room, now)
        climate = self._world.rooms[room].climate
        if spot == "heater":
            return HEATER_K * (self.level(room, "heater", now) if climate is not None and climate.heater_w else 1.0)
        if spot == "draught":
            if climate is None:
                return -DRAUGHT_K
            return (self.value(climate.outside, "temperature", now) - self.value(room, "temperature", now)) / 2
        return 0.0

    def sunlight(self, room: str, now: int) -> float:
        """How much sun falls on a room, 0 to 1: from the daylight outside where that is known, else from the hour."""
        place = self._world.rooms[room]
        outside = room if place.climate is None else place.climate.outside
        found = self._world.rooms.get(outside)
        if found is not None and "illuminance" in found.quantities:
            return _between(self.value(outside, "illuminance", now) / FULL_SUN_LX, 0.0, 1.0)
        seconds = self.wall_clock(now)
        hour = seconds % DAY_S / 3600
        if not SUNRISE < hour < SUNSET:
            return 0.0
        phase = self._phase(outside, "clouds")
        clouds = 0.7 + 0.3 * math.sin(seconds / (53 * 60) + phase)
        return math.sin((hour - SUNRISE) / (SUNSET - SUNRISE) * math.pi) * clouds

    # Inside

    def _phase(self, room: str, quantity: str) -> float:
        key = (room, quantity)
        found = self._phases.get(key)
        if found is None:
            found = self._phases[key] = phase_of(self.seed, room, quantity)
        return found

    def _known(self, room: str, name: str, quantity: Quantity, now: int) -> float:
        if isinstance(quantity, DayCycle):
            value = value_at(quantity, self.wall_clock(now), self._phase(room, name))
            for what, amount in quantity.driven.items():
                value += amount * self.level(room, what, now)
            return _between(value, quantity.lowest, quantity.highest)
        if isinstance(quantity, Schedule):
            return self._people(room, quantity, self.wall_clock(now))
        if isinstance(quantity, Stock):
            return self._stock(room, quantity, now)
        return self._total(room, quantity, now)

    def _people(self, room: str, schedule: Schedule, seconds: float) -> float:
        day, rest = divmod(seconds, DAY_S)
        if (int(day) + 3) % 7 not in schedule.days:  # 1970-01-01 was a Thursday
            return schedule.otherwise
        key = (room, int(day))
        stays = self._presence.get(key)
        if stays is None:
            stays = self._presence[key] = [
                (schedule.from_hour * 3600 + early, schedule.to_hour * 3600 + late)
                for early, late in self._jitter(room, int(day), schedule)
            ]
        present = sum(1 for begin, end in stays if begin <= rest < end)
        return schedule.otherwise + present * (schedule.count / len(stays) if stays else 0.0)

    def _jitter(self, room: str, day: int, schedule: Schedule) -> list[tuple[float, float]]:
        """For each person how many seconds late they come and go that day."""
        from hashlib import sha256

        persons = max(1, min(200, int(schedule.count)))
        most = schedule.jitter_min * 60
        found = []
        for person in range(persons):
            digest = sha256(f"{self.seed}/{room}/people/{day}/{person}".encode()).digest()
            come, go = (int.from_bytes(part) / (1 << 31) - 1.0 for part in (digest[:4], digest[4:8]))
            found.append((come * most, go * most))
        return found

    def _stock(self, room: str, stock: Stock, now: int) -> float:
        """Straight lines between the moments at which a pump changed, each kept between bottom and brim."""
        moments = {0, max(now, 0)}
        for what in stock.driven:
            levels = self._levels.get((room, "", what))
            if levels is not None:
                moments.update(levels.times[: bisect_left(levels.times, now)])
        value, since = stock.start, 0
        for moment in sorted(moments):
            rate = stock.per_hour + sum(amount * self.level(room, what, since) for what, amount in stock.driven.items())
            value = _between(value + rate * (moment - since) / HOUR_NS, stock.lowest, stock.highest)
            since = moment
        return value

    def _total(self, room: str, total: Total, now: int) -> float:
        of = self._world.rooms[room].quantities[total.of]
        if not isinstance(of, DayCycle):
            return total.start
        phase = self._phase(room, total.of)
        begin, end = self.wall_clock(0), self.wall_clock(max(now, 0))
        value = (_summed(of, end, phase) - _summed(of, begin, phase)) / 3600
        for what, amount in of.driven.items():
            levels = self._levels.get((room, "", what))
            if levels is not None:
                value += amount * levels.full_hours(now)
        return total.start + value

    def _climate(self, room: str, climate: Climate) -> ClimateMachine:
        machine = self._climates.get(room)
        if machine is None:
            machine = ClimateMachine(
                climate,
                lambda now: self._forcing(room, climate, now),
                lambda begin, end: self._breaks(room, begin, end),
            )
            self._climates[room] = machine
        return machine

    def _forcing(self, room: str, climate: Climate, now: int) -> Forcing:
        outside_c = self.value(climate.outside, "temperature", now)
        outside = self._world.rooms[climate.outside]
        moist = self.value(climate.outside, "humidity", now) if "humidity" in outside.quantities else OUTSIDE_HUMIDITY
        presence = self._world.rooms[room].quantities.get("presence")
        return Forcing(
            outside_c,
            saturation_g_m3(outside_c) * _between(moist, 0.0, 100.0) / 100,
            self.sunlight(room, now) if climate.sun_w else 0.0,
            self._known(room, "presence", presence, now) if presence is not None else 0.0,
            self.level(room, "heater", now),
            self.level(room, "cooler", now),
            self.level(room, "window", now),
            self.level(room, "fan", now),
        )

    def _breaks(self, room: str, begin: int, end: int) -> list[int]:
        found: set[int] = set()
        for what in ("heater", "cooler", "window", "fan"):
            levels = self._levels.get((room, "", what))
            if levels is not None:
                found.update(levels.times[bisect_right(levels.times, begin) : bisect_left(levels.times, end)])
        return sorted(found)


def hang(living: LivingWorld, site: Site) -> None:
    """Note where the devices of a site hang and what is in their batteries. Raises ValueError for an unknown spot."""
    if living.acts:
        return  # a site that was read back knows already
    for device in site.devices.values():
        if device.spot:
            living.act(Act(LONG_AGO_NS, device.room, "spot", float(SPOTS.index(device.spot)), device.name))
    for device in site.devices.values():
        if device.charge < 1:
            living.act(Act(0, device.room, "battery", device.charge, device.name))


class RoomSense:
    """What a device in a room can know of the world, and do to it. Times are ns since the site was switched on.

    Without a device it is the reference instrument of the room.
    """

    __slots__ = ("_held", "_living", "device", "room", "wiring")

    def __init__(self, world: World | LivingWorld, room: str, seed: str, device: str = "") -> None:
        self._living = world if isinstance(world, LivingWorld) else LivingWorld(world, seed)
        self.room = room
        self.device = device
        self._held: set[str] = set()
        self.wiring: Wiring | None = None

    def sense(self, quantity: str, now: int) -> float:
        """The true value of a quantity here. Raises KeyError where there is none."""
        if self.device and quantity == "temperature":
            bath = self._living.level(self.room, "bath", now, self.device)  # in kelvin; 0 is none
            if bath:
                return bath - KELVIN
            value = self._living.value(self.room, quantity, now)
            if self._living.level(self.room, "spot", now, self.device):
                value += self._living.spot_effect(self.room, self.device, now)
            return value
        return self._living.value(self.room, quantity, now)

    def felt(self, quantity: str, now: int, tau_s: float) -> float:
        """A quantity as a probe with a time constant has followed it. Raises KeyError where there is none."""
        if tau_s <= 0:
            return self.sense(quantity, now)
        jumps = []
        if quantity == "temperature" and self.device:
            for when, _ in self._living.changes(self.room, "bath", self.device):
                if when <= now:
                    jumps.append((when, self.sense(quantity, max(when - 1, 0)), self.sense(quantity, when)))
        return lagged(lambda at: self.sense(quantity, at), now, tau_s, jumps=jumps)

    @property
    def serial(self) -> str:
        """What tells this unit from every other, in every lab."""
        return f"{self._living.seed}/{self.device}"

    def terminal(self, number: int, now: int, *, mode: str, cold_c: float = 20.0) -> Arriving | None:
        """What stands on an analogue input of this device, set to a mode; None where nothing is connected."""
        if self.wiring is None:
            return None
        return self.wiring.arriving(self.device, number, now, mode=mode, cold_c=cold_c)

    def quantities(self) -> list[str]:
        """What can be measured here."""
        return self._living.quantities(self.room) if self.room in self._living.world.rooms else []

    def level(self, what: str, now: int) -> float:
        """At what level something in the room is: `window` 1.0 is wide open."""
        return self._living.level(self.room, what, now)

    def battery(self, now: int) -> tuple[float, int]:
        """The share that was in the battery of this device when it was last put in, and when that was."""
        changes = [
            (when, level)
            for room in {self.room, *self._living.world.rooms}  # it goes where the device is carried
            for when, level in self._living.changes(room, "battery", self.device)
            if when <= now
        ]
        since, share = max(changes, default=(0, 1.0))
        return share, since

    def drive(self, what: str, level: float, now: int, *, stays: bool = False) -> None:
        """Set heater, window, fan, lamp … of the room to a level, from 0 to 1. Raises WorldError.

        What `stays` keeps its level when the device loses power (a motor); everything else falls back to 0 (a relay).
        """
        if not 0.0 <= level <= 1.0:
            message = f"a level is from 0 to 1, not {level:g}"
            raise WorldError(message)
        if stays or not level:
            self._held.discard(what)
        else:
            self._held.add(what)
        if level != self._living.level(self.room, what, now):
            self._living.act(Act(now, self.room, what, level, by=self.device))

    def happen(self, act: Act) -> None:
        """Take over what was done elsewhere. Raises WorldError."""
        self._living.act(act)

    def power_lost(self, now: int) -> None:
        """The device has no power any more: its relays fall back."""
        for what in sorted(self._held):
            self._living.act(Act(now, self.room, what, 0.0, by=self.device))
        self._held.clear()

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds."""
        return self._living.wall_clock(now)
