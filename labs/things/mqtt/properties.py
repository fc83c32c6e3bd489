"""The properties of MQTT 5: numbers, names as mosquitto writes them, kinds, and where each may stand.

Before changing this file read MQTT 5.0 §2.2.2.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "ALIAS",
    "ALIAS_MAXIMUM",
    "ASSIGNED_ID",
    "BY_NAME",
    "BY_NUMBER",
    "EXPIRY",
    "REASONS",
    "RECEIVE_MAXIMUM",
    "SESSION_EXPIRY",
    "SIZES",
    "USER",
    "Kind",
    "Properties",
    "PropertyError",
    "Value",
    "decode_properties",
    "encode_properties",
    "property_of",
    "variable",
]

Value = int | str | bytes | tuple[str, str]
Properties = tuple[tuple[int, Value], ...]


class PropertyError(ValueError):
    """Bytes that are no properties, or a property where it may not stand. `malformed` tells the two apart."""

    def __init__(self, *, malformed: bool) -> None:
        super().__init__("malformed" if malformed else "protocol error")
        self.malformed = malformed


class Kind(StrEnum):
    """How a value is written (§1.5)."""

    BYTE = "byte"
    SHORT = "two byte integer"
    LONG = "four byte integer"
    VARIABLE = "variable byte integer"
    TEXT = "UTF-8 string"
    DATA = "binary data"
    PAIR = "UTF-8 string pair"


SIZES = {Kind.BYTE: 1, Kind.SHORT: 2, Kind.LONG: 4}


class Property(NamedTuple):
    """One line of table 2-4. `packets` are the names of the packets it may stand in."""

    number: int
    name: str
    kind: Kind
    packets: frozenset[str]


def _line(number: int, name: str, kind: Kind, packets: str) -> Property:
    return Property(number, name, kind, frozenset(packets.split()))


ACKS = "puback pubrec pubrel pubcomp suback unsuback"
TABLE = (
    _line(1, "payload-format-indicator", Kind.BYTE, "publish will"),
    _line(2, "message-expiry-interval", Kind.LONG, "publish will"),
    _line(3, "content-type", Kind.TEXT, "publish will"),
    _line(8, "response-topic", Kind.TEXT, "publish will"),
    _line(9, "correlation-data", Kind.DATA, "publish will"),
    _line(11, "subscription-identifier", Kind.VARIABLE, "publish subscribe"),
    _line(17, "session-expiry-interval", Kind.LONG, "connect connack disconnect"),
    _line(18, "assigned-client-identifier", Kind.TEXT, "connack"),
    _line(19, "server-keep-alive", Kind.SHORT, "connack"),
    _line(21, "authentication-method", Kind.TEXT, "connect connack"),
    _line(22, "authentication-data", Kind.DATA, "connect connack"),
    _line(23, "request-problem-information", Kind.BYTE, "connect"),
    _line(24, "will-delay-interval", Kind.LONG, "will"),
    _line(25, "request-response-information", Kind.BYTE, "connect"),
    _line(26, "response-information", Kind.TEXT, "connack"),
    _line(28, "server-reference", Kind.TEXT, "connack disconnect"),
    _line(31, "reason-string", Kind.TEXT, f"connack disconnect {ACKS}"),
    _line(33, "receive-maximum", Kind.SHORT, "connect connack"),
    _line(34, "topic-alias-maximum", Kind.SHORT, "connect connack"),
    _line(35, "topic-alias", Kind.SHORT, "publish"),
    _line(36, "maximum-qos", Kind.BYTE, "connack"),
    _line(37, "retain-available", Kind.BYTE, "connack"),
    _line(38, "user-property", Kind.PAIR, f"connect connack publish will subscribe unsubscribe disconnect {ACKS}"),
    _line(39, "maximum-packet-size", Kind.LONG, "connect connack"),
    _line(40, "wildcard-subscription-available", Kind.BYTE, "connack"),
    _line(41, "subscription-identifier-available", Kind.BYTE, "connack"),
    _line(42, "shared-subscription-available", Kind.BYTE, "connack"),
)
BY_NUMBER = {line.number: line for line in TABLE}
BY_NAME = {line.name: line for line in TABLE}
EXPIRY, SESSION_EXPIRY, ASSIGNED_ID, KEEP_ALIVE, ALIAS_MAXIMUM, ALIAS, RECEIVE_MAXIMUM = 2, 17, 18, 19, 34, 35, 33
USER = 38

# §2.4, as mosquitto_reason_string() of mosquitto 2.0 words them
REASONS = {
    0: "Success",
    4: "Disconnect with Will Message",
    16: "No matching subscribers",
    17: "No subscription existed",
    128: "Unspecified error",
    129: "Malformed Packet",
    130: "Protocol Error",
    131: "Implementation specific error",
    132: "Unsupported Protocol Version",
    133: "Client Identifier not valid",
    134: "Bad User Name or Password",
    135: "Not authorized",
    136: "Server unavailable",
    137: "Server busy",
    138: "Banned",
    139: "Server shutting down",
    141: "Keep Alive timeout",
    142: "Session taken over",
    143: "Topic Filter invalid",
    144: "Topic Name invalid",
    147: "Receive Maximum exceeded",
    148: "Topic Alias invalid",
    149: "Packet too large",
    151: "Quota exceeded",
    153: "Payload format invalid",
}


def property_of(properties: Properties, number: int) -> Value | None:
    """The value of a property, or None."""
    return next((value for known, value in properties if known == number), None)


def variable(size: int) -> bytes:
    """A number seven bits at a time, the lowest first (§1.5.5)."""
    out = bytearray()
    while True:
        size, digit = size >> 7, size & 127
        out.append(digit | 128 if size else digit)
        if not size:
            return bytes(out)


def _data(value: bytes) -> bytes:
    return len(value).to_bytes(2) + value


def _value(kind: Kind, value: Value) -> bytes:
    if isinstance(value, int):
        return variable(value) if kind is Kind.VARIABLE else value.to_bytes(SIZES[kind])
    if isinstance(value, bytes):
        return _data(value)
    if isinstance(value, str):
        return _data(value.encode())
    return _data(value[0].encode()) + _data(value[1].encode())


def encode_properties(properties: Properties) -> bytes:
    """The bytes, with their length in front."""
    body = b"".join(bytes((number,)) + _value(BY_NUMBER[number].kind, value) for number, value in properties)
    return variable(len(body)) + body


class _Cursor:
    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.body):
            raise PropertyError(malformed=True)
        self.at += count
        return self.body[self.at - count : self.at]

    def variable(self) -> int:
        value = shift = 0
        for _ in range(4):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                return value
        raise PropertyError(malformed=True)

    def data(self) -> bytes:
        return self.take(int.from_bytes(self.take(2)))

    def text(self) -> str:
        try:
            return self.data().decode()
        except UnicodeDecodeError:
            raise PropertyError(malformed=True) from None

    def value(self, kind: Kind) -> Value:
        if kind is Kind.VARIABLE:
            return self.variable()
        if kind is Kind.TEXT:
            return self.text()
        if kind is Kind.DATA:
            return self.data()
        if kind is Kind.PAIR:
            return self.text(), self.text()
        return int.from_bytes(self.take(SIZES[kind]))


def decode_properties(body: bytes, packet: str) -> tuple[Properties, int]:
    """The properties at the beginning of `body`, and how many bytes they take. Raises PropertyError."""
    cursor = _Cursor(body)
    end = cursor.variable()
    end += cursor.at
    if end > len(body):
        raise PropertyError(malformed=True)
    cursor.body = body[:end]
    found: list[tuple[int, Value]] = []
    while cursor.at < end:
        line = BY_NUMBER.get(cursor.variable())
        if line is None:
            raise PropertyError(malformed=True)
        once = line.number not in (USER, 11)
        if packet not in line.packets or (once and any(number == line.number for number, _ in found)):
            raise PropertyError(malformed=False)
        found.append((line.number, cursor.value(line.kind)))
    return tuple(found), end
