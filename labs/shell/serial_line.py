"""A Modbus master on a serial line: one question at a time, and the answer or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.process import Process, Wait
from labs.things.modbus.framing import encode_rtu
from labs.things.modbus.master import AnswerError, Outcome, read_answer

if TYPE_CHECKING:
    from labs.net.serial import SerialPort, SerialSettings

__all__ = ["SerialLine", "SerialLineError", "serial_port"]


class SerialLineError(Exception):
    """A port that cannot be opened, in the words of strerror(3)."""


def serial_port(process: Process, path: str) -> SerialPort:
    """The serial port of a device file. Raises SerialLineError."""
    port = process.node.serial.get(path.removeprefix("/dev/")) if path.startswith("/dev/") else None
    if port is None:
        exists = process.node.files.exists(path)
        raise SerialLineError("Inappropriate ioctl for device" if exists else "No such file or directory")
    return port


class SerialLine:
    """A port that a program has open as a master. Whoever shares it takes turns, each with its own settings."""

    def __init__(self, process: Process, path: str, settings: SerialSettings) -> None:
        self._process = process
        self._port = serial_port(process, path)
        self._settings = settings
        self._close: Callable[[], None] = self._port.open(settings)
        self._quiet_ns = 0
        process.cleanup.append(self._close)

    def ask(
        self, unit: int, pdu: bytes, timeout_ns: int, process: Process | None = None
    ) -> Generator[Wait, None, bytes]:
        """Send a request to a unit and wait for its answer. Raises AnswerError."""
        asker = process or self._process
        port = self._port
        while port.busy:
            yield Wait((port.free,))
        port.busy = True
        port.settings = self._settings
        release = self._release
        asker.cleanup.append(release)
        try:
            return (yield from self._ask(unit, pdu, timeout_ns))
        finally:
            asker.cleanup.remove(release)
            self._release()

    def _release(self) -> None:
        self._port.busy = False
        self._port.free.fire()

    def _ask(self, unit: int, pdu: bytes, timeout_ns: int) -> Generator[Wait, None, bytes]:
        node, port = self._process.node, self._port
        while node.now < self._quiet_ns:
            yield Wait((), self._quiet_ns)
        port.queue.clear()
        frame = encode_rtu(unit, pdu)
        port.write(frame)
        until = node.now + self._settings.duration_ns(len(frame)) + timeout_ns
        received = b""
        try:
            while True:
                while port.queue:
                    received += port.queue.popleft().data
                answer = read_answer(unit, pdu[0], received)
                if answer is not None:
                    return answer
                if node.now >= until:
                    raise AnswerError(Outcome.TIMEOUT, "Connection timed out")
                yield Wait((port.signal,), until)
        finally:
            self._quiet_ns = node.now + self._settings.gap_ns
