"""sensorctl: the tool of a thing (sensor, screen, input module, actuator, transmitter).

It shows how the thing is doing and changes its file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from labs.net.filesystem import FileError
from labs.net.process import Process, Program
from labs.net.strftime import clock_text
from labs.shell.thing_kinds import ThingFailure, ThingKind, config_of, kind_of, text_of
from labs.shell.thing_readings import reading_lines
from labs.shell.thing_status import firmware_of, status_rows
from labs.things.display import DisplayConfig
from labs.things.firmware import INSTALLED, FirmwareError, checked_image
from labs.things.library.model import Model
from labs.things.thing_config import Key, ThingConfigError, typed_value
from labs.things.toml_edit import get_toml_key, set_toml_key

__all__ = ["COMMANDS"]

LOG_LINES = 20
OTHER_INPUT = re.compile(r"input[2-8]\.")  # the keys of every input are alike: those of the first stand for all
USAGE = """usage: sensorctl status              how the thing is doing
       sensorctl read [--raw] [N]    measure now; --raw: every stage; N: one input of a module
       sensorctl config              show the configuration file
       sensorctl get KEY             show one value, such as mqtt.host
       sensorctl set KEY VALUE       change one value and restart
       sensorctl log [LINES]         the last lines of its journal
       sensorctl update IMAGE        install firmware from a file
       sensorctl reset               back to the settings of the factory
       sensorctl help                this text"""


def sensorctl(process: Process) -> int:
    """One verb and its operands."""
    words = process.argv[1:] or ["status"]
    if words[0] == "config" and len(words) > 1 and words[1] in ("get", "set"):
        words = words[1:]
    verb, operands = words[0], words[1:]
    if verb in ("help", "--help", "-h"):
        process.print(*USAGE.split("\n"))
        return 0
    try:
        return _act(process, verb, operands)
    except ThingFailure as failure:
        process.error(f"sensorctl: {failure}")
        return failure.status


def _act(process: Process, verb: str, operands: list[str]) -> int:
    if verb not in VERBS:
        raise ThingFailure(f'unknown command "{verb}"; try: sensorctl help', 2)
    action, fewest, most = VERBS[verb]
    if not fewest <= len(operands) <= most:
        raise ThingFailure(f'wrong number of words after "{verb}"; try: sensorctl help', 2)
    return action(process, kind_of(process.node), operands)


# status and read


def _status(process: Process, kind: ThingKind, _operands: list[str]) -> int:
    process.print(*(f"{name:<11}{value}" for name, value in status_rows(process.node, kind)))
    return 0


def _read(process: Process, kind: ThingKind, operands: list[str]) -> int:
    config = config_of(process.node, kind)
    if isinstance(config, DisplayConfig):
        raise ThingFailure("a display measures nothing; try: sensorctl status")
    raw = "--raw" in operands
    numbers = [word for word in operands if word != "--raw"]
    if len(numbers) > 1 or not all(word.isdecimal() for word in numbers):
        raise ThingFailure(f'"{" ".join(numbers)}" is not the number of an input', 2)
    number = int(numbers[0]) if numbers else None
    process.print(*reading_lines(process.node, config, number, raw=raw))
    return 0


# The configuration


def _show(process: Process, kind: ThingKind, _operands: list[str]) -> int:
    process.stdout.write(text_of(process.node, kind))
    return 0


def _key(kind: ThingKind, name: str) -> Key:
    """A key by its dotted name, or by its last part where only one has it."""
    found = [key for key in kind.keys if name in (key.name, key.name.partition(".")[2])]
    if not found or (len(found) > 1 and kind.name == "inputs" and name not in [key.name for key in found]):
        known = [key.name for key in kind.keys if not OTHER_INPUT.match(key.name)]
        raise ThingFailure(f'unknown key "{name}"; keys are: {", ".join(known)}')
    return found[0]


def _get(process: Process, kind: ThingKind, operands: list[str]) -> int:
    key = _key(kind, operands[0])
    try:
        value = get_toml_key(text_of(process.node, kind), key.name)
    except KeyError:
        value = key.default
    except ValueError as error:
        raise ThingFailure(f"{kind.config}: {error}") from None
    if value is None:
        raise ThingFailure(f"{key.name} is not set")
    process.print(str(value).lower() if isinstance(value, bool) else str(value))
    return 0


def _set(process: Process, kind: ThingKind, operands: list[str]) -> int:
    key = _key(kind, operands[0])
    if key.name.endswith(".firmware"):
        raise ThingFailure("firmware comes from an image; try: sensorctl update IMAGE")
    try:
        changed = set_toml_key(text_of(process.node, kind), key.name, typed_value(key, operands[1]))
    except ValueError as error:
        raise ThingFailure(str(error)) from None
    return _install(process, kind, changed)


def _install(process: Process, kind: ThingKind, text: str) -> int:
    """Write a configuration that is sound, and let the thing read it."""
    node = process.node
    try:
        kind.parse(text)
    except ThingConfigError as error:
        raise ThingFailure(f"{error}; nothing was changed") from None
    try:
        node.files.write(kind.config, text)
    except FileError as error:
        raise ThingFailure(f"{kind.config}: {error}") from None
    if kind.unit:
        node.units.stop(kind.unit)
        node.units.start(kind.unit)
    return 0


def _reset(process: Process, kind: ThingKind, _operands: list[str]) -> int:
    if not process.node.files.is_file(kind.factory):
        raise ThingFailure(f"there are no factory settings ({kind.factory})")
    return _install(process, kind, process.node.files.read(kind.factory))


def _update(process: Process, kind: ThingKind, operands: list[str]) -> int:
    node = process.node
    model: Model | None = getattr(config_of(node, kind), "model", None)
    if model is None:
        raise ThingFailure("this thing has no model of the library: no image fits it")
    text = text_of(node, kind)
    key = next(key.name for key in kind.keys if key.name.endswith(".firmware"))
    try:
        verify = get_toml_key(text, "device.verify_updates") is not False
    except KeyError:
        verify = True
    try:
        content = node.files.read(node.files.resolve(operands[0], process.directory))
        image = checked_image(
            content,
            model,
            firmware_of(node, kind, model),
            verify=verify,
        )
    except FileError as error:
        raise ThingFailure(f"{operands[0]}: {error}") from None
    except FirmwareError as error:
        raise ThingFailure(f"{operands[0]}: {error}; nothing was changed") from None
    status = _install(process, kind, set_toml_key(text, key, image.version))
    if not node.files.is_directory(posixpath.dirname(INSTALLED)):
        node.files.make_directory(posixpath.dirname(INSTALLED))
    node.files.write(INSTALLED, content)
    process.print(f"{model.name}: firmware {image.version} installed")
    return status


def _log(process: Process, kind: ThingKind, operands: list[str]) -> int:
    if operands and not operands[0].isdecimal():
        raise ThingFailure(f'"{operands[0]}" is not a number of lines', 2)
    count = int(operands[0]) if operands else LOG_LINES
    node = process.node
    lines = [line for line in node.units.journal if line.unit == (kind.unit or kind.name)]
    for line in lines[-count:] if count else []:
        seconds = node.wall_clock() - (node.now - line.at_ns) / 1e9
        process.print(f"{clock_text(seconds, '%b %d %H:%M:%S')} {line.text}")
    return 0


VERBS: dict[str, tuple[Callable[[Process, ThingKind, list[str]], int], int, int]] = {
    "status": (_status, 0, 0),
    "read": (_read, 0, 2),
    "config": (_show, 0, 0),
    "get": (_get, 1, 1),
    "set": (_set, 2, 2),
    "log": (_log, 0, 1),
    "update": (_update, 1, 1),
    "reset": (_reset, 0, 0),
}

COMMANDS: dict[str, Program] = {"sensorctl": sensorctl}
