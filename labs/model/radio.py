"""Where things stand for the radio: rooms on a plan, and what lies between them. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["MATERIALS_DB", "Neighbour", "RadioPlan", "Wall"]

# Loss of a wall in dB, the middle of the range that is usually given (plasterboard 3, glass 2 to 3, brick 6 to 8,
# concrete 10 to 15, floor 15 to 20, coated glass 20 to 30, metal over 25).
MATERIALS_DB = {
    "wood": 3.0,
    "plasterboard": 3.0,
    "glass": 2.5,
    "brick": 7.0,
    "concrete": 12.5,
    "floor": 17.5,
    "coated-glass": 25.0,
    "metal": 28.0,
}


@dataclass(frozen=True, slots=True)
class Wall:
    """What a signal between two rooms goes through."""

    a: str
    b: str
    material: str

    @property
    def rooms(self) -> frozenset[str]:
        """Both rooms."""
        return frozenset((self.a, self.b))


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A Wi-Fi network of somebody else, which stands in a room."""

    ssid: str
    room: str
    channel: int
    power_dbm: float = 20.0


@dataclass(frozen=True, slots=True)
class RadioPlan:
    """Rooms at places in metres, walls between pairs of them, and what a device loses at its antenna."""

    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    walls: tuple[Wall, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    antenna_db: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", MappingProxyType(dict(self.places)))
        object.__setattr__(self, "antenna_db", MappingProxyType(dict(self.antenna_db)))
