"""Durations in a scenario: `10 min`, and how long a check may watch."""

from __future__ import annotations

from labs.messages import message
from labs.model.durations import format_duration, parse_duration
from labs.scenario.schema import Parsed

__all__ = ["SECOND_NS", "Duration", "Watched"]

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


def Duration(doc: str = "", low: int = 0, high: int | None = None) -> Parsed:  # noqa: N802 - reads as a spec
    """A duration such as `10 min`, in nanoseconds, from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            duration = parse_duration(text)
        except ValueError:
            said = message(
                '"{text}" is not a duration; write a number and s, min, h or days, such as "10 min"', text=text
            )
            raise ValueError(said) from None
        if duration < low or (high is not None and duration > high):
            ends = {"low": format_duration(low), "high": format_duration(high or 0)}
            kind = message(
                "a duration of at least {low}" if high is None else "a duration from {low} to {high}", **ends
            )
            raise ValueError(message("expected {wanted}, found {kind}", wanted=kind, kind=f'"{text}"'))
        return duration

    return Parsed(parse, 'a duration such as "10 min"', doc)


def Watched() -> Parsed:  # noqa: N802 - reads as a spec
    """How long a check watches: a replay goes through all of it, so at most a day."""
    return Duration(low=SECOND_NS, high=DAY_NS)
