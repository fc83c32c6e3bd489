"""What a sensor writes into its payload: channel, type, value, as the EM300 of Milesight does (low byte first).

Source: EM300 series user guide, "Uplink packets".
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["QUANTITIES", "decode_payload", "encode_payload"]


class _Entry(NamedTuple):
    head: bytes
    form: str
    step: float
    unit: str


QUANTITIES = {
    "temperature": _Entry(b"\x03\x67", "<h", 0.1, "C"),
    "humidity": _Entry(b"\x04\x68", "<B", 0.5, "%"),
    "co2": _Entry(b"\x05\x7d", "<H", 1.0, "ppm"),
    "battery": _Entry(b"\x01\x75", "<B", 1.0, "%"),
}


def encode_payload(quantity: str, value: float) -> bytes:
    """The bytes of one value. Raises KeyError for a quantity that has no channel.

    Examples
    --------
    >>> encode_payload("temperature", 27.2).hex()
    '03671001'
    """
    entry = QUANTITIES[quantity]
    size = struct.calcsize(entry.form)
    low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if entry.form == "<h" else (0, (1 << 8 * size) - 1)
    return entry.head + struct.pack(entry.form, min(max(round(value / entry.step), low), high))


def decode_payload(data: bytes) -> dict[str, tuple[float, str]]:
    """Quantity -> value and unit. Raises ValueError for bytes of another maker."""
    found: dict[str, tuple[float, str]] = {}
    while data:
        for quantity, entry in QUANTITIES.items():
            size = struct.calcsize(entry.form)
            if data[:2] == entry.head and len(data) >= 2 + size:
                (raw,) = struct.unpack(entry.form, data[2 : 2 + size])
                found[quantity] = (round(raw * entry.step, 3), entry.unit)
                data = data[2 + size :]
                break
        else:
            message = f"no codec for {data.hex()}"
            raise ValueError(message)
    return found
