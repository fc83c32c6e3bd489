"""The two framings of Modbus: RTU with its CRC on a serial line, and TCP with the MBAP header.

Before changing this file read Modbus over Serial Line V1.02 §2.5.1 and the Modbus Messaging on TCP/IP Guide V1.0b §3.1.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["Adu", "FrameError", "crc16", "decode_rtu", "encode_mbap", "encode_rtu", "read_mbap"]

MAX_PDU = 253
MBAP_BYTES = 7
CRC_POLYNOMIAL = 0xA001  # x^16 + x^15 + x^2 + 1, reflected (§2.5.1.2)


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ (CRC_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


class FrameError(ValueError):
    """Bytes that are no frame."""


class Adu(NamedTuple):
    """One message to or from a unit. `transaction` counts on TCP alone."""

    unit: int
    pdu: bytes
    transaction: int = 0


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS.

    Examples
    --------
    >>> hex(crc16(b"123456789"))
    '0x4b37'
    """
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def encode_rtu(unit: int, pdu: bytes) -> bytes:
    """Address, PDU and CRC, the low byte of it first."""
    body = bytes([unit]) + pdu
    return body + struct.pack("<H", crc16(body))


def decode_rtu(frame: bytes) -> Adu:
    """A frame between two silences. Raises FrameError where it is too short or the CRC is wrong."""
    if len(frame) < 4 or len(frame) > MAX_PDU + 3:
        message = f"{len(frame)} bytes are no frame"
        raise FrameError(message)
    if crc16(frame[:-2]) != struct.unpack("<H", frame[-2:])[0]:
        message = "Invalid CRC"
        raise FrameError(message)
    return Adu(frame[0], frame[1:-2])


def encode_mbap(adu: Adu) -> bytes:
    """Transaction, protocol 0, length, unit, PDU."""
    return struct.pack(">HHHB", adu.transaction, 0, len(adu.pdu) + 1, adu.unit) + adu.pdu


def read_mbap(buffer: bytes) -> tuple[Adu, bytes] | None:
    """The first message of a stream and what follows; None while it is not whole. Raises FrameError."""
    if len(buffer) < MBAP_BYTES:
        return None
    transaction, protocol, length, unit = struct.unpack(">HHHB", buffer[:MBAP_BYTES])
    if protocol != 0 or not 2 <= length <= MAX_PDU + 1:
        message = "this is not Modbus/TCP"
        raise FrameError(message)
    end = 6 + length
    if len(buffer) < end:
        return None
    return Adu(unit, buffer[MBAP_BYTES:end], transaction), buffer[end:]
