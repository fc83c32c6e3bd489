"""MQTT 3.1.1 and 5 control packets and their bytes.

Before changing this file read MQTT 3.1.1 §2 and §3 and MQTT 5.0 §2 and §3 (numbers are those of 3.1.1).
What comes out of the decoder is legal; what is not legal raises
`MqttError`, after which the connection has to be closed (§4.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache

from labs.things.mqtt.packets import (
    LEVEL,
    LEVEL_5,
    Ack,
    AckKind,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
    Will,
    describe,
)
from labs.things.mqtt.properties import ALIAS, Properties, PropertyError, decode_properties, encode_properties, variable
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


ACK_TYPES = {AckKind.PUBACK: 4, AckKind.PUBREC: 5, AckKind.PUBREL: 6, AckKind.PUBCOMP: 7, AckKind.UNSUBACK: 11}
ACK_KINDS = {number: kind for kind, number in ACK_TYPES.items()}
# Types whose four flag bits are reserved, and what they must be (§2.2.2); PUBLISH uses its own.
FLAGS = {PUBLISH: None, SUBSCRIBE: 2, UNSUBSCRIBE: 2, ACK_TYPES[AckKind.PUBREL]: 2}


_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


# Writing


def encode(packet: Packet, level: int = LEVEL) -> bytes:
    """The bytes of a packet. Raises ValueError where a string is longer than the protocol can say."""
    five = level == LEVEL_5
    match packet:
        case Publish():
            head = PUBLISH << 4 | packet.dup << 3 | packet.qos << 1 | packet.retain
            identifier = packet.packet_id.to_bytes(2) if packet.qos else b""
            properties = encode_properties(packet.properties) if five else b""
            return _packet(head, _text(packet.topic) + identifier + properties + packet.payload)
        case Ack():
            number = ACK_TYPES[packet.kind]
            return _packet(
                number << 4 | (FLAGS.get(number) or 0), packet.packet_id.to_bytes(2) + _reasons(packet, five=five)
            )
        case Connect():
            return _packet(CONNECT << 4, _connect_body(packet))
        case Connack():
            properties = encode_properties(packet.properties) if five else b""
            return _packet(CONNACK << 4, bytes((packet.session_present, packet.code)) + properties)
        case Subscribe():
            options = packet.options or tuple(qos for _, qos in packet.filters)
            body = b"".join(
                _text(name) + bytes((byte,)) for (name, _), byte in zip(packet.filters, options, strict=True)
            )
            return _packet(SUBSCRIBE << 4 | 2, packet.packet_id.to_bytes(2) + (NONE if five else b"") + body)
        case Suback():
            return _packet(SUBACK << 4, packet.packet_id.to_bytes(2) + (NONE if five else b"") + bytes(packet.codes))
        case Unsubscribe():
            body = b"".join(map(_text, packet.filters))
            return _packet(UNSUBSCRIBE << 4 | 2, packet.packet_id.to_bytes(2) + (NONE if five else b"") + body)
        case Pingreq():
            return _packet(PINGREQ << 4, b"")
        case Pingresp():
            return _packet(PINGRESP << 4, b"")
        case Disconnect():
            properties = encode_properties(packet.properties) if packet.properties else b""
            return _packet(DISCONNECT << 4, bytes((packet.code,)) + properties if five and packet.code else b"")


NONE = b"\0"  # no properties


def _reasons(packet: Ack, *, five: bool) -> bytes:
    """What version 5 adds to an acknowledgement; a success needs no byte (MQTT 5.0 §3.4.2.1)."""
    if not five:
        return b""
    if packet.kind is AckKind.UNSUBACK:
        return NONE + bytes(packet.codes)
    return bytes((packet.code,)) if packet.code else b""


def _packet(head: int, body: bytes) -> bytes:
    size = len(body)
    return (bytes((head, size)) if size < 128 else bytes((head,)) + variable(size)) + body


def _data(value: bytes) -> bytes:
    if len(value) > 0xFFFF:
        message = f"{len(value)} bytes: at most 65535 fit in an MQTT string"
        raise ValueError(message)
    return len(value).to_bytes(2) + value


@lru_cache(maxsize=4096)
def _text(value: str) -> bytes:
    return _data(value.encode())


def _connect_body(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean << 1
    five = packet.level == LEVEL_5
    payload = (encode_properties(packet.properties) if five else b"") + _text(packet.client_id)
    if will is not None:
        flags |= 1 << 2 | will.qos << 3 | will.retain << 5
        payload += (encode_properties(will.properties) if five else b"") + _text(will.topic) + _data(will.payload)
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

    def properties(self, packet: str, level: int = LEVEL_5) -> Properties:
        """Those of version 5; older versions have none."""
        if level != LEVEL_5:
            return ()
        try:
            found, size = decode_properties(self._body[self._at :], packet)
        except PropertyError as error:
            raise MqttError(Fault.MALFORMED if error.malformed else Fault.PROTOCOL) from None
        self._at += size
        return found

    def packet_id(self) -> int:
        number = self.number()
        if not number:
            raise MqttError(Fault.PROTOCOL)
        return number


class Decoder:
    """Bytes in, packets out. After an MqttError nothing more can be read."""

    def __init__(self, level: int = LEVEL) -> None:
        self._buffer = bytearray()
        self._topic, self._name = b"", ""  # of the last small PUBLISH, with its length and without
        self.level = level
        """The version that is spoken; a broker learns it from CONNECT."""
        self.limit = MAX_PACKET

    def first(self, data: bytes) -> Packet | None:
        """Take what arrived; the next packet, if it is complete. Raises MqttError."""
        small = not self._buffer and 1 < len(data) <= self.limit and data[1] < 128 and len(data) == data[1] + 2
        if small and data[0] >> 4 == PUBLISH and self.level != LEVEL_5:
            topic, flags = self._topic, data[0]
            if topic and not flags & 6 and data.startswith(topic, 2):  # QoS 0, and the topic of the last one
                known = self._name, data[2 + len(topic) :], 0, bool(flags & 1), bool(flags & 8), 0, ()
                return _MAKE(Publish, known)
            packet = _plain_publish(data[2:], flags & 15)
            if packet is not None:
                self._topic, self._name = data[2 : 4 + int.from_bytes(data[2:4])], packet.topic
                return packet
        self._buffer += data
        return self.next_packet()

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        self._buffer += data

    def packets(self) -> Iterator[Packet]:
        """Every packet that is complete. Raises MqttError."""
        while (packet := self.next_packet()) is not None:
            yield packet

    def next_packet(self) -> Packet | None:
        """The next packet, if it is complete. Raises MqttError."""
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
        if at + size > self.limit:
            raise MqttError(Fault.OVERSIZE)
        if len(buffer) < at + size:
            return None
        body = bytes(buffer[at : at + size])
        del buffer[: at + size]
        if number == PUBLISH and self.level != LEVEL_5:
            plain = _plain_publish(body, flags)
            if plain is not None:
                return plain
        reader = _Reader(body)
        packet = READERS[number](reader, flags, self.level)
        if reader.left:
            raise MqttError(Fault.MALFORMED)
        return packet


def _read_connect(reader: _Reader, _flags: int, _level: int) -> Packet:
    protocol, level = reader.text(), reader.number(1)
    if (protocol, level & 0x7F) not in (("MQTT", LEVEL_5), ("MQTT", LEVEL), ("MQIsdp", 3)):
        reader.rest()
        return Connect("", protocol=protocol, level=level)
    flags, keepalive_s = reader.number(1), reader.number()
    will_qos, has_will = flags >> 3 & 3, bool(flags & 4)
    if flags & 1 or will_qos == 3 or (not has_will and flags & 0x38):
        raise MqttError(Fault.PROTOCOL)
    properties = reader.properties("connect", level)
    client_id = reader.text()
    will = None
    if has_will:
        about_will = reader.properties("will", level)
        topic = reader.text()
        if not valid_topic(topic):
            raise MqttError(Fault.PROTOCOL)
        will = Will(topic, reader.data(), will_qos, bool(flags & 0x20), about_will)
    username = reader.text() if flags & 0x80 else None
    password = reader.data() if flags & 0x40 else None
    if username is None and password is not None and level != LEVEL_5:
        raise MqttError(
            Fault.PROTOCOL, f"Protocol error from {client_id}: password without username, closing connection."
        )
    return Connect(client_id, bool(flags & 2), keepalive_s, username, password, will, protocol, level, properties)


def _read_connack(reader: _Reader, _flags: int, level: int) -> Packet:
    return Connack(bool(reader.number(1) & 1), reader.number(1), reader.properties("connack", level))


def _read_publish(reader: _Reader, flags: int, level: int) -> Packet:
    qos = flags >> 1 & 3
    if qos == 3:
        raise MqttError(Fault.MALFORMED, "Invalid QoS in PUBLISH from {client}, disconnecting.")
    topic = reader.text()
    if not topic and level != LEVEL_5:
        raise MqttError(Fault.MALFORMED)
    if topic and not valid_topic(topic):
        raise MqttError(Fault.PROTOCOL)
    packet_id = reader.packet_id() if qos else 0
    properties = reader.properties("publish", level)
    if not topic and not any(number == ALIAS for number, _ in properties):
        raise MqttError(Fault.PROTOCOL)
    return Publish(topic, reader.rest(), qos, bool(flags & 1), bool(flags & 8), packet_id, properties)


@lru_cache(maxsize=4096)
def _topic(data: bytes) -> str | None:
    """A topic that may stand in a PUBLISH, or None."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if valid_topic(text) else None


def _plain_publish(body: bytes, flags: int) -> Publish | None:
    """A PUBLISH of version 3.1.1 that is in order, at one look; None leaves it to `_read_publish`, which knows why."""
    qos = flags >> 1 & 3
    if qos == 3 or len(body) < 2:
        return None
    end = 2 + int.from_bytes(body[:2])
    start = end + 2 if qos else end
    if len(body) < start:
        return None
    topic = _topic(body[2:end])
    packet_id = int.from_bytes(body[end:start])
    if topic is None or (qos and not packet_id):
        return None
    return _MAKE(Publish, (topic, body[start:], qos, bool(flags & 1), bool(flags & 8), packet_id, ()))


def _ack_reader(kind: AckKind) -> Reading:
    def read(reader: _Reader, _flags: int, level: int) -> Packet:
        packet_id = reader.packet_id()
        if level != LEVEL_5:
            return Ack(kind, packet_id)
        if kind is AckKind.UNSUBACK:
            reader.properties("unsuback")
            return Ack(kind, packet_id, codes=tuple(reader.rest()))
        code = reader.number(1) if reader.left else 0
        if reader.left:
            reader.properties(kind.lower())
        return Ack(kind, packet_id, code)

    return read


def _read_filter(reader: _Reader) -> str:
    text = reader.text()
    if not valid_filter(text):
        raise MqttError(Fault.MALFORMED, "Invalid subscription string from {address}, disconnecting.")
    return text


def _read_subscribe(reader: _Reader, _flags: int, level: int) -> Packet:
    packet_id = reader.packet_id()
    reader.properties("subscribe", level)
    filters: list[tuple[str, int]] = []
    options: list[int] = []
    while reader.left and len(filters) < MAX_FILTERS:
        name = _read_filter(reader)
        byte = reader.number(1)
        reserved = byte & 0xC0 if level == LEVEL_5 else byte & 0xFC
        if byte & 3 == 3 or reserved or byte >> 4 & 3 == 3:
            raise MqttError(Fault.MALFORMED, "Invalid QoS in subscription command from {address}, disconnecting.")
        filters.append((name, byte & 3))
        options.append(byte)
    if not filters:
        raise MqttError(Fault.MALFORMED)
    return Subscribe(packet_id, tuple(filters), tuple(options) if level == LEVEL_5 else ())


def _read_suback(reader: _Reader, _flags: int, level: int) -> Packet:
    packet_id = reader.packet_id()
    reader.properties("suback", level)
    return Suback(packet_id, tuple(reader.rest()))


def _read_unsubscribe(reader: _Reader, _flags: int, level: int) -> Packet:
    packet_id = reader.packet_id()
    reader.properties("unsubscribe", level)
    filters: list[str] = []
    while reader.left and len(filters) < MAX_FILTERS:
        filters.append(_read_filter(reader))
    if not filters:
        raise MqttError(Fault.MALFORMED)
    return Unsubscribe(packet_id, tuple(filters))


def _read_disconnect(reader: _Reader, _flags: int, level: int) -> Packet:
    if level != LEVEL_5 or not reader.left:
        return Disconnect()
    code = reader.number(1)
    return Disconnect(code, reader.properties("disconnect") if reader.left else ())


Reading = Callable[[_Reader, int, int], Packet]
READERS: dict[int, Reading] = {
    CONNECT: _read_connect,
    CONNACK: _read_connack,
    PUBLISH: _read_publish,
    **{number: _ack_reader(kind) for number, kind in ACK_KINDS.items()},
    SUBSCRIBE: _read_subscribe,
    SUBACK: _read_suback,
    UNSUBSCRIBE: _read_unsubscribe,
    PINGREQ: lambda _reader, _flags, _level: Pingreq(),
    PINGRESP: lambda _reader, _flags, _level: Pingresp(),
    DISCONNECT: _read_disconnect,
}
