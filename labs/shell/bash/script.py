"""Shell text run inside the process of another program."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from labs.net.process import Process, Routine
from labs.shell.bash.control import LoopJump, Return, ShellExit
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.leaving import leave
from labs.shell.bash.state import State

__all__ = ["run_script"]


def run_script(
    process: Process,
    text: str,
    *,
    name: str = "/bin/sh",
    arguments: Sequence[str] = (),
    shell: str = "sh",
    directory: str | None = None,
) -> Routine:
    """Run shell text as part of a process, with its streams, directory and environment; returns the status.

    `shell` decides how errors are worded: `sh` speaks as dash does, as on Debian.
    """
    state = State.fresh(process.node, directory or process.directory)
    for variable, value in process.environment.items():
        state.variables[variable] = value
        state.variables.exported.add(variable)
    state.variables["PWD"] = state.directory
    state.name, state.arguments, state.shell_pid = name, list(arguments), process.pid
    dialect = "bash" if posixpath.basename(shell) == "bash" else "dash"
    interpreter = Interpreter(process, state, dialect=dialect)
    try:
        status = yield from interpreter.run_text(text)
    except (ShellExit, Return) as end:
        status = end.status
    except LoopJump:
        status = 0
    return (yield from leave(interpreter, status))
