"""Where the programs of a shell read and write: the terminal, borrowed streams, files."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from labs.net.filesystem import FileSystem
from labs.net.process import Pipe, Signal, Terminal, Wait, Writer

__all__ = ["Borrowed", "BorrowedInput", "Capture", "FileWriter", "Streams", "Tty", "is_terminal"]

BACKLOG = 1 << 16
CAPTURED = 1 << 18  # characters of one command substitution


class Tty(Writer):
    """The terminal of a session. What background jobs print between two lines is shown with the next line."""

    def __init__(self) -> None:
        self._terminal: Terminal | None = None
        self._backlog = Terminal(BACKLOG)

    def attach(self, terminal: Terminal) -> None:
        """Somebody is looking."""
        self._terminal = terminal
        waiting = self._backlog.take()
        if waiting:
            terminal.write(waiting)
        self._backlog = Terminal(BACKLOG)

    def detach(self) -> None:
        """The line has been answered."""
        self._terminal = None

    def write(self, text: str) -> None:
        """Show text, or keep it."""
        (self._terminal or self._backlog).write(text)


class Borrowed(Writer):
    """A stream shared by several programs: the end of one of them does not close it."""

    def __init__(self, target: Writer) -> None:
        self.target: Writer = target.target if isinstance(target, Borrowed) else target

    def write(self, text: str) -> None:
        """Pass on."""
        self.target.write(text)


class BorrowedInput(Pipe):
    """Standard input shared by several programs: the end of one of them does not end it."""

    def __init__(self, source: Pipe) -> None:
        super().__init__()
        self.source: Pipe = source.source if isinstance(source, BorrowedInput) else source

    @property
    def closed(self) -> bool:
        """True when nothing more will come."""
        return self.source.closed

    @closed.setter
    def closed(self, value: bool) -> None:
        pass

    @property
    def changed(self) -> Signal:
        """Fires when text arrives."""
        return self.source.changed

    @changed.setter
    def changed(self, value: object) -> None:
        pass

    def abandon(self) -> None:
        """The owner decides."""

    def read_line(self) -> Generator[Wait, None, str]:
        """One line."""
        return (yield from self.source.read_line())

    def read_all(self) -> Generator[Wait, None, str]:
        """Everything."""
        return (yield from self.source.read_all())

    def poll(self) -> str:
        """What waits."""
        return self.source.poll()


class Capture(Writer):
    """Collects what a command substitution prints. It is no terminal: programs print for machines."""

    def __init__(self) -> None:
        self._held = Terminal(CAPTURED)

    def write(self, text: str) -> None:
        """Append."""
        self._held.write(text)

    def take(self) -> str:
        """Everything printed."""
        return self._held.take()


class FileWriter(Writer):
    """A file opened for writing. Raises FileError when opened or written in vain."""

    def __init__(self, files: FileSystem, path: str, *, append: bool) -> None:
        self._files = files
        self._path = path
        self._stored = files.is_file(path) and path.startswith(("/proc/", "/sys/", "/dev/"))
        if not self._stored:
            files.append(path, "") if append else files.write(path, "")

    def write(self, text: str) -> None:
        """Add to the file; a kernel setting takes each write as its new value."""
        if self._stored:
            self._files.write(self._path, text)
        else:
            self._files.append(self._path, text)


class Streams(NamedTuple):
    """Standard input, output and error."""

    stdin: Pipe
    stdout: Writer
    stderr: Writer


def is_terminal(writer: Writer) -> bool:
    """True where a person reads it: programs then print for the eye."""
    target = writer.target if isinstance(writer, Borrowed) else writer
    return isinstance(target, (Tty, Terminal))
