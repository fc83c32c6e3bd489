"""Rules: what the readings of a site make its actuators do. A readable file, judged without I/O.

    timezone Europe/Brussels
    input  hall    hall/temperature   stale 10 min
    output heater  hall/heater/set    safe off

    rule warm when booked
        when  hall < 19 and time 17:00-23:00 and day fri-sun
        until hall > 20.5
        then  heater on
        else  heater off

A rule becomes active when `when` holds and stays so until `until` holds (or, without, until `when` fails). For each
output the first active rule decides, then the first `else`. Where a rule of an output cannot be judged, because a value
is missing or stale, the output gets its `safe` value; without one it stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from labs.model.durations import parse_duration
from labs.things.conditions import Condition, ConditionError, Moment, parse_condition
from labs.things.mqtt.topics import valid_topic
from labs.things.timezone import Zone, ZoneError, local_time, zone

__all__ = ["Decision", "Input", "Output", "Rule", "RuleBook", "RulesError", "decide", "parse_rules"]

SECOND = 1_000_000_000
MAX_LINES = 1000
NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,30}"
WORDS = ("timezone", "input", "output", "rule", "when", "until", "then", "else")


class RulesError(ValueError):
    """A file of rules that cannot be used: line and what is wrong."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Input:
    """A value that is listened to. `stale_ns` 0 trusts the last value for ever."""

    name: str
    topic: str
    stale_ns: int = 0
    field: str = "value"


@dataclass(frozen=True, slots=True)
class Output:
    """A topic that is commanded. `safe` is what it gets when nothing is known; "" leaves it as it is."""

    name: str
    topic: str
    safe: str = ""


@dataclass(slots=True)
class Rule:
    """One rule. `then` and `otherwise` are (output, value)."""

    name: str
    line: int
    when: Condition | None = None
    until: Condition | None = None
    then: tuple[str, str] | None = None
    otherwise: tuple[str, str] | None = None

    @property
    def names(self) -> frozenset[str]:
        """The inputs it depends on."""
        conditions = [known for known in (self.when, self.until) if known is not None]
        return frozenset().union(*(condition.names for condition in conditions))


@dataclass(slots=True)
class RuleBook:
    """A whole file."""

    zone: Zone
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)

    def moment(self, readings: Mapping[str, tuple[float, int]], now: int, unix_s: float) -> Moment:
        """What counts now: `readings` are values with the time (ns) at which they came."""
        values: dict[str, float | None] = {}
        for name, known in self.inputs.items():
            value, at = readings.get(name, (None, 0))
            values[name] = None if known.stale_ns and now - at > known.stale_ns else value
        return Moment(values, local_time(self.zone, unix_s)[0])


@dataclass(frozen=True, slots=True)
class Decision:
    """What an output should be (None: as it was), and why."""

    output: str
    value: str | None
    why: str


def _words(text: str, line: int, fewest: int, usage: str) -> list[str]:
    words = text.split()
    if len(words) < fewest:
        raise RulesError(line, f"usage: {usage}")
    return words


class _Reader:
    def __init__(self, where: Zone) -> None:
        self.book = RuleBook(where)
        self.rule: Rule | None = None
        self.conditions: list[tuple[Rule, str, str, int]] = []

    def line(self, word: str, rest: str, number: int) -> None:
        if word == "timezone":
            try:
                self.book.zone = zone(rest.strip())
            except ZoneError as error:
                raise RulesError(number, str(error)) from None
        elif word == "input":
            self.input(rest, number)
        elif word == "output":
            self.output(rest, number)
        elif word == "rule":
            if not rest.strip():
                raise RulesError(number, "usage: rule NAME")
            if any(known.name == rest.strip() for known in self.book.rules):
                raise RulesError(number, f'there are two rules "{rest.strip()}"')
            self.rule = Rule(rest.strip(), number)
            self.book.rules.append(self.rule)
        elif word in ("when", "until", "then", "else"):
            if self.rule is None:
                raise RulesError(number, f'"{word}" belongs under a line "rule NAME"')
            self.part(self.rule, word, rest, number)
        else:
            near = get_close_matches(word, WORDS, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise RulesError(number, f'"{word}" is not known here{hint}')

    def new(self, name: str, number: int) -> None:
        if not re.fullmatch(NAME, name):
            raise RulesError(number, f'"{name}" is not a name')
        if name in self.book.inputs or name in self.book.outputs:
            raise RulesError(number, f'the name "{name}" is used twice')

    def input(self, rest: str, number: int) -> None:
        usage = "input NAME TOPIC [stale 10 min] [field value]"
        name, topic, *options = _words(rest, number, 2, usage)
        self.new(name, number)
        found = re.fullmatch(r"(?:stale (?P<stale>\S+(?: [a-z]+)?) ?)?(?:field (?P<field>[\w.-]+))?", " ".join(options))
        if found is None or not valid_topic(topic):
            raise RulesError(number, f"usage: {usage}")
        try:
            stale_ns = parse_duration(found["stale"]) if found["stale"] else 0
        except ValueError as error:
            raise RulesError(number, str(error)) from None
        self.book.inputs[name] = Input(name, topic, stale_ns, found["field"] or "value")

    def output(self, rest: str, number: int) -> None:
        usage = "output NAME TOPIC [safe off]"
        name, topic, *options = _words(rest, number, 2, usage)
        self.new(name, number)
        if not valid_topic(topic) or (options and (len(options) != 2 or options[0] != "safe")):
            raise RulesError(number, f"usage: {usage}")
        self.book.outputs[name] = Output(name, topic, options[1] if options else "")

    def part(self, rule: Rule, word: str, rest: str, number: int) -> None:
        if word in ("when", "until"):
            self.conditions.append((rule, word, rest, number))
            return
        words = _words(rest, number, 2, f"{word} OUTPUT VALUE")
        if len(words) != 2:
            raise RulesError(number, f"usage: {word} OUTPUT VALUE")
        if word == "then":
            rule.then = (words[0], words[1])
        else:
            rule.otherwise = (words[0], words[1])

    def finished(self) -> RuleBook:
        book = self.book
        for rule, word, text, number in self.conditions:
            try:
                condition = parse_condition(text, frozenset(book.inputs))
            except ConditionError as error:
                raise RulesError(number, str(error)) from None
            if word == "when":
                rule.when = condition
            else:
                rule.until = condition
        for rule in book.rules:
            if rule.when is None or rule.then is None:
                raise RulesError(rule.line, f'the rule "{rule.name}" needs "when" and "then"')
            for action in (rule.then, rule.otherwise):
                if action is not None and action[0] not in book.outputs:
                    near = get_close_matches(action[0], book.outputs, 1)
                    hint = f'; did you mean "{near[0]}"?' if near else ""
                    raise RulesError(rule.line, f'"{action[0]}" is not an output{hint}')
        return book


def parse_rules(text: str, where: Zone | None = None) -> RuleBook:
    """Read /etc/rules.conf; `where` is the zone where the file names none. Raises RulesError with the first mistake."""
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise RulesError(MAX_LINES, f"more than {MAX_LINES} lines")
    reader = _Reader(where or zone("UTC"))
    for number, line in enumerate(lines, 1):
        code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()  # a topic may hold one
        if code:
            word, _, rest = code.partition(" ")
            reader.line(word.strip(), rest.strip(), number)
    return reader.finished()


def decide(book: RuleBook, moment: Moment, active: dict[str, bool]) -> list[Decision]:
    """What every output should be. `active` remembers which rules were active, and is brought up to date."""
    unknown: dict[str, set[str]] = {}
    for rule in book.rules:
        assert rule.when is not None
        assert rule.then is not None
        was = active.get(rule.name, False)
        if was and rule.until is not None:
            verdict = rule.until.judge(moment)
            now = None if verdict is None else not verdict
        else:
            now = rule.when.judge(moment)
        if now is None:
            missing = {name for name in rule.names if moment.values.get(name) is None}
            unknown.setdefault(rule.then[0], set()).update(missing)
        active[rule.name] = bool(now)
    return [_decision(book, output, active, unknown.get(output.name)) for output in book.outputs.values()]


def _decision(book: RuleBook, output: Output, active: Mapping[str, bool], unknown: set[str] | None) -> Decision:
    if unknown is not None:
        names = ", ".join(sorted(unknown))
        if output.safe:
            return Decision(output.name, output.safe, f"{names} unknown or stale: fail-safe")
        return Decision(output.name, None, f"{names} unknown: stays as it is")
    for rule in book.rules:
        if rule.then is not None and rule.then[0] == output.name and active.get(rule.name):
            return Decision(output.name, rule.then[1], f'rule "{rule.name}" is active')
    for rule in book.rules:
        if rule.otherwise is not None and rule.otherwise[0] == output.name:
            return Decision(output.name, rule.otherwise[1], f'else of rule "{rule.name}"')
    return Decision(output.name, None, "no rule is active")
