"""Programs on a simulated device: generators that wait for signals and deadlines, stepped by a small scheduler.

A program never blocks and never sleeps: it yields a `Wait` and is resumed when one of the signals fires or the deadline
passes. The scheduler knows no clock; its owner says what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from inspect import GEN_RUNNING, getgeneratorstate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Interrupt", "Pipe", "Process", "Program", "Routine", "Scheduler", "Signal", "Terminal", "Wait", "Writer"]

SIGINT, SIGPIPE, SIGTERM, SIGKILL, SIGHUP = 2, 13, 15, 9, 1  # signal(7)
MAX_PROCESSES = 256
PIPE_LIMIT = 1 << 20  # characters that may wait in a pipe before the writer is ended


class Signal:
    """Something programs can wait for. Firing wakes every waiter once."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: dict[Process, int] = {}  # one entry each: a signal that never fires does not pile them up

    def add(self, process: Process, token: int) -> None:
        """Remember who waits."""
        self._waiters[process] = token

    def fire(self) -> None:
        """Make every waiter ready to run."""
        waiters = self._waiters
        if len(waiters) == 1:  # as nearly always
            process, token = waiters.popitem()
            process.ready(token)
        elif waiters:
            self._waiters = {}
            for process, token in waiters.items():
                process.ready(token)


class Wait(NamedTuple):
    """Resume me when one of the signals fires or at `until` (nanoseconds), whichever comes first."""

    signals: tuple[Signal, ...] = ()
    until: int | None = None


Routine = Generator[Wait, None, int]
Program = Callable[["Process"], "Routine | int"]


class Interrupt(BaseException):
    """Thrown into a program that gets a signal it may handle. No Exception: a program must name it to catch it."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


class Writer:
    """Where a program prints. The base class swallows everything, like /dev/null."""

    def write(self, text: str) -> None:
        """Take text."""

    def close(self) -> None:
        """No more will come."""


class Terminal(Writer):
    """Collects what a person would see, up to a limit of characters."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._parts: list[str] = []
        self._room = limit
        self._mid_line = False
        self.truncated = False

    def write(self, text: str) -> None:
        """Append text; past the limit it is cut and marked."""
        if self._mid_line and text:
            self._mid_line = False
            text = text if text.startswith("\n") else "\n" + text
        if len(text) > self._room:
            text, self.truncated = text[: self._room], True
        self._room -= len(text)
        self._parts.append(text)

    def interrupt(self) -> None:
        """Echo ^C. What is printed next begins on a new line, unless it brings its own as ping does."""
        self.write("^C")
        self._mid_line = True

    def take(self) -> str:
        """Everything printed since the last call."""
        text = "".join(self._parts) + ("\n" if self._mid_line else "")
        self._mid_line = False
        self._parts.clear()
        return text


class Pipe(Writer):
    """A pipe between two programs, or a text as standard input."""

    def __init__(self, text: str = "", *, closed: bool = False) -> None:
        self._lines: deque[str] = deque()
        self._tail: list[str] = []
        self._size = 0
        self.closed = closed
        self.broken = False
        self.changed = Signal()
        self._put(text)

    def _put(self, text: str) -> None:
        """Keep whole lines apart from the one that is still being written: many small writes stay cheap."""
        self._size += len(text)
        *lines, rest = text.split("\n")
        if lines:
            lines[0] = "".join(self._tail) + lines[0]
            self._tail.clear()
            self._lines.extend(line + "\n" for line in lines)
        if rest:
            self._tail.append(rest)

    def write(self, text: str) -> None:
        """Append. Raises Interrupt(SIGPIPE) when the reader has gone or never drains the pipe."""
        if self.broken or self._size + len(text) > PIPE_LIMIT:
            raise Interrupt(SIGPIPE)
        self._put(text)
        self.changed.fire()

    def close(self) -> None:
        """The writer is done."""
        self.closed = True
        self.changed.fire()

    def abandon(self) -> None:
        """The reader is done."""
        self.broken = True
        self.changed.fire()

    def read_line(self) -> Generator[Wait, None, str]:
        """Wait for one line, newline included; empty at the end."""
        while not self._lines and not self.closed:
            yield Wait((self.changed,))
        if not self._lines:
            return self.poll()
        line = self._lines.popleft()
        self._size -= len(line)
        return line

    def read_all(self) -> Generator[Wait, None, str]:
        """Wait for the end and return everything."""
        parts = [self.poll()]
        while not self.closed:
            yield Wait((self.changed,))
            parts.append(self.poll())
        return "".join(parts)

    def poll(self) -> str:
        """What waits right now, without waiting."""
        text = "".join((*self._lines, *self._tail))
        self._lines.clear()
        self._tail.clear()
        self._size = 0
        return text


class Process:
    """One running program of a device."""

    def __init__(
        self,
        node: LinuxNode,
        argv: list[str],
        *,
        stdin: Pipe | None = None,
        stdout: Writer | None = None,
        stderr: Writer | None = None,
        directory: str = "/root",
    ) -> None:
        self.node = node
        self.argv = argv
        self.pid = 0
        self.stdin = stdin or Pipe(closed=True)
        self.stdout = stdout or Writer()
        self.stderr = stderr or self.stdout
        self.directory = directory
        self.status: int | None = None
        self.exited = Signal()
        self.endless = False
        """True while the program would run for ever: on a terminal somebody has to press Ctrl-C."""
        self.finite_until_ns = -1
        """Up to this time it can be trusted to leave by itself soon, and so to end the pipeline that it reads from."""
        self.cleanup: list[Callable[[], None]] = []
        """Called when the program ends, however it ends: sockets close, captures stop."""
        self.environment: dict[str, str] = {}
        self.parent_pid = 1
        self.terminal = "?"
        """The terminal it belongs to, as ps names it."""
        self.started_ns = node.now
        self.foreground: list[Process] = []
        """The children it waits for: Ctrl-C goes to them, and their being endless is its own."""
        self.until_ns: int | None = None
        """When it goes on by itself, while it waits."""
        self.interrupted = False
        """Set when Ctrl-C went to its foreground children: a shell then starts nothing more."""
        self._routine: Routine | None = None
        self._token = 0
        self._scheduler: Scheduler | None = None

    def print(self, *lines: str) -> None:
        """Write lines to standard output."""
        for line in lines:
            self.stdout.write(line + "\n")

    def error(self, *lines: str) -> None:
        """Write lines to standard error."""
        for line in lines:
            self.stderr.write(line + "\n")

    @property
    def name(self) -> str:
        """The command name."""
        return self.argv[0] if self.argv else ""

    @property
    def running(self) -> bool:
        """True until it exits."""
        return self.status is None

    def ready(self, token: int) -> None:
        """Called by a signal; stale tokens are ignored."""
        if token == self._token and self.status is None and self._scheduler is not None:
            self._token += 1
            self._scheduler.queue.append(self)

    def kill(self, signal: int) -> None:
        """Deliver a signal: the program may catch `Interrupt`, except SIGKILL."""
        if not self.running or self._scheduler is None:
            return
        running = self._routine is None or getgeneratorstate(self._routine) == GEN_RUNNING
        if running:  # it is on the stack right now: strike when it rests
            self.node.call_soon(lambda: self.kill(signal))
            return
        self._scheduler.interrupt(self, signal)

    def begin(self, scheduler: Scheduler, program: Program) -> None:
        """Start the program; used by the scheduler alone."""
        self._scheduler = scheduler
        try:
            result = program(self)
        except Interrupt as interrupt:
            self._finish(128 + interrupt.signal)
            return
        if isinstance(result, int):
            self._finish(result)
        else:
            self._routine = result
            self._advance(result.__next__)

    def throw(self, signal: int) -> None:
        """Throw a signal into the program; used by the scheduler alone."""
        self._token += 1
        if signal == SIGKILL or self._routine is None:
            if self._routine is not None:
                self._routine.close()
            self._finish(128 + signal)
        else:
            routine = self._routine
            self._advance(lambda: routine.throw(Interrupt(signal)))

    def _advance(self, step: Callable[[], Wait]) -> None:
        try:
            signals, until = step()
        except StopIteration as stop:
            self._finish(stop.value if isinstance(stop.value, int) else 0)
            return
        except Interrupt as interrupt:
            self._finish(128 + interrupt.signal)
            return
        self._token = token = self._token + 1
        self.until_ns = until
        for signal in signals:
            signal._waiters[self] = token  # noqa: SLF001 - signal.add()
        if until is not None:
            self.node.call_at(until, partial(self.ready, token))

    def _finish(self, status: int) -> None:
        self.status = status
        self._routine = None
        for action in reversed(self.cleanup):
            action()
        self.cleanup.clear()
        self.stdin.abandon()
        self.stdout.close()
        if self.stderr is not self.stdout:
            self.stderr.close()
        if self._scheduler is not None:
            self._scheduler.forget(self)
        self.exited.fire()


class Scheduler:
    """The process table of one device."""

    def __init__(self) -> None:
        self.queue: deque[Process] = deque()
        self._table: dict[int, Process] = {}
        self._next_pid = 300

    def __iter__(self) -> Iterator[Process]:
        return iter(list(self._table.values()))

    def get(self, pid: int) -> Process | None:
        """The process with this number, if it runs."""
        return self._table.get(pid)

    def start(self, process: Process, program: Program) -> None:
        """Enter a process into the table and run it until its first wait."""
        if len(self._table) >= MAX_PROCESSES:
            process.error(f"-bash: fork: {process.name}: Resource temporarily unavailable")
            process.begin(self, lambda _: 254)
            return
        self._next_pid += 1
        process.pid = self._next_pid
        self._table[process.pid] = process
        process.begin(self, program)

    def interrupt(self, process: Process, signal: int) -> None:
        """Deliver a signal now."""
        process.throw(signal)

    def forget(self, process: Process) -> None:
        """Take an ended process out of the table."""
        self._table.pop(process.pid, None)

    def run_ready(self) -> None:
        """Step every program that can go on. Bounded: a program that never really waits is a bug of ours."""
        queue = self.queue
        for _ in range(100_000):
            if not queue:
                return
            process = queue.popleft()
            routine = process._routine  # noqa: SLF001 - Process.resume()
            if routine is not None and process.status is None:
                process._advance(routine.__next__)  # noqa: SLF001
        message = "programs keep waking each other without time passing"
        raise RuntimeError(message)
