"""The files of Modbus things: /etc/modbus.toml of a slave, /etc/gateway.toml of a gateway to MQTT."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from labs.net.serial import Parity, SerialSettings
from labs.things.modbus.pdu import Table
from labs.things.modbus.values import RegisterType, WordOrder
from labs.things.mqtt.topics import valid_topic
from labs.things.thing_config import MQTT_KEYS, Key, MqttConfig, ThingConfigError, Values, mqtt_config, read_keys

__all__ = [
    "GATEWAY",
    "SLAVE",
    "GatewayConfig",
    "Place",
    "Poll",
    "SlaveConfig",
    "SlaveRegister",
    "parse_gateway_config",
    "parse_slave_config",
]

SLAVE = "/etc/modbus.toml"
GATEWAY = "/etc/gateway.toml"
MAX_ENTRIES = 500
SPEEDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
SERIAL_KEYS = (
    Key("serial.port", str, "/dev/ttyS0"),
    Key("serial.speed", int, 9600, SPEEDS[0], SPEEDS[-1]),
    Key("serial.parity", str, "none"),
    Key("serial.stop_bits", int, 1, 1, 2),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number stands: `address` as on the wire, `scale` what one step of the register is worth."""

    table: Table
    address: int
    type: RegisterType
    order: WordOrder
    scale: float

    @property
    def count(self) -> int:
        """How many registers or bits."""
        return self.type.registers


@dataclass(frozen=True, slots=True)
class SlaveRegister:
    """A number that a slave offers: a quantity that it measures, or a value that stands there."""

    name: str
    place: Place
    quantity: str
    value: float


@dataclass(frozen=True, slots=True)
class SlaveConfig:
    """What /etc/modbus.toml says. `serial_port` is empty for a slave on TCP alone, `tcp_port` 0 for one without."""

    unit: int
    serial_port: str
    settings: SerialSettings
    delay_ms: int
    tcp_port: int
    registers: tuple[SlaveRegister, ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """One number that a gateway asks for, and the topic that it goes to."""

    name: str
    unit: int
    place: Place
    measures: str
    topic: str
    interval_s: int


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What /etc/gateway.toml says."""

    mqtt: MqttConfig
    serial_port: str
    settings: SerialSettings
    timeout_ms: int
    tcp_port: int
    polls: tuple[Poll, ...]


def _entries(text: str, section: str) -> list[str]:
    """The names of the tables below a section. A text that is not TOML has none: `read_keys` tells."""
    try:
        found = tomllib.loads(text).get(section, {})
    except tomllib.TOMLDecodeError:
        return []
    if not isinstance(found, dict):
        raise ThingConfigError(f'"{section}" must be a table')
    if len(found) > MAX_ENTRIES:
        raise ThingConfigError(f'"{section}" has {len(found)} entries; at most {MAX_ENTRIES}')
    return list(found)


def _place_keys(head: str) -> list[Key]:
    return [
        Key(f"{head}.table", str, "holding"),
        Key(f"{head}.address", int, None, 0, 65535),
        Key(f"{head}.type", str, "int16"),
        Key(f"{head}.word_order", str, "big"),
        Key(f"{head}.scale", float, 1.0, -1e6, 1e6),
    ]


def _word(values: Values, key: str, allowed: type[Any]) -> Any:
    """A value that is one of a few words. Raises ThingConfigError."""
    text = str(values[key])
    names = [member.name.lower() for member in allowed]
    for member in allowed:
        if member.name.lower() == text:
            return member
    raise ThingConfigError(f'"{key}" is "{text}"; it must be one of {", ".join(names)}')


def _place(values: Values, head: str) -> Place:
    table: Table = _word(values, f"{head}.table", Table)
    kind: RegisterType = _word(values, f"{head}.type", RegisterType)
    if table.bits != (kind is RegisterType.BOOL):
        raise ThingConfigError(f'"{head}.type" of a {table.name.lower()} entry cannot be {kind}')
    scale = float(values[f"{head}.scale"])
    if not scale:
        raise ThingConfigError(f'"{head}.scale" must not be 0')
    return Place(table, int(values[f"{head}.address"]), kind, _word(values, f"{head}.word_order", WordOrder), scale)


def _settings(values: Values) -> SerialSettings:
    speed = int(values["serial.speed"])
    if speed not in SPEEDS:
        raise ThingConfigError(f'"serial.speed" is {speed}; it must be one of {", ".join(map(str, SPEEDS))}')
    return SerialSettings(speed, _word(values, "serial.parity", Parity), int(values["serial.stop_bits"]))


def parse_slave_config(text: str) -> SlaveConfig:
    """Read /etc/modbus.toml. Raises ThingConfigError."""
    names = _entries(text, "register")
    keys = [
        *SERIAL_KEYS,
        Key("serial.unit", int, 1, 1, 247),
        Key("serial.delay_ms", int, 2, 0, 5000),
        Key("tcp.port", int, 0, 0, 65535),
    ]
    for name in names:
        head = f"register.{name}"
        keys += [*_place_keys(head), Key(f"{head}.quantity", str, ""), Key(f"{head}.value", float, 0.0, -1e9, 1e9)]
    values = read_keys(text, keys)
    registers = tuple(
        SlaveRegister(
            name,
            _place(values, f"register.{name}"),
            str(values[f"register.{name}.quantity"]),
            float(values[f"register.{name}.value"]),
        )
        for name in names
    )
    return SlaveConfig(
        int(values["serial.unit"]),
        str(values["serial.port"]),
        _settings(values),
        int(values["serial.delay_ms"]),
        int(values["tcp.port"]),
        registers,
    )


def parse_gateway_config(text: str) -> GatewayConfig:
    """Read /etc/gateway.toml. Raises ThingConfigError."""
    names = _entries(text, "poll")
    keys = [
        *MQTT_KEYS,
        *SERIAL_KEYS,
        Key("serial.timeout_ms", int, 500, 10, 10_000),
        Key("tcp.port", int, 0, 0, 65535),
    ]
    for name in names:
        head = f"poll.{name}"
        keys += [
            Key(f"{head}.unit", int, None, 1, 247),
            *_place_keys(head),
            Key(f"{head}.measures", str, ""),
            Key(f"{head}.topic", str, ""),
            Key(f"{head}.interval_s", int, 10, 1, 86_400),
        ]
    values = read_keys(text, keys)
    mqtt = mqtt_config(values, wildcards=False)
    return GatewayConfig(
        mqtt,
        str(values["serial.port"]),
        _settings(values),
        int(values["serial.timeout_ms"]),
        int(values["tcp.port"]),
        tuple(_poll(values, name, mqtt.topic) for name in names),
    )


def _poll(values: Values, name: str, prefix: str) -> Poll:
    head = f"poll.{name}"
    topic = str(values[f"{head}.topic"]) or f"{prefix}/{name}"
    if not valid_topic(topic):
        raise ThingConfigError(f'"{head}.topic" is not a topic to publish to: {topic!r}')
    return Poll(
        name,
        int(values[f"{head}.unit"]),
        _place(values, head),
        str(values[f"{head}.measures"]),
        topic,
        int(values[f"{head}.interval_s"]),
    )
