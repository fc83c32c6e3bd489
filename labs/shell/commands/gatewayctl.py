"""gatewayctl: the tool of a gateway. It shows what became of the requests to each unit, and changes the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any

from labs.net.process import Process, Program, Routine, Wait
from labs.shell.daemons.gateway import STATUS, load_gateway, poll_once
from labs.shell.serial_line import SerialLine, SerialLineError
from labs.things.modbus.config import GATEWAY, GatewayConfig, parse_gateway_config
from labs.things.modbus.master import AnswerError, Outcome
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import get_toml_key, set_toml_key
from labs.things.units import symbol

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
UNIT = "gateway"
LOG_LINES = 20
USAGE = """usage: gatewayctl status              the broker, and the last value of every poll
       gatewayctl stats               what became of the requests to each unit
       gatewayctl poll NAME           ask for one value now
       gatewayctl config              show the configuration file
       gatewayctl get KEY             show one value, such as poll.s1.unit
       gatewayctl set KEY VALUE       change one value and restart
       gatewayctl log [LINES]         the last lines of its journal
       gatewayctl help                this text"""


class _Failure(Exception):
    """One line for standard error; exit status 1, or 2 for a wrong command line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def gatewayctl(process: Process) -> Routine:
    """One verb and its operands."""
    words = process.argv[1:] or ["status"]
    verb, operands = words[0], words[1:]
    if verb in ("help", "--help", "-h"):
        process.print(*USAGE.split("\n"))
        return 0
    try:
        return (yield from _act(process, verb, operands))
    except _Failure as failure:
        process.error(f"gatewayctl: {failure}")
        return failure.status


def _act(process: Process, verb: str, operands: list[str]) -> Routine:
    if verb not in VERBS:
        raise _Failure(f'unknown command "{verb}"; try: gatewayctl help', 2)
    action, fewest, most = VERBS[verb]
    if not fewest <= len(operands) <= most:
        raise _Failure(f'wrong number of words after "{verb}"; try: gatewayctl help', 2)
    if not process.node.files.is_file(GATEWAY):
        raise _Failure(f"this device is no gateway (it has no {GATEWAY})")
    return (yield from action(process, operands))


def _state(process: Process) -> dict[str, Any]:
    if process.node.units.state(UNIT).active != "active":
        raise _Failure("the service is not running; try: systemctl status gateway")
    try:
        found = json.loads(process.node.files.get(STATUS) or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _ago(process: Process, when_ns: object) -> str:
    if not isinstance(when_ns, int):
        return "never"
    seconds = (process.node.now - when_ns) // SECOND
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"


def _status(process: Process, _operands: list[str]) -> Routine:
    yield from ()
    state = _state(process)
    config = _config(process)
    detail = f": {state['detail']}" if state.get("detail") else ""
    process.print(
        f"Bus        {config.serial_port}, {config.settings}, {len(config.polls)} polls",
        f"Broker     {config.mqtt.host}:{config.mqtt.port} {state.get('state', 'connecting')}{detail}",
        f"Published  {state.get('published', 0)}",
        "",
        f"{'poll':<14} {'unit':>4}  {'value':>10}  {'read':<12} topic",
    )
    for poll in config.polls:
        seen = state.get("polls", {}).get(poll.name)
        value = f"{seen['value']:g} {symbol(str(seen['unit']))}".strip() if seen else "-"
        when = _ago(process, seen["at_ns"]) if seen else "never"
        process.print(f"{poll.name:<14} {poll.unit:>4}  {value:>10}  {when:<12} {poll.topic}")
    return 0


def _stats(process: Process, _operands: list[str]) -> Routine:
    yield from ()
    state = _state(process)
    process.print(f"{'unit':>4} {'ok':>7} {'timeout':>8} {'crc':>6} {'exception':>10}  {'last ok':<12} last error")
    for unit, counts in sorted(state.get("units", {}).items(), key=lambda item: int(item[0])):
        crc = counts[Outcome.CRC] + counts[Outcome.WRONG_UNIT]
        process.print(
            f"{unit:>4} {counts[Outcome.OK]:>7} {counts[Outcome.TIMEOUT]:>8} {crc:>6} {counts[Outcome.EXCEPTION]:>10}  "
            f"{_ago(process, counts['last_ok_ns']):<12} {counts['last_error'] or '-'}"
        )
    return 0


def _config(process: Process) -> GatewayConfig:
    try:
        return load_gateway(process.node)
    except ThingConfigError as error:
        raise _Failure(f"{GATEWAY}: {error}") from None


def _poll(process: Process, operands: list[str]) -> Routine:
    config = _config(process)
    poll = next((poll for poll in config.polls if poll.name == operands[0]), None)
    if poll is None:
        raise _Failure(f'there is no poll "{operands[0]}"; there are: {", ".join(p.name for p in config.polls)}')
    try:
        line = SerialLine(process, config.serial_port, config.settings)
        value = yield from poll_once(line, poll, config.timeout_ms * MILLISECOND)
    except SerialLineError as error:
        raise _Failure(f"{config.serial_port}: {error}") from None
    except AnswerError as error:
        raise _Failure(f"unit {poll.unit}: {error}") from None
    process.print(f"{poll.name} {round(value, 3) + 0.0:g} {symbol(poll.measures)}")
    return 0


def _show(process: Process, _operands: list[str]) -> Routine:
    yield from ()
    process.stdout.write(process.node.files.read(GATEWAY))
    return 0


def _get(process: Process, operands: list[str]) -> Routine:
    yield from ()
    try:
        value = get_toml_key(process.node.files.read(GATEWAY), operands[0])
    except KeyError:
        raise _Failure(f"{operands[0]} is not set") from None
    except ValueError as error:
        raise _Failure(f"{GATEWAY}: {error}") from None
    process.print(str(value).lower() if isinstance(value, bool) else str(value))
    return 0


def _typed(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _set(process: Process, operands: list[str]) -> Routine:
    """A value that looks like a number is one, unless the file wants a text there."""
    yield from ()
    node, (key, text) = process.node, operands
    before = node.files.read(GATEWAY)
    problem = ""
    for value in dict.fromkeys((_typed(text), text)):
        try:
            changed = set_toml_key(before, key, value)
            parse_gateway_config(changed)
        except ValueError as error:
            problem = problem or str(error)
            continue
        node.files.write(GATEWAY, changed)
        node.units.stop(UNIT)
        node.units.start(UNIT)
        return 0
    raise _Failure(f"{problem}; nothing was changed")


def _log(process: Process, operands: list[str]) -> Routine:
    yield from ()
    if operands and not operands[0].isdecimal():
        raise _Failure(f'"{operands[0]}" is not a number of lines', 2)
    count = int(operands[0]) if operands else LOG_LINES
    node = process.node
    lines = [line for line in node.units.journal if line.unit == UNIT]
    for line in lines[-count:] if count else []:
        seconds = node.wall_clock() - (node.now - line.at_ns) / 1e9
        process.print(f"{datetime.fromtimestamp(seconds, UTC):%b %d %H:%M:%S} {line.text}")
    return 0


VERBS: dict[str, tuple[Callable[[Process, list[str]], Generator[Wait, None, int]], int, int]] = {
    "status": (_status, 0, 0),
    "stats": (_stats, 0, 0),
    "poll": (_poll, 1, 1),
    "config": (_show, 0, 0),
    "get": (_get, 1, 1),
    "set": (_set, 2, 2),
    "log": (_log, 0, 1),
}

COMMANDS: dict[str, Program] = {"gatewayctl": gatewayctl}
