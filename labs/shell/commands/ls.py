"""ls (GNU coreutils): directories, in columns for a person and in lines for a program."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from labs.net.process import Process, Program
from labs.net.strftime import clock_text
from labs.shell.bash.streams import is_terminal
from labs.shell.commandline import begin, fail
from labs.shell.commands.files import BLOCK, is_directory, resolve_path

__all__ = ["COMMANDS", "human_size"]


LS = """ls [-laAh1RdFr] [FILE]...
  -l  sizes and kinds    -a, -A  names with a dot too    -1  one per line    -R  what is below too
  -d  directories themselves    -F  a slash after directories    -r  the other way round    -h  sizes with K, M"""


WIDTH = 80


def ls(process: Process) -> int:
    """List a directory."""
    parsed = begin(
        process,
        "laAh1RdFrtSCgonGsi",
        ["all", "almost-all", "recursive", "directory", "color=", "reverse"],
        usage=LS,
        status=2,
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    words = {"--all": "a", "--almost-all": "A", "--recursive": "R", "--directory": "d", "--reverse": "r"}
    flags = {words.get(option, option[1:]) for option, _ in options}
    for refused in ("t", "S", "s", "i"):
        if refused in flags:
            return fail(process, f"-{refused} is not simulated here", 2)
    files, status = process.node.files, 0
    plain, directories = [], []
    for name in sorted(names or ["."]):
        path = resolve_path(process, name)
        if not files.exists(path) or (name.endswith("/") and files.is_file(path)):
            why = "Not a directory" if files.is_file(path) else "No such file or directory"
            status = fail(process, f"cannot access '{name}': {why}", 2)
        elif is_directory(files, path) and "d" not in flags:
            directories.append(name)
        else:
            plain.append(name)
    listing = _Listing(process, flags)
    listing.names([(name, resolve_path(process, name)) for name in plain])
    titles = len(names) > 1 or "R" in flags
    first = not plain
    for name in directories:
        first = listing.directory(name, title=titles, first=first)
    return status


class _Listing:
    def __init__(self, process: Process, flags: set[str]) -> None:
        self.process = process
        self.files = process.node.files
        self.flags = flags
        self.stamp = clock_text(process.node.world.wall_clock(0), "%b %e %H:%M")

    def directory(self, name: str, *, title: bool, first: bool) -> bool:
        """One directory, and with -R those below; returns False: what follows is not the first."""
        pending = [name]
        while pending:
            shown = pending.pop(0)
            path = resolve_path(self.process, shown)
            if title:
                self.process.print(*([] if first else [""]), f"{shown}:")
            first = False
            inside = [n for n in self.files.list(path) if self.flags & {"a", "A"} or not n.startswith(".")]
            entries = [(n, f"{path.rstrip('/')}/{n}") for n in inside]
            if "a" in self.flags:
                entries = [(".", path), ("..", posixpath.dirname(path)), *entries]
            if "l" in self.flags:
                self.process.print(f"total {sum(self._blocks(p) for _, p in entries)}")
            self.names(entries)
            if "R" in self.flags:
                below = [
                    f"{shown.rstrip('/')}/{n}"
                    for n, p in entries
                    if n not in (".", "..") and is_directory(self.files, p)
                ]
                pending = below + pending
        return first

    def _size(self, path: str) -> int:
        return BLOCK if is_directory(self.files, path) else len(self.files.read(path).encode())

    def _blocks(self, path: str) -> int:
        return -(-self._size(path) // BLOCK) * 4 if not path.startswith(("/proc/", "/sys/", "/dev/")) else 0

    def names(self, entries: Sequence[tuple[str, str]]) -> None:
        """Print entries the way the flags ask."""
        entries = list(reversed(entries)) if "r" in self.flags else list(entries)
        if not entries:
            return
        if "l" in self.flags:
            self._long(entries)
            return
        shown = [self._decorated(name, path) for name, path in entries]
        if "1" in self.flags or not (is_terminal(self.process.stdout) or "C" in self.flags):
            self.process.print(*shown)
        else:
            self.process.print(*_columns(shown))

    def _decorated(self, name: str, path: str) -> str:
        return name + "/" if "F" in self.flags and is_directory(self.files, path) else name

    def _long(self, entries: list[tuple[str, str]]) -> None:
        sizes = [human_size(self._size(path)) if "h" in self.flags else str(self._size(path)) for _, path in entries]
        links = [2 if is_directory(self.files, path) else 1 for _, path in entries]
        width, link_width = max(map(len, sizes)), max(len(str(n)) for n in links)
        for (name, path), size, link in zip(entries, sizes, links, strict=True):
            kind = (
                "drwxr-xr-x"
                if is_directory(self.files, path)
                else "crw-rw-rw-"
                if path.startswith("/dev/")
                else "-rw-r--r--"
            )
            self.process.print(
                f"{kind} {link:{link_width}d} root root {size:>{width}} {self.stamp} {self._decorated(name, path)}"
            )


def human_size(size: int) -> str:
    """A number of bytes as ls -h writes it."""
    if size < 1024:
        return str(size)
    value = size / 1024
    for unit in "KMG":
        if value < 1024:
            return f"{-(-value * 10 // 1) / 10:.1f}{unit}" if value < 10 else f"{int(-(-value // 1))}{unit}"
        value /= 1024
    return f"{value:.0f}T"


def _columns(names: list[str]) -> list[str]:
    """Names down the columns, as many columns as fit."""
    for rows in range(1, len(names) + 1):
        columns = [names[i : i + rows] for i in range(0, len(names), rows)]
        widths = [max(map(len, column)) + 2 for column in columns]
        if sum(widths) - 2 < WIDTH or rows == len(names):
            lines = []
            for row in range(rows):
                cells = [
                    (column[row], width) for column, width in zip(columns, widths, strict=True) if row < len(column)
                ]
                lines.append("".join(cell.ljust(width) for cell, width in cells[:-1]) + cells[-1][0])
            return lines
    return []


COMMANDS: dict[str, Program] = {"ls": ls}
