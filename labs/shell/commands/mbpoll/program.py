"""mbpoll: ask units, print their registers, and count what was lost."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

from labs.net.process import Interrupt, Process, Routine, Wait
from labs.net.sockets import SocketError, connect
from labs.net.tcp import TcpConnection
from labs.shell.commands.mbpoll.options import HELP, TABLE_NAMES, Format, MbpollError, Options, parse
from labs.shell.resolver import ResolveError, resolve
from labs.shell.serial_line import SerialLine, SerialLineError
from labs.things.modbus.framing import Adu, FrameError, encode_mbap, encode_rtu, read_mbap
from labs.things.modbus.master import AnswerError, Outcome, check_answer
from labs.things.modbus.pdu import Read, Write, decode_values
from labs.things.modbus.values import RegisterType, decode_number, encode_number

__all__ = ["mbpoll"]

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
BANNER = """mbpoll 1.0-0 - FieldTalk(tm) Modbus(R) Master Simulator
Copyright © 2015-2019 Pascal JEAN, https://github.com/epsilonrt/mbpoll
This program comes with ABSOLUTELY NO WARRANTY.
This is free software, and you are welcome to redistribute it
under certain conditions; type 'mbpoll -w' for details.
"""
VERSION = "1.0-0"


class _Way(Protocol):
    """How requests reach the units."""

    def ask(self, unit: int, pdu: bytes, timeout_ns: int) -> Generator[Wait, None, bytes]:
        """The PDU of the answer. Raises AnswerError."""


class _Tcp:
    def __init__(self, process: Process, connection: TcpConnection) -> None:
        self._process = process
        self._connection = connection
        self._transaction = 0

    def ask(self, unit: int, pdu: bytes, timeout_ns: int) -> Generator[Wait, None, bytes]:
        node, connection = self._process.node, self._connection
        self._transaction += 1
        connection.receive()
        connection.send(encode_mbap(Adu(unit, pdu, self._transaction)), node.now)
        until, buffer = node.now + timeout_ns, b""
        while True:
            buffer += connection.receive()
            try:
                found = read_mbap(buffer)
            except FrameError:
                raise AnswerError(Outcome.CRC, "Invalid data") from None
            if found is not None:
                check_answer(pdu[0], found[0].pdu)
                return found[0].pdu
            if connection.peer_done or connection.error:
                raise AnswerError(Outcome.TIMEOUT, connection.error or "Connection reset by peer")
            if node.now >= until:
                raise AnswerError(Outcome.TIMEOUT, "Connection timed out")
            yield Wait((connection.signal,), until)


class _Verbose:
    """Shows the bytes of what is asked."""

    def __init__(self, process: Process, way: _Way, *, rtu: bool) -> None:
        self._process = process
        self._way = way
        self._rtu = rtu

    def ask(self, unit: int, pdu: bytes, timeout_ns: int) -> Generator[Wait, None, bytes]:
        frame = encode_rtu(unit, pdu) if self._rtu else encode_mbap(Adu(unit, pdu, 1))
        self._process.print("".join(f"[{byte:02X}]" for byte in frame), "Waiting for a confirmation...")
        reply = yield from self._way.ask(unit, pdu, timeout_ns)
        frame = encode_rtu(unit, reply) if self._rtu else encode_mbap(Adu(unit, reply, 1))
        self._process.print("".join(f"<{byte:02X}>" for byte in frame))
        return reply


def _open(process: Process, options: Options) -> Generator[Wait, None, _Way]:
    """Raises SocketError, ResolveError and SerialLineError."""
    if options.rtu:
        return SerialLine(process, options.target, options.settings)
    if not 0 < options.port < 65536:
        raise SocketError("Connection refused")
    address = yield from resolve(process, options.target)
    connection = yield from connect(process, address, options.port, timeout_ns=options.timeout_ns)
    return _Tcp(process, connection)


def _introduce(process: Process, options: Options) -> None:
    units = ",".join(map(str, options.units))
    timing = f"t/o {options.timeout_ns / SECOND:.2f} s, poll rate {options.rate_ms} ms"
    process.print(
        f"Protocol configuration: Modbus {'RTU' if options.rtu else 'TCP'}",
        f"Slave configuration...: address = [{units}]",
        f"                        start reference = {options.start}, count = {options.count}",
    )
    if options.rtu:
        own = options.settings
        form = f"{own.speed_bps}-8{own.parity.letter}{own.stop_bits}"
        process.print(f"Communication.........: {options.target}, {form:>14} ", f"                        {timing}")
    else:
        process.print(f"Communication.........: {options.target}, port {options.port}, {timing}")
    process.print(f"Data type.............: {options.described}", "")


def _number(value: float) -> str:
    """As C prints %g, but for infinities, which mbpoll shows too."""
    return f"{value:g}"


def _shown(options: Options, words: tuple[int, ...]) -> str:
    if options.type is RegisterType.FLOAT32:
        try:
            return _number(decode_number(words, options.type, options.order))
        except ValueError as error:
            return str(error).split()[0]
    if options.type is RegisterType.INT32:
        return str(int(decode_number(words, options.type, options.order)))
    word = words[0]
    if options.format is Format.HEX:
        return f"0x{word:04X}"
    return f"{word} ({word - 0x10000})" if word & 0x8000 and not options.table.bits else str(word)


class _Polling:
    def __init__(self, process: Process, options: Options, way: _Way) -> None:
        self.process = process
        self.options = options
        self.way = way
        self.sent = self.answered = self.failed = 0

    def read(self, unit: int) -> Generator[Wait, None, None]:
        """Ask one unit and print what it says."""
        options = self.options
        size = options.type.registers
        count = options.count * size
        request = Read(options.table, options.start - options.first, count)
        self.process.print(f"-- Polling slave {unit}..." + ("" if options.once else " Ctrl-C to stop)"))
        self.sent += 1
        try:
            pdu = yield from self.way.ask(unit, request.encode(), options.timeout_ns)
            words = decode_values(request, pdu)
        except (AnswerError, ValueError) as error:
            self.failed += 1
            problem = str(error) if isinstance(error, AnswerError) else "Invalid data"
            self.process.error(f"Read {TABLE_NAMES[options.table]} failed: {problem}")
            return
        self.answered += 1
        for index in range(options.count):
            own = words[index * size : (index + 1) * size]
            self.process.print(f"[{options.start + index * size}]: \t{_shown(options, own)}")

    def write(self, unit: int) -> Generator[Wait, None, None]:
        """Write the values, with function 5 or 6 where it is one."""
        options = self.options
        words: list[int] = []
        for value in options.writes:
            words += encode_number(value, options.type, options.order)
        request = Write(options.table, options.start - options.first, tuple(words), single=len(words) == 1)
        self.sent += 1
        try:
            pdu = yield from self.way.ask(unit, request.encode(), options.timeout_ns)
            check_answer(request.function, pdu)
        except AnswerError as error:
            self.failed += 1
            self.process.print("")
            self.process.error(f"Write {TABLE_NAMES[options.table]} failed: {error}")
            return
        self.answered += 1
        self.process.print(f"Written {len(options.writes)} references.")

    def run(self) -> Generator[Wait, None, None]:
        """Once, or until Ctrl-C."""
        options, node = self.options, self.process.node
        if options.writes:
            yield from self.write(options.units[0])
            return
        while True:
            for unit in options.units:
                yield from self.read(unit)
            if options.once:
                return
            self.process.endless = True
            until = node.now + options.rate_ms * MILLISECOND
            while node.now < until:
                yield Wait((), until)

    def statistics(self) -> list[str]:
        """What is told at Ctrl-C."""
        lost = 100 * self.failed / self.sent if self.sent else 0.0
        return [
            f"--- {self.options.target} poll statistics ---",
            f"{self.sent} frames transmitted, {self.answered} received, {self.failed} errors, {lost:.1f}% frame loss",
            "",
            "everything was closed.",
            "Have a nice day !",
        ]


def mbpoll(process: Process) -> Routine:
    """The command."""
    arguments = process.argv[1:]
    if "-h" in arguments:
        process.print(*HELP.split("\n"))
        return 0
    if "-V" in arguments:
        process.print(VERSION)
        return 0
    try:
        options = parse(arguments)
    except MbpollError as error:
        process.error(f"mbpoll: {error} ! Try -h for help.")
        return 1
    process.print(*BANNER.split("\n"))
    try:
        way = yield from _open(process, options)
    except (SocketError, SerialLineError) as error:
        process.error(f"mbpoll: Connection failed: {error}.")
        return 1
    except ResolveError:
        process.error("mbpoll: Connection failed: Connection refused.")
        return 1
    _introduce(process, options)
    polling = _Polling(process, options, _Verbose(process, way, rtu=options.rtu) if options.verbose else way)
    try:
        yield from polling.run()
    except Interrupt:
        process.print(*polling.statistics())
        return 1 if polling.failed else 0
    process.print("")
    return 1 if polling.failed else 0
