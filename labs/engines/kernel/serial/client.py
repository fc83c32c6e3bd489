"""Commands of ours at a serial port: they run in the init of their device, in the time of the bus."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.serial.tap import Tap
from labs.engines.kernel.things.due import DueTimes
from labs.net.process import SIGKILL, Interrupt, Process, Program, Routine, Scheduler, Wait
from labs.net.serial import SerialPort

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine
    from labs.net.actions import SerialSend

__all__ = ["at_the_port"]

MOST_ROUNDS = 10_000


class _Bench:
    """The device as a command at its serial port knows it: everything is the machine's but the time and the port."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._tap = Tap(machine.serial, self) if machine.serial else None
        self._scheduler = Scheduler()
        self._due = DueTimes()
        self._calls: deque[Callable[[], object]] = deque()
        self.serial: dict[str, SerialPort] = {} if self._tap is None else {self._tap.port.name: self._tap.port}
        self.now = machine.now
        if self._tap is not None:
            machine.loop.add_reader(self._tap.fileno(), self._told)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    def emit(self, item: SerialSend) -> None:
        """Send out of the port."""
        if self._tap is not None:
            self._tap.emit(item)

    def call_at(self, when: int, action: Callable[[], object]) -> None:
        """Do something at a time of the bus."""
        self._due.add(when, action)

    def call_soon(self, action: Callable[[], object]) -> None:
        """Do something when the program on the stack rests."""
        self._calls.append(action)

    def start(self, process: Process, program: Program) -> None:
        """Start a command as soon as the cable has told the time."""
        self._calls.append(lambda: self._scheduler.start(process, program))
        if self._tap is None:
            self._work()

    def close(self) -> None:
        """Leave the port."""
        if self._tap is not None:
            self._machine.loop.remove_reader(self._tap.fileno())
            self._tap.close()

    def _told(self) -> None:
        assert self._tap is not None
        self.now = self._tap.hear()
        self._work()
        if self._tap.fileno() >= 0:  # the command may have ended, and its port with it
            self._tap.rest(self._due.first)
        self._machine.pump()

    def _work(self) -> None:
        for _ in range(MOST_ROUNDS):
            self._scheduler.run_ready()
            due = self._due.take(self.now)
            if not due and not self._calls:
                return
            for action in due:
                action()
            if self._calls:
                self._calls.popleft()()
        message = "programs keep waking each other without time passing"
        raise RuntimeError(message)


def at_the_port(program: Program) -> Program:
    """A command that talks on the serial bus of its device."""

    def run(process: Process) -> Routine:
        machine: Machine = process.node  # type: ignore[assignment]
        bench = _Bench(machine)
        inner = Process(bench, process.argv, stdout=process.stdout, stderr=process.stderr)  # type: ignore[arg-type]
        try:
            bench.start(inner, program)
            while inner.running:
                yield Wait((inner.exited,))
        except Interrupt as interrupt:
            inner.kill(interrupt.signal)
            raise
        finally:
            if inner.running:
                inner.kill(SIGKILL)
            bench.close()
        return inner.status or 0

    return run
