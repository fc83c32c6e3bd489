"""The files of Zigbee: an end device, what it remembers of its network, and configuration.yaml of Zigbee2MQTT.

Before changing this file read the configuration pages of Zigbee2MQTT 1.42.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from labs.things.thing_config import Key, MqttConfig, ThingConfigError, read_keys
from labs.things.zigbee.link import CHANNELS

__all__ = [
    "BRIDGE",
    "DATABASE",
    "DEVICE",
    "NETWORK",
    "QUANTITIES",
    "STICK",
    "Bridge",
    "EndDevice",
    "Network",
    "database_of",
    "named",
    "network_file",
    "parse_bridge",
    "parse_database",
    "parse_device",
    "parse_network",
]

DEVICE = "/etc/zigbee.toml"
NETWORK = "/var/lib/zigbee.json"
BRIDGE = "/etc/zigbee2mqtt/configuration.yaml"
DATABASE = "/etc/zigbee2mqtt/database.db"
STICK = "/dev/ttyACM0"
QUANTITIES = {"temperature": 2, "humidity": 2, "pressure": 1, "co2": 0, "illuminance": 0}  # decimals of a report
MOST_TEXT, MOST_DEVICES = 1 << 17, 200
IEEE = r"0x[0-9a-f]{16}"
KEYS = {
    "": {"homeassistant", "permit_join", "mqtt", "serial", "advanced", "availability", "frontend", "devices", "groups"},
    "mqtt": {"base_topic", "server", "user", "password", "client_id", "keepalive", "ca", "reject_unauthorized"},
    "serial": {"port", "adapter", "baudrate", "rtscts", "disable_led"},
    "advanced": {"channel", "pan_id", "ext_pan_id", "network_key", "log_level", "last_seen", "transmit_power"},
}


@dataclass(frozen=True, slots=True)
class EndDevice:
    """What /etc/zigbee.toml says."""

    ieee: str
    quantity: str
    interval_s: int


@dataclass(frozen=True, slots=True)
class Network:
    """What a device has learnt when it joined."""

    channel: int
    pan_id: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Bridge:
    """What configuration.yaml says. `names` is IEEE address -> friendly name; `passive_s` 0 where not watched."""

    mqtt: MqttConfig
    port: str
    network: Network
    permit_join: bool
    last_seen: bool
    passive_s: int
    names: Mapping[str, str] = field(default_factory=dict)


def parse_device(text: str) -> EndDevice:
    """Read /etc/zigbee.toml. Raises ThingConfigError."""
    values = read_keys(
        text, [Key("zigbee.ieee", str), Key("sensor.quantity", str), Key("sensor.interval_s", int, 600, 5, 86_400)]
    )
    ieee, quantity = str(values["zigbee.ieee"]), str(values["sensor.quantity"])
    if not re.fullmatch(IEEE, ieee):
        raise ThingConfigError(f'"zigbee.ieee" is "{ieee}"; it must be 0x and 16 hexadecimal digits')
    if quantity not in QUANTITIES:
        raise ThingConfigError(f'"sensor.quantity" is "{quantity}"; it must be one of {", ".join(QUANTITIES)}')
    return EndDevice(ieee, quantity, int(values["sensor.interval_s"]))


def parse_network(text: str) -> Network | None:
    """What a device remembers; None for one that belongs nowhere."""
    try:
        found = json.loads(text or "{}")
        return Network(int(found["channel"]), int(found["pan_id"]), bytes.fromhex(found["key"]))
    except (ValueError, KeyError, TypeError):
        return None


def network_file(network: Network) -> str:
    """The same as a file."""
    return json.dumps({"channel": network.channel, "pan_id": network.pan_id, "key": network.key.hex()}) + "\n"


def parse_database(text: str) -> list[str]:
    """The IEEE addresses of the devices that belong to the network: one JSON object in each line."""
    found = []
    for line in text.splitlines():
        try:
            found.append(str(json.loads(line)["ieeeAddr"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


def database_of(devices: list[str]) -> str:
    """database.db of these devices."""
    lines = [{"id": index, "type": "EndDevice", "ieeeAddr": ieee} for index, ieee in enumerate(devices, start=2)]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def named(text: str, ieee: str, name: str | None) -> str:
    """configuration.yaml with a device named, or forgotten; written anew, as Zigbee2MQTT does."""
    document = yaml.safe_load(text) or {}
    devices = dict(document.get("devices") or {})
    devices.pop(ieee, None)
    document["devices"] = devices | ({ieee: {"friendly_name": name}} if name is not None else {})
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name) or {}
    if not isinstance(table, dict):
        raise ThingConfigError(f"{name} must be object")
    for key in table:
        if name in KEYS and key not in KEYS[name]:
            near = difflib.get_close_matches(str(key), KEYS[name], 1)
            raise ThingConfigError(f'{name}: unknown key "{key}"' + (f'; did you mean "{near[0]}"?' if near else ""))
    return table


def _whole(table: Mapping[str, Any], key: str, default: int, low: int, high: int) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ThingConfigError(f"advanced.{key} is {value!r}; it must be a whole number from {low} to {high}")
    return value


def _key(value: object) -> bytes:
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 16 or not all(isinstance(n, int) and 0 <= n <= 255 for n in numbers):
        raise ThingConfigError("advanced.network_key must be a list of 16 numbers from 0 to 255")
    return bytes(numbers)


def parse_bridge(text: str) -> Bridge:
    """Read configuration.yaml. Raises ThingConfigError."""
    if len(text) > MOST_TEXT:
        raise ThingConfigError(f"longer than {MOST_TEXT} characters")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ThingConfigError(f"{where}{getattr(error, 'problem', error)}") from None
    if not isinstance(document, dict):
        raise ThingConfigError("is empty or no mapping")
    _table({"": document}, "")
    advanced, serial = _table(document, "advanced"), _table(document, "serial")
    permit = document.get("permit_join", False)
    if not isinstance(permit, bool):
        raise ThingConfigError(f"permit_join is {permit!r}; it must be true or false")
    devices = _table(document, "devices")
    if len(devices) > MOST_DEVICES:
        raise ThingConfigError(f"more than {MOST_DEVICES} devices")
    names = {}
    for ieee, own in devices.items():
        if not isinstance(ieee, str) or not re.fullmatch(IEEE, ieee):
            raise ThingConfigError(f"devices: {ieee!r} is no IEEE address in quotes ('0x' and 16 hexadecimal digits)")
        names[ieee] = str(own.get("friendly_name", ieee)) if isinstance(own, dict) else ieee
    passive = _table(_table(document, "availability"), "passive")
    return Bridge(
        _mqtt(_table(document, "mqtt")),
        str(serial.get("port", STICK)),
        Network(
            _whole(advanced, "channel", 11, CHANNELS.start, CHANNELS.stop - 1),
            _whole(advanced, "pan_id", 0x1A62, 1, 0xFFFE),
            _key(advanced.get("network_key")),
        ),
        permit,
        str(advanced.get("last_seen", "disable")) != "disable",
        60 * int(passive["timeout"]) if isinstance(passive.get("timeout"), int) else 0,
        names,
    )


def _mqtt(table: Mapping[str, Any]) -> MqttConfig:
    server = str(table.get("server", "mqtt://localhost"))
    parts = re.fullmatch(r"(mqtts?)://([^/:\s]+)(?::(\d{1,5}))?/?", server)
    port = int(parts[3] or 0) if parts else 0
    if parts is None or port > 65535:
        raise ThingConfigError(f'mqtt.server is "{server}"; it must be mqtt://HOST:PORT or mqtts://HOST:PORT')
    tls = parts[1] == "mqtts"
    return MqttConfig(
        parts[2],
        port or (8883 if tls else 1883),
        str(table.get("base_topic", "zigbee2mqtt")),
        str(table.get("client_id", "zigbee2mqtt")),
        str(table.get("user", "")),
        str(table.get("password", "")),
        60,
        0,
        tls,
        str(table.get("ca", "")),
        table.get("reject_unauthorized") is False,
    )
