"""MQTT control packets as values, versions 3.1.1 and 5. Paragraphs are those of 3.1.1 unless said."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from labs.things.mqtt.properties import Properties

__all__ = [
    "LEVEL",
    "LEVEL_5",
    "Ack",
    "AckKind",
    "Connack",
    "Connect",
    "Disconnect",
    "Packet",
    "Pingreq",
    "Pingresp",
    "Publish",
    "Suback",
    "Subscribe",
    "Unsubscribe",
    "Will",
    "describe",
]

LEVEL = 4  # §3.1.2.2: version 3.1.1
LEVEL_5 = 5  # MQTT 5.0 §3.1.2.2


class Will(NamedTuple):
    """What the broker publishes for a client that is lost."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    properties: Properties = ()


class Connect(NamedTuple):
    """§3.1. `level` other than 5, 4 (3.1.1) or 3 (3.1) is decoded no further. `clean` is "clean start" in version 5."""

    client_id: str
    clean: bool = True
    keepalive_s: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    protocol: str = "MQTT"
    level: int = LEVEL
    properties: Properties = ()


class Connack(NamedTuple):
    """§3.2. Codes: 0 accepted, 1 version, 2 identifier, 3 unavailable, 4 bad user or password, 5 not authorised.

    In version 5 they are reason codes from 128 on.
    """

    session_present: bool
    code: int
    properties: Properties = ()


class Publish(NamedTuple):
    """§3.3. `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: Properties = ()


class AckKind(StrEnum):
    """The packets that carry nothing but an identifier (§3.4 to §3.7, §3.11)."""

    PUBACK = "PUBACK"
    PUBREC = "PUBREC"
    PUBREL = "PUBREL"
    PUBCOMP = "PUBCOMP"
    UNSUBACK = "UNSUBACK"


class Ack(NamedTuple):
    """A packet with nothing but an identifier; in version 5 also a reason code, for UNSUBACK one per filter."""

    kind: AckKind
    packet_id: int
    code: int = 0
    codes: tuple[int, ...] = ()


class Subscribe(NamedTuple):
    """§3.8: filters with the QoS asked for. `options` are the whole option bytes of version 5 (§3.8.3.1 there)."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]
    options: tuple[int, ...] = ()


class Suback(NamedTuple):
    """§3.9: the QoS granted for each filter, or 0x80."""

    packet_id: int
    codes: tuple[int, ...]


class Unsubscribe(NamedTuple):
    """§3.10."""

    packet_id: int
    filters: tuple[str, ...]


class Pingreq(NamedTuple):
    """§3.12."""


class Pingresp(NamedTuple):
    """§3.13."""


class Disconnect(NamedTuple):
    """§3.14. `code` is a reason code of version 5; then the broker may send it too."""

    code: int = 0
    properties: Properties = ()


Packet = Connect | Connack | Publish | Ack | Subscribe | Suback | Unsubscribe | Pingreq | Pingresp | Disconnect


def describe(packet: Publish) -> str:
    """The message as mosquitto's logs show it: flags, number, topic and size."""
    return (
        f"(d{int(packet.dup)}, q{packet.qos}, r{int(packet.retain)}, m{packet.packet_id}, "
        f"'{packet.topic}', ... ({len(packet.payload)} bytes))"
    )
