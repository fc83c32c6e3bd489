"""A program of ours at a serial port, in a process of its own: all its steps are taken in the time of the bus."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.engines.kernel.serial.tap import CableGone, Tap
from labs.engines.kernel.things.station import Journal, Station
from labs.net.process import Process, Program

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine
    from labs.net.actions import SerialSend

__all__ = ["BusStation"]


class BusStation(Station):
    """A station that asks the cable for the time before it does anything, whatever woke it."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._tap = Tap(machine.serial, self)
        self.serial = {self._tap.port.name: self._tap.port}
        self._bus_now = machine.now
        self._stepping = False
        self._first: list[Callable[[], object]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.loop.add_reader(self._tap.fileno(), self._tapped)

    @property
    def now(self) -> int:
        """The time of the bus; it stands still while the program does something."""
        return self._bus_now

    def emit(self, item: SerialSend) -> None:
        """Send out of the port."""
        self._tap.emit(item)

    def spawn(self, argv: list[str], program: Program, *, directory: str = "/") -> Process:
        """Start a part of the program: at once within a step, else as soon as the cable has told the time."""
        if self._stepping:
            return super().spawn(argv, program, directory=directory)
        process = Process(self, argv, stdout=Journal(), directory=directory)  # type: ignore[arg-type]
        self._first.append(lambda: self.processes.start(process, program))
        return process

    def pump(self) -> None:
        """Go on as soon as the cable has told the time."""
        try:
            self._tap.ask()
        except CableGone:
            os._exit(1)

    @property
    def due(self) -> int | None:
        """Never: the cable knows until when it rests."""
        return None

    async def rest(self) -> None:
        """Wait until everything that is due is done."""
        done = self.loop.create_future()
        self._waiting.append(done)
        self.pump()
        await done

    def _tapped(self) -> None:
        try:
            self._bus_now = self._tap.hear()
            self._stepping = True
            while self._first:
                self._first.pop(0)()
            self.step()
            self._stepping = False
            self._tap.rest(self._due.first)
        except CableGone:
            os._exit(1)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            if not done.done():
                done.set_result(None)
