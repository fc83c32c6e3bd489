"""The shell of a person at a device: lines come in, the directory, variables and jobs stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.process import SIGHUP, SIGKILL, Pipe, Process, Routine, Terminal
from labs.shell.bash.control import LoopJump, Return, ShellExit
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.state import State
from labs.shell.bash.streams import Borrowed, Tty

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["Session"]

MAX_HISTORY = 1000


class Session:
    """One terminal. A power cut ends it; the engine then makes another."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self._state: State | None = None
        self._tty = Tty()
        self._process: Process | None = None

    @property
    def state(self) -> State:
        """The memory of the shell; made at the first line, as a login makes it."""
        if self._state is None:
            self._state = State.fresh(self._node)
        return self._state

    @property
    def directory(self) -> str:
        """Where the next line runs. Asking changes nothing: a shell that nobody has used yet stays unmade."""
        return "/root" if self._state is None else self._state.directory

    @property
    def history(self) -> list[str]:
        """The lines typed so far."""
        return self.state.history

    def start(self, line: str, terminal: Terminal) -> Process:
        """Begin a line, or several (here-documents, loops); the process ends with the status of the line."""
        self._hang_up()
        if line.strip():
            self.state.history.append(line.rstrip("\n"))
            del self.state.history[:-MAX_HISTORY]
        self._tty.attach(terminal)
        process = Process(
            self._node,
            ["-bash"],
            stdin=Pipe(closed=True),
            stdout=Borrowed(self._tty),
            directory=self.state.directory,
        )
        process.terminal = "pts/0"
        process.environment = self.state.variables.environment()
        process.cleanup.append(self._tty.detach)
        self._process = process
        self._node.processes.start(process, lambda p: self._run(p, line))
        return process

    def _run(self, process: Process, line: str) -> Routine:
        state = self.state
        state.shell_pid = process.pid
        shell = Interpreter(process, state, interactive=True)
        try:
            status = yield from shell.run_text(line)
        except LoopJump:
            status = 0
        except Return as end:
            status = end.status
        except ShellExit as end:
            status = end.status
            if type(end) is ShellExit:
                self._log_out()
        state.status = status
        for ended in state.jobs.collect():
            process.stderr.write(ended + "\n")
        return status

    def _log_out(self) -> None:
        """`exit`: the next line is typed in a new shell; background jobs go on, as without huponexit."""
        history = self.state.history
        self._state = State.fresh(self._node)
        self._state.history = history

    def _hang_up(self) -> None:
        """A line that would not end is left behind: the terminal closes under it."""
        process, self._process = self._process, None
        if process is not None and process.running:
            for signal in (SIGHUP, SIGKILL):
                for each in [*_foreground(process), process]:
                    if each.running:
                        each.kill(signal)

    def endless(self, process: Process) -> bool:
        """True when what the line waits for would run until somebody presses Ctrl-C."""
        if not process.running:
            return False
        children = [child for child in process.foreground if child.running]
        if process.endless:
            return True
        if any(self._node.now <= child.finite_until_ns for child in children):
            return False
        return any(self.endless(child) for child in children)

    def interrupt(self, signal: int) -> None:
        """Ctrl-C: the signal goes to what runs in the foreground; the shell starts nothing more and ends with 130."""
        process = self._process
        if process is not None and process.running:
            _deliver(process, signal)


def _foreground(process: Process) -> list[Process]:
    """Every process below, the deepest first."""
    out: list[Process] = []
    for child in process.foreground:
        if child.running:
            out.extend(_foreground(child))
            out.append(child)
    return out


def _deliver(process: Process, signal: int) -> None:
    children = [child for child in process.foreground if child.running]
    if not children:
        process.kill(signal)
        return
    process.interrupted = True
    for child in children:
        _deliver(child, signal)
