"""What a shell remembers: variables, functions, directory, options, jobs."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process
    from labs.shell.bash.syntax import Command

__all__ = ["Job", "Jobs", "ReadOnlyVariable", "State", "Variables", "temporarily"]

MAX_VARIABLES = 1000
MAX_VALUE = 1 << 18
SIGNAL_WORDS = {1: "Hangup", 2: "Interrupt", 9: "Killed", 13: "Broken pipe", 15: "Terminated"}  # strsignal(3)


class ReadOnlyVariable(Exception):
    """An assignment that the shell refuses."""


class Variables(MutableMapping[str, str]):
    """Shell variables; some of them are exported to programs, some are read-only."""

    def __init__(self, values: dict[str, str], exported: set[str]) -> None:
        self._values = values
        self.exported = exported
        self.read_only: set[str] = set()

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __setitem__(self, name: str, value: str) -> None:
        if name in self.read_only:
            raise ReadOnlyVariable(name)
        if name not in self._values and len(self._values) >= MAX_VARIABLES:
            return
        self._values[name] = value[:MAX_VALUE]

    def __delitem__(self, name: str) -> None:
        if name in self.read_only:
            raise ReadOnlyVariable(name)
        del self._values[name]
        self.exported.discard(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def copy(self) -> Variables:
        """The variables of a subshell."""
        copied = Variables(dict(self._values), set(self.exported))
        copied.read_only = set(self.read_only)
        return copied

    def environment(self) -> dict[str, str]:
        """What a program gets."""
        return {name: self._values[name] for name in sorted(self.exported) if name in self._values}


@contextmanager
def temporarily(variables: Variables, assigned: dict[str, str]) -> Iterator[None]:
    """`name=value command`: the variables as they are for one command."""
    before = {name: variables.get(name) for name in assigned}
    variables.update(assigned)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                variables[name] = value
            elif name in variables:
                del variables[name]


@dataclass
class Job:
    """A background pipeline; `source` is how it was typed."""

    number: int
    processes: list[Process]
    source: str

    @property
    def running(self) -> bool:
        """True until every process of it has ended."""
        return any(process.running for process in self.processes)

    @property
    def status(self) -> int:
        """The status of its last process; 0 while it runs."""
        return self.processes[-1].status or 0

    def state(self) -> str:
        """The word that `jobs` shows."""
        if self.running:
            return "Running"
        if self.status > 128 and self.status - 128 in SIGNAL_WORDS:
            return SIGNAL_WORDS[self.status - 128]
        return f"Exit {self.status}" if self.status else "Done"

    def line(self, mark: str, *, pid: bool = False) -> str:
        """One line of `jobs`; `mark` is + for the current job, - for the one before, else a blank."""
        number = f" {self.processes[-1].pid}" if pid else ""
        return f"[{self.number}]{mark}{number}  {self.state():<24}{self.source}{' &' if self.running else ''}"


@dataclass
class Jobs:
    """The background jobs of one shell, oldest first."""

    table: list[Job] = field(default_factory=list)

    def add(self, processes: list[Process], source: str) -> Job:
        """Enter a job with the next free number."""
        job = Job(max((job.number for job in self.table), default=0) + 1, processes, source)
        self.table.append(job)
        return job

    def mark(self, job: Job) -> str:
        """Which of the jobs it is: current, previous or another."""
        if self.table and self.table[-1] is job:
            return "+"
        return "-" if len(self.table) > 1 and self.table[-2] is job else " "

    def find(self, word: str) -> Job | None:
        """The job of `%1`, `%+`, `%-`, `%name`."""
        word = word.removeprefix("%")
        if word in ("", "+", "%"):
            return self.table[-1] if self.table else None
        if word == "-":
            return self.table[-2] if len(self.table) > 1 else self.find("+")
        if word.isdecimal():
            return next((job for job in self.table if job.number == int(word)), None)
        return next((job for job in reversed(self.table) if job.source.startswith(word)), None)

    def collect(self) -> list[str]:
        """Forget the jobs that ended; returns their last lines."""
        ended = [job for job in self.table if not job.running]
        lines = [job.line(self.mark(job)) for job in ended]
        self.table = [job for job in self.table if job.running]
        return lines


@dataclass
class State:
    """One shell's memory. A subshell works on a copy."""

    variables: Variables
    directory: str = "/root"
    functions: dict[str, Command] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    name: str = "-bash"
    status: int = 0
    last_background: int | None = None
    shell_pid: int = 0
    errexit: bool = False
    nounset: bool = False
    xtrace: bool = False
    pipefail: bool = False
    jobs: Jobs = field(default_factory=Jobs)
    history: list[str] = field(default_factory=list)
    arrays: dict[str, dict[str, str]] = field(default_factory=dict)
    associative: set[str] = field(default_factory=set)
    traps: dict[str, str] = field(default_factory=dict)
    nullglob: bool = False
    random: int = 42
    """What `$RANDOM` goes on from."""
    locals: dict[str, str | None] | None = None
    """Inside a function: what `local` hides, to be put back."""

    @staticmethod
    def fresh(node: LinuxNode, directory: str = "/root") -> State:
        """What root has after login."""
        values = {
            "HOME": "/root",
            "HOSTNAME": node.hostname,
            "LANG": "C.UTF-8",
            "LOGNAME": "root",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PWD": directory,
            "SHELL": "/bin/bash",
            "SHLVL": "1",
            "TERM": "xterm",
            "USER": "root",
        }
        return State(Variables(values, set(values) - {"HOSTNAME"}), directory)

    def copy(self) -> State:
        """The memory of a subshell: the same values, changes stay inside."""
        return replace(
            self,
            variables=self.variables.copy(),
            functions=dict(self.functions),
            arguments=list(self.arguments),
            jobs=Jobs(),
            arrays={name: dict(array) for name, array in self.arrays.items()},
            associative=set(self.associative),
            traps={},
        )

    def leave_function(self, outer: dict[str, str | None] | None) -> None:
        """Put back what `local` hid; `outer` is what the calling function hides."""
        for name, value in (self.locals or {}).items():
            if value is not None:
                self.variables[name] = value
            elif name in self.variables:
                del self.variables[name]
        self.locals = outer

    def options(self) -> str:
        """The value of `$-`."""
        return "".join(letter for letter, on in (("e", self.errexit), ("u", self.nounset), ("x", self.xtrace)) if on)
