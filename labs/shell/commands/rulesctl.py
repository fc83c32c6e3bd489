"""rulesctl: how the rules of a device are doing, and what they would do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from labs.net.process import Process, Program
from labs.net.strftime import clock_text
from labs.shell.daemons.rules import STATUS, load_rule_book, load_rules
from labs.things.conditions import Moment
from labs.things.rules import RuleBook, RulesError, decide
from labs.things.rules_config import RulesConfig
from labs.things.thing_config import ThingConfigError, parse_number
from labs.things.timezone import local_time

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
LOG_LINES = 20
USAGE = """usage: rulesctl status                      inputs, rules and outputs as they are now
       rulesctl explain [RULE]              why a rule is active or not, now
       rulesctl test [NAME=VALUE ...] [day DAY] [time 18:30]
                                            what the rules in the file would do then; nothing is sent
       rulesctl check                       read the files and say whether they can be used
       rulesctl log [LINES]                 the last lines of its journal
       rulesctl help                        this text"""


class _Failure(Exception):
    """One line for standard error; exit status 1, or 2 for a wrong command line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def rulesctl(process: Process) -> int:
    """One verb and its operands."""
    verb, *operands = process.argv[1:] or ["status"]
    if verb in ("help", "--help", "-h"):
        process.print(*USAGE.split("\n"))
        return 0
    if verb not in VERBS:
        process.error(f'rulesctl: unknown command "{verb}"; try: rulesctl help')
        return 2
    try:
        return VERBS[verb](process, operands)
    except _Failure as failure:
        process.error(f"rulesctl: {failure}")
        return failure.status


def _book(process: Process) -> tuple[RulesConfig, RuleBook]:
    try:
        config = load_rules(process.node)
    except ThingConfigError as error:
        raise _Failure(f"/etc/rules.toml: {error}") from None
    try:
        return config, load_rule_book(process.node, config.file)
    except RulesError as error:
        raise _Failure(f"{config.file}: {error}") from None


def _state(process: Process) -> dict[str, Any]:
    if process.node.units.state("rules").active != "active":
        return {}
    try:
        found = json.loads(process.node.files.get(STATUS) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _readings(state: dict[str, Any]) -> dict[str, tuple[float, int]]:
    return {name: (known["value"], known["at_ns"]) for name, known in state.get("inputs", {}).items()}


def _age(process: Process, at_ns: int) -> str:
    seconds = (process.node.now - at_ns) // SECOND
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"


def _shown(local: datetime, form: str) -> str:
    return clock_text(local.replace(tzinfo=UTC).timestamp(), form)


def _clock(process: Process, book: RuleBook) -> str:
    local, name = local_time(book.zone, process.node.wall_clock())
    return f"{_shown(local, '%a %F %H:%M')} {name} ({book.zone.name})"


def _status(process: Process, _operands: list[str]) -> int:
    config, book = _book(process)
    state = _state(process)
    words = state.get("state", "not running" if not state else "connecting")
    detail = f": {state['detail']}" if state.get("detail") else ""
    process.print(f"Broker     {config.mqtt.host}:{config.mqtt.port} {words}{detail}")
    process.print(f"Clock      {_clock(process, book)}")
    readings = _readings(state)
    for name, known in book.inputs.items():
        value, at = readings.get(name, (None, 0))
        said = "nothing yet" if value is None else f"{value:g}, {_age(process, at)}"
        stale = known.stale_ns and value is not None and process.node.now - at > known.stale_ns
        process.print(f"Input      {name}: {said}{', stale' if stale else ''}   {known.topic}")
    for rule in book.rules:
        process.print(f"Rule       {rule.name}: {'active' if rule.name in state.get('active', []) else 'not active'}")
    for name, output in book.outputs.items():
        decided = state.get("outputs", {}).get(name, {})
        said = f"{decided.get('value') or 'as it is'}, {decided['why']}" if decided else "nothing yet"
        process.print(f"Output     {name}: {said}   {output.topic}")
    return 0


def _explain(process: Process, operands: list[str]) -> int:
    _, book = _book(process)
    wanted = " ".join(operands)
    rules = [rule for rule in book.rules if not wanted or rule.name == wanted]
    if not rules:
        raise _Failure(f'there is no rule "{wanted}"; rules: {", ".join(rule.name for rule in book.rules)}')
    state = _state(process)
    moment = book.moment(_readings(state), process.node.now, process.node.wall_clock())
    process.print(_clock(process, book))
    for rule in rules:
        active = rule.name in state.get("active", [])
        process.print(f'rule "{rule.name}": {"active" if active else "not active"}')
        for word, condition in (("when", rule.when), ("until", rule.until)):
            if condition is not None:
                first, *others = condition.explain(moment, "        ")
                process.print(f"  {word:<6}{first.strip()}", *others)
    return 0


def _test(process: Process, operands: list[str]) -> int:
    _, book = _book(process)
    local, _name = local_time(book.zone, process.node.wall_clock())
    values: dict[str, float | None] = dict.fromkeys(book.inputs)
    words = iter(operands)
    for word in words:
        if word in ("time", "day"):
            local = _moved(local, word, next(words, ""))
            continue
        name, equals, text = word.partition("=")
        if not equals or name not in book.inputs:
            known = ", ".join(f"{known}=…" for known in book.inputs)
            raise _Failure(f'"{word}" is not NAME=VALUE with one of: {known}; nor time 18:30, nor day sat', 2)
        try:
            values[name] = None if text in ("stale", "unknown", "") else parse_number(text)
        except ValueError as error:
            raise _Failure(str(error), 2) from None
    moment = Moment(values, local)
    active: dict[str, bool] = {}
    decisions = decide(book, moment, active)
    process.print(_shown(local, "%a %H:%M local time"))
    for rule in book.rules:
        process.print(f'rule "{rule.name}": {"active" if active[rule.name] else "not active"}')
        if rule.when is not None:
            process.print(*rule.when.explain(moment, "  "))
    for decision in decisions:
        process.print(f"{decision.output} {decision.value or 'as it is'}: {decision.why}")
    return 0


def _moved(local: datetime, word: str, text: str) -> datetime:
    """The same moment with another time of day, or on another day of the week."""
    from labs.things.conditions import DAYS

    if word == "day":
        if text not in DAYS:
            raise _Failure(f'"{text}" is not a day; days are {", ".join(DAYS)}', 2)
        return local.replace(day=1 + (DAYS.index(text) - local.replace(day=1).weekday()) % 7)
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60):
        raise _Failure(f'"{text}" is not a time of day such as 18:30', 2)
    return local.replace(hour=int(hour), minute=int(minute))


def _check(process: Process, _operands: list[str]) -> int:
    config, book = _book(process)
    counts = f"{len(book.inputs)} inputs, {len(book.outputs)} outputs, {len(book.rules)} rules"
    process.print(f"{config.file}: {counts}, time zone {book.zone.name}")
    return 0


def _log(process: Process, operands: list[str]) -> int:
    count = operands[0] if operands else str(LOG_LINES)
    if not count.isdecimal():
        raise _Failure(f'"{count}" is not a number of lines', 2)
    _, book = _book(process)
    lines = [line for line in process.node.units.journal if line.unit == "rules"][-int(count) :]
    for line in lines:
        local, _name = local_time(book.zone, process.node.world.wall_clock(line.at_ns + process.node.clock_offset_ns))
        process.print(f"{local:%Y-%m-%d %H:%M:%S} {line.text}")
    return 0


VERBS = {"status": _status, "explain": _explain, "test": _test, "check": _check, "log": _log}
COMMANDS: dict[str, Program] = {"rulesctl": rulesctl}
