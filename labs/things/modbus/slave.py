"""The table of a Modbus slave and how it answers. Entries that are not there are an illegal address (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from labs.things.modbus.pdu import (
    ERROR_BIT,
    ModbusError,
    ModbusException,
    Read,
    Request,
    Table,
    Write,
    decode_request,
    encode_exception,
    encode_values,
    encode_written,
)

__all__ = ["Registers", "answer"]

Source = Callable[[], int]


class Registers:
    """What can be read and written at a slave. A source is asked at the moment of the request."""

    def __init__(self) -> None:
        self._stored: dict[tuple[Table, int], int] = {}
        self._sources: dict[tuple[Table, int], Source] = {}
        self.written: Callable[[Table, int, int], None] | None = None

    def put(self, table: Table, address: int, values: tuple[int, ...]) -> None:
        """Store values from an address on."""
        for offset, value in enumerate(values):
            self._stored[table, address + offset] = value

    def provide(self, table: Table, address: int, source: Source) -> None:
        """Ask `source` whenever an entry is read."""
        self._sources[table, address] = source

    def stored(self, table: Table) -> Mapping[int, int]:
        """What stands in a table, for tests and status files."""
        return {address: value for (kind, address), value in self._stored.items() if kind is table}

    def read(self, request: Read) -> tuple[int, ...]:
        """Raises ModbusError."""
        found = []
        for address in range(request.start, request.start + request.count):
            key = (request.table, address)
            if key in self._sources:
                found.append(self._sources[key]())
            elif key in self._stored:
                found.append(self._stored[key])
            else:
                raise ModbusError(ModbusException.ILLEGAL_DATA_ADDRESS)
        return tuple(found)

    def write(self, request: Write) -> None:
        """All or nothing. Raises ModbusError."""
        keys = [(request.table, request.start + offset) for offset in range(len(request.values))]
        if any(key not in self._stored for key in keys):
            raise ModbusError(ModbusException.ILLEGAL_DATA_ADDRESS)
        for key, value in zip(keys, request.values, strict=True):
            self._stored[key] = value
            if self.written is not None:
                self.written(key[0], key[1], value)


def perform(request: Request, registers: Registers) -> bytes:
    """The answer to a request that was understood. Raises ModbusError."""
    if isinstance(request, Read):
        return encode_values(request.table, registers.read(request))
    registers.write(request)
    return encode_written(request)


def answer(pdu: bytes, registers: Registers) -> bytes:
    """The answer to any bytes."""
    try:
        return perform(decode_request(pdu), registers)
    except ModbusError as error:
        return encode_exception((pdu[0] if pdu else 0) & ~ERROR_BIT & 0xFF, error.code)
