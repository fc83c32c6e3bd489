"""Near names, by the measure that nft uses for "did you mean".

Read first: Damerau-Levenshtein distance (optimal string alignment).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The first candidate of the least distance that is near enough, or None."""
    best: str | None = None
    least = 1 << 16
    for candidate in candidates:
        longest, shortest = max(len(name), len(candidate)), min(len(name), len(candidate))
        if longest <= 1:
            continue
        threshold = max(-(-longest // 3), 1) if longest - shortest <= 1 else -(-(longest + 2) // 3)
        distance = _distance(name, candidate)
        if distance <= threshold and distance < least:
            best, least = candidate, distance
    return best


def _distance(one: str, two: str) -> int:
    before: list[int] = []
    previous = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        current = [i]
        for j, b in enumerate(two, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
