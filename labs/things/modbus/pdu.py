"""Protocol data units of Modbus: what is asked and answered, whatever carries it.

Before changing this file read the Modbus Application Protocol Specification V1.1b3, §4 to §7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["MAX_BITS", "MAX_REGISTERS", "ModbusError", "ModbusException", "Table", "decode_bits", "encode_bits"]

MAX_REGISTERS = 125  # §6.3, §6.4
MAX_BITS = 2000  # §6.1, §6.2
MAX_WRITE_REGISTERS = 123  # §6.12
MAX_WRITE_BITS = 1968  # §6.11
COIL_ON, COIL_OFF = 0xFF00, 0x0000  # §6.5

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
ERROR_BIT = 0x80


class ModbusException(IntEnum):
    """Exception codes of §7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_BUSY = 6
    MEMORY_PARITY = 8
    GATEWAY_PATH = 0x0A
    GATEWAY_TARGET = 0x0B


class ModbusError(Exception):
    """A request that is answered with an exception."""

    def __init__(self, code: ModbusException) -> None:
        super().__init__(code.name)
        self.code = code


class Table(IntEnum):
    """The four tables of §4.3, by the function that reads them."""

    COIL = READ_COILS
    DISCRETE = READ_DISCRETE
    HOLDING = READ_HOLDING
    INPUT = READ_INPUT

    @property
    def bits(self) -> bool:
        """True where an entry is one bit."""
        return self in (Table.COIL, Table.DISCRETE)


@dataclass(frozen=True, slots=True)
class Read:
    """Functions 1 to 4. `start` is the address on the wire: one less than the number in most manuals."""

    table: Table
    start: int
    count: int

    def encode(self) -> bytes:
        """The bytes of the request."""
        return struct.pack(">BHH", self.table, self.start, self.count)


@dataclass(frozen=True, slots=True)
class Write:
    """Functions 5, 6, 15 and 16. Bits are 0 and 1. `single` chooses 5 or 6."""

    table: Table
    start: int
    values: tuple[int, ...]
    single: bool = False

    @property
    def function(self) -> int:
        """The function code."""
        if self.table is Table.COIL:
            return WRITE_COIL if self.single else WRITE_COILS
        return WRITE_REGISTER if self.single else WRITE_REGISTERS

    def encode(self) -> bytes:
        """The bytes of the request."""
        function = self.function
        if self.single:
            value = self.values[0]
            if function == WRITE_COIL:
                value = COIL_ON if value else COIL_OFF
            return struct.pack(">BHH", function, self.start, value)
        data = (
            encode_bits(self.values) if function == WRITE_COILS else struct.pack(f">{len(self.values)}H", *self.values)
        )
        return struct.pack(">BHHB", function, self.start, len(self.values), len(data)) + data


Request = Read | Write


def encode_bits(bits: tuple[int, ...]) -> bytes:
    """Eight to the byte, the first in the lowest bit."""
    data = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            data[index // 8] |= 1 << index % 8
    return bytes(data)


def decode_bits(data: bytes, count: int) -> tuple[int, ...]:
    """The first `count` bits."""
    return tuple(data[index // 8] >> index % 8 & 1 for index in range(count))


def decode_request(pdu: bytes) -> Request:
    """Read a request. Raises ModbusError with the code that a slave answers."""
    function = pdu[0] if pdu else 0
    try:
        if function in (READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT):
            start, count = struct.unpack(">HH", pdu[1:])
            table = Table(function)
            if not 1 <= count <= (MAX_BITS if table.bits else MAX_REGISTERS):
                raise ModbusError(ModbusException.ILLEGAL_DATA_VALUE)
            return Read(table, start, count)
        if function == WRITE_COIL:
            start, value = struct.unpack(">HH", pdu[1:])
            if value not in (COIL_ON, COIL_OFF):
                raise ModbusError(ModbusException.ILLEGAL_DATA_VALUE)
            return Write(Table.COIL, start, (int(value == COIL_ON),), single=True)
        if function == WRITE_REGISTER:
            start, value = struct.unpack(">HH", pdu[1:])
            return Write(Table.HOLDING, start, (value,), single=True)
        if function in (WRITE_COILS, WRITE_REGISTERS):
            return _decode_many(function, pdu)
    except struct.error:
        raise ModbusError(ModbusException.ILLEGAL_DATA_VALUE) from None
    raise ModbusError(ModbusException.ILLEGAL_FUNCTION)


def _decode_many(function: int, pdu: bytes) -> Write:
    start, count, size = struct.unpack(">HHB", pdu[1:6])
    data = pdu[6:]
    bits = function == WRITE_COILS
    expected = (count + 7) // 8 if bits else 2 * count
    if not 1 <= count <= (MAX_WRITE_BITS if bits else MAX_WRITE_REGISTERS) or size != expected or len(data) != size:
        raise ModbusError(ModbusException.ILLEGAL_DATA_VALUE)
    values = decode_bits(data, count) if bits else struct.unpack(f">{count}H", data)
    return Write(Table.COIL if bits else Table.HOLDING, start, tuple(values))


def encode_values(table: Table, values: tuple[int, ...]) -> bytes:
    """The answer to a `Read`."""
    data = encode_bits(values) if table.bits else struct.pack(f">{len(values)}H", *values)
    return bytes([table, len(data)]) + data


def encode_exception(function: int, code: ModbusException) -> bytes:
    """The answer to what cannot be done."""
    return bytes([function | ERROR_BIT, code])


def encode_written(request: Write) -> bytes:
    """The answer to a `Write`: an echo, or the start and the number."""
    if request.single:
        return request.encode()
    return struct.pack(">BHH", request.function, request.start, len(request.values))


def decode_values(request: Read, pdu: bytes) -> tuple[int, ...]:
    """The values of an answer. Raises ModbusError for an exception and ValueError for an answer to something else."""
    check_function(request.table, pdu)
    data = pdu[2:]
    size = (request.count + 7) // 8 if request.table.bits else 2 * request.count
    if len(data) != size or pdu[1] != size:
        message = "the answer has another length than was asked for"
        raise ValueError(message)
    if request.table.bits:
        return decode_bits(data, request.count)
    return tuple(struct.unpack(f">{request.count}H", data))


def check_function(function: int, pdu: bytes) -> None:
    """Whether an answer is one to a function. Raises ModbusError for an exception, ValueError for anything else."""
    if len(pdu) >= 2 and pdu[0] == function | ERROR_BIT:
        try:
            code = ModbusException(pdu[1])
        except ValueError:
            code = ModbusException.SERVER_FAILURE
        raise ModbusError(code)
    if len(pdu) < 2 or pdu[0] != function:
        message = "the answer is to another function"
        raise ValueError(message)


def answer_length(pdu: bytes) -> int | None:
    """How long an answer is whose first bytes are these; None where more must arrive to tell."""
    if not pdu:
        return None
    if pdu[0] & ERROR_BIT:
        return 2
    if pdu[0] in (READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT):
        return 2 + pdu[1] if len(pdu) > 1 else None
    return 5
