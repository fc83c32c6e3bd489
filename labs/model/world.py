"""The physical side of a site: rooms and their quantities. Values only; `labs.things.world` computes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["ARRIVAL_NS", "DayCycle", "Quantity", "Room", "World"]

ARRIVAL_NS = 60_000_000_000
"""When the trainee arrives: time zero is when the site is switched on, so that no device ever sees a negative time."""


@dataclass(frozen=True, slots=True)
class DayCycle:
    """A quantity that swings once a day: `mean` ± `swing`, highest at `peak_hour` (local solar time, 0 to 24)."""

    mean: float
    swing: float = 0.0
    peak_hour: float = 15.0
    wander: float = 0.0
    """Largest slow irregular deviation, in the unit of the quantity."""


Quantity = DayCycle


@dataclass(frozen=True, slots=True)
class Room:
    """A named place with the quantities that can be measured there (`temperature` in °C, `humidity` in %)."""

    name: str
    quantities: Mapping[str, Quantity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantities", MappingProxyType(dict(self.quantities)))


@dataclass(frozen=True, slots=True)
class World:
    """All rooms, and the wall-clock time (Unix seconds) at which the trainee arrives."""

    rooms: Mapping[str, Room] = field(default_factory=dict)
    epoch_s: int = 1_776_150_000  # 2026-04-14 07:00:00 UTC

    def __post_init__(self) -> None:
        object.__setattr__(self, "rooms", MappingProxyType(dict(self.rooms)))
