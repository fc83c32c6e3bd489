"""A device as its own init sees it: real files, real children, and the service manager of the simulator above them.

`labs.net.linux.units` keeps the units and `labs.shell` renders them for both engines; only what a unit does differs. So
a program here is the same kind of generator, which waits for a child of the operating system.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.clock import LabClock
from labs.engines.kernel.device.files import RealFiles
from labs.engines.kernel.device.readiness import RealUnits
from labs.engines.kernel.sandbox.bubblewrap import confine
from labs.engines.kernel.things.crew import Crew
from labs.engines.kernel.vlans.way import HIDDEN
from labs.model.world import Act
from labs.net.filesystem import FileError
from labs.net.linux.units import Unit
from labs.net.process import SIGKILL, Interrupt, Process, Program, Routine, Scheduler, Signal, Wait, Writer
from labs.things.world import RoomSense

if TYPE_CHECKING:
    from labs.engines.kernel.tunnels.board import TunnelBoard
    from labs.engines.kernel.vlans.board import Switchboard
    from labs.engines.kernel.wiring import Lines, TerminalStrip

__all__ = ["Child", "Machine", "Prefixed", "View", "run_child", "stand_by"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", "USER": "root", "LOGNAME": "root"}
GRACE_S = 2.0  # between SIGTERM and SIGKILL
OWN_PREFIX = re.compile(r"([\w-]+)\[\d+\]: (.*)")
TIME_PREFIX = re.compile(r"()\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (.*)")
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B
IFF_UP, IFF_LOOPBACK = 1, 8
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class View:
    """An interface as far as people are told about it."""

    name: str
    kind: str
    up: bool
    carrier: bool
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, name: str) -> View:
        """Look now."""
        files = RealFiles()
        flags = int(files.get(f"/sys/class/net/{name}/flags", "0x0"), 16)
        kind = "loopback" if flags & IFF_LOOPBACK else "ether"
        try:
            carrier = files.read(f"/sys/class/net/{name}/carrier").strip() == "1"
        except FileError:  # unreadable while the interface is down
            carrier = False
        return cls(name, kind, bool(flags & IFF_UP), carrier, _addresses(name))


def _addresses(name: str) -> tuple[str, ...]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        request = struct.pack("16s24x", name.encode())
        try:
            address = fcntl.ioctl(asker, SIOCGIFADDR, request)[20:24]
            mask = fcntl.ioctl(asker, SIOCGIFNETMASK, request)[20:24]
        except OSError:
            return ()
    return (f"{socket.inet_ntoa(address)}/{int.from_bytes(mask).bit_count()}",)


class _Modified:
    """When a file was last changed, on the clock of the lab."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def get(self, path: str, default: int) -> int:
        try:
            changed_s = os.stat(path).st_mtime
        except OSError:
            return default
        return self._machine.clock.moment(int(changed_s * 1e9))


class _Table(Scheduler):
    """Programs of the init; the number of one that became a process of the system is that process's number."""

    def forget(self, process: Process) -> None:
        for number, known in list(self._table.items()):
            if known is process:
                del self._table[number]


class _Waiter:
    """Stands among the programs that wait for a signal."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ready(self, token: int) -> None:
        del token
        self.event.set()


class Child:
    """A process of the operating system, and what it printed."""

    def __init__(self, popen: subprocess.Popen[bytes], take: Callable[[str], None]) -> None:
        self.popen = popen
        self.pid = popen.pid
        self.status: int | None = None
        self.signal = 0
        """What it was killed by."""
        self.exited = Signal()
        self.finished = asyncio.Event()
        self._take = take

    def drain(self) -> None:
        """Take over what is in the pipe."""
        pipe = self.popen.stdout
        if pipe is None or pipe.closed:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            while data := os.read(pipe.fileno(), CHUNK):
                self._take(data.decode("utf-8", "replace"))


def _nothing(number: int, frame: object) -> None:
    """A signal with a handler in Python is told to the wake-up descriptor."""
    del number, frame


class Machine:
    """What stands where the simulator has a `LinuxNode`: the part of it that services and their commands use."""

    def __init__(self, name: str, world: RoomSense, catalogue: dict[str, Unit], clock: LabClock) -> None:
        self.name = name
        self.world = world
        self.files = RealFiles()
        self.processes = _Table()
        self.clock_offset_ns = 0
        self.modified_ns = _Modified(self)
        self.units = RealUnits(self, catalogue)  # type: ignore[arg-type]
        self.vlans: Switchboard | None = None
        """Its VLANs, where Open vSwitch does them."""
        self.hurried = False
        """Bridges that are made now get a short forward delay."""
        self.tunnels: TunnelBoard | None = None
        """Its tunnels, where the kernel has none."""
        self.clock = clock
        self.lines: Lines | None = None
        """The analogue lines of the site."""
        self.serial: dict[str, socket.socket] = {}
        """The way to the cable on its serial port."""
        self._children: dict[int, Child] = {}
        self.loop = asyncio.new_event_loop()
        self.crew = Crew(self.loop)
        self._hear_of_children()

    @property
    def interfaces(self) -> dict[str, View]:
        """Every interface, as the tools of things show it."""
        return {name: View.of(name) for _, name in socket.if_nameindex() if name not in HIDDEN}

    # Time

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self.clock.now

    def wall_clock(self) -> float:
        """Unix time by the clock of this device."""
        return self.world.wall_clock(self.now + self.clock_offset_ns)

    @property
    def hostname(self) -> str:
        """As `hostname` prints it."""
        return os.uname().nodename

    def call_at(self, when: int, action: Callable[[], object]) -> None:
        """Do something at a time."""
        self.loop.call_later(max(0, when - self.now) / 1e9, self._then, action)

    def call_soon(self, action: Callable[[], object]) -> None:
        """Do something when the program on the stack rests."""
        self.loop.call_soon(self._then, action)

    def _then(self, action: Callable[[], object]) -> None:
        action()
        self.pump()

    def pump(self) -> None:
        """Let every program that can go on do so."""
        self.processes.run_ready()

    # The world

    def wire(self, strip: TerminalStrip) -> None:
        """The analogue lines of the site, and the cables that end here."""
        self.lines = strip.lines
        self.world.wiring = strip.lines.wiring
        self.serial = strip.ways

    def hear(self, news: Mapping[str, Any]) -> None:
        """Hands changed a wiring, or switched or carried a device."""
        self.world.room = news.get("rooms", {}).get(self.name, self.world.room)
        if self.lines is not None:
            self.lines.hear(news)

    def inform(self, news: Mapping[str, Any]) -> None:
        """The same, for every forked program as well."""
        self.hear(news)
        self.crew.inform(news)

    def tell(self, acts: list[tuple[Act, int]]) -> None:
        """Something was done to the world, each by the program with this number; forked programs hear of it."""
        for act, _ in acts:
            self.world.happen(act)
        self.crew.tell(acts)

    # Programs

    def spawn(self, argv: list[str], program: Program, *, stdout: Writer | None = None, stderr: Writer | None = None,
              directory: str = "/") -> Process:  # fmt: skip
        """Start a program of the init."""
        process = Process(self, argv, stdout=stdout, stderr=stderr, directory=directory)  # type: ignore[arg-type]
        self.processes.start(process, program)
        self.pump()
        return process

    def start_child(
        self, argv: Sequence[str], take: Callable[[str], None], *, environment: dict[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        extra: tuple[str, ...] = (),
    ) -> Child:  # fmt: skip
        """Run a program of the system with the rights of a daemon. Raises OSError."""
        popen = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT | (environment or {}),
            start_new_session=True,
            preexec_fn=(lambda: confine(*extra)) if extra else confine,
        )
        return self.adopt(popen, take)

    async def end_of(self, process: Process) -> None:
        """Wait until a program of the init has ended."""
        if process.running:
            waiter = _Waiter()
            process.exited.add(waiter, 0)  # type: ignore[arg-type]
            await waiter.event.wait()

    async def capture(self, *argv: str, extra: tuple[str, ...] = ()) -> str:
        """What a tool prints. `extra` names rights that it has beyond those of a daemon."""
        parts: list[str] = []
        await self.start_child(argv, parts.append, extra=extra).finished.wait()
        return "".join(parts)

    async def feed(self, text: str, *argv: str) -> str:
        """Give a tool its standard input; what it prints."""
        parts: list[str] = []
        child = self.start_child(argv, parts.append, stdin=subprocess.PIPE)
        assert child.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            child.popen.stdin.write(text.encode())
            child.popen.stdin.close()
        await child.finished.wait()
        return "".join(parts)

    def adopt(self, popen: subprocess.Popen[bytes], take: Callable[[str], None]) -> Child:
        """Watch over a process of the system."""
        child = Child(popen, take)
        self._children[popen.pid] = child
        if popen.stdout is not None:
            os.set_blocking(popen.stdout.fileno(), False)
            self.loop.add_reader(popen.stdout.fileno(), self._readable, child)
        return child

    def _readable(self, child: Child) -> None:
        pipe = child.popen.stdout
        if pipe is None or pipe.closed:
            return
        try:
            data = os.read(pipe.fileno(), CHUNK)
        except (BlockingIOError, OSError):
            return
        if data:
            child._take(data.decode("utf-8", "replace"))  # noqa: SLF001
        else:
            self.loop.remove_reader(pipe.fileno())
            pipe.close()
        self.pump()

    def _hear_of_children(self) -> None:
        """What `add_signal_handler` of asyncio does, without its look at every signal: each device pays for that."""
        heard, told = os.pipe()
        for end in (heard, told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.siginterrupt(signal.SIGCHLD, False)  # noqa: FBT003

        def hear() -> None:
            os.read(heard, CHUNK)
            self._reap()

        self.loop.add_reader(heard, hear)

    def _reap(self) -> None:
        """Every process of the device that lost its parent ends up here as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self.ended(pid, os.waitstatus_to_exitcode(status))
        self.pump()

    def ended(self, pid: int, code: int) -> None:
        """A process is gone."""
        child = self._children.pop(pid, None)
        if child is None:
            return
        child.drain()
        child.popen.returncode = code
        child.status = code if code >= 0 else 128 - code
        child.signal = max(0, -code)
        pipe = child.popen.stdout
        if pipe is not None and not pipe.closed:
            self.loop.remove_reader(pipe.fileno())
            pipe.close()
        child.finished.set()
        child.exited.fire()

    @property
    def children(self) -> list[int]:
        """The processes that it looks after."""
        return list(self._children)

    def became(self, process: Process, child: Child) -> None:
        """A program of the init is a process of the system now: its number is the one that people see."""
        process.pid = child.pid
        if hasattr(process.stdout, "pid"):
            process.stdout.pid = child.pid
        for name in self.units.installed():
            if self.units.state(name).process is process:
                self.units.state(name).pid = child.pid

    def finish(self, child: Child, number: int) -> None:
        """End a child, and what it started, now: a signal, a moment of grace, SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        until = time.monotonic() + (GRACE_S if number != signal.SIGKILL else 0.2)
        while child.status is None and time.monotonic() < until:
            self._reap_one(child)
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        if child.status is None:
            with contextlib.suppress(ChildProcessError):
                _, status = os.waitpid(child.pid, 0)
                self.ended(child.pid, os.waitstatus_to_exitcode(status))

    def _reap_one(self, child: Child) -> None:
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            child.status = child.status if child.status is not None else 0
            return
        if pid:
            self.ended(pid, os.waitstatus_to_exitcode(status))


class Prefixed(Writer):
    """Takes the lines of a daemon into the journal of a unit, without what they would not have there.

    `prefix` is what a line brings with it: its own `program[pid]: `, which names who says it, or a time. Otherwise
    `program` says it, or what is called as the unit.
    """

    def __init__(self, machine: Machine, unit: str, program: str = "", prefix: re.Pattern[str] = OWN_PREFIX) -> None:
        self._machine = machine
        self._unit = unit
        self._program = program or unit
        self._prefix = prefix
        self._partial = ""
        self.pid = 0

    def write(self, text: str) -> None:
        """Split into lines."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            line = line.rstrip("\r")  # noqa: PLW2901 - sshd writes for terminals
            match = self._prefix.match(line)
            who, said = (match[1] or self._program, match[2]) if match else (self._program, line)
            if said:
                self._machine.units.log(self._unit, said, self.pid, who)


def run_child(
    process: Process,
    argv: Sequence[str],
    *,
    hangup: bool = False,
    environment: dict[str, str] | None = None,
    extra: tuple[str, ...] = (),
    out: Writer | None = None,
    killed: bool = False,
) -> Routine:
    """A program that is a process of the system: prints what it prints (to `out`) and ends as it does.

    One that a signal ended has a status above 128, or ends by it as well (`killed`).
    """
    machine: Machine = process.node  # type: ignore[assignment]
    try:
        child = machine.start_child(argv, (out or process.stdout).write, environment=environment, extra=extra)
    except OSError as error:
        process.print(f"{argv[0]}: {error.strerror}")
        return 203  # EXIT_EXEC, systemd.exec(5)
    return (yield from stand_by(process, child, hangup=hangup, killed=killed))


def stand_by(process: Process, child: Child, *, hangup: bool = False, killed: bool = False) -> Routine:
    """Be a process of the system until it ends, and end it with this; `hangup` where SIGHUP is its own business."""
    machine: Machine = process.node  # type: ignore[assignment]
    machine.became(process, child)
    while child.status is None:
        try:
            yield Wait((child.exited,))
        except Interrupt as interrupt:
            if hangup and interrupt.signal == signal.SIGHUP:
                os.kill(child.pid, signal.SIGHUP)
                continue
            machine.finish(child, interrupt.signal)
            raise
        except GeneratorExit:
            machine.finish(child, SIGKILL)
            raise
    if child.signal and killed:
        raise Interrupt(child.signal)
    return child.status
