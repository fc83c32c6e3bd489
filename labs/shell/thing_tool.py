"""What the tools of gateways, radios and the like share: one verb, its operands, and a TOML file behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from labs.net.process import Process, Routine, Wait
from labs.net.strftime import clock_text
from labs.things.toml_edit import get_toml_key, set_toml_key

__all__ = ["Tool", "ToolFailure", "Verb", "ago", "run_tool", "state_of"]

SECOND = 1_000_000_000
LOG_LINES = 20
Verb = tuple[Callable[[Process, list[str]], Generator[Wait, None, int]], int, int]


class ToolFailure(Exception):
    """One line for standard error; exit status 1, or 2 for a wrong command line."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its service, the file of it, and how that file is read."""

    name: str
    unit: str
    path: str
    parse: Callable[[str], object]

    def verbs(self) -> dict[str, Verb]:
        """The verbs that every tool has."""
        return {
            "config": (self._show, 0, 0),
            "get": (self._get, 1, 1),
            "set": (self._set, 2, 2),
            "log": (self._log, 0, 1),
        }

    def _show(self, process: Process, _operands: list[str]) -> Routine:
        yield from ()
        process.stdout.write(process.node.files.read(self.path))
        return 0

    def _get(self, process: Process, operands: list[str]) -> Routine:
        yield from ()
        try:
            value = get_toml_key(process.node.files.read(self.path), operands[0])
        except KeyError:
            raise ToolFailure(f"{operands[0]} is not set") from None
        except ValueError as error:
            raise ToolFailure(f"{self.path}: {error}") from None
        process.print(str(value).lower() if isinstance(value, bool) else str(value))
        return 0

    def _set(self, process: Process, operands: list[str]) -> Routine:
        """A value that looks like a number is one, unless the file wants a text there."""
        yield from ()
        node, (key, text) = process.node, operands
        if key.endswith(".firmware"):
            raise ToolFailure("firmware comes from an image; try: sensorctl update IMAGE")
        before = node.files.read(self.path)
        problem = ""
        for value in dict.fromkeys((_typed(text), text)):
            try:
                changed = set_toml_key(before, key, value)
                self.parse(changed)
            except ValueError as error:
                problem = problem or str(error)
                continue
            node.files.write(self.path, changed)
            node.units.stop(self.unit)
            node.units.start(self.unit)
            return 0
        raise ToolFailure(f"{problem}; nothing was changed")

    def _log(self, process: Process, operands: list[str]) -> Routine:
        yield from ()
        if operands and not operands[0].isdecimal():
            raise ToolFailure(f'"{operands[0]}" is not a number of lines', 2)
        count = int(operands[0]) if operands else LOG_LINES
        node = process.node
        lines = [line for line in node.units.journal if line.unit == self.unit]
        for line in lines[-count:] if count else []:
            seconds = node.wall_clock() - (node.now - line.at_ns) / 1e9
            process.print(f"{clock_text(seconds, '%b %d %H:%M:%S')} {line.text}")
        return 0


def _typed(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def run_tool(process: Process, name: str, verbs: Mapping[str, Verb], usage: str) -> Routine:
    """Do what the command line says; mistakes are one line."""
    words = process.argv[1:] or ["status"]
    verb, operands = words[0], words[1:]
    if verb in ("help", "--help", "-h"):
        process.print(*usage.split("\n"))
        return 0
    problem = ""
    if verb not in verbs:
        problem = f'unknown command "{verb}"'
    elif not verbs[verb][1] <= len(operands) <= verbs[verb][2]:
        problem = f'wrong number of words after "{verb}"'
    if problem:
        process.error(f"{name}: {problem}; try: {name} help")
        return 2
    try:
        return (yield from verbs[verb][0](process, operands))
    except ToolFailure as failure:
        process.error(f"{name}: {failure}")
        return failure.status


def state_of(process: Process, unit: str, path: str) -> dict[str, Any]:
    """What a running service says about itself. Raises ToolFailure where it does not run."""
    if process.node.units.state(unit).active != "active":
        raise ToolFailure(f"the service is not running; try: systemctl status {unit}")
    try:
        found = json.loads(process.node.files.get(path) or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def ago(process: Process, when_ns: object) -> str:
    """How long ago something was."""
    if not isinstance(when_ns, int):
        return "never"
    seconds = (process.node.now - when_ns) // SECOND
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"
