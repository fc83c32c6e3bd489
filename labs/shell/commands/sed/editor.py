"""What sed does with each line: the pattern space, the hold space, ranges and jumps. Compare with GNU sed 4.9."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Protocol

from labs.net.filesystem import FileError
from labs.net.process import Process, Wait
from labs.shell.commands.sed.script import ESCAPES, Address, Command, ScriptError

__all__ = ["Editor", "Source"]

MAX_LINE = 8192  # characters of which an expression sees
MAX_SPACE = 1 << 20
MAX_STEPS = 100_000  # commands for one line: a script that needs more goes round for ever
PATIENCE_NS = 60 * 1_000_000_000
VISIBLE = {"\\": "\\\\", **{value: f"\\{letter}" for letter, value in ESCAPES.items()}, "\b": "\\b"}
LINE_WIDTH = 69  # of `l`: 70 with the backslash


class Source(Protocol):
    """Where lines come from."""

    name: str

    def next(self) -> Generator[Wait, None, str]:
        """The next line; empty at the end."""


class Editor:
    """A script at work. `write` takes what is printed."""

    def __init__(self, process: Process, commands: list[Command], *, quiet: bool) -> None:
        self._process = process
        self._commands = commands
        self._quiet = quiet
        self.write: Callable[[str], object] = process.stdout.write
        self.number = 0
        self.status = 0
        self._hold = ""
        self._space = ""
        self._newline = "\n"
        self._appended: list[str] = []
        self._ahead = ""
        self._last = False
        self._needs_last = any(a is not None and a.last for c in commands for a in (c.first, c.second))
        for name in {command.file for command in commands if command.file and command.letter != "r"}:
            self._save(name, "", begin=True)

    def restart(self, write: Callable[[str], object]) -> None:
        """A new file for -i: lines count from 1."""
        self.write = write
        self.number = 0
        for command in self._commands:
            command.active, command.until = False, None

    def run(self, source: Source) -> Generator[Wait, None, bool]:
        """Edit everything that comes; False where `q` or `Q` ended it. Raises ScriptError."""
        self._ahead = (yield from source.next()) if self._needs_last else ""
        while (yield from self._read(source)):
            if not (yield from self._cycle(source)):
                return False
        return True

    def _read(self, source: Source, *, join: bool = False) -> Generator[Wait, None, bool]:
        """Take the next line into the pattern space; False where there is none."""
        if any(command.letter in "qQ" for command in self._commands):
            self._process.finite_until_ns = self._process.node.now + PATIENCE_NS
        line = self._ahead if self._needs_last else (yield from source.next())
        if not line:
            return False
        if self._needs_last:
            self._ahead = yield from source.next()
            self._last = not self._ahead
        self.number += 1
        self._newline = "\n" if line.endswith("\n") else ""
        text = line.removesuffix("\n")
        self._space = f"{self._space}\n{text}" if join else text
        if len(self._space) > MAX_SPACE:
            raise ScriptError("memory exhausted")
        return True

    def _cycle(self, source: Source) -> Generator[Wait, None, bool]:
        """Follow the script for one line."""
        while True:
            again = yield from self._follow(source)
            if again is not None:
                return again
            # D: without reading, from the start, with what is left

    def _follow(self, source: Source) -> Generator[Wait, None, bool | None]:  # noqa: PLR0915 - one case per command
        at = steps = 0
        substituted = False
        commands = self._commands
        while at < len(commands):
            steps += 1
            if steps > MAX_STEPS:
                raise ScriptError("the script goes round for ever")
            command = commands[at]
            at += 1
            if not self._selected(command):
                if command.letter == "{":
                    at = command.target
                continue
            match command.letter:
                case "{" | "":
                    pass
                case "s":
                    if self._substitute(command):
                        substituted = True
                case "b":
                    at = command.target
                case "t":
                    at, substituted = (command.target, False) if substituted else (at, False)
                case "T":
                    at, substituted = (at, False) if substituted else (command.target, False)
                case "d":
                    self._flush()
                    return True
                case "c":
                    if not command.active or command.negated or command.second is None:
                        self.write(command.text + "\n")
                    self._flush()
                    return True
                case "D":
                    if "\n" not in self._space:
                        self._flush()
                        return True
                    self._space = self._space.partition("\n")[2]
                    self._flush()
                    return None
                case "n":
                    self._print()
                    if not (yield from self._next(source)):
                        return False
                case "N":
                    self._flush()
                    if not (yield from self._read(source, join=True)):
                        self._print()
                        return False
                case "q":
                    self.status = command.status
                    self._print()
                    self._flush()
                    return False
                case "Q":
                    self.status = command.status
                    return False
                case _:
                    self._plain(command, source)
        self._print()
        self._flush()
        return True

    def _next(self, source: Source) -> Generator[Wait, None, bool]:
        self._flush()
        return (yield from self._read(source))

    def _plain(self, command: Command, source: Source) -> None:
        """The commands that neither jump nor read a line."""
        match command.letter:
            case "p":
                self.write(self._space + "\n")
            case "P":
                self.write(self._space.partition("\n")[0] + "\n")
            case "=":
                self.write(f"{self.number}\n")
            case "F":
                self.write(f"{source.name}\n")
            case "l":
                self.write(_visible(self._space))
            case "y":
                self._space = self._space.translate(command.table)
            case "a":
                self._appended.append(command.text + "\n")
            case "i":
                self.write(command.text + "\n")
            case "r":
                self._appended.append(self._file(command.file))
            case "w":
                self._save(command.file, self._space + "\n")
            case "g":
                self._space = self._hold
            case "G":
                self._space = f"{self._space}\n{self._hold}"
            case "h":
                self._hold = self._space
            case "H":
                self._hold = f"{self._hold}\n{self._space}"
            case "x":
                self._space, self._hold = self._hold, self._space
            case "z":
                self._space = ""
        if len(self._space) + len(self._hold) > MAX_SPACE:
            raise ScriptError("memory exhausted")

    def _print(self) -> None:
        if not self._quiet:
            self.write(self._space + (self._newline or ("\n" if self._appended else "")))

    def _flush(self) -> None:
        """What `a` and `r` keep for the end of the cycle."""
        appended, self._appended = self._appended, []
        for text in appended:
            self.write(text)

    def _file(self, name: str) -> str:
        files = self._process.node.files
        try:
            return files.read(files.resolve(name, self._process.directory))
        except FileError:
            return ""

    def _save(self, name: str, text: str, *, begin: bool = False) -> None:
        if name in ("/dev/stdout", "/dev/stderr"):
            (self._process.stdout if name.endswith("out") else self._process.stderr).write(text)
            return
        files = self._process.node.files
        path = files.resolve(name, self._process.directory)
        try:
            if begin:
                files.write(path, text)
            else:
                files.append(path, text)
        except FileError as error:
            raise ScriptError(f"couldn't open file {name}: {error}") from None

    # Which lines

    def _selected(self, command: Command) -> bool:
        if command.first is None:
            return not command.negated
        chosen = self._at(command.first) if command.second is None else self._in_range(command)
        return chosen != command.negated

    def _at(self, address: Address) -> bool:
        if address.regex is not None:
            return address.regex.search(self._space[:MAX_LINE]) is not None
        if address.last:
            return self._last
        number = address.number or 0
        if address.step:
            return self.number >= number and (self.number - number) % address.step == 0
        return self.number == number

    def _in_range(self, command: Command) -> bool:
        first, second = command.first, command.second
        assert first is not None
        assert second is not None
        if not command.active:
            if first.number == 0 and first.step is None and self.number == 1:
                command.active = True
                return self._still(command, second)
            if not self._at(first):
                return False
            command.until = _end_of(second, self.number)
            command.active = command.until is None or command.until > self.number
            if second.last and self._last:
                command.active = False
            return True
        return self._still(command, second)

    def _still(self, command: Command, second: Address) -> bool:
        """Inside a range, whether this line ends it or lies behind it."""
        if command.until is not None:
            if self.number >= command.until:
                command.active = False
            return self.number <= command.until or (command.first is not None and self._again(command))
        if self._at(second):
            command.active = False
        return True

    def _again(self, command: Command) -> bool:
        command.active = False
        return self._in_range(command)

    # s

    def _substitute(self, command: Command) -> bool:
        assert command.regex is not None
        text = self._space
        out: list[str] = []
        position = count = 0
        changed = False
        for match in command.regex.finditer(text[:MAX_LINE]):
            count += 1
            if count < command.nth:
                continue
            out.append(text[position : match.start()])
            out.append(_replacement(command.text, match))
            position = match.end()
            changed = True
            if not command.everywhere:
                break
        if not changed:
            return False
        out.append(text[position:])
        self._space = "".join(out)
        if len(self._space) > MAX_SPACE:
            raise ScriptError("memory exhausted")
        if command.print_it:
            self.write(self._space + "\n")
        if command.file:
            self._save(command.file, self._space + "\n")
        return True


def _end_of(second: Address, number: int) -> int | None:
    """The number of the last line of a range that begins now, or None where an expression decides."""
    if second.number is not None:
        return second.number
    if second.more is not None:
        return number + second.more
    if second.multiple is not None:
        return (number // second.multiple + 1) * second.multiple if second.multiple else number
    return None


def _replacement(template: str, match: re.Match[str]) -> str:
    r"""The right side of `s`, with GNU's changes of case (\U \L \u \l \E)."""
    out: list[str] = []
    position = 0
    always = once = ""
    while position < len(template):
        char = template[position]
        position += 1
        piece = char
        if char == "&":
            piece = match[0]
        elif char == "\\" and position < len(template):
            escape = template[position]
            position += 1
            if escape in "ULE":
                always, once = escape.replace("E", ""), ""
                continue
            if escape in "ul":
                once = escape
                continue
            if escape.isdecimal():
                piece = (match[0] if escape == "0" else match[int(escape)]) or ""
            else:
                piece = ESCAPES.get(escape, escape)
        if always:
            piece = piece.upper() if always == "U" else piece.lower()
        if once and piece:
            piece = (piece[0].upper() if once == "u" else piece[0].lower()) + piece[1:]
            once = ""
        out.append(piece)
    return "".join(out)


def _visible(text: str) -> str:
    """What `l` prints: unprintable characters as escapes, long lines broken."""
    pieces = []
    for char in text:
        if char in VISIBLE:
            pieces.append(VISIBLE[char])
        elif " " <= char <= "~":
            pieces.append(char)
        else:
            pieces += [f"\\{byte:03o}" for byte in char.encode()]
    lines, line = [], ""
    for piece in pieces:
        if len(line) + len(piece) > LINE_WIDTH:
            lines.append(line + "\\")
            line = ""
        line += piece
    return "\n".join([*lines, line + "$"]) + "\n"
