"""Local time, against the database of the operating system where there is one, and against published dates."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from labs.things.timezone import ZONES, ZoneError, local_time, zone


@pytest.mark.parametrize(
    ("utc", "local", "name"),
    [  # directive 2000/84/EC: the last Sundays of March and October, 01:00 UTC
        ("2026-03-29 00:59", "2026-03-29 01:59", "CET"),
        ("2026-03-29 01:00", "2026-03-29 03:00", "CEST"),
        ("2026-10-25 00:59", "2026-10-25 02:59", "CEST"),
        ("2026-10-25 01:00", "2026-10-25 02:00", "CET"),
        ("2026-12-31 23:30", "2027-01-01 00:30", "CET"),
    ],
)
def test_summer_time_of_brussels_changes_on_the_dates_of_the_directive(utc: str, local: str, name: str) -> None:
    unix_s = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()
    assert local_time(zone("Europe/Brussels"), unix_s) == (datetime.fromisoformat(local), name)


@pytest.mark.parametrize("name", ZONES)
def test_every_zone_agrees_with_the_database(name: str) -> None:
    try:
        info = ZoneInfo(name)
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone database")
    where = zone(name)
    for hours in range(0, 10 * 366 * 24, 5):
        unix_s = 1_735_689_600 + hours * 3600  # from 2025-01-01
        there = datetime.fromtimestamp(unix_s, info)
        assert local_time(where, unix_s) == (there.replace(tzinfo=None), there.tzname())


@pytest.mark.parametrize("text", ["", "Europe/Brusels", "CET", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.x.0,M10.5.0"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ZoneError):
        zone(text)
