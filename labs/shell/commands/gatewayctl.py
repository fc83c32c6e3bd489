"""gatewayctl: the tool of a gateway. It shows what became of the requests to each unit, and changes the file."""

from __future__ import annotations

from typing import Any

from labs.net.process import Process, Program, Routine
from labs.shell.daemons.gateway import STATUS, load_gateway, poll_once
from labs.shell.serial_line import SerialLine, SerialLineError
from labs.shell.thing_tool import Tool, ToolFailure, Verb, ago, run_tool, state_of
from labs.things.modbus.config import GATEWAY, GatewayConfig, parse_gateway_config
from labs.things.modbus.master import AnswerError, Outcome
from labs.things.thing_config import ThingConfigError
from labs.things.units import symbol

__all__ = ["COMMANDS"]

MILLISECOND = 1_000_000
UNIT = "gateway"
USAGE = """usage: gatewayctl status              the broker, and the last value of every poll
       gatewayctl stats               what became of the requests to each unit
       gatewayctl poll NAME           ask for one value now
       gatewayctl config              show the configuration file
       gatewayctl get KEY             show one value, such as poll.s1.unit
       gatewayctl set KEY VALUE       change one value and restart
       gatewayctl log [LINES]         the last lines of its journal
       gatewayctl help                this text"""


TOOL = Tool("gatewayctl", UNIT, GATEWAY, parse_gateway_config)


def gatewayctl(process: Process) -> Routine:
    """One verb and its operands."""
    if not process.node.files.is_file(GATEWAY):
        process.error(f"gatewayctl: this device is no gateway (it has no {GATEWAY})")
        return 1
    return (yield from run_tool(process, "gatewayctl", VERBS, USAGE))


def _state(process: Process) -> dict[str, Any]:
    return state_of(process, UNIT, STATUS)


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
        when = ago(process, seen["at_ns"]) if seen else "never"
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
            f"{ago(process, counts['last_ok_ns']):<12} {counts['last_error'] or '-'}"
        )
    return 0


def _config(process: Process) -> GatewayConfig:
    try:
        return load_gateway(process.node)
    except ThingConfigError as error:
        raise ToolFailure(f"{GATEWAY}: {error}") from None


def _poll(process: Process, operands: list[str]) -> Routine:
    config = _config(process)
    poll = next((poll for poll in config.polls if poll.name == operands[0]), None)
    if poll is None:
        raise ToolFailure(f'there is no poll "{operands[0]}"; there are: {", ".join(p.name for p in config.polls)}')
    try:
        line = SerialLine(process, config.serial_port, config.settings)
        value = yield from poll_once(line, poll, config.timeout_ms * MILLISECOND)
    except SerialLineError as error:
        raise ToolFailure(f"{config.serial_port}: {error}") from None
    except AnswerError as error:
        raise ToolFailure(f"unit {poll.unit}: {error}") from None
    process.print(f"{poll.name} {round(value, 3) + 0.0:g} {symbol(poll.measures)}")
    return 0


VERBS: dict[str, Verb] = {
    "status": (_status, 0, 0),
    "stats": (_stats, 0, 0),
    "poll": (_poll, 1, 1),
    **TOOL.verbs(),
}

COMMANDS: dict[str, Program] = {"gatewayctl": gatewayctl}
