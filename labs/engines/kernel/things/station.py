"""A device as one of its own forked programs has it, and the loop that steps the program.

The programs are those of `labs.shell.daemons`, the same as on the simulator: generators that wait for signals and
deadlines. Here a deadline is real, and a real socket fires a signal. What a program does to the world goes out over a
pipe, and what others did comes in over another.

Each line is a JSON value. What comes in: a list is an act and who told it; `{"loops": …}` and the like is what hands
changed (`labs.engines.kernel.wiring`); `{"round": n}` asks to do everything that is due, to let the broker confirm that
it took what was said, and to answer `{"round": n, "spoke": …, "due": …}`; an empty
line says that the clock jumped. What goes out: `{"drive": …}` and the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.device.files import RealFiles
from labs.engines.kernel.device.machine import Machine
from labs.engines.kernel.things.due import DueTimes
from labs.engines.kernel.things.fork import CONTROL
from labs.engines.kernel.things.patience import Patience
from labs.engines.kernel.things.transport import Transport
from labs.model.world import Act
from labs.net.process import Process, Program, Scheduler, Writer
from labs.net.serial import SerialPort
from labs.things.world import RoomSense

if TYPE_CHECKING:
    from labs.engines.kernel.things.paho_link import PahoLink
    from labs.shell.daemons.modbus_tcp import Answerer

__all__ = ["Journal", "Station", "take_over"]

CHUNK = 1 << 16
SECOND = 1_000_000_000


class Journal(Writer):
    """What a program prints is a line of its unit's journal."""

    def write(self, text: str) -> None:
        """Print."""
        with contextlib.suppress(OSError):
            os.write(1, text.encode())


class StationFiles(RealFiles):
    """Files of the device. A status file is replaced at once: nobody reads half of it."""

    def __init__(self) -> None:
        self._unwritten: dict[str, Callable[[], str]] = {}

    def write(self, path: str, text: str) -> None:
        """Replace or make a file. Raises FileError."""
        self._unwritten.pop(path, None)
        if not path.startswith("/run/"):
            super().write(path, text)
            return
        super().write(f"{path}.new", text)
        os.replace(f"{path}.new", path)

    def write_later(self, path: str, text: Callable[[], str]) -> None:
        """Write when the program rests."""
        self._unwritten[path] = text

    def remove(self, path: str) -> None:
        """Remove a file. Raises FileError."""
        self._unwritten.pop(path, None)
        super().remove(path)

    def is_file(self, path: str) -> bool:
        """True for a regular file."""
        return path in self._unwritten or super().is_file(path)

    def settle(self) -> None:
        """Write what waits."""
        for path, text in list(self._unwritten.items()):
            self.write(path, text())


class OutwardSense(RoomSense):
    """The world as a program knows it; what the program does to it is told."""

    __slots__ = ("_tell",)

    def __init__(self, inner: RoomSense, tell: Callable[[list[object]], None]) -> None:
        super().__init__(inner._living, inner.room, "", inner.device)  # noqa: SLF001 - the same world
        self.wiring = inner.wiring
        self._tell = tell

    def drive(self, what: str, level: float, now: int, *, stays: bool = False) -> None:
        """Set a level, and tell everybody. Raises WorldError."""
        before = len(self._living.acts)
        super().drive(what, level, max(now, self._latest_ns), stays=stays)
        if len(self._living.acts) != before or level:  # a relay that holds falls back with the power of its device
            self._tell([what, level, now, stays])

    @property
    def _latest_ns(self) -> int:
        acts = self._living.acts
        return acts[-1].at_ns if acts else 0


def take_over(world: RoomSense, act: Act) -> None:
    """Note what was done elsewhere; of two acts of one moment the one that is heard of later counts as later."""
    acts = world._living.acts  # noqa: SLF001 - a moment that passed on the way
    if acts and act.at_ns < acts[-1].at_ns:
        act = Act(acts[-1].at_ns, act.room, act.what, act.level, act.device, act.by)
    world.happen(act)


class Station:
    """What stands where the simulator has a `LinuxNode`, for one program in a process of its own."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.name = machine.name
        self.files = StationFiles()
        self.processes = Scheduler()
        self.loop = asyncio.new_event_loop()
        self.world: RoomSense = OutwardSense(machine.world, lambda words: self.say({"drive": words}))
        self.mqtt_link = partial(_mqtt_link, self)
        self.serve_modbus = partial(_serve_modbus, self)
        self.serial: dict[str, SerialPort] = {}
        self.links: list[PahoLink] = []
        self.patience = Patience()
        self.transport = Transport(self)
        self.interfaces: dict[str, object] = {}
        self.ipv6 = SimpleNamespace(on=False)
        self._due = DueTimes()
        self._alarm: asyncio.TimerHandle | None = None
        self._heard = b""
        self._told = 0
        self._main: Process | None = None
        self.spoken = 0
        """How often it said something, to a broker or to the world."""

    # What programs use

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self._machine.now

    def wall_clock(self) -> float:
        """Unix time by the clock of this device."""
        return self._machine.wall_clock()

    def call_at(self, when: int, action: Callable[[], object]) -> None:
        """Do something at a time."""
        self._due.add(when, action)

    def call_soon(self, action: Callable[[], object]) -> None:
        """Do something when the program on the stack rests."""
        self.loop.call_soon(self._then, action)

    def spawn(self, argv: list[str], program: Program, *, directory: str = "/") -> Process:
        """Start a part of the program."""
        journal = Journal()
        process = Process(self, argv, stdout=journal, stderr=journal, directory=directory)  # type: ignore[arg-type]
        self.processes.start(process, program)
        return process

    # The loop

    def run(self, name: str, program: Program) -> int:
        """Until the program ends or is told to; its exit status."""
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(_last_words)
        self.loop.add_reader(0, self._hear)
        process = self.spawn([name], program)
        self.loop.add_signal_handler(signal.SIGTERM, self._then, partial(process.kill, signal.SIGTERM))
        self._main = process
        self.pump()
        self.loop.run_forever()
        return process.status or 0

    def _then(self, action: Callable[[], object]) -> None:
        action()
        self.pump()

    def pump(self) -> None:
        """Let every program that can go on do so, and set the alarm for what comes next."""
        self.step()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        first = self._due.first
        if first is not None:
            self._alarm = self.loop.call_later(max(0, first - self.now) / SECOND, self.pump)

    async def rest(self) -> None:
        """Wait until everything that is due is done."""
        self.pump()

    @property
    def due(self) -> int | None:
        """When it has something to do next."""
        return self._due.first

    def step(self) -> None:
        """Let every program that can go on do so."""
        self.processes.run_ready()
        while due := self._due.take(self.now):
            for action in due:
                action()
            self.processes.run_ready()
        self.files.settle()
        if self._main is not None and not self._main.running:
            self.loop.call_soon(self.loop.stop)

    # Outward and inward

    def say(self, message: dict[str, Any]) -> None:
        """Tell the init."""
        self.spoken += "round" not in message
        with contextlib.suppress(OSError):
            os.write(CONTROL, json.dumps(message).encode() + b"\n")

    def _hear(self) -> None:
        try:
            data = os.read(0, CHUNK)
        except BlockingIOError:
            return
        if not data:
            os._exit(0)  # the init is gone
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            if line:
                self._take(json.loads(line))
        self.pump()

    def _take(self, message: Any) -> None:
        if isinstance(message, list):
            *act, origin = message
            if origin != os.getpid():
                take_over(self.world, Act(*act))
        elif "round" in message:
            self.loop.create_task(self._answer(message["round"]))
        else:
            self._machine.hear(message)
            self.world.room = self._machine.world.room

    async def _answer(self, number: int) -> None:
        """Do everything that is due; tell whether that made it say anything, and what comes next.

        It answers when what it said last has arrived: its brokers have confirmed that.
        """
        await self.rest()
        while True:
            before = self.spoken
            for link in list(self.links):
                await link.settled()
            await self.transport.settled()
            await self.rest()
            if self.spoken == before:
                break
        said, self._told = self.spoken != self._told, self.spoken
        self.say({"round": number, "spoke": said, "due": self.due})


def _last_words(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A program that fails says why and ends, as any other."""
    del loop
    error = context.get("exception")
    Journal().write(f"{type(error).__name__}: {error}\n" if error is not None else f"{context['message']}\n")
    os._exit(1)


# What speaks neither MQTT nor Modbus does without the libraries for them.


def _mqtt_link(station: Station, process: Process) -> PahoLink:
    from labs.engines.kernel.things.paho_link import PahoLink

    return PahoLink(station, process)


def _serve_modbus(station: Station, process: Process, port: int, answer: Answerer) -> Program:
    from labs.engines.kernel.things.modbus_server import serve_modbus

    return serve_modbus(station, process, port, answer)
