"""A screen that shows the last message of a topic. It prints its own unit and converts nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from labs.things.mqtt.codec import Publish
from labs.things.payload import read_json
from labs.things.thing_config import MQTT_KEYS, Key, MqttConfig, mqtt_config, read_keys
from labs.things.units import symbol

__all__ = [
    "DISPLAY_KEYS",
    "EMPTY",
    "DisplayConfig",
    "Screen",
    "parse_display_config",
    "read_field",
    "read_payload",
    "shown",
    "stale_at",
]

EMPTY = "--"
DISPLAY_KEYS = (
    Key("screen.title", str, ""),
    Key("screen.unit", str),
    Key("screen.stale_after_s", int, 0, 0, 10_000_000),
    *MQTT_KEYS,
)


@dataclass(frozen=True, slots=True)
class DisplayConfig:
    """What /etc/display.toml says. `stale_after_s` 0 never tells how old a value is."""

    title: str
    unit: str
    stale_after_s: int
    mqtt: MqttConfig


class Screen(NamedTuple):
    """The message on the screen. `value` is None where it makes no number; `payload_at` is the time written in it."""

    value: float | None
    topic: str
    received_ns: int
    retain: bool
    payload_at: str | None
    problem: str = ""


def parse_display_config(text: str) -> DisplayConfig:
    """Read /etc/display.toml. Raises ThingConfigError."""
    values = read_keys(text, DISPLAY_KEYS)
    return DisplayConfig(
        str(values["screen.title"]),
        str(values["screen.unit"]),
        int(values["screen.stale_after_s"]),
        mqtt_config(values, wildcards=True),
    )


def read_payload(message: Publish, now: int) -> Screen:
    """Understand a message: a JSON object with `value`, or a bare number."""
    value, at, problem = None, None, ""
    try:
        found = read_json(message.payload)
        if isinstance(found, dict):
            at = found["at"] if isinstance(found.get("at"), str) else None
            found = found["value"]
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
            problem = "not a number"
        else:
            value = found
    except KeyError:
        problem = 'no "value" in it'
    except ValueError:
        problem = "neither JSON nor a number" if message.payload else "empty"
    return Screen(value, message.topic, now, message.retain, at, problem)


def read_field(payload: bytes, path: str) -> float | None:
    """The finite number at `a.b` of a JSON message; a bare number is its own `value`; true and false are 1 and 0."""
    try:
        found = read_json(payload)
    except ValueError:
        return None
    if isinstance(found, dict):
        for part in path.split("."):
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
    elif path != "value":
        return None
    if not isinstance(found, (bool, int, float)) or not math.isfinite(found):
        return None
    return float(found)


def stale_at(config: DisplayConfig, screen: Screen, received_unix_s: float) -> float | None:
    """From which Unix time the screen tells how old its value is: by the time in the message, else by its arrival."""
    if not config.stale_after_s or screen.value is None:
        return None
    return _moment(screen, received_unix_s) + config.stale_after_s


def _moment(screen: Screen, received_unix_s: float) -> float:
    if screen.payload_at is not None:
        try:
            return datetime.fromisoformat(screen.payload_at).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            pass
    return received_unix_s


def shown(config: DisplayConfig, screen: Screen | None, received_unix_s: float, *, stale: bool = False) -> str:
    """The text on the screen: `21.4 °C`, with its moment behind it when it is stale."""
    if screen is None or screen.value is None:
        return EMPTY
    number = f"{screen.value:.1f}" if isinstance(screen.value, float) else str(screen.value)
    text = f"{number} {symbol(config.unit)}".rstrip()
    if stale:
        since = datetime.fromtimestamp(_moment(screen, received_unix_s), UTC)
        text += f" (since {since:%Y-%m-%d %H:%M} UTC)"
    return text
