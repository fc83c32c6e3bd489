"""How long an answer is waited for in real time, where a program waits for it by the clock of the lab.

An answer in a lab takes milliseconds. Who is silent is waited for until the second time TCP repeats itself (RFC 6298:
after 1 s and 3 s); who was silent the last time, for a moment. The program itself gives up when the clock of the lab
says so, which is soon where nothing else is due.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = ["Patience"]

FIRST_S, AGAIN_S = 3.5, 0.06


class Patience:
    """What one program has learned of whom it asks."""

    def __init__(self) -> None:
        self._silent: set[Hashable] = set()

    def with_(self, whom: Hashable) -> float:
        """Seconds of real time."""
        return AGAIN_S if whom in self._silent else FIRST_S

    def heard(self, whom: Hashable) -> None:
        """It answered."""
        self._silent.discard(whom)

    def lost(self, whom: Hashable) -> None:
        """It did not answer in time."""
        self._silent.add(whom)
