"""The surroundings of a device that is nowhere: nothing to measure, to move, or on its terminals."""

from __future__ import annotations

__all__ = ["Nowhere"]


class Nowhere:
    """A world with a clock (Unix time from zero) and nothing else."""

    serial = ""

    def sense(self, quantity: str, now: int) -> float:
        """There is nothing to measure."""
        raise KeyError(quantity)

    def felt(self, quantity: str, now: int, tau_s: float) -> float:
        """There is nothing to follow."""
        raise KeyError(quantity)

    def terminal(self, number: int, now: int, *, mode: str, cold_c: float = 20.0) -> None:
        """There is nothing connected."""

    def battery(self, now: int) -> tuple[float, int]:
        """A full one."""
        del now
        return 1.0, 0

    def drive(self, what: str, level: float, now: int, *, stays: bool = False) -> None:
        """There is nothing to set."""

    def level(self, what: str, now: int) -> float:
        """There is nothing that was set."""
        del what, now
        return 0.0

    def power_lost(self, now: int) -> None:
        """Nothing falls back."""

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds."""
        return now / 1e9
