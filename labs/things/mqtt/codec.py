"""MQTT 3.1.1 control packets and their bytes.

Before changing this file read MQTT 3.1.1 §2 and §3. What comes out of the decoder is legal; what is not legal raises
`MqttError`, after which the connection has to be closed (§4.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from labs.things.mqtt.topics import valid_filter, valid_topic

__all__ = [
    "Ack",
    "AckKind",
    "Connack",
    "Connect",
    "Decoder",
    "Disconnect",
    "Fault",
    "MqttError",
    "Packet",
    "Pingreq",
    "Pingresp",
    "Publish",
    "Suback",
    "Subscribe",
    "Unsubscribe",
    "Will",
    "describe",
    "encode",
]

# Packet types, §2.2.1
CONNECT, CONNACK, PUBLISH, SUBSCRIBE, SUBACK, UNSUBSCRIBE = 1, 2, 3, 8, 9, 10
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
LEVEL = 4  # §3.1.2.2: version 3.1.1
SUBSCRIPTION_FAILED = 0x80  # §3.9.3
MAX_PACKET = 1 << 18  # bytes; the protocol allows 256 MB
MAX_FILTERS = 1000


class Fault(StrEnum):
    """Why a peer is sent away, in the broker's words."""

    MALFORMED = "malformed packet"
    PROTOCOL = "protocol error"
    OVERSIZE = "oversize packet"


class MqttError(Exception):
    """Bytes that break the protocol. `detail` is what the broker logs about them, if it says anything."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(detail or str(fault))
        self.fault = fault
        self.detail = detail


class Will(NamedTuple):
    """What the broker publishes for a client that is lost."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    retain: bool = False


class Connect(NamedTuple):
    """§3.1. `level` other than 4 (3.1.1) or 3 (3.1) is decoded no further."""

    client_id: str
    clean: bool = True
    keepalive_s: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    protocol: str = "MQTT"
    level: int = LEVEL


class Connack(NamedTuple):
    """§3.2. Codes: 0 accepted, 1 version, 2 identifier, 3 unavailable, 4 bad user or password, 5 not authorised."""

    session_present: bool
    code: int


class Publish(NamedTuple):
    """§3.3. `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0


class AckKind(StrEnum):
    """The packets that carry nothing but an identifier (§3.4 to §3.7, §3.11)."""

    PUBACK = "PUBACK"
    PUBREC = "PUBREC"
    PUBREL = "PUBREL"
    PUBCOMP = "PUBCOMP"
    UNSUBACK = "UNSUBACK"


class Ack(NamedTuple):
    """A packet with nothing but an identifier."""

    kind: AckKind
    packet_id: int


class Subscribe(NamedTuple):
    """§3.8: filters with the QoS asked for."""

    packet_id: int
    filters: tuple[tuple[str, int], ...]


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
    """§3.14."""


Packet = Connect | Connack | Publish | Ack | Subscribe | Suback | Unsubscribe | Pingreq | Pingresp | Disconnect
ACK_TYPES = {AckKind.PUBACK: 4, AckKind.PUBREC: 5, AckKind.PUBREL: 6, AckKind.PUBCOMP: 7, AckKind.UNSUBACK: 11}
ACK_KINDS = {number: kind for kind, number in ACK_TYPES.items()}
# Types whose four flag bits are reserved, and what they must be (§2.2.2); PUBLISH uses its own.
FLAGS = {PUBLISH: None, SUBSCRIBE: 2, UNSUBSCRIBE: 2, ACK_TYPES[AckKind.PUBREL]: 2}


def describe(packet: Publish) -> str:
    """The message as mosquitto's logs show it: flags, number, topic and size."""
    return (
        f"(d{int(packet.dup)}, q{packet.qos}, r{int(packet.retain)}, m{packet.packet_id}, "
        f"'{packet.topic}', ... ({len(packet.payload)} bytes))"
    )


# Writing


def encode(packet: Packet) -> bytes:
    """The bytes of a packet. Raises ValueError where a string is longer than the protocol can say."""
    match packet:
        case Publish():
            head = PUBLISH << 4 | packet.dup << 3 | packet.qos << 1 | packet.retain
            identifier = packet.packet_id.to_bytes(2) if packet.qos else b""
            return _packet(head, _text(packet.topic) + identifier + packet.payload)
        case Ack():
            number = ACK_TYPES[packet.kind]
            return _packet(number << 4 | (FLAGS.get(number) or 0), packet.packet_id.to_bytes(2))
        case Connect():
            return _packet(CONNECT << 4, _connect_body(packet))
        case Connack():
            return _packet(CONNACK << 4, bytes((packet.session_present, packet.code)))
        case Subscribe():
            body = b"".join(_text(name) + bytes((qos,)) for name, qos in packet.filters)
            return _packet(SUBSCRIBE << 4 | 2, packet.packet_id.to_bytes(2) + body)
        case Suback():
            return _packet(SUBACK << 4, packet.packet_id.to_bytes(2) + bytes(packet.codes))
        case Unsubscribe():
            body = b"".join(map(_text, packet.filters))
            return _packet(UNSUBSCRIBE << 4 | 2, packet.packet_id.to_bytes(2) + body)
        case Pingreq():
            return _packet(PINGREQ << 4, b"")
        case Pingresp():
            return _packet(PINGRESP << 4, b"")
        case Disconnect():
            return _packet(DISCONNECT << 4, b"")


def _packet(head: int, body: bytes) -> bytes:
    size = len(body)
    length = bytearray()
    while True:  # §2.2.3: seven bits at a time, the lowest first
        size, digit = size >> 7, size & 127
        length.append(digit | 128 if size else digit)
        if not size:
            return bytes((head, *length)) + body


def _data(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        message = f"{len(value)} bytes: at most 65535 fit in an MQTT string"
        raise ValueError(message)
    return len(value).to_bytes(2) + value


def _text(value: str) -> bytes:
    return _data(value.encode())


def _connect_body(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean << 1
    payload = _text(packet.client_id)
    if will is not None:
        flags |= 1 << 2 | will.qos << 3 | will.retain << 5
        payload += _text(will.topic) + _data(will.payload)
    if packet.username is not None:
        flags |= 1 << 7
        payload += _text(packet.username)
    if packet.password is not None:
        flags |= 1 << 6
        payload += _data(packet.password)
    return _text(packet.protocol) + bytes((packet.level, flags)) + packet.keepalive_s.to_bytes(2) + payload


# Reading


class _Reader:
    """Takes fields from the body of one packet."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._body) - self._at

    def take(self, count: int) -> bytes:
        if self.left < count:
            raise MqttError(Fault.MALFORMED)
        self._at += count
        return self._body[self._at - count : self._at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def number(self, size: int = 2) -> int:
        return int.from_bytes(self.take(size))

    def data(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            value = self.data().decode()
        except UnicodeDecodeError:
            raise MqttError(Fault.MALFORMED) from None
        if "\0" in value:
            raise MqttError(Fault.MALFORMED)
        return value

    def packet_id(self) -> int:
        number = self.number()
        if not number:
            raise MqttError(Fault.PROTOCOL)
        return number


class Decoder:
    """Bytes in, packets out. After an MqttError nothing more can be read."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        self._buffer += data

    def packets(self) -> Iterator[Packet]:
        """Every packet that is complete. Raises MqttError."""
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        buffer = self._buffer
        if not buffer:
            return None
        number, flags = buffer[0] >> 4, buffer[0] & 15
        if number not in READERS or FLAGS.get(number, 0) not in (None, flags):
            raise MqttError(Fault.MALFORMED if number in FLAGS else Fault.PROTOCOL)
        size = shift = 0
        at = 1
        while True:
            if at == len(buffer):
                return None
            size |= (buffer[at] & 127) << shift
            shift += 7
            at += 1
            if not buffer[at - 1] & 128:
                break
            if shift == 28:
                raise MqttError(Fault.PROTOCOL)
        if size > MAX_PACKET:
            raise MqttError(Fault.OVERSIZE)
        if len(buffer) < at + size:
            return None
        reader = _Reader(bytes(buffer[at : at + size]))
        del buffer[: at + size]
        packet = READERS[number](reader, flags)
        if reader.left:
            raise MqttError(Fault.MALFORMED)
        return packet


def _read_connect(reader: _Reader, _flags: int) -> Packet:
    protocol, level = reader.text(), reader.number(1)
    if (protocol, level & 0x7F) not in (("MQTT", 4), ("MQIsdp", 3)):
        reader.rest()
        return Connect("", protocol=protocol, level=level)
    flags, keepalive_s = reader.number(1), reader.number()
    will_qos, has_will = flags >> 3 & 3, bool(flags & 4)
    if flags & 1 or will_qos == 3 or (not has_will and flags & 0x38):
        raise MqttError(Fault.PROTOCOL)
    client_id = reader.text()
    will = None
    if has_will:
        topic = reader.text()
        if not valid_topic(topic):
            raise MqttError(Fault.PROTOCOL)
        will = Will(topic, reader.data(), will_qos, bool(flags & 0x20))
    username = reader.text() if flags & 0x80 else None
    password = reader.data() if flags & 0x40 else None
    if username is None and password is not None:
        raise MqttError(
            Fault.PROTOCOL, f"Protocol error from {client_id}: password without username, closing connection."
        )
    return Connect(client_id, bool(flags & 2), keepalive_s, username, password, will, protocol, level)


def _read_connack(reader: _Reader, _flags: int) -> Packet:
    return Connack(bool(reader.number(1) & 1), reader.number(1))


def _read_publish(reader: _Reader, flags: int) -> Packet:
    qos = flags >> 1 & 3
    if qos == 3:
        raise MqttError(Fault.MALFORMED, "Invalid QoS in PUBLISH from {client}, disconnecting.")
    topic = reader.text()
    if not topic:
        raise MqttError(Fault.MALFORMED)
    if not valid_topic(topic):
        raise MqttError(Fault.PROTOCOL)
    packet_id = reader.packet_id() if qos else 0
    return Publish(topic, reader.rest(), qos, bool(flags & 1), bool(flags & 8), packet_id)


def _ack_reader(kind: AckKind) -> Callable[[_Reader, int], Packet]:
    return lambda reader, _flags: Ack(kind, reader.packet_id())


def _read_filter(reader: _Reader) -> str:
    text = reader.text()
    if not valid_filter(text):
        raise MqttError(Fault.MALFORMED, "Invalid subscription string from {address}, disconnecting.")
    return text


def _read_subscribe(reader: _Reader, _flags: int) -> Packet:
    packet_id = reader.packet_id()
    filters: list[tuple[str, int]] = []
    while reader.left and len(filters) < MAX_FILTERS:
        name = _read_filter(reader)
        qos = reader.number(1)
        if qos > 2:
            raise MqttError(Fault.MALFORMED, "Invalid QoS in subscription command from {address}, disconnecting.")
        filters.append((name, qos))
    if not filters:
        raise MqttError(Fault.MALFORMED)
    return Subscribe(packet_id, tuple(filters))


def _read_suback(reader: _Reader, _flags: int) -> Packet:
    return Suback(reader.packet_id(), tuple(reader.rest()))


def _read_unsubscribe(reader: _Reader, _flags: int) -> Packet:
    packet_id = reader.packet_id()
    filters: list[str] = []
    while reader.left and len(filters) < MAX_FILTERS:
        filters.append(_read_filter(reader))
    if not filters:
        raise MqttError(Fault.MALFORMED)
    return Unsubscribe(packet_id, tuple(filters))


READERS: dict[int, Callable[[_Reader, int], Packet]] = {
    CONNECT: _read_connect,
    CONNACK: _read_connack,
    PUBLISH: _read_publish,
    **{number: _ack_reader(kind) for number, kind in ACK_KINDS.items()},
    SUBSCRIBE: _read_subscribe,
    SUBACK: _read_suback,
    UNSUBSCRIBE: _read_unsubscribe,
    PINGREQ: lambda _reader, _flags: Pingreq(),
    PINGRESP: lambda _reader, _flags: Pingresp(),
    DISCONNECT: lambda _reader, _flags: Disconnect(),
}
