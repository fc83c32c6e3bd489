"""sensorctl: the tool of a sensor or screen. It shows how the thing is doing and changes its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labs.net.filesystem import FileError
from labs.net.linux.node import LinuxNode
from labs.net.process import Process, Program
from labs.shell.daemons import actuator as actuator_daemon
from labs.shell.daemons import display as display_daemon
from labs.shell.daemons import sensor as sensor_daemon
from labs.things.actuator import ACTUATOR_KEYS, ActuatorConfig, parse_actuator_config
from labs.things.display import DISPLAY_KEYS, DisplayConfig, parse_display_config
from labs.things.sensor import SENSOR_KEYS, SensorConfig, parse_sensor_config
from labs.things.thing_config import Key, ThingConfigError, typed_value
from labs.things.toml_edit import get_toml_key, set_toml_key
from labs.things.units import symbol

__all__ = ["COMMANDS"]

SECOND = 1_000_000_000
LOG_LINES = 20
USAGE = """usage: sensorctl status              how the thing is doing
       sensorctl read                measure now (sensors)
       sensorctl config              show the configuration file
       sensorctl get KEY             show one value, such as mqtt.host
       sensorctl set KEY VALUE       change one value and restart
       sensorctl log [LINES]         the last lines of its journal
       sensorctl reset               back to the settings of the factory
       sensorctl help                this text"""


class _Failure(Exception):
    """One line for standard error; exit status 1, or 2 for a wrong command line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Kind:
    unit: str
    config: str
    state: str
    keys: tuple[Key, ...]
    parse: Callable[[str], SensorConfig | DisplayConfig | ActuatorConfig]
    factory: str


KINDS = (
    _Kind(
        "sensor", sensor_daemon.CONFIG, sensor_daemon.STATUS, SENSOR_KEYS, parse_sensor_config,
        "/usr/share/sensor/factory.toml",
    ),
    _Kind(
        "display", display_daemon.CONFIG, display_daemon.STATUS, DISPLAY_KEYS, parse_display_config,
        "/usr/share/display/factory.toml",
    ),
    _Kind(
        "actuator", actuator_daemon.CONFIG, actuator_daemon.STATUS, ACTUATOR_KEYS, parse_actuator_config,
        "/usr/share/actuator/factory.toml",
    ),
)  # fmt: skip


def sensorctl(process: Process) -> int:
    """One verb and its operands."""
    words = process.argv[1:] or ["status"]
    verb, operands = words[0], words[1:]
    if verb in ("help", "--help", "-h"):
        process.print(*USAGE.split("\n"))
        return 0
    try:
        return _act(process, verb, operands)
    except _Failure as failure:
        process.error(f"sensorctl: {failure}")
        return failure.status


def _act(process: Process, verb: str, operands: list[str]) -> int:
    if verb not in VERBS:
        raise _Failure(f'unknown command "{verb}"; try: sensorctl help', 2)
    action, fewest, most = VERBS[verb]
    if not fewest <= len(operands) <= most:
        raise _Failure(f'wrong number of words after "{verb}"; try: sensorctl help', 2)
    return action(process, _kind(process.node), operands)


def _kind(node: LinuxNode) -> _Kind:
    for kind in KINDS:
        if node.files.is_file(kind.config) or node.files.is_file(kind.factory):
            return kind
    raise _Failure("this device is no sensor, display or actuator")


def _text(node: LinuxNode, kind: _Kind) -> str:
    try:
        return node.files.read(kind.config)
    except FileError as error:
        raise _Failure(f"{kind.config}: {error}") from None


def _config(node: LinuxNode, kind: _Kind) -> SensorConfig | DisplayConfig | ActuatorConfig:
    try:
        return kind.parse(_text(node, kind))
    except ThingConfigError as error:
        raise _Failure(f"{kind.config}: {error}") from None


# status and read


def _ago(node: LinuxNode, when_ns: object) -> str:
    if not isinstance(when_ns, int):
        return "never"
    seconds = (node.now - when_ns) // SECOND
    if seconds < 120:
        return f"{seconds} s ago"
    if seconds < 7200:
        return f"{seconds // 60} min ago"
    return f"{seconds // 3600} h ago" if seconds < 172_800 else f"{seconds // 86_400} days ago"


def _link(node: LinuxNode) -> str:
    lines = []
    for interface in node.interfaces.values():
        if interface.kind == "loopback":
            continue
        state = "up" if interface.up and interface.carrier else "no lead" if interface.up else "switched off"
        addresses = ", ".join(str(address) for address in interface.addresses) or "no address"
        lines.append(f"{interface.name} {state}, {addresses}")
    return "; ".join(lines) or "none"


def _status(process: Process, kind: _Kind, _operands: list[str]) -> int:
    node = process.node
    unit = node.units.state(kind.unit)
    config = _config(node, kind)
    mqtt = config.mqtt
    rows = [("Link", _link(node)), ("Service", unit.active)]
    state: dict[str, Any] = {}
    if unit.active == "active":
        try:
            state = json.loads(node.files.get(kind.state) or "{}")
        except ValueError:
            state = {}
    since = f" (since {_ago(node, state['since_ns']).removesuffix(' ago')})" if "since_ns" in state else ""
    words = state.get("state", "not running" if unit.active != "active" else "connecting")
    detail = f": {state['detail']}" if state.get("detail") else ""
    rows.append(("Broker", f"{mqtt.host}:{mqtt.port} {words}{since}{detail}"))
    rows.append(("Client", mqtt.client_id + (f", user {mqtt.username}" if mqtt.username else ", no user name")))
    rows.append(("Topic", mqtt.topic))
    if isinstance(config, SensorConfig):
        rows.insert(0, ("Sensor", f"{config.name}: {config.quantity}, every {config.interval_s} s"))
        value = f"{state['value']} {symbol(str(state['unit']))}" if "value" in state else "none"
        rows.append(("Last value", value))
        rows.append(("Published", f"{_ago(node, state.get('published_ns'))}, {state.get('published', 0)} in all"))
        if state.get("waiting"):
            rows.append(("Waiting", f"{state['waiting']} not acknowledged"))
    elif isinstance(config, ActuatorConfig):
        rows.insert(0, ("Actuator", f"{config.name}: {config.drives}"))
        why = f", {state['why']}" if state.get("why") else ""
        rows.append(("State", f"{state.get('actuator', 'unknown')}{why}"))
        rows.append(("Commanded", _ago(node, state.get("commanded_ns"))))
        rows.append(("Changed", f"{_ago(node, state.get('changed_ns'))}, {state.get('switches', 0)} times in all"))
    else:
        rows.insert(0, ("Screen", config.title or node.name))
        rows.append(("Shows", str(state.get("text", "nothing"))))
        received = f"{_ago(node, state.get('received_ns'))}" + (", a kept message" if state.get("retain") else "")
        rows.append(("Received", received))
        rows.append(("Measured", str(state.get("payload_at") or "unknown")))
    rows.append(("Errors", str(state.get("errors", 0))))
    process.print(*(f"{name:<11}{value}" for name, value in rows))
    return 0


def _read(process: Process, kind: _Kind, _operands: list[str]) -> int:
    config = _config(process.node, kind)
    if not isinstance(config, SensorConfig):
        raise _Failure("a display measures nothing; try: sensorctl status")
    try:
        value = sensor_daemon.read_sensor(process.node, config)
    except ValueError as error:
        raise _Failure(str(error)) from None
    process.print(f"{config.quantity} {value} {symbol(config.unit)}")
    return 0


# The configuration


def _show(process: Process, kind: _Kind, _operands: list[str]) -> int:
    process.stdout.write(_text(process.node, kind))
    return 0


def _key(kind: _Kind, name: str) -> Key:
    """A key by its dotted name, or by its last part where only one has it."""
    found = [key for key in kind.keys if name in (key.name, key.name.partition(".")[2])]
    if not found:
        raise _Failure(f'unknown key "{name}"; keys are: {", ".join(key.name for key in kind.keys)}')
    return found[0]


def _get(process: Process, kind: _Kind, operands: list[str]) -> int:
    key = _key(kind, operands[0])
    try:
        value = get_toml_key(_text(process.node, kind), key.name)
    except KeyError:
        value = key.default
    except ValueError as error:
        raise _Failure(f"{kind.config}: {error}") from None
    if value is None:
        raise _Failure(f"{key.name} is not set")
    process.print(str(value).lower() if isinstance(value, bool) else str(value))
    return 0


def _set(process: Process, kind: _Kind, operands: list[str]) -> int:
    key = _key(kind, operands[0])
    try:
        changed = set_toml_key(_text(process.node, kind), key.name, typed_value(key, operands[1]))
    except ValueError as error:
        raise _Failure(str(error)) from None
    return _install(process, kind, changed)


def _install(process: Process, kind: _Kind, text: str) -> int:
    """Write a configuration that is sound, and let the thing read it."""
    node = process.node
    try:
        kind.parse(text)
    except ThingConfigError as error:
        raise _Failure(f"{error}; nothing was changed") from None
    try:
        node.files.write(kind.config, text)
    except FileError as error:
        raise _Failure(f"{kind.config}: {error}") from None
    node.units.stop(kind.unit)
    node.units.start(kind.unit)
    return 0


def _reset(process: Process, kind: _Kind, _operands: list[str]) -> int:
    if not process.node.files.is_file(kind.factory):
        raise _Failure(f"there are no factory settings ({kind.factory})")
    return _install(process, kind, process.node.files.read(kind.factory))


def _log(process: Process, kind: _Kind, operands: list[str]) -> int:
    if operands and not operands[0].isdecimal():
        raise _Failure(f'"{operands[0]}" is not a number of lines', 2)
    count = int(operands[0]) if operands else LOG_LINES
    node = process.node
    lines = [line for line in node.units.journal if line.unit == kind.unit]
    for line in lines[-count:] if count else []:
        seconds = node.wall_clock() - (node.now - line.at_ns) / 1e9
        process.print(f"{datetime.fromtimestamp(seconds, UTC):%b %d %H:%M:%S} {line.text}")
    return 0


VERBS: dict[str, tuple[Callable[[Process, _Kind, list[str]], int], int, int]] = {
    "status": (_status, 0, 0),
    "read": (_read, 0, 0),
    "config": (_show, 0, 0),
    "get": (_get, 1, 1),
    "set": (_set, 2, 2),
    "log": (_log, 0, 1),
    "reset": (_reset, 0, 0),
}

COMMANDS: dict[str, Program] = {"sensorctl": sensorctl}
