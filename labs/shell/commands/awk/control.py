"""How an awk program leaves what it is doing."""

from __future__ import annotations

__all__ = ["Break", "Continue", "Exit", "NextRecord", "Return"]


class NextRecord(Exception):
    """`next`; `file` is true for `nextfile`."""

    def __init__(self, *, file: bool = False) -> None:
        super().__init__()
        self.file = file


class Exit(Exception):
    """`exit`."""


class Break(Exception):
    """`break`."""


class Continue(Exception):
    """`continue`."""


class Return(Exception):
    """`return`; the value is the argument."""
