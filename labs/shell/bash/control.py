"""How control leaves a command other than by ending: exit, return, break, continue, Ctrl-C."""

from __future__ import annotations

__all__ = ["Aborted", "LoopJump", "Return", "ShellExit"]


class ShellExit(Exception):
    """`exit`, or an error that ends the shell."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Aborted(ShellExit):
    """Ctrl-C, or an error that ends an interactive line."""


class Return(Exception):
    """`return`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoopJump(Exception):
    """`break n` and `continue n`."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__(levels)
        self.levels = levels
        self.again = again
