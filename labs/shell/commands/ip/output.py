"""What `ip` prints: each fact once, as words for people and as a member of a JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["Record", "Style", "print_json"]


@dataclass(slots=True)
class Style:
    """The options before the object: `ip -j -p -d -s -o -br -4 …`."""

    json: bool = False
    pretty: bool = False
    brief: bool = False
    oneline: bool = False
    compress: bool = False
    details: int = 0
    statistics: int = 0
    family: str = ""

    @property
    def newline(self) -> str:
        r"""Between the lines of one entry: `\` with -o."""
        return "\\" if self.oneline else "\n"


@dataclass(slots=True)
class Record:
    """One entry: `text` grows word by word, `fields` member by member, in the same order."""

    style: Style
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    def add(self, key: str, value: Any, text: str | None = None) -> None:
        """Add a fact to both; `text` defaults to the value and a blank."""
        self.fields[key] = value
        self.text += f"{value} " if text is None else text

    def say(self, text: str) -> None:
        """Add words that have no JSON form."""
        self.text += text

    def only_json(self, key: str, value: Any) -> None:
        """Add a member that people do not see."""
        self.fields[key] = value


def print_records(process: Process, style: Style, records: Sequence[Record]) -> None:
    """Print a table."""
    if style.json:
        print_json(process, style, [record.fields for record in records])
        return
    for record in records:
        process.print(record.text)


def print_json(process: Process, style: Style, value: list[dict[str, Any]]) -> None:
    """Print a JSON array, spaced as iproute2's writer spaces it."""
    if style.pretty:
        process.print(_pretty(value, 0))
    else:
        process.print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def _pretty(value: Any, depth: int) -> str:
    """Objects open on the line of their array; plain values stay on one line."""
    if isinstance(value, dict):
        inner = " " * (4 * (depth + 1))
        members = [f"{inner}{json.dumps(key)}: {_pretty(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(members) + "\n" + " " * (4 * depth) + "}"
    if isinstance(value, list):
        if not value:
            return "[ ]"
        if isinstance(value[0], dict):
            return "[ " + ",".join(_pretty(item, depth + 1) for item in value) + " ]"
        return "[ " + ",".join(json.dumps(item) for item in value) + " ]"
    return json.dumps(value, ensure_ascii=False)
