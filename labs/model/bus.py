"""Serial buses of a site (TIA-485-A): one pair of wires along which devices are connected one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Bus", "Drop"]


@dataclass(frozen=True, slots=True)
class Drop:
    """Where a device is connected: `at_m` metres along the cable, with `stub_m` of wire between cable and terminals.

    `terminated` is a resistor of 120 Ω between the wires there, `biased` a network that holds an idle bus apart,
    `swapped` that the two wires sit in each other's terminals.
    """

    device: str
    at_m: float
    stub_m: float = 0.2
    terminated: bool = False
    biased: bool = False
    swapped: bool = False
    port: str = "ttyS0"


@dataclass(frozen=True, slots=True)
class Bus:
    """A cable with its drops in order of `at_m`; `broken_at_m` is where a wire of it is broken, if it is."""

    name: str
    drops: tuple[Drop, ...]
    broken_at_m: float | None = None

    @property
    def length_m(self) -> float:
        """From the first drop to the last."""
        return self.drops[-1].at_m - self.drops[0].at_m if self.drops else 0.0

    def drop(self, device: str) -> Drop:
        """The drop of a device. Raises KeyError."""
        for drop in self.drops:
            if drop.device == device:
                return drop
        raise KeyError(device)

    def with_drop(self, changed: Drop) -> Bus:
        """The same bus with the drop of one device replaced."""
        return replace(self, drops=tuple(changed if old.device == changed.device else old for old in self.drops))

    def pieces(self) -> Iterator[tuple[Drop, ...]]:
        """The drops that are still connected with each other, piece by piece."""
        if self.broken_at_m is None:
            yield self.drops
            return
        for side in (True, False):
            piece = tuple(drop for drop in self.drops if (drop.at_m <= self.broken_at_m) is side)
            if piece:
                yield piece
