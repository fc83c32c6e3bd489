"""The files of LoRaWAN: a device, a network server, and the packet forwarder of a gateway."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass

from labs.things.library import MODELS, Model
from labs.things.library.model import Role
from labs.things.lorawan.airtime import SNR_LIMIT_DB
from labs.things.lorawan.payload import QUANTITIES
from labs.things.mqtt.topics import valid_topic
from labs.things.thing_config import MQTT_KEYS, Key, MqttConfig, ThingConfigError, mqtt_config, read_keys

__all__ = [
    "DEVICE",
    "DEVICE_KEYS",
    "FORWARDER",
    "REGIONS_MHZ",
    "SERVER",
    "EndDevice",
    "Forwarder",
    "Registered",
    "ServerConfig",
    "parse_device",
    "parse_forwarder",
    "parse_server",
]

DEVICE = "/etc/lorawan.toml"
SERVER = "/etc/lorawan-server.toml"
FORWARDER = "/etc/lora_pkt_fwd/global_conf.json"
# Regional Parameters 1.0.2: the channels on which a device asks to join.
REGIONS_MHZ = {"EU868": (868.1, 868.3, 868.5), "US915": (902.3, 902.5, 902.7), "AU915": (915.2, 915.4, 915.6)}
MAX_DEVICES = 1000
DEVICE_KEYS = (
    Key("lorawan.dev_eui", str),
    Key("lorawan.join_eui", str),
    Key("lorawan.app_key", str),
    Key("lorawan.region", str, "EU868"),
    Key("lorawan.sf", int, 7, min(SNR_LIMIT_DB), max(SNR_LIMIT_DB)),
    Key("lorawan.confirmed", bool, default=False),
    Key("lorawan.tries", int, 8, 1, 8),
    Key("sensor.quantity", str),
    Key("sensor.interval_s", int, 600, 5, 86_400),
    Key("sensor.sample_s", int, 0, 0, 86_400),
    Key("sensor.model", str, ""),
    Key("device.firmware", str, ""),
    Key("device.verify_updates", bool, default=True),
    Key("device.stay_awake", bool, default=False),
)


@dataclass(frozen=True, slots=True)
class EndDevice:
    """What /etc/lorawan.toml says."""

    dev_eui: bytes
    join_eui: bytes
    app_key: bytes
    region: str
    sf: int
    quantity: str
    interval_s: int
    confirmed: bool = False
    """Whether it wants every message acknowledged, and repeats it up to `tries` times until it is."""
    tries: int = 8
    sample_s: int = 0
    model: Model | None = None
    firmware: str = ""
    stay_awake: bool = False
    """A setting for the workbench: its radio never sleeps."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A device that the network server knows."""

    name: str
    dev_eui: bytes
    join_eui: bytes
    app_key: bytes
    topic: str


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What /etc/lorawan-server.toml says."""

    mqtt: MqttConfig
    port: int
    net_id: int
    devices: tuple[Registered, ...]


@dataclass(frozen=True, slots=True)
class Forwarder:
    """What global_conf.json of a packet forwarder says."""

    gateway_id: bytes
    host: str
    port: int
    keepalive_s: int


def _hex(text: str, key: str, size: int) -> bytes:
    plain = re.sub(r"[-: ]", "", text)
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * size}}}", plain):
        raise ThingConfigError(f'"{key}" is "{text}"; it must be {2 * size} hexadecimal digits')
    return bytes.fromhex(plain)


def parse_device(text: str) -> EndDevice:
    """Read /etc/lorawan.toml. Raises ThingConfigError."""
    values = read_keys(text, DEVICE_KEYS)
    region, quantity = str(values["lorawan.region"]), str(values["sensor.quantity"])
    if region not in REGIONS_MHZ:
        raise ThingConfigError(f'"lorawan.region" is "{region}"; it must be one of {", ".join(REGIONS_MHZ)}')
    if quantity not in QUANTITIES:
        raise ThingConfigError(f'"sensor.quantity" is "{quantity}"; it must be one of {", ".join(QUANTITIES)}')
    if float(values["sensor.sample_s"]) > float(values["sensor.interval_s"]):
        raise ThingConfigError('"sensor.sample_s" is longer than "sensor.interval_s"')
    model = _model(str(values["sensor.model"]), quantity, int(values["sensor.interval_s"]))
    return EndDevice(
        _hex(str(values["lorawan.dev_eui"]), "lorawan.dev_eui", 8),
        _hex(str(values["lorawan.join_eui"]), "lorawan.join_eui", 8),
        _hex(str(values["lorawan.app_key"]), "lorawan.app_key", 16),
        region,
        int(values["lorawan.sf"]),
        quantity,
        int(values["sensor.interval_s"]),
        bool(values["lorawan.confirmed"]),
        int(values["lorawan.tries"]),
        int(values["sensor.sample_s"]),
        model,
        str(values["device.firmware"]),
        bool(values["device.stay_awake"]),
    )


def _model(name: str, quantity: str, interval_s: int) -> Model | None:
    if not name:
        return None
    model = MODELS.get(name)
    if model is None or model.role is not Role.SENSOR:
        raise ThingConfigError(f'"sensor.model" is not a sensor of the library: "{name}"')
    if model.channel(quantity) is None:
        known = ", ".join(channel.quantity for channel in model.channels)
        raise ThingConfigError(f'"sensor.quantity" of {name} is {known}, not "{quantity}"')
    low, high = model.intervals_s
    if not low <= interval_s <= high:
        raise ThingConfigError(f'"sensor.interval_s" of {name} is from {low} to {high}')
    return model


def parse_server(text: str) -> ServerConfig:
    """Read /etc/lorawan-server.toml. Raises ThingConfigError."""
    try:
        names = tomllib.loads(text).get("device", {})
    except tomllib.TOMLDecodeError:
        names = {}
    if not isinstance(names, dict) or len(names) > MAX_DEVICES:
        raise ThingConfigError(f'"device" must be a table of at most {MAX_DEVICES} devices')
    keys = [*MQTT_KEYS, Key("udp.port", int, 1700, 1, 65535), Key("udp.net_id", int, 0x13, 0, 0xFFFFFF)]
    for name in names:
        keys += [Key(f"device.{name}.{part}", str) for part in ("dev_eui", "join_eui", "app_key")]
        keys.append(Key(f"device.{name}.topic", str, ""))
    values = read_keys(text, keys)
    mqtt = mqtt_config(values, wildcards=False)
    devices = []
    for name in names:
        head = f"device.{name}"
        topic = str(values[f"{head}.topic"]) or f"{mqtt.topic}/{name}"
        if not valid_topic(topic):
            raise ThingConfigError(f'"{head}.topic" is not a topic to publish to: {topic!r}')
        euis = [_hex(str(values[f"{head}.{part}"]), f"{head}.{part}", 8) for part in ("dev_eui", "join_eui")]
        key = _hex(str(values[f"{head}.app_key"]), f"{head}.app_key", 16)
        devices.append(Registered(name, euis[0], euis[1], key, topic))
    return ServerConfig(mqtt, int(values["udp.port"]), int(values["udp.net_id"]), tuple(devices))


def parse_forwarder(text: str) -> Forwarder:
    """Read global_conf.json. Raises ThingConfigError."""
    try:
        found = json.loads(text)["gateway_conf"]
        gateway, host = str(found["gateway_ID"]), str(found["server_address"])
        port, keepalive = int(found.get("serv_port_up", 1700)), int(found.get("keepalive_interval", 10))
    except ValueError as error:
        raise ThingConfigError(f"not valid JSON: {error}") from None
    except (KeyError, TypeError) as error:
        raise ThingConfigError(f"gateway_conf: {error} is missing") from None
    if not 0 < port < 65536 or not 1 <= keepalive <= 3600:
        raise ThingConfigError("gateway_conf: serv_port_up or keepalive_interval is out of range")
    return Forwarder(_hex(gateway, "gateway_ID", 8), host, port, keepalive)
