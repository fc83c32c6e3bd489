"""The vocabulary of checks on what acts: what is driven follows the world, and the world stays as people want it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labs.scenario.durations import Duration, Watched
from labs.scenario.schema import Choice, Field, ListOf, Number, Parsed, Record, Spec, String
from labs.scenario.site_document import parse_start

__all__ = ["CONTROL_INTENTS", "Reacts", "Stays", "Watching", "window_of"]

NAME = r"[a-z][a-z0-9-]{0,30}"
MINUTE = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """A room is watched for a time (ns), inside a window of local time and on some days.

    With `starts` (seconds since 1970, UTC) the repair is made again on the site as it is on another day, one of these,
    drawn per variant; the watch begins when the repair is done.
    """

    room: str
    between: str = ""
    days: str = ""
    timezone: str = "UTC"
    during: int = 6 * 60 * MINUTE
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacts(Watching):
    """What is driven in a room follows the world: at `level` whenever the truth asks for it, after `within` (ns).

    The truth asks for it while a quantity is below or above a limit. `switches` is how often an hour it may change at
    most.
    """

    what: str
    level: str
    quantity: str = ""
    below: float | None = None
    above: float | None = None
    within: int = 10 * MINUTE
    switches: int | None = None
    without: tuple[str, ...] = ()
    """Devices that are switched off meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays(Watching):
    """The truth in a room never leaves `low` to `high`, in the unit of the quantity."""

    quantity: str
    low: float | None = None
    high: float | None = None


def window_of(body: Watching) -> str:
    """Its window of time as a condition of `labs.things.conditions`; always true where it has none."""
    parts = [f"time {body.between}"] if body.between else []
    parts += [f"day {body.days}"] if body.days else []
    return " and ".join(parts) or "0 < 1"


DEVICES = ListOf(String("a device", NAME), single=True, at_least=1)
WATCH = {
    "room": Field(String("a room", NAME), "where"),
    "between": Field(String("17:00-23:00", r"\d{1,2}:\d{2}-\d{1,2}:\d{2}"), "local time", default=""),
    "days": Field(String(), "days of the week, such as fri-sun", default=""),
    "timezone": Field(String(), "whose local time", default="UTC"),
    "during": Field(Watched(), "how long is watched", default=6 * 60 * MINUTE),
    "start": Field(
        ListOf(Parsed(parse_start, "a moment such as 2027-01-13 06:00"), single=True, at_least=1),
        "another moment at which the site is switched on, UTC; of several one is drawn per variant",
        default=(),
        attribute="starts",
    ),
}


def _tuples(build: Any, *names: str) -> Any:
    """A builder that makes tuples of some lists."""
    return lambda **values: build(**{key: tuple(v) if key in names else v for key, v in values.items()})


CONTROL_INTENTS: dict[str, Spec] = {
    "reacts": Record(
        {
            **WATCH,
            "what": Field(String("what is driven, such as heater", NAME), "what has to follow"),
            "is": Field(Choice(("on", "off"), "a state"), "what it has to be then", attribute="level"),
            "quantity": Field(String("a quantity", NAME), "what it follows", default=""),
            "below": Field(Number(), "while the truth is below this", default=None),
            "above": Field(Number(), "while the truth is above this", default=None),
            "within": Field(Duration(), "how fast", default=10 * MINUTE),
            "without": Field(DEVICES, "devices that are switched off meanwhile", default=()),
            "switches": Field(Number(1, whole=True), "how often an hour it may change at most", default=None),
        },
        build=_tuples(Reacts, "without", "starts"),
        doc="an actuator follows the world",
    ),
    "stays": Record(
        {
            **WATCH,
            "quantity": Field(String("a quantity", NAME), "what"),
            "low": Field(Number(), "the truth is never below this", default=None),
            "high": Field(Number(), "the truth is never above this", default=None),
        },
        build=_tuples(Stays, "starts"),
        doc="a room stays as people want it",
    ),
}
