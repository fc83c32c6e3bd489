"""Conditions of rules: comparisons of last values, times of day, days of the week; and, or, not, parentheses.

    hall < 19 and (time 17:00-23:00 or booked == 1) and day fri-sun

A value that is not there or too old is *unknown*, and so is everything that depends on it (Kleene's logic): `false and
unknown` is false, `true and unknown` is unknown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

__all__ = ["DAYS", "Condition", "ConditionError", "Moment", "parse_condition"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_DEPTH = 20
_TOKEN = re.compile(
    r"\s*(?:(\d{1,2}:\d{2}-\d{1,2}:\d{2})|(-?\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z0-9_-]*)|(<=|>=|==|!=|[<>()]))"
)
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
WORDS = ("and", "or", "not", "time", "day")


class ConditionError(ValueError):
    """A condition that cannot be read, in one line."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a condition is judged by: the last values that still count (None: unknown), and the local time."""

    values: Mapping[str, float | None]
    local: datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """One node: `text` is how it was written, `judge` gives True, False or None (unknown), `parts` are its operands."""

    text: str
    judge: Callable[[Moment], bool | None]
    names: frozenset[str] = frozenset()
    parts: tuple[Condition, ...] = ()

    def explain(self, moment: Moment, indent: str = "") -> Iterator[str]:
        """A line per node: what it says, and whether that holds."""
        verdict = {True: "true", False: "false", None: "unknown"}[self.judge(moment)]
        known = ", ".join(f"{name} is {_value(moment.values.get(name))}" for name in sorted(self.names))
        about = f"   ({known})" if known and not self.parts else ""
        yield f"{indent}{self.text}: {verdict}{about}"
        for part in self.parts:
            yield from part.explain(moment, indent + "  ")


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


class _Parser:
    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.names = names
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                message = f'"{text[at:].strip()[:20]}" makes no sense here'
                raise ConditionError(message)
            self.tokens.append(found[0].strip())
            at = found.end()
        self.at = 0
        self.depth = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.next
        self.at += 1
        return token

    def wrong(self, wanted: str) -> ConditionError:
        return ConditionError(f"{wanted} is expected" + (f', not "{self.next}"' if self.next else " at the end"))

    def either(self) -> Condition:
        parts = [self.both()]
        while self.next == "or":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else _joined("or", parts, _any)

    def both(self) -> Condition:
        parts = [self.single()]
        while self.next == "and":
            self.take()
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else _joined("and", parts, _all)

    def single(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels deep"
            raise ConditionError(message)
        try:
            return self._single()
        finally:
            self.depth -= 1

    def _single(self) -> Condition:
        token = self.take()
        if token == "not":
            inner = self.single()
            return Condition(f"not {inner.text}", lambda moment: _not(inner.judge(moment)), inner.names, (inner,))
        if token == "(":
            inner = self.either()
            if self.take() != ")":
                self.at -= 1
                raise self.wrong('")"')
            return Condition(f"({inner.text})", inner.judge, inner.names, inner.parts)
        if token == "time":
            return self._time()
        if token == "day":
            return self._day()
        self.at -= 1
        return self._comparison()

    def _time(self) -> Condition:
        found = re.fullmatch(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", self.next)
        if found is None:
            raise self.wrong("a time window such as 17:00-23:00")
        text = self.take()
        hours = [int(part) for part in found.groups()]
        begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if max(hours[1], hours[3]) > 59 or max(begin, end) > 24 * 60:
            message = f'"{text}" is not a time window'
            raise ConditionError(message)

        def inside(moment: Moment) -> bool:
            now = moment.local.hour * 60 + moment.local.minute
            return begin <= now < end if begin <= end else now >= begin or now < end

        return Condition(f"time {text}", inside)

    def _day(self) -> Condition:
        days: set[int] = set()
        said = []
        while True:
            word = self.next.lower()
            first, dash, last = word.partition("-")
            if first not in DAYS or (dash and last not in DAYS):
                break
            begin, end = DAYS.index(first), DAYS.index(last if dash else first)
            days.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
            said.append(self.take())
        if not said:
            raise self.wrong("a day such as mon or fri-sun")
        return Condition(f"day {' '.join(said)}", lambda moment: moment.local.weekday() in days)

    def _operand(self) -> tuple[str, float | None]:
        """A name, or a number."""
        token = self.next
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return self.take(), float(token)
        if token in self.names:
            return self.take(), None
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", token) and token not in WORDS:
            near = get_close_matches(token, self.names, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            message = f'"{token}" is not an input{hint}'
            raise ConditionError(message)
        raise self.wrong("an input or a number")

    def _comparison(self) -> Condition:
        left, left_number = self._operand()
        if self.next not in COMPARE:
            raise self.wrong("a comparison such as <")
        sign = self.take()
        right, right_number = self._operand()
        compare = COMPARE[sign]

        def judge(moment: Moment) -> bool | None:
            one = left_number if left_number is not None else moment.values.get(left)
            other = right_number if right_number is not None else moment.values.get(right)
            return None if one is None or other is None else compare(one, other)

        names = frozenset(name for name, number in ((left, left_number), (right, right_number)) if number is None)
        return Condition(f"{left} {sign} {right}", judge, names)


def _joined(word: str, parts: list[Condition], combine: Callable[[list[bool | None]], bool | None]) -> Condition:
    return Condition(
        f" {word} ".join(part.text for part in parts),
        lambda moment: combine([part.judge(moment) for part in parts]),
        frozenset().union(*(part.names for part in parts)),
        tuple(parts),
    )


def _all(verdicts: list[bool | None]) -> bool | None:
    return False if False in verdicts else None if None in verdicts else True


def _any(verdicts: list[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


def _not(verdict: bool | None) -> bool | None:  # noqa: FBT001
    return None if verdict is None else not verdict


def parse_condition(text: str, names: frozenset[str]) -> Condition:
    """Read a condition about these inputs. Raises ConditionError."""
    parser = _Parser(text, names)
    condition = parser.either()
    if parser.next:
        raise parser.wrong('"and", "or" or the end')
    return condition
