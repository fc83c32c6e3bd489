"""The shell that a person has at a device: one bash in the sandbox, which keeps its directory, variables and jobs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection

from labs.engines.base import CUT, MAX_OUTPUT
from labs.engines.kernel.device.ageing import KNOWN_DAEMONS
from labs.engines.kernel.device.endless import is_endless
from labs.engines.kernel.device.machine import ENVIRONMENT, Machine
from labs.engines.kernel.sandbox.bubblewrap import PROCESSES, limit, sandboxed

__all__ = ["Session"]

PATIENCE_S = 10.5  # how long a person watches before pressing Ctrl-C, not at the tick of a ping
LINE_LIMIT_S = 120.0
WATCH_S = 0.25
AGAIN_S = 2.0  # between one Ctrl-C and the next
POLITE, PATIENT = 2, 3  # so many times Ctrl-C, then SIGKILL, then everything that was started there
MOST_DAEMONS = 8  # daemons without a parent that are spared where everything else ends
ROUNDS = 200
# An interactive bash looks after its terminal when a child dies of a signal; this one has none.
NO_TERMINAL = re.compile(r"^-bash: \[\d+: \d+ \(\d+\)\] tcsetattr: [^\n]*\n", re.MULTILINE)
LOOP = r"""
trap : INT
while IFS= read -r -d '' -u 198 REPLY; do
    eval "$REPLY" </dev/null
    printf '%s\0' "$?" >&199
done
"""


class Session:
    """One shell. A line that ends the shell gets a fresh one the next time."""

    def __init__(self, machine: Machine, seccomp: int) -> None:
        self._machine = machine
        self._seccomp = seccomp
        self._popen: subprocess.Popen[bytes] | None = None
        self._orders = self._statuses = self._output = -1
        self._text = bytearray()
        self._cut = False
        self._limit_s = LINE_LIMIT_S
        self._next_s = 0.0
        self._idle = 0

    def busy(self, besides: str = "") -> bool:
        """True where more runs than the shell itself: a job in the background without `besides` among its words."""
        if self._popen is None:
            return False
        below = descendants(self._popen.pid)
        return sum(not besides or besides not in command_line(pid) for pid in below) > self._idle

    def _start(self) -> None:
        orders_read, self._orders = os.pipe()
        self._statuses, statuses_write = os.pipe()
        self._output, output_write = os.pipe()

        def prepare() -> None:
            os.dup2(orders_read, 198)
            os.dup2(statuses_write, 199)
            os.lseek(self._seccomp, 0, os.SEEK_SET)
            os.set_inheritable(self._seccomp, True)  # noqa: FBT003
            limit()

        argv = sandboxed(["/bin/bash", "--noprofile", "--norc", "-i", "-c", LOOP, "-bash"], self._seccomp)
        self._popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output_write,
            stderr=output_write,
            env=ENVIRONMENT | {"PS1": "", "PS2": "", "HISTFILE": "", "PWD": "/root"},
            close_fds=False,
            preexec_fn=prepare,
        )
        self._machine.adopt(self._popen, lambda _: None)
        self._machine.loop.call_later(WATCH_S, self._count)
        for descriptor in (orders_read, statuses_write, output_write):
            os.close(descriptor)
        for descriptor in (self._statuses, self._output):
            os.set_blocking(descriptor, False)

    def _end(self) -> None:
        for descriptor in (self._orders, self._statuses, self._output):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._popen = None

    def _collect(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._output, 1 << 16):
                room = MAX_OUTPUT - len(self._text)
                self._cut = self._cut or len(data) > room
                self._text += data[: max(0, room)]

    async def run(self, line: str, longest_s: float = 0.0) -> tuple[str, int]:
        """Run one line; what it printed and its exit status. It has LINE_LIMIT_S, or so long as a judge allows."""
        self._limit_s = max(LINE_LIMIT_S, longest_s)
        if self._popen is None or self._popen.returncode is not None:
            if self._popen is not None:
                self._end()
            self._start()
            await self._step("true", time.monotonic())  # the shell complains that it has no terminal
            self._idle = len(descendants(self._popen.pid)) if self._popen is not None else 0
        self._text.clear()
        self._cut = False
        status = await self._step(line, time.monotonic())
        text = NO_TERMINAL.sub("", self._text.decode("utf-8", "replace"))
        if self._cut:
            text += f"\n{CUT}{MAX_OUTPUT} characters\n"
        self._text.clear()
        return text, status

    async def _step(self, line: str, began: float) -> int:
        os.write(self._orders, line.replace("\0", "").encode() + b"\0")
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        for descriptor in (self._statuses, self._output):
            loop.add_reader(descriptor, changed.set)
        status = b""
        interrupted = 0
        self._next_s = 0.0
        try:
            while not status.endswith(b"\0"):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), WATCH_S)
                changed.clear()
                with contextlib.suppress(BlockingIOError):
                    data = os.read(self._statuses, 64)
                    if not data:
                        break
                    status += data
                self._collect()
                if not status:
                    interrupted = self._watch(time.monotonic() - began, interrupted)
        finally:
            for descriptor in (self._statuses, self._output):
                loop.remove_reader(descriptor)
        self._collect()
        if not status:
            code = await self._gone()
            self._end()
            return code
        return 130 if interrupted and status == b"0\0" else int(status[:-1].split(b"\0")[-1] or 0)

    async def _gone(self) -> int:
        popen = self._popen
        for _ in range(100):
            if popen is None or popen.returncode is not None:
                break
            await asyncio.sleep(0.005)
        code = popen.returncode if popen is not None and popen.returncode is not None else 137
        return code if code >= 0 else 128 - code

    def _watch(self, took: float, interrupted: int) -> int:
        """What a person does who waits: Ctrl-C on what never ends; and what nobody may do: too many processes."""
        assert self._popen is not None
        below = descendants(self._popen.pid)
        tired = took > PATIENCE_S and any(is_endless(argv) for argv in map(command_line, below))
        late = took > self._limit_s
        if not (tired or late) or took < self._next_s:
            return interrupted
        self._next_s = took + AGAIN_S
        number = signal.SIGINT if interrupted < POLITE else signal.SIGKILL
        if not interrupted:
            self._collect()
            self._text += b"^C"
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if interrupted > PATIENT:
            self._end_everything()
        return interrupted + 1

    def _end_everything(self) -> None:
        """End what was started here, whoever its parent is now; daemons of units pass the same filter, and stay."""
        shell = self._popen.pid if self._popen is not None else 0
        units = {child for child in self._machine.children if child != shell}
        orphans = [pid for pid in children_of(1) if name_of(pid) in KNOWN_DAEMONS]
        units |= set(orphans if len(orphans) <= MOST_DAEMONS else ())
        end_sandboxed(units.union(*map(descendants, units)))

    def _count(self) -> None:
        """Look now and then whether somebody started too much, in the background as well."""
        if sum(name.isdecimal() for name in os.listdir("/proc")) > PROCESSES:
            self._end_everything()
            self._collect()
            self._text += b"\nnetwerf: stopped: too many processes\n"
        if self._popen is not None:
            self._machine.loop.call_later(WATCH_S, self._count)


def end_sandboxed(spared: Collection[int] = ()) -> None:
    """End everything that runs in the sandbox, however fast it multiplies: first all stand still, then all go."""
    for _ in range(ROUNDS):
        names = [name for name in os.listdir("/proc") if name.isdecimal() and int(name) not in spared]
        pids = [int(name) for name in names if _is_sandboxed(name)]
        if not pids:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


def _is_sandboxed(name: str) -> bool:
    """Only the sandbox filters system calls; the dead that nobody has buried yet do not count."""
    try:
        with open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return "\nSeccomp:\t2" in text and "\nState:\tZ" not in text


def _families() -> dict[int, list[int]]:
    """The children of each process in this process namespace."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    return children


def children_of(pid: int) -> list[int]:
    """The processes right below one."""
    return _families().get(pid, [])


def name_of(pid: int) -> str:
    """What a process is called (proc_pid_comm(5))."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return ""


def descendants(pid: int) -> list[int]:
    """The processes below one, in this process namespace."""
    children = _families()
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def command_line(pid: int) -> list[str]:
    """The words of a process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [word.decode("utf-8", "replace") for word in file.read(4096).split(b"\0")[:-1]]
    except OSError:
        return []
