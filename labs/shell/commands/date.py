"""date (GNU coreutils): what the device believes the time is. Its zone stands in /etc/timezone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from labs.net.process import Process, Program
from labs.shell.commandline import begin, fail
from labs.shell.system_clock import local_text, offset_of, process_zone
from labs.things.timezone import Zone, zone

__all__ = ["COMMANDS"]

USAGE = """date [-u] [-d TIME] [-s TIME] [-I[seconds]] [-R] [+FORMAT]
  -d TIME  another time than now    -s TIME  set the clock of this device
  -I       2026-01-31; -Iseconds with the time    -R  as in mail
  TIME     2026-01-31, 2026-01-31 12:00:00, 12:00:00, @SECONDS, now
  FORMAT   as strftime: %Y %m %d %H %M %S %s %a %b %j %F %T %N and so on"""
DEFAULT = "%a %b %e %H:%M:%S %Z %Y"


def _parse(text: str, now: float) -> float | None:
    """A time as Unix seconds."""
    text = text.strip()
    if text in ("now", ""):
        return now
    if re.fullmatch(r"@-?\d{1,12}(\.\d+)?", text):
        return float(text[1:])
    match = re.fullmatch(
        r"(?:(\d{4})-(\d\d?)-(\d\d?))?[T ]?(?:(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?)?\s*(?:Z|UTC|\+00:?00)?", text
    )
    if match is None or not (match[1] or match[4]):
        return None
    today = datetime.fromtimestamp(now, UTC).timetuple()
    year, month, day = (int(match[i] or today[i - 1]) for i in (1, 2, 3))
    hour, minute, second = (int(match[i] or 0) for i in (4, 5, 6))
    if not (
        1970 <= year <= 2100
        and 1 <= month <= 12
        and 1 <= day <= _days(year, month)
        and hour < 24
        and minute < 60
        and second < 61
    ):
        return None
    return _seconds(year, month, day) + hour * 3600 + minute * 60 + second + float(match[7] or 0)


def _moment(text: str, now: float, where: Zone) -> float | None:
    """A time that somebody typed, in local time unless it says otherwise."""
    typed = text.strip()
    if typed in ("now", ""):
        return now
    if re.search(r"^@|(Z|UTC|\+00:?00)$", typed):
        return _parse(typed, now)
    here = _parse(typed, now + offset_of(where, now)[0])
    return None if here is None else here - offset_of(where, here - offset_of(where, here)[0])[0]


def _days(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _seconds(year: int, month: int, day: int) -> int:
    days = sum(366 if _days(each, 2) == 29 else 365 for each in range(1970, year))
    days += sum(_days(year, each) for each in range(1, month)) + day - 1
    return days * 86_400


def date(process: Process) -> int:
    """Show or set the clock."""
    iso = re.compile(r"-I(.*)|--iso-8601=?(.*)")  # its value is optional, which getopt does not know
    process.argv = [f"--iso-8601={m[1] or m[2] or ''}" if (m := iso.fullmatch(w)) else w for w in process.argv]
    parsed = begin(process, "uRd:s:", ["utc", "date=", "set=", "iso-8601=", "rfc-email", "rfc-3339="], usage=USAGE)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    values = {{"--date": "-d", "--set": "-s", "--rfc-email": "-R", "--iso-8601": "-I"}.get(o, o): v for o, v in options}
    where = zone("UTC") if "-u" in values or "--utc" in values else process_zone(process)
    now = process.node.wall_clock()
    moment = now
    for option in ("-d", "-s"):
        if option in values:
            found = _moment(values[option], now, where)
            if found is None:
                return fail(process, f"invalid date ‘{values[option]}’")
            moment = found
    if "-s" in values:
        process.node.clock_offset_ns += round((moment - now) * 1e9)
    east = local_text(where, moment, "%z")
    east = f"{east[:3]}:{east[3:]}"
    form = DEFAULT
    if "-R" in values:
        form = "%a, %d %b %Y %H:%M:%S %z"
    if "-I" in values:
        exact = {"seconds": f"%FT%T{east}", "s": f"%FT%T{east}", "minutes": f"%FT%H:%M{east}"}
        form = exact.get(values["-I"], "%F")
    if "--rfc-3339" in values:
        form = "%F" if values["--rfc-3339"] == "date" else f"%F %T{east}"
    if operands:
        if not operands[0].startswith("+"):
            return fail(process, f"invalid date ‘{operands[0]}’")
        if len(operands) > 1:
            return fail(process, f"extra operand ‘{operands[1]}’")
        form = operands[0][1:]
    process.print(local_text(where, moment, form))
    return 0


COMMANDS: dict[str, Program] = {"date": date}
