"""Modbus/TCP by pymodbus: it takes connections and requests; what is answered says the daemon of the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from labs.engines.kernel.things.journal import reason
from labs.net.process import Process, Program, Routine, Wait
from labs.net.sockets import SocketError
from labs.shell.daemons.modbus_tcp import MAX_CLIENTS, Answerer
from labs.things.modbus.framing import Adu
from labs.things.modbus.pdu import (
    WRITE_COIL,
    WRITE_COILS,
    WRITE_REGISTER,
    ModbusError,
    Read,
    Request,
    Table,
    Write,
    check_function,
    decode_values,
)

if TYPE_CHECKING:
    from labs.engines.kernel.things.station import Station

__all__ = ["serve_modbus"]

WRITES = {WRITE_COIL: Table.COIL, WRITE_COILS: Table.COIL}
SINGLE = (WRITE_COIL, WRITE_REGISTER)


class _Units:
    """Where pymodbus looks for values: it asks whoever answers for the unit."""

    simdevices: tuple[object, ...] = ()

    def __init__(self, station: Station, name: str, answer: Answerer) -> None:
        self._station = station
        self._name = name
        self._answer = answer
        self._written: list[int] = []

    async def async_getValues(  # noqa: N802 - pymodbus calls it so
        self, unit: int, function: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        """Read; after a write of one value pymodbus asks what became of it, which the answer to the write told."""
        if function in SINGLE:
            return self._written
        request = Read(Table(function), address, count)
        pdu = await self._ask(unit, request)
        try:
            values = decode_values(request, pdu)
        except ModbusError as error:
            return ExcCodes(error.code)
        return [bool(value) for value in values] if request.table.bits else list(values)

    async def async_setValues(  # noqa: N802 - pymodbus calls it so
        self, unit: int, function: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        """Write."""
        table = WRITES.get(function, Table.HOLDING)
        request = Write(table, address, tuple(int(value) for value in values), single=function in SINGLE)
        try:
            check_function(request.function, await self._ask(unit, request))
        except ModbusError as error:
            return ExcCodes(error.code)
        self._written = list(values)
        return None

    async def _ask(self, unit: int, request: Request) -> bytes:
        """The answer, which may take its time: a gateway has to ask a bus first."""
        told: asyncio.Future[bytes] = self._station.loop.create_future()

        def asking(process: Process) -> Routine:
            told.set_result((yield from _answered(self._answer, process, Adu(unit, request.encode()))))
            return 0

        self._station.spawn([self._name], asking)
        self._station.pump()
        return await told


def _answered(answer: Answerer, process: Process, adu: Adu) -> Generator[Wait, None, bytes]:
    return (yield from answer(process, adu))


class _Server(ModbusTcpServer):
    """Lets as many clients in as the server of the simulator does."""

    def handle_new_connection(self) -> Any:
        """One more; whoever comes too many is shown the door."""
        return _Door() if len(self.active_connections) >= MAX_CLIENTS else super().handle_new_connection()


class _Door(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def serve_modbus(station: Station, process: Process, port: int, answer: Answerer) -> Program:
    """A program that listens on a port and answers, as a part of `process`. Raises SocketError."""
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError as error:
            raise SocketError(reason(error)) from None

    async def listen() -> _Server:
        server = _Server(SimDevice(0, SimData(0, datatype=DataType.REGISTERS)), address=("0.0.0.0", port))  # noqa: S104
        server.context = _Units(station, process.name, answer)  # type: ignore[assignment]
        await server.serve_forever(background=True)
        return server

    serving = station.loop.create_task(listen())

    def server(own: Process) -> Routine:
        def close() -> None:
            with contextlib.suppress(asyncio.InvalidStateError):
                serving.result().close()
            serving.cancel()

        own.cleanup.append(close)
        while True:
            yield Wait()

    return server
