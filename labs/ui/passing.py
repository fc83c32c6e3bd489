"""A line that says what is going on while somebody waits, and is gone when it is over."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from labs.messages import Message
from labs.ui.style import Screen, plain

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["PassingLine", "passing_line"]


class PassingLine:
    """One line on standard error, written over again and again; nothing where that is no terminal."""

    def __init__(self, screen: Screen, status: Status | None) -> None:
        self._screen = screen
        self._status = status

    @property
    def seen(self) -> bool:
        """Somebody may be looking."""
        return self._status is not None

    def show(self, text: str) -> None:
        """What is going on now; any thread may say so."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(plain(text, sys.stderr.encoding), no_wrap=True, overflow="ellipsis"))
            self._status.start()

    def clear(self) -> None:
        """Take it away until something is going on again: before anything else is written."""
        if self._status is not None:
            self._status.stop()

    def judging(self, title: Message) -> None:
        """The check that is looked at now."""
        self.show(title.in_language(self._screen.language))


@contextmanager
def passing_line(screen: Screen) -> Iterator[PassingLine]:
    """A line for as long as the block takes."""
    if not sys.stderr.isatty():
        yield PassingLine(screen, None)
        return
    from rich.console import Console

    status = Console(stderr=True).status("", spinner="line")  # of ASCII: any console has it
    try:
        yield PassingLine(screen, status)
    finally:
        status.stop()
