"""strftime(3) of the C locale, with the flags of GNU date: the same text on every machine, in every locale.

The C library of the machine that simulates is not asked: another one knows other letters, or other names of months.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["clock_text"]

DIRECTIVE = re.compile(r"%([-_0^]?)(\d*)([a-zA-Z%])")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
COMPOSED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
    "T": "%H:%M:%S",
    "X": "%H:%M:%S",
    "x": "%m/%d/%y",
}
MOST_WIDTH = 100


def clock_text(unix_s: float, form: str, *, offset_s: int = 0, zone: str = "UTC") -> str:
    """A Unix time in seconds in a format of strftime(3) or GNU date; an unknown directive stays as it is.

    The clock stands `offset_s` east of Greenwich, and calls that `zone`.
    """
    whole = int(unix_s // 1)
    moment = datetime.fromtimestamp(whole + offset_s, UTC)
    nanoseconds = round((unix_s - whole) * 1e9)

    def one(match: re.Match[str]) -> str:
        flag, width, letter = match.groups()
        if letter in COMPOSED:
            text: str | None = clock_text(unix_s, COMPOSED[letter], offset_s=offset_s, zone=zone)
        elif letter in "Zz":
            hours, minutes = divmod(abs(offset_s) // 60, 60)
            text = zone if letter == "Z" else f"{'-' if offset_s < 0 else '+'}{hours:02d}{minutes:02d}"
        else:
            text = _directive(letter, moment, whole, nanoseconds)
        if text is None:
            return match[0]
        if letter == "N" and width:
            return text[: int(width)]
        if flag == "-":
            text = text.lstrip("0 ") or "0"
        elif flag == "_":
            text = re.sub(r"^0+(?=\d)", lambda zeros: " " * len(zeros[0]), text)
        elif flag == "^":
            text = text.upper()
        return text.rjust(min(int(width), MOST_WIDTH), "0" if text.isdecimal() else " ") if width else text

    return DIRECTIVE.sub(one, form)


def _directive(letter: str, moment: datetime, seconds: int, nanoseconds: int) -> str | None:
    day, year_day = moment.weekday(), moment.timetuple().tm_yday
    iso_year, iso_week, iso_day = moment.isocalendar()
    hour12 = (moment.hour - 1) % 12 + 1
    half = "AM" if moment.hour < 12 else "PM"
    return {
        "%": "%",
        "A": DAYS[day],
        "a": DAYS[day][:3],
        "B": MONTHS[moment.month - 1],
        "b": MONTHS[moment.month - 1][:3],
        "C": f"{moment.year // 100:02d}",
        "d": f"{moment.day:02d}",
        "e": f"{moment.day:2d}",
        "G": str(iso_year),
        "g": f"{iso_year % 100:02d}",
        "H": f"{moment.hour:02d}",
        "h": MONTHS[moment.month - 1][:3],
        "I": f"{hour12:02d}",
        "j": f"{year_day:03d}",
        "k": f"{moment.hour:2d}",
        "l": f"{hour12:2d}",
        "M": f"{moment.minute:02d}",
        "m": f"{moment.month:02d}",
        "N": f"{nanoseconds:09d}",
        "n": "\n",
        "P": half.lower(),
        "p": half,
        "q": str((moment.month - 1) // 3 + 1),
        "S": f"{moment.second:02d}",
        "s": str(seconds),
        "t": "\t",
        "U": f"{(year_day + 6 - (day + 1) % 7) // 7:02d}",
        "u": str(iso_day),
        "V": f"{iso_week:02d}",
        "W": f"{(year_day + 6 - day) // 7:02d}",
        "w": str((day + 1) % 7),
        "Y": str(moment.year),
        "y": f"{moment.year % 100:02d}",
    }.get(letter)
