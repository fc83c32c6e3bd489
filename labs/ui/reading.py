"""Reading lines: from a person with history and completion, or from a file or pipe; a line that goes on is read on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, TextIO

from labs.journal import Journal

__all__ = [
    "Completion",
    "PersonReader",
    "PlainReader",
    "Reader",
    "interruptible",
    "read_whole",
    "reader_for",
]

CONTINUED = "> "
MAX_CONTINUED = 2_000  # lines of one here-document
Completion = tuple[str, int]
"""What could stand there, and how many characters before the cursor it replaces."""


class Reader(Protocol):
    """Where lines come from."""

    person: bool

    def read(self, prompt: str) -> str | None:
        """The next line without its end, or None at the end. Raises KeyboardInterrupt."""

    def remember(self, text: str) -> None:
        """What was typed, with everything that belongs to it, for the arrow keys."""


class PlainReader:
    """Lines of a file or pipe; nothing is echoed. What is not text of the encoding becomes a replacement sign."""

    person = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

    def read(self, prompt: str) -> str | None:
        """The next line."""
        line = self._stream.readline()
        return line.rstrip("\r\n") if line else None

    def remember(self, text: str) -> None:
        """A file has no arrow keys."""


class PersonReader:
    """A person at a terminal: arrow keys, history of this lab, Tab."""

    person = True

    def __init__(
        self, history: Iterable[str], complete: Callable[[str, int], list[Completion]], *, colour: bool
    ) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer
        from prompt_toolkit.completion import Completion as Offer
        from prompt_toolkit.document import Document
        from prompt_toolkit.history import InMemoryHistory

        class _Words(Completer):
            def get_completions(self, document: Document, complete_event: object) -> Iterator[Offer]:
                del complete_event
                for text, replaced in complete(document.text, document.cursor_position):
                    yield Offer(text, start_position=-replaced)

        class _Whole(InMemoryHistory):
            """A here-document is one entry, so not every line that the prompt reads."""

            def append_string(self, string: str) -> None:
                del string

            def append_whole(self, text: str) -> None:
                super().append_string(text)

        self._history = _Whole()
        for line in history:
            self._history.append_whole(line)
        self._colour = colour
        self._session: PromptSession[str] = PromptSession(
            history=self._history, completer=_Words(), complete_while_typing=False, enable_suspend=True
        )

    def read(self, prompt: str) -> str | None:
        """The next line."""
        from prompt_toolkit.formatted_text import FormattedText

        place, colon, rest = prompt.partition(":")
        shown: Any = prompt
        if colon and self._colour:
            shown = FormattedText([("bold ansigreen", place), ("", ":"), ("bold ansiblue", rest[:-2]), ("", rest[-2:])])
        try:
            return self._session.prompt(shown)
        except EOFError:
            return None

    @property
    def history(self) -> list[str]:
        """What the arrow keys know, oldest first."""
        return self._history.get_strings()

    def remember(self, text: str) -> None:
        """One entry of the history, unless it is the last one again."""
        if text.strip() and self.history[-1:] != [text]:
            self._history.append_whole(text)


def reader_for(history: Iterable[str], complete: Callable[[str, int], list[Completion]], *, colour: bool) -> Reader:
    """A person where both ends are a terminal, else plain lines."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return PersonReader(history, complete, colour=colour)
    return PlainReader(sys.stdin)


def read_whole(reader: Reader, prompt: str, open_ended: Callable[[str], bool]) -> str | None:
    """A line with everything that belongs to it."""
    text = reader.read(prompt)
    if text is None:
        return None
    lines = 1
    while lines < MAX_CONTINUED and open_ended(text):
        more = reader.read(CONTINUED)
        if more is None:
            break
        text += "\n" + more
        lines += 1
    reader.remember(text)
    return text


@contextmanager
def interruptible(*, at_all: bool = True) -> Iterator[None]:
    """The first Ctrl-C inside raises KeyboardInterrupt, never while the journal is being written; others are ignored.

    With `at_all=False` none does. Where signals cannot be caught (another thread, a browser) nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised = not at_all

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        writing = False
        while frame is not None and not writing:
            writing = frame.f_code is Journal.append.__code__
            frame = frame.f_back
        if not raised and not writing:
            raised = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
