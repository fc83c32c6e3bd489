"""Durations as people write them: `90 s`, `10 min`, `1.5 h`, `2 days`, `1 h 30 min`."""

from __future__ import annotations

import re

__all__ = ["format_duration", "parse_duration"]

UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "sec": 1_000_000_000,
    "second": 1_000_000_000,
    "seconds": 1_000_000_000,
    "seconde": 1_000_000_000,
    "seconden": 1_000_000_000,
    "m": 60_000_000_000,
    "min": 60_000_000_000,
    "minute": 60_000_000_000,
    "minutes": 60_000_000_000,
    "minuut": 60_000_000_000,
    "minuten": 60_000_000_000,
    "h": 3_600_000_000_000,
    "hour": 3_600_000_000_000,
    "hours": 3_600_000_000_000,
    "u": 3_600_000_000_000,
    "uur": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "day": 86_400_000_000_000,
    "days": 86_400_000_000_000,
    "dag": 86_400_000_000_000,
    "dagen": 86_400_000_000_000,
}
_PART = re.compile(r"\s*(\d+(?:[.,]\d+)?)\s*([a-z]+)\s*")


def parse_duration(text: str) -> int:
    """Nanoseconds. Raises ValueError naming what is allowed.

    >>> parse_duration("1 h 30 min") // 60_000_000_000
    90
    """
    total, position = 0, 0
    while position < len(text):
        part = _PART.match(text.lower(), position)
        if part is None or part[2] not in UNIT_NS:
            break
        whole, _, fraction = part[1].replace(",", ".").partition(".")
        unit = UNIT_NS[part[2]]
        total += int(whole) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        position = part.end()
    if not text.strip() or position < len(text):
        message = f'"{text}" is not a duration; write a number and s, min, h or days, such as "10 min"'
        raise ValueError(message)
    return total


def format_duration(duration_ns: int) -> str:
    """The shortest exact text down to seconds: `1 h 30 min`."""
    if not duration_ns:
        return "0 s"
    if abs(duration_ns) < UNIT_NS["s"]:
        return f"{duration_ns / 1e6:g} ms"
    parts, rest = [], duration_ns // UNIT_NS["s"]
    for name, size in (("days" if rest >= 172_800 else "day", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts)
