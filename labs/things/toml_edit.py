"""Set one key of a TOML text and leave every other character as it was.

Before changing this file read TOML 1.0.0, sections Keys, String and Table.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["TomlValue", "get_toml_key", "set_toml_key"]

TomlValue = str | int | float | bool
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEADER_DOT = re.compile(r"[ \t]*\.[ \t]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class _Statement(NamedTuple):
    """A table header (`end` is -1) or a key with the place of its value in the text."""

    path: tuple[str, ...]
    start: int
    end: int
    after: int
    """Where the line ends, its newline included."""


def get_toml_key(text: str, key: str) -> object:
    """The value of a dotted key such as `mqtt.host`. Raises KeyError, or ValueError for a text that is not TOML."""
    found: object = tomllib.loads(text)
    for part in key.split("."):
        if not isinstance(found, dict):
            raise KeyError(key)
        found = found[part]
    return found


def set_toml_key(text: str, key: str, value: TomlValue) -> str:
    """The text with a dotted key such as `mqtt.host` set, added where it is missing.

    A text that already says so comes back unchanged. Raises ValueError for a text that is not TOML and for a key that
    cannot be set by a line of its own (inside an inline table or an array of tables).

    Examples
    --------
    >>> set_toml_key('host = "broker" # in the attic', "host", "10.0.0.9")
    'host = "10.0.0.9" # in the attic'
    """
    path = tuple(key.split("."))
    wanted = _with_key(tomllib.loads(text), path, value)
    try:
        present = get_toml_key(text, key)
    except KeyError:
        edited: str | None = _inserted(text, path, value)
    else:
        if _same(present, value):
            return text
        edited = _replaced(text, path, value)
    if edited is None or not _says(edited, wanted):
        message = f"{key} cannot be set: it stands inside an inline table or an array of tables"
        raise ValueError(message)
    return edited


def _says(text: str, wanted: object) -> bool:
    try:
        return _same(tomllib.loads(text), wanted)
    except tomllib.TOMLDecodeError:
        return False


def _with_key(document: dict[str, object], path: tuple[str, ...], value: TomlValue) -> dict[str, object]:
    document = copy.deepcopy(document)
    table = document
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            message = f"{part} is not a table"
            raise ValueError(message)  # noqa: TRY004 - the text is wrong, not the type of an argument
        table = inner
    table[path[-1]] = value
    return document


def _same(one: object, other: object) -> bool:
    """Equality that tells 1 from 1.0 and from true, and holds for nan."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def _replaced(text: str, path: tuple[str, ...], value: TomlValue) -> str | None:
    for statement in _statements(text):
        if statement.path == path and statement.end >= 0:
            return text[: statement.start] + _render(value) + text[statement.end :]
    return None


def _inserted(text: str, path: tuple[str, ...], value: TomlValue) -> str:
    """After the last key of its table; a table that is missing goes to the end of the text."""
    line = f"{_render_key(path[-1])} = {_render(value)}\n"
    place = -1
    current: tuple[str, ...] = ()
    for statement in _statements(text):
        if statement.end < 0:
            current = statement.path
        if current == path[:-1]:
            place = statement.after
    if place < 0 and len(path) == 1:
        return line + text
    if place < 0:
        header = "[" + ".".join(map(_render_key, path[:-1])) + "]\n"
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return text + gap + header + line
    gap = "" if text[:place].endswith("\n") else "\n"
    return text[:place] + gap + line + text[place:]


def _render_key(part: str) -> str:
    return part if _BARE.fullmatch(part) else _render(part)


def _render(value: TomlValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    return repr(value)


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character >= " " and character != "\x7f" else f"\\u{ord(character):04x}"


# Reading: where things stand. The text is legal TOML, tomllib has said so.


def _statements(text: str) -> Iterator[_Statement]:
    table: tuple[str, ...] = ()
    at = _skip(_BLANK, text, 0)
    while at < len(text):
        if text[at] == "[":
            array = text.startswith("[[", at)
            path, at = _key(text, _skip(_SPACE, text, at + 1 + array))
            table = (*path, "") if array else path  # no path that can be set has an empty last part
            after = _line_end(text, _skip(_SPACE, text, at) + 1 + array)
            yield _Statement(table, at, -1, after)
        else:
            path, at = _key(text, at)
            start = _skip(_SPACE, text, _skip(_SPACE, text, at) + 1)
            end = _value_end(text, start)
            after = _line_end(text, end)
            yield _Statement((*table, *path), start, end, after)
        at = _skip(_BLANK, text, after)


def _skip(what: re.Pattern[str], text: str, at: int) -> int:
    found = what.match(text, at)
    return found.end() if found else at


def _line_end(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _key(text: str, at: int) -> tuple[tuple[str, ...], int]:
    parts = []
    while True:
        if text[at] in "\"'":
            end = _string_end(text, at)
            parts.append(str(tomllib.loads("x = " + text[at:end])["x"]))
        else:
            end = _skip(_BARE, text, at)
            parts.append(text[at:end])
        dot = _HEADER_DOT.match(text, end)
        if dot is None:
            return tuple(parts), end
        at = dot.end()


def _string_end(text: str, at: int) -> int:
    quote = text[at]
    if text.startswith(quote * 3, at):
        at += 3
        while not text.startswith(quote * 3, at):
            at += 2 if text[at] == "\\" and quote == '"' else 1
        at += 3
        while at < len(text) and text[at] == quote:  # up to two quotes may stand right before the closing three
            at += 1
        return at
    at += 1
    while text[at] != quote:
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return at + 1


def _value_end(text: str, at: int) -> int:
    if text[at] in "\"'":
        return _string_end(text, at)
    if text[at] not in "[{":
        end = min(place for place in (text.find("#", at), text.find("\n", at), len(text)) if place >= 0)
        return at + len(text[at:end].rstrip())
    depth = 0
    while True:
        if text[at] in "\"'":
            at = _string_end(text, at)
            continue
        if text[at] == "#":
            at = text.index("\n", at)
        depth += (text[at] in "[{") - (text[at] in "]}")
        at += 1
        if not depth:
            return at
