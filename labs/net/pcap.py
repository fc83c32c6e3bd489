"""Capture files: the classic format of libpcap, with microseconds, for Ethernet.

The files of a simulated device are texts. A capture is kept as the text whose characters are its bytes (ISO 8859-1);
`file_bytes` tells such a file by its first four characters and gives any other file as UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from labs.net.ethernet import Frame
from labs.net.wire import WireError, decode, encode

__all__ = ["SNAPSHOT_BYTES", "PcapError", "file_bytes", "header", "read", "record", "write"]

MAGIC = 0xA1B2C3D4
SNAPSHOT_BYTES = 262_144
LINKTYPE_ETHERNET = 1
MARK = struct.pack("<I", MAGIC).decode("latin-1")
MILLION = 1_000_000


class PcapError(ValueError):
    """Not a capture file."""


def header() -> str:
    """The beginning of a capture file."""
    return struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, SNAPSHOT_BYTES, LINKTYPE_ETHERNET).decode("latin-1")


def record(at_us: int, frame: Frame) -> str:
    """One frame with its time, in microseconds of Unix time."""
    data = encode(frame)
    head = struct.pack("<IIII", at_us // MILLION, at_us % MILLION, len(data), len(data))
    return (head + data).decode("latin-1")


def write(frames: Iterable[tuple[int, Frame]]) -> str:
    """A whole capture file."""
    return header() + "".join(record(at_us, frame) for at_us, frame in frames)


def read(text: str) -> Iterator[tuple[int, Frame]]:
    """Times in microseconds, and frames; what is not spoken here is left out. Raises PcapError."""
    if not text.startswith(MARK) or len(text) < 24:
        raise PcapError("unknown file format")
    data = text.encode("latin-1", "replace")
    if struct.unpack_from("<I", data, 20)[0] != LINKTYPE_ETHERNET:
        raise PcapError("unknown data link type")
    at = 24
    while at + 16 <= len(data):
        seconds, microseconds, size, _ = struct.unpack_from("<IIII", data, at)
        if at + 16 + size > len(data):
            raise PcapError(f"truncated dump file; tried to read {size} captured bytes, only got {len(data) - at - 16}")
        with suppress(WireError):
            yield seconds * MILLION + microseconds, decode(data[at + 16 : at + 16 + size])
        at += 16 + size


def file_bytes(text: str) -> bytes:
    """A file of a device as a real disk would hold it."""
    return text.encode("latin-1", "replace") if text.startswith(MARK) else text.encode("utf-8")
