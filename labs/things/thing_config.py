"""Reading the TOML files of things: every key known, of the right type and within its range, or one clear line.

The first mistake is told with its place: a line for bad TOML, a dotted key for everything else.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labs.things.mqtt.topics import valid_filter, valid_topic
from labs.things.toml_edit import TomlValue

__all__ = [
    "CONNECTION_KEYS",
    "MQTT_KEYS",
    "Key",
    "MqttConfig",
    "ThingConfigError",
    "Values",
    "mqtt_config",
    "parse_number",
    "read_keys",
    "typed_value",
]

_TOML_PLACE = re.compile(r"(?P<what>.*) \(at (?P<place>line \d+, column \d+|end of document)\)")
Values = Mapping[str, TomlValue]


class ThingConfigError(ValueError):
    """A configuration that a thing does not start with, in one line."""


class Key(NamedTuple):
    """A key a file may have. `default` None means that it has to be there. Numbers have a range."""

    name: str
    type: type
    default: TomlValue | None = None
    low: float = float("-inf")
    high: float = float("inf")


MQTT_KEYS = (
    Key("mqtt.host", str),
    Key("mqtt.port", int, 1883, 1, 65535),
    Key("mqtt.topic", str),
    Key("mqtt.client_id", str),
    Key("mqtt.username", str, ""),
    Key("mqtt.password", str, ""),
    Key("mqtt.keepalive_s", int, 60, 5, 65535),
    Key("mqtt.qos", int, 0, 0, 2),
    Key("mqtt.tls", bool, default=False),
    Key("mqtt.cafile", str, ""),
    Key("mqtt.insecure", bool, default=False),
)


CONNECTION_KEYS = tuple(key for key in MQTT_KEYS if key.name != "mqtt.topic")
"""For a thing whose topics stand elsewhere."""


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """Where a thing finds its broker, who it says it is, and the topic or filter that it uses."""

    host: str
    port: int
    topic: str
    client_id: str
    username: str
    password: str
    keepalive_s: int
    qos: int
    tls: bool = False
    cafile: str = ""
    insecure: bool = False
    """With TLS: whoever answers is believed to be the broker, whatever name its certificate has."""


TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})
_TYPE_NAMES = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}


def read_keys(text: str, keys: Sequence[Key]) -> dict[str, TomlValue]:
    """The value of every key. Raises ThingConfigError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.fullmatch(str(error))
        raise ThingConfigError(f"{found['place']}: {found['what']}" if found else str(error)) from None
    present = _flat(document)
    known = {key.name: key for key in keys}
    for name in present:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ThingConfigError(f'unknown key "{name}"' + (f'; did you mean "{near[0]}"?' if near else ""))
    values: dict[str, TomlValue] = {}
    for key in keys:
        if key.name in present:
            values[key.name] = _checked(key, present[key.name])
        elif key.default is None:
            raise ThingConfigError(f'missing key "{key.name}"')
        else:
            values[key.name] = key.default
    return values


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _checked(key: Key, value: object) -> TomlValue:
    if key.type is float and type(value) is int:
        value = float(value)
    if type(value) is not key.type or not isinstance(value, (str, int, float, bool)):
        raise ThingConfigError(f'"{key.name}" must be {_TYPE_NAMES[key.type]}')
    if isinstance(value, (int, float)) and not key.low <= value <= key.high:
        raise ThingConfigError(f'"{key.name}" is {value}; it must be from {key.low:g} to {key.high:g}')
    return value


def parse_number(text: str) -> float:
    """A number as people type it: 21.5 or 21,5. Raises ValueError."""
    cleaned = text.strip().replace(",", ".", 1)
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cleaned):
        message = f'"{text}" is not a number'
        raise ValueError(message)
    return float(cleaned)


def typed_value(key: Key, text: str) -> TomlValue:
    """What a person typed for a key, as a value of its type. Raises ThingConfigError."""
    if key.type is str:
        return text
    if key.type is bool:
        word = text.lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise ThingConfigError(f'"{key.name}" must be {_TYPE_NAMES[bool]}')
        return word in TRUE_WORDS
    try:
        number = parse_number(text)
    except ValueError as error:
        raise ThingConfigError(f'"{key.name}" must be {_TYPE_NAMES[key.type]}: {error}') from None
    if key.type is int:
        if not number.is_integer():
            raise ThingConfigError(f'"{key.name}" must be {_TYPE_NAMES[int]}')
        return int(number)
    return number


def mqtt_config(values: Values, *, wildcards: bool) -> MqttConfig:
    """The [mqtt] table. A filter is allowed where `wildcards` is true. Raises ThingConfigError."""
    topic = str(values.get("mqtt.topic", "#"))
    if wildcards and not valid_filter(topic):
        raise ThingConfigError(f'"mqtt.topic" is not a topic filter: {topic!r}')
    if not wildcards and not valid_topic(topic):
        raise ThingConfigError(f'"mqtt.topic" is not a topic to publish to: {topic!r}')
    if not values["mqtt.host"]:
        raise ThingConfigError('"mqtt.host" is empty')
    return MqttConfig(
        str(values["mqtt.host"]),
        int(values["mqtt.port"]),
        topic,
        str(values["mqtt.client_id"]),
        str(values["mqtt.username"]),
        str(values["mqtt.password"]),
        int(values["mqtt.keepalive_s"]),
        int(values["mqtt.qos"]),
        bool(values["mqtt.tls"]),
        str(values["mqtt.cafile"]),
        bool(values["mqtt.insecure"]),
    )
