"""The physical side of a site: rooms, their quantities, and what was done to them. Values only.

`labs.things.world` computes with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["ARRIVAL_NS", "Act", "Climate", "DayCycle", "Quantity", "Room", "Schedule", "Stock", "Total", "World"]

ARRIVAL_NS = 60_000_000_000
"""When the trainee arrives: time zero is when the site is switched on, so that no device ever sees a negative time."""


def _frozen(value: object, *names: str) -> None:
    for name in names:
        object.__setattr__(value, name, MappingProxyType(dict(getattr(value, name))))


@dataclass(frozen=True, slots=True)
class DayCycle:
    """A quantity that swings once a day: `mean` ± `swing`, highest at `peak_hour` (local solar time, 0 to 24)."""

    mean: float
    swing: float = 0.0
    peak_hour: float = 15.0
    wander: float = 0.0
    """Largest slow irregular deviation, in the unit of the quantity."""
    driven: Mapping[str, float] = field(default_factory=dict)
    """What is added while something in the room (lamp, pump …) runs at full level."""
    lowest: float = float("-inf")
    highest: float = float("inf")

    def __post_init__(self) -> None:
        _frozen(self, "driven")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many people are there: `count` between two hours on some weekdays (0 is Monday), each a little off."""

    count: float
    from_hour: float
    to_hour: float
    days: frozenset[int] = frozenset(range(7))
    jitter_min: float = 0.0
    otherwise: float = 0.0


@dataclass(frozen=True, slots=True)
class Stock:
    """Something that fills and empties, such as the level of a tank: `per_hour` all by itself, `driven` by pumps."""

    start: float
    per_hour: float = 0.0
    driven: Mapping[str, float] = field(default_factory=dict)
    lowest: float = float("-inf")
    highest: float = float("inf")

    def __post_init__(self) -> None:
        _frozen(self, "driven")


@dataclass(frozen=True, slots=True)
class Total:
    """The count of a meter: what another quantity of the room adds up to per hour, from `start`."""

    of: str
    start: float = 0.0


Quantity = DayCycle | Schedule | Stock | Total


@dataclass(frozen=True, slots=True)
class Climate:
    """A room with walls: its temperature, humidity and CO2 follow from heat, air and people.

    Attributes
    ----------
    outside
        The room whose temperature and humidity are those of outside.
    volume_m3
        Air in the room.
    loss_w_per_k
        Heat that leaks away through walls and glass per degree of difference.
    inertia_h
        After how many hours 63 % of a change of the weather has come through, with everything shut.
    heater_w, cooler_w, sun_w
        Heat of heater and cooler at full level, and of the sun at its highest.
    air_changes, window_air_changes, fan_air_changes
        How often an hour the air is renewed: by itself, with the window wide open, with the ventilation at full level.
    moisture_g_per_h
        Water vapour from plants or processes.
    start
        Temperature when the site is switched on; None lets the model settle for a day first.
    """

    outside: str
    volume_m3: float = 50.0
    loss_w_per_k: float = 60.0
    inertia_h: float = 8.0
    heater_w: float = 0.0
    cooler_w: float = 0.0
    sun_w: float = 0.0
    air_changes: float = 0.5
    window_air_changes: float = 6.0
    fan_air_changes: float = 4.0
    moisture_g_per_h: float = 0.0
    start: float | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to the world: from `at_ns` on, `what` in a room (or at a device) is at `level`."""

    at_ns: int
    room: str
    what: str
    level: float
    device: str = ""
    """A device that the act is done to (a hair dryer on its probe); empty for the room itself."""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """A named place with the quantities that can be measured there (`temperature` in °C, `humidity` in %)."""

    name: str
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    climate: Climate | None = None

    def __post_init__(self) -> None:
        _frozen(self, "quantities")


@dataclass(frozen=True, slots=True)
class World:
    """All rooms, the wall-clock time (Unix seconds) at which the trainee arrives, and everything done since."""

    rooms: Mapping[str, Room] = field(default_factory=dict)
    epoch_s: int = 1_776_150_000  # 2026-04-14 07:00:00 UTC
    acts: tuple[Act, ...] = ()

    def __post_init__(self) -> None:
        _frozen(self, "rooms")
