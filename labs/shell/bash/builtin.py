"""What a builtin is, and the words it refuses with."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["NAME", "Builtin", "invalid_option", "refuse", "usage"]


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


Builtin = Callable[[Interpreter, list[str], Streams], "Step | int"]


def usage(shell: Interpreter, streams: Streams, text: str) -> int:
    """Print how it is used; the status is 2."""
    streams.stderr.write(text + "\n")
    return 2


def invalid_option(shell: Interpreter, words: list[str], streams: Streams, form: str, option: str) -> int:
    """Say which option is wrong, and the form of the command."""
    shell.error(f"{words[0]}: {option}: invalid option", streams)
    return usage(shell, streams, f"{words[0]}: usage: {form}")


def refuse(what: str, streams: Streams) -> int:
    """Say what is not simulated; the status is 2."""
    streams.stderr.write(f"netwerf: {what} is not simulated here\n")
    return 2
