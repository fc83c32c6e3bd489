"""Stages that compose: each takes a number and a time and gives a number. A chain tells what it was after each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = [
    "Chain",
    "Stage",
    "Step",
    "calibrated",
    "class_error",
    "clipped",
    "lagged",
    "noise",
    "quantised",
    "rounded",
    "share_of",
]

PIECES = 8
SHORT_LAG_NS = 60_000_000_000


class Step(NamedTuple):
    """What the chain had after a stage."""

    name: str
    value: float
    unit: str


class Stage(NamedTuple):
    """One part of the chain. `unit` is that of its result; empty where it is the unit before."""

    name: str
    unit: str
    apply: Callable[[float, int], float]


class Chain:
    """Stages in a row."""

    __slots__ = ("_applies", "stages")

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = tuple(stages)
        self._applies = tuple(stage.apply for stage in self.stages)

    def value(self, value: float, now: int) -> float:
        """The number at the end."""
        for apply in self._applies:
            value = apply(value, now)
        return value

    def steps(self, value: float, now: int, unit: str) -> list[Step]:
        """The number after every stage."""
        found = []
        for stage in self.stages:
            value = stage.apply(value, now)
            unit = stage.unit or unit
            found.append(Step(stage.name, value, unit))
        return found


def share_of(name: str) -> float:
    """Where in its class one instrument lies, from -1 to 1, for ever."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / (1 << 63) - 1.0


def class_error(limit: Callable[[float], float], serial: str) -> Stage:
    """The error of one instrument: a fixed share of the limit of its class at the value."""
    share = share_of(serial)
    return Stage("element", "", lambda value, _: value + share * limit(value))


def noise(most: float, serial: str) -> Stage:
    """A little more or less each time: triangular between -`most` and `most`, seeded by instrument and time."""
    prefix = hashlib.sha256(serial.encode())

    def apply(value: float, now: int) -> float:
        digest = prefix.copy()
        digest.update(now.to_bytes(8, signed=True))
        first, second = digest.digest()[:2]
        return value + most * (first - second) / 255

    return Stage("noise", "", apply)


def quantised(step: float, low: float, high: float) -> Stage:
    """A converter or digital element: whole steps between two ends."""
    return Stage("converter", "", lambda value, _: min(max(round(value / step) * step, low), high))


def clipped(low: float, high: float) -> Stage:
    """What lies beyond the range reads as its end."""
    return Stage("range", "", lambda value, _: min(max(value, low), high))


def calibrated(scale: float, offset: float) -> Stage:
    """What a technician set: times `scale`, plus `offset`."""
    return Stage("calibration", "", lambda value, _: value * scale + offset)


def rounded(decimals: int) -> Stage:
    """The digits that are told; no minus in front of zero."""
    return Stage("digits", "", lambda value, _: round(value, decimals) + 0.0)


def lagged(
    truth: Callable[[int], float],
    now: int,
    tau_s: float,
    *,
    jumps: Sequence[tuple[int, float, float]] = (),
) -> float:
    """A first-order lag over a quantity: what a probe that follows with time constant `tau_s` has reached.

    For a short lag against slow air this is the truth one time constant ago; for a longer one the exponential weight is
    cut into equal pieces. `jumps` are sudden changes (when, from, to) that `truth` shows at once: their remainder
    dies away as exp(-t/tau), exactly.
    """
    if tau_s <= 0:
        return truth(now)
    tau_ns = tau_s * 1e9
    rest = 0.0
    newest: int | None = None
    for when, before, after in jumps:
        if when <= now:
            if newest is not None:
                rest *= math.exp((newest - when) / tau_ns)
            rest += before - after
            newest = when
    if newest is not None:
        rest *= math.exp((newest - now) / tau_ns)
    first = now - round(100 * tau_ns) if newest is None else newest
    if tau_ns <= SHORT_LAG_NS:
        return truth(max(int(now - tau_ns), first)) + rest
    total = 0.0
    for piece in range(PIECES):
        back = -tau_ns * math.log(1 - (piece + 0.5) / PIECES)
        total += truth(max(int(now - back), first))
    return total / PIECES + rest
