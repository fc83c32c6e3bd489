"""The physical world as pure functions of time and seed: what a perfect instrument in a room would read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from labs.model.world import ARRIVAL_NS, DayCycle, World

__all__ = ["RoomSense", "value_at"]

DAY_S = 86_400


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


@dataclass(frozen=True, slots=True)
class RoomSense:
    """What a device in a room can know of the world. Times are nanoseconds since the site was switched on."""

    world: World
    room: str
    seed: str

    def sense(self, quantity: str, now: int) -> float:
        """The true value of a quantity here. Raises KeyError where there is none."""
        cycle = self.world.rooms[self.room].quantities[quantity]
        return value_at(cycle, self.wall_clock(now), phase_of(self.seed, self.room, quantity))

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds."""
        return self.world.epoch_s + (now - ARRIVAL_NS) / 1e9
