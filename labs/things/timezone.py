"""Local time: offsets and summer time from the rule of a zone, without a database of the operating system.

A rule is written as in POSIX.1-2017 §8.3 (`CET-1CEST,M3.5.0,M10.5.0/3`): the same answer on every machine. History is
not told: a zone is as it has been since 1996, when the European Union agreed on its dates (directive 2000/84/EC).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

__all__ = ["ZONES", "Zone", "ZoneError", "local_time", "zone"]

# The last field of the files of tzdata 2024a.
ZONES = {
    "UTC": "UTC0",
    "Etc/UTC": "UTC0",
    "Europe/Brussels": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Amsterdam": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Paris": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Berlin": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Luxembourg": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Madrid": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/Rome": "CET-1CEST,M3.5.0,M10.5.0/3",
    "Europe/London": "GMT0BST,M3.5.0/1,M10.5.0",
    "Europe/Dublin": "IST-1GMT0,M10.5.0,M3.5.0/1",
    "Europe/Lisbon": "WET0WEST,M3.5.0/1,M10.5.0",
    "Europe/Athens": "EET-2EEST,M3.5.0/3,M10.5.0/4",
    "Europe/Helsinki": "EET-2EEST,M3.5.0/3,M10.5.0/4",
    "Europe/Istanbul": "<+03>-3",
    "America/New_York": "EST5EDT,M3.2.0,M11.1.0",
    "America/Los_Angeles": "PST8PDT,M3.2.0,M11.1.0",
    "Asia/Shanghai": "CST-8",
    "Asia/Kolkata": "IST-5:30",
    "Asia/Tokyo": "JST-9",
}
_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)"
_TIME = r"[+-]?\d{1,3}(?::\d{2}){0,2}"
_RULE = re.compile(
    rf"(?P<std>{_NAME})(?P<offset>{_TIME})"
    rf"(?:(?P<dst>{_NAME})(?P<dst_offset>{_TIME})?,(?P<start>M[\d.]+)(?:/(?P<start_at>{_TIME}))?,"
    rf"(?P<end>M[\d.]+)(?:/(?P<end_at>{_TIME}))?)?"
)


class ZoneError(ValueError):
    """Not a zone that is known, nor a rule."""


class _Change(NamedTuple):
    """The week-th (5: last) `day` (0: Sunday) of a month, at seconds of local time."""

    month: int
    week: int
    day: int
    at_s: int


class Zone(NamedTuple):
    """A zone: seconds east of Greenwich and abbreviations, in standard time and in summer time, and when it changes."""

    name: str
    standard_s: int
    standard: str
    summer_s: int = 0
    summer: str = ""
    start: _Change | None = None
    end: _Change | None = None


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    return sign * sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))


def _change(text: str, at: str | None) -> _Change:
    try:
        month, week, day = (int(part) for part in text[1:].split("."))
    except ValueError:
        month = week = day = -1
    if not (1 <= month <= 12 and 1 <= week <= 5 and 0 <= day <= 6):
        message = f'"{text}" is not a day of change such as M3.5.0'
        raise ZoneError(message)
    return _Change(month, week, day, 7200 if at is None else _seconds(at))


@lru_cache(maxsize=64)
def zone(text: str) -> Zone:
    """The zone of that name, or that rule. Raises ZoneError.

    Examples
    --------
    >>> zone("Europe/Brussels").summer_s, zone("CET-1CEST,M3.5.0,M10.5.0/3").standard
    (7200, 'CET')
    """
    found = _RULE.fullmatch(ZONES.get(text, text))
    if found is None:
        message = f'"{text}" is not a time zone; known are {", ".join(ZONES)}, and POSIX rules'
        raise ZoneError(message)
    standard_s = -_seconds(found["offset"])
    standard = found["std"].strip("<>")
    if not found["dst"]:
        return Zone(text, standard_s, standard)
    summer_s = standard_s + 3600 if found["dst_offset"] is None else -_seconds(found["dst_offset"])
    start, end = _change(found["start"], found["start_at"]), _change(found["end"], found["end_at"])
    return Zone(text, standard_s, standard, summer_s, found["dst"].strip("<>"), start, end)


@lru_cache(maxsize=256)
def _moment(change: _Change, year: int, before_s: int) -> float:
    """Unix time at which a change happens; `before_s` is the offset until then."""
    first = date(year, change.month, 1)
    shift = (change.day - (first.weekday() + 1) % 7) % 7
    day = first + timedelta(days=shift + 7 * (change.week - 1))
    if day.month != change.month:  # there is no fifth one: the last
        day -= timedelta(days=7)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return midnight + change.at_s - before_s


def local_time(where: Zone, unix_s: float) -> tuple[datetime, str]:
    """What a clock on the wall shows (without a zone attached), and the abbreviation of the time that counts."""
    offset, name = where.standard_s, where.standard
    if where.start is not None and where.end is not None:
        year = datetime.fromtimestamp(unix_s + where.standard_s, UTC).year
        start = _moment(where.start, year, where.standard_s)
        end = _moment(where.end, year, where.summer_s)
        summer = start <= unix_s < end if start < end else not end <= unix_s < start
        if summer:
            offset, name = where.summer_s, where.summer
    return datetime.fromtimestamp(unix_s + offset, UTC).replace(tzinfo=None), name
