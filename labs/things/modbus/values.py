"""Numbers in registers: 16 and 32 bits, signed or not, floats, and the order of their words.

A register is 16 bits, high byte first; how two of them make one number is the maker's choice. `big` puts the high word
first (ABCD), `little` the low word (CDAB).
"""

from __future__ import annotations

import math
import struct
from enum import StrEnum

__all__ = ["RegisterType", "WordOrder", "decode_number", "encode_number"]


class RegisterType(StrEnum):
    """How registers are read as a number."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    FLOAT32 = "float32"
    BOOL = "bool"

    @property
    def registers(self) -> int:
        """How many registers it takes."""
        return 2 if self in (RegisterType.UINT32, RegisterType.INT32, RegisterType.FLOAT32) else 1


class WordOrder(StrEnum):
    """Which of two registers holds the high half."""

    BIG = "big"
    LITTLE = "little"


_CODES = {
    RegisterType.UINT16: ">H",
    RegisterType.INT16: ">h",
    RegisterType.UINT32: ">I",
    RegisterType.INT32: ">i",
    RegisterType.FLOAT32: ">f",
}
_LIMITS = {
    RegisterType.UINT16: (0, 0xFFFF),
    RegisterType.INT16: (-0x8000, 0x7FFF),
    RegisterType.UINT32: (0, 0xFFFFFFFF),
    RegisterType.INT32: (-0x80000000, 0x7FFFFFFF),
}


def encode_number(value: float, kind: RegisterType, order: WordOrder = WordOrder.BIG) -> tuple[int, ...]:
    """The registers of a number; one that does not fit is held at the nearest end of the range.

    Examples
    --------
    >>> [hex(word) for word in encode_number(230.5, RegisterType.FLOAT32)]
    ['0x4366', '0x8000']
    """
    if kind is RegisterType.BOOL:
        return (int(bool(value)),)
    if kind is RegisterType.FLOAT32:
        data = struct.pack(">f", value)
    else:
        low, high = _LIMITS[kind]
        data = struct.pack(_CODES[kind], min(max(round(value), low), high))
    words = struct.unpack(f">{len(data) // 2}H", data)
    return tuple(words if order is WordOrder.BIG else reversed(words))


def decode_number(words: tuple[int, ...], kind: RegisterType, order: WordOrder = WordOrder.BIG) -> float:
    """The number in registers. Raises ValueError for a float that is no number."""
    if kind is RegisterType.BOOL:
        return float(bool(words[0]))
    ordered = words if order is WordOrder.BIG else tuple(reversed(words))
    (value,) = struct.unpack(_CODES[kind], struct.pack(f">{len(ordered)}H", *ordered))
    if not math.isfinite(value):
        message = f"{value} is not a number"
        raise ValueError(message)
    return float(value)
