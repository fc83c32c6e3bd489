"""TLS as far as a technician sees it: records, a server that shows its certificates, and bytes nobody reads on the way.

Read first: RFC 8446 §5.1. There is no cryptography: the handshake is one record each way, and application data is
scrambled by a fixed pattern so that a capture shows no text. Nothing here protects anything.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import cycle

__all__ = ["Record", "Records", "TlsError", "hello", "hello_name", "record"]

VERSION = b"\x03\x03"
MAX_PLAIN = 1 << 14  # RFC 8446 §5.1
PATTERN = bytes((index * 151 + 89) % 256 for index in range(251))
CLIENT_HELLO = b"\x01"


class TlsError(ValueError):
    """Bytes that are no TLS."""


class Record(IntEnum):
    """The content type of a record (RFC 8446 §5.1)."""

    ALERT = 21
    HANDSHAKE = 22
    APPLICATION = 23


def _scramble(data: bytes) -> bytes:
    return bytes(byte ^ other for byte, other in zip(data, cycle(PATTERN)))


def record(kind: Record, data: bytes) -> bytes:
    """Data as records of at most 2**14 bytes each."""
    pieces = [data[start : start + MAX_PLAIN] for start in range(0, len(data), MAX_PLAIN)] or [b""]
    return b"".join(
        bytes([kind])
        + VERSION
        + len(piece).to_bytes(2, "big")
        + (_scramble(piece) if kind is Record.APPLICATION else piece)
        for piece in pieces
    )


def hello(name: str) -> bytes:
    """What a client says first: the name it wants (RFC 6066 §3)."""
    return record(Record.HANDSHAKE, CLIENT_HELLO + name.encode())


def hello_name(data: bytes) -> str:
    """The name in a client's hello. Raises TlsError."""
    if data[:1] != CLIENT_HELLO:
        message = "not a client hello"
        raise TlsError(message)
    return data[1:].decode("utf-8", "replace")


class Records:
    """Takes bytes as they come and gives whole records."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Record, bytes]]:
        """The records that are complete now. Raises TlsError for bytes that cannot be a record."""
        self._buffer += data
        found = []
        while len(self._buffer) >= 5:
            kind, version, size = self._buffer[0], self._buffer[1], int.from_bytes(self._buffer[3:5], "big")
            if kind not in set(Record) or version != VERSION[0] or size > MAX_PLAIN:
                message = "wrong version number"
                raise TlsError(message)
            if len(self._buffer) < 5 + size:
                break
            piece = bytes(self._buffer[5 : 5 + size])
            del self._buffer[: 5 + size]
            found.append((Record(kind), _scramble(piece) if kind == Record.APPLICATION else piece))
        return found
