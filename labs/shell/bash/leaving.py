"""What a script or subshell does at its end: the trap of EXIT (POSIX.1-2017, XCU trap)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from labs.net.process import Wait
from labs.shell.bash.control import Return, ShellExit

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Interpreter

__all__ = ["leave"]


def leave(shell: Interpreter, status: int) -> Generator[Wait, None, int]:
    """Run the trap, if there is one; returns the status of the shell."""
    text = shell.state.traps.pop("EXIT", None)
    if text is None:
        return status
    shell.state.status = status
    try:
        yield from shell.run_text(text)
    except (ShellExit, Return) as end:
        return end.status
    return status
