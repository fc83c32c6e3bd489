"""The bytes of a packet as tcpdump prints them with -A, -x and -X. Compare with print-ascii.c of tcpdump 4.99."""

from __future__ import annotations

from collections.abc import Iterator

from labs.net.ethernet import Frame
from labs.net.wire import WireError, encode

__all__ = ["ascii_lines", "hex_lines", "packet_of"]

ETHERNET_BYTES, TAG_BYTES = 14, 4
WIDTH = 39  # of eight groups of two bytes


def packet_of(frame: Frame) -> bytes:
    """What stands behind the Ethernet header; nothing for a frame that has no bytes here."""
    try:
        data = encode(frame)
    except WireError:
        return b""
    tagged = data[12:14] == b"\x81\x00"
    return data[ETHERNET_BYTES + (TAG_BYTES if tagged else 0) :]


def _sign(byte: int) -> str:
    return chr(byte) if 32 < byte < 127 else "."


def ascii_lines(data: bytes) -> Iterator[str]:
    """-A: what can be read; a line of the packet is a line on the screen, and a return before its end is none."""
    text = ""
    for index, byte in enumerate(data):
        if byte == 13 and data[index + 1 : index + 2] == b"\n":
            continue
        text += chr(byte) if byte in b"\t\n " else _sign(byte)
    yield from text.split("\n")


def hex_lines(data: bytes, *, readable: bool) -> Iterator[str]:
    """-x, and with `readable` -X: sixteen bytes a line."""
    for at in range(0, len(data), 16):
        piece = data[at : at + 16]
        groups = " ".join(piece[i : i + 2].hex() for i in range(0, len(piece), 2))
        words = f"{groups:<{WIDTH}}  {''.join(map(_sign, piece))}" if readable else groups
        yield f"\t0x{at:04x}:  {words}"
