"""Near names, by the measure that nft uses for "did you mean".

Read first: Damerau-Levenshtein distance (optimal string alignment), and string_distance() of nftables 1.0.6.
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
        distance = _distance(candidate, name)
        if distance <= threshold and distance < least:
            best, least = candidate, distance
    return best


def _distance(known: str, typed: str) -> int:
    """What nft takes for the distance of a name that exists from the one that was typed.

    It looks one letter too far to the right, and its rows are one cell too short, so that each ends in the next one.
    That is why it means `output` where somebody types `input`.
    """
    one, two, width = f"{known}\0", f"{typed}\0", len(typed)
    cells = [0] * ((len(known) + 1) * (width + 1))
    for i in range(len(one)):
        cells[i * width] = i
    cells[: width + 1] = range(width + 1)
    for i in range(1, len(one)):
        for j in range(1, len(two)):
            at = i * width + j
            cost = int(one[i] != two[j])
            cells[at] = min(cells[at - width] + 1, cells[at - 1] + 1, cells[at - width - 1] + cost)
            if i > 1 and j > 1 and one[i] == two[j - 1] and one[i - 1] == two[j]:
                cells[at] = min(cells[at], cells[at - 2 * width - 2] + cost)
    return cells[len(known) * width + width]
