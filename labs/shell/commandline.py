"""What every small command does first and with its input: options, --help, files or standard input line by line."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from labs.net.filesystem import FileError
from labs.net.process import Process, Wait
from labs.shell.options import UsageError, parse_options

__all__ = ["Lines", "begin", "fail"]

Parsed = tuple[list[tuple[str, str]], list[str]]


def fail(process: Process, text: str, status: int = 1) -> int:
    """Say `name: text` on standard error and return the status."""
    process.error(f"{process.name.rpartition('/')[2]}: {text}")
    return status


def begin(
    process: Process, short: str, long: Sequence[str] = (), *, usage: str, status: int = 1, intermixed: bool = True
) -> Parsed | int:
    """Options and operands; or the exit status, when there was a mistake or `--help` was all that was asked.

    `usage` is the help text; the first line is the usage line.
    """
    try:
        options, operands = parse_options(process.argv[1:], short, [*long, "help"], intermixed=intermixed)
    except UsageError as error:
        name = process.name.rpartition("/")[2]
        process.error(f"{name}: {error}", f"Try '{name} --help' for more information.")
        return status
    if ("--help", "") in options:
        process.print(f"Usage: {usage}")
        return 0
    return options, operands


class Lines:
    """The lines of files one after the other; of standard input where no file is named or its name is `-`.

    `missing` and `directory` are what the tool says of a file that it cannot read, with `{name}` and `{error}`.
    """

    def __init__(
        self,
        process: Process,
        names: Sequence[str],
        *,
        missing: str = "{name}: {error}",
        directory: str = "{name}: {error}",
    ) -> None:
        self._process = process
        self._names = list(names) or ["-"]
        self._missing = missing
        self._directory = directory
        self.zeros = 0
        """How many bytes of /dev/zero are wanted; it is known to who says."""
        self._waiting: list[str] = []
        self._live = False
        self.name = ""
        self.failed = False
        self.begun = 0
        """How many files were opened."""

    def next(self) -> Generator[Wait, None, str]:
        """The next line, with its newline if it has one; empty at the end of the last file."""
        while True:
            if self._waiting:
                return self._waiting.pop()
            if self._live:
                line = yield from self._process.stdin.read_line()
                if line:
                    return line
                self._live = False
            if not self.open():
                return ""

    def next_here(self) -> Generator[Wait, None, str]:
        """The next line of the file at hand; empty at its end."""
        if self._waiting:
            return self._waiting.pop()
        return (yield from self._process.stdin.read_line()) if self._live else ""

    def open(self) -> bool:
        """Turn to the next file that can be read; False when there is none. Failures are told."""
        self._waiting, self._live = [], False
        while self._names:
            self.name = self._names.pop(0)
            if self.name == "-":
                self._live = True
                self.begun += 1
                return True
            text = self._read(self.name)
            if text is not None:
                self._waiting = split_lines(text)[::-1]
                self.begun += 1
                return True
        return False

    def rest(self) -> Generator[Wait, None, list[str]]:
        """Every line that is left of the file at hand."""
        out, self._waiting = self._waiting[::-1], []
        if self._live:
            out.extend(split_lines((yield from self._process.stdin.read_all())))
            self._live = False
        return out

    def _read(self, name: str) -> str | None:
        files = self._process.node.files
        if name == "/dev/zero" and self.zeros:
            return "\0" * self.zeros
        try:
            return files.read(files.resolve(name, self._process.directory))
        except FileError as error:
            self.failed = True
            form = self._directory if str(error) == "Is a directory" else self._missing
            fail(self._process, form.format(name=name, error=error))
            return None


def split_lines(text: str) -> list[str]:
    """Lines with their newlines; only the newline divides."""
    parts = text.split("\n")
    last = parts.pop()
    lines = [part + "\n" for part in parts]
    return [*lines, last] if last else lines
