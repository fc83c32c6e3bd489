"""How mosquitto_sub prints a message: plainly, or after a format (-F)."""

from __future__ import annotations

import json

from labs.net.strftime import clock_text
from labs.things.mqtt.packets import Publish
from labs.things.mqtt.properties import BY_NUMBER, Value
from labs.things.payload import read_json

__all__ = ["FormatError", "check_format", "formatted"]

SECOND = 1_000_000_000
ESCAPES = {"0": "\0", "a": "\a", "e": "\033", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
FIELDS = "tplqrmIUjJxX%ACDEFPRS"
TIME_FIELDS = frozenset("aAbBcCdDeFgGhHIjmMprRSTuUVwWxXyYzZ")


class FormatError(ValueError):
    """A format that mosquitto_sub does not take, in its words."""


def check_format(text: str) -> None:
    """Raises FormatError."""
    at = 0
    while at < len(text):
        character = text[at]
        if character in "%@\\":
            if at + 1 == len(text):
                what = "escape" if character == "\\" else "format"
                raise FormatError(f"Error: Incomplete {what} specifier.")
            wanted = text[at + 1]
            if character == "%" and wanted not in FIELDS:
                raise FormatError(f"Error: Invalid format specifier '{wanted}'.")
            if character == "\\" and wanted not in ESCAPES:
                raise FormatError(f"Error: Invalid escape specifier '{wanted}'.")
            at += 1
        at += 1


def formatted(text: str, message: Publish, unix_ns: int) -> str:
    """A message after a format that `check_format` accepts. `unix_ns` is the clock of the device."""
    out = []
    characters = iter(text)
    for character in characters:
        if character == "%":
            out.append(_field(next(characters), message, unix_ns))
        elif character == "@":
            out.append(_time_field(next(characters), unix_ns))
        elif character == "\\":
            out.append(ESCAPES[next(characters)])
        else:
            out.append(character)
    return "".join(out)


def payload_text(message: Publish) -> str:
    """The payload as a terminal shows it."""
    return message.payload.decode(errors="replace")


def _field(name: str, message: Publish, unix_ns: int) -> str:
    match name:
        case "t":
            return message.topic
        case "p":
            return payload_text(message)
        case "l":
            return str(len(message.payload))
        case "q":
            return str(message.qos)
        case "r":
            return str(int(message.retain))
        case "m":
            return str(message.packet_id)
        case "I":
            return clock_text(unix_ns // SECOND, "%FT%T+0000")
        case "U":
            return f"{unix_ns // 1_000_000_000}.{unix_ns % 1_000_000_000:09d}"
        case "x":
            return message.payload.hex()
        case "X":
            return message.payload.hex().upper()
        case "A" | "C" | "D" | "E" | "F" | "P" | "R" | "S":
            return _property(name, message)
        case "j" | "J":
            return _as_json(message, unix_ns, parse=name == "J")
        case _:
            return "%"


PROPERTY_FIELDS = {"A": 35, "C": 3, "D": 9, "E": 2, "F": 1, "P": 38, "R": 8, "S": 11}


def _property(name: str, message: Publish) -> str:
    """What version 5 says besides: user properties as `name:value`, everything else as it is."""
    found = [value for number, value in message.properties if number == PROPERTY_FIELDS[name]]
    if name == "P":
        return " ".join(f"{value[0]}:{value[1]}" for value in found if isinstance(value, tuple))
    return _plain(found[0]) if found else ""


def _plain(value: Value) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _properties(message: Publish) -> dict[str, object]:
    fields: dict[str, object] = {}
    for number, value in message.properties:
        name = BY_NUMBER[number].name
        if isinstance(value, tuple):
            pairs = fields.setdefault("user-properties", {})
            assert isinstance(pairs, dict)
            pairs[value[0]] = value[1]
        else:
            fields[name] = _plain(value) if isinstance(value, bytes) else value
    return fields


def _time_field(name: str, unix_ns: int) -> str:
    if name == "@":
        return "@"
    if name == "N":
        return f"{unix_ns % 1_000_000_000:09d}"
    return clock_text(unix_ns // SECOND, f"%{name}") if name in TIME_FIELDS else f"%{name}"


def _as_json(message: Publish, unix_ns: int, *, parse: bool) -> str:
    micro = unix_ns // 1000 % 1_000_000
    fields: dict[str, object] = {
        "tst": clock_text(unix_ns // SECOND, "%FT%T.") + f"{micro:06d}Z+0000",
        "topic": message.topic,
        "qos": message.qos,
        "retain": int(message.retain),
        "payloadlen": len(message.payload),
    }
    if message.qos:
        fields["mid"] = message.packet_id
    if message.properties:
        fields["properties"] = _properties(message)
    payload: object = payload_text(message)
    if parse:
        try:
            payload = read_json(message.payload)
        except ValueError:
            payload = None
    fields["payload"] = payload
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
