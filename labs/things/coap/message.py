"""CoAP messages as bytes: header, token, options in order of their numbers, payload.

Before changing this file read RFC 7252 §3 and §5.10, RFC 7641 §2 and RFC 7959 §2.2.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Block", "CoapError", "Code", "Message", "Option", "Type", "decode", "encode", "uint"]

VERSION = 1
MARKER = 0xFF
MAX_TOKEN = 8


class CoapError(ValueError):
    """Bytes that are no CoAP message."""


class Type(IntEnum):
    """RFC 7252 §3."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Code(IntEnum):
    """RFC 7252 §12.1: class and detail in one byte."""

    EMPTY = 0
    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    CREATED = 0x41
    DELETED = 0x42
    CHANGED = 0x44
    CONTENT = 0x45
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    UNSUPPORTED_FORMAT = 0x8F
    SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1

    @property
    def dotted(self) -> str:
        """4.04."""
        return f"{self >> 5}.{self & 31:02d}"


REASONS = {
    Code.BAD_REQUEST: "Bad Request",
    Code.UNAUTHORIZED: "Unauthorized",
    Code.BAD_OPTION: "Bad Option",
    Code.FORBIDDEN: "Forbidden",
    Code.NOT_FOUND: "Not Found",
    Code.METHOD_NOT_ALLOWED: "Method Not Allowed",
    Code.NOT_ACCEPTABLE: "Not Acceptable",
    Code.UNSUPPORTED_FORMAT: "Unsupported Content-Format",
    Code.SERVER_ERROR: "Internal Server Error",
    Code.NOT_IMPLEMENTED: "Not Implemented",
}


class Option(IntEnum):
    """Numbers of RFC 7252 §12.2, RFC 7641 and RFC 7959. Odd ones must be understood."""

    URI_HOST = 3
    ETAG = 4
    OBSERVE = 6
    URI_PORT = 7
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27


class Block(NamedTuple):
    """Number, whether more follow, and the exponent: 0 is 16 bytes, 6 is 1024."""

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """In bytes."""
        return 1 << self.exponent + 4

    def encode(self) -> bytes:
        """The value of the option."""
        return uint(self.number << 4 | self.more << 3 | self.exponent)

    @classmethod
    def decode(cls, data: bytes) -> Block:
        """Raises CoapError for the reserved exponent."""
        value = int.from_bytes(data)
        if value & 7 == 7:
            raise CoapError("a block of a reserved size")
        return cls(value >> 4, bool(value & 8), value & 7)


class Message(NamedTuple):
    """One message. Options are pairs of number and bytes."""

    type: Type
    code: int
    id: int
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    def option(self, number: Option) -> bytes | None:
        """The first value of an option."""
        return next((value for key, value in self.options if key == number), None)

    @property
    def path(self) -> str:
        """`.well-known/core`."""
        return "/".join(value.decode(errors="replace") for key, value in self.options if key == Option.URI_PATH)


def uint(value: int) -> bytes:
    """An unsigned number without leading zero bytes (RFC 7252 §3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8)


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack(">H", value - 269)


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    out = struct.pack(">BBH", VERSION << 6 | message.type << 4 | len(message.token), message.code, message.id)
    out += message.token
    last = 0
    for number, value in sorted(message.options, key=lambda pair: pair[0]):
        (delta, more), (length, longer) = _nibble(number - last), _nibble(len(value))
        out += bytes([delta << 4 | length]) + more + longer + value
        last = number
    return out + (bytes([MARKER]) + message.payload if message.payload else b"")


def _extended(nibble: int, data: bytes, at: int) -> tuple[int, int]:
    if nibble == 13:
        return data[at] + 13, at + 1
    if nibble == 14:
        return int(struct.unpack_from(">H", data, at)[0]) + 269, at + 2
    if nibble == 15:
        raise CoapError("a reserved length")
    return nibble, at


def decode(data: bytes) -> Message:
    """Raises CoapError."""
    try:
        first, code, number = struct.unpack_from(">BBH", data)
        size = first & 15
        if first >> 6 != VERSION or size > MAX_TOKEN or len(data) < 4 + size:
            raise CoapError("another version, or a token that is too long")
        at, last, options = 4 + size, 0, []
        while at < len(data) and data[at] != MARKER:
            head = data[at]
            delta, at = _extended(head >> 4, data, at + 1)
            length, at = _extended(head & 15, data, at)
            if at + length > len(data):
                raise CoapError("an option that is cut off")
            last += delta
            options.append((last, data[at : at + length]))
            at += length
        if at == len(data) - 1:
            raise CoapError("a marker without payload")
        return Message(Type(first >> 4 & 3), code, number, data[4 : 4 + size], tuple(options), data[at + 1 :])
    except (struct.error, IndexError) as error:
        raise CoapError(str(error)) from None
