"""sed (GNU sed 4.9): edit lines. The commands are s p d a i c q = y n and blocks are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.commandline import Lines, begin, fail, split_lines
from labs.shell.regex import RegexError, compile_regex

__all__ = ["COMMANDS"]

USAGE = """sed [-nEi] [-e SCRIPT]... [SCRIPT] [FILE]...
  -n  print only what p asks for      -E, -r  extended expressions
  -i  change the files themselves     -i.bak  and keep the old ones as FILE.bak
  addresses: N  $  N,M  /regex/  /a/,/b/  N,+M  and ! for all others
  commands: s/regex/text/[g][p][i][N]  p  d  a text  i text  c text  q  =  y/abc/xyz/"""
PATIENCE_NS = 60 * 1_000_000_000
MAX_LINE = 8192


class _ScriptError(Exception):
    """A wrong script; str is sed's sentence."""


@dataclass(slots=True)
class _Address:
    number: int | None = None
    last: bool = False
    regex: re.Pattern[str] | None = None
    more: int | None = None


@dataclass(slots=True)
class _Command:
    letter: str
    first: _Address | None = None
    second: _Address | None = None
    negated: bool = False
    regex: re.Pattern[str] | None = None
    text: str = ""
    everywhere: bool = False
    print_it: bool = False
    nth: int = 1
    table: dict[int, str] | None = None
    status: int = 0
    active_until: int | None = None
    """Inside a range: the last line of it, or 0 while only the second expression can end it."""


class _Parser:
    def __init__(self, text: str, *, extended: bool) -> None:
        self.text = text
        self.position = 0
        self.extended = extended
        self.last_regex: re.Pattern[str] | None = None

    def fault(self, message: str) -> _ScriptError:
        return _ScriptError(f"-e expression #1, char {self.position}: {message}")

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        self.position += len(char)
        return char

    def commands(self) -> list[_Command]:
        out: list[_Command] = []
        while True:
            while self.peek() and self.peek() in " \t\n;":
                self.position += 1
            if not self.peek():
                return out
            if self.peek() == "#":
                while self.peek() not in ("\n", ""):
                    self.position += 1
                continue
            out.append(self._command())

    def _command(self) -> _Command:
        first = self._address()
        second = None
        if self.peek() == ",":
            self.take()
            second = self._address(after=True)
            if second is None:
                raise self.fault("unexpected `,'")
        while self.peek() == " ":
            self.take()
        negated = False
        while self.peek() in ("!", " ") and self.peek():
            negated = self.take() == "!" or negated
        letter = self.take()
        command = _Command(letter, first, second, negated)
        if not letter:
            raise self.fault("missing command")
        if letter in "pd=nD":
            if letter in "nD":
                raise _ScriptError(f'"{letter}" is not simulated here')
        elif letter == "q":
            digits = self._digits()
            command.status = int(digits or 0)
        elif letter == "s":
            self._substitute(command)
        elif letter == "y":
            self._transliterate(command)
        elif letter in "aic":
            self._text(command)
            return command
        elif letter in "{}:btTNPGgHhxlrRwWeF":
            raise _ScriptError(f'"{letter}" is not simulated here')
        else:
            raise self.fault(f"unknown command: `{letter}'")
        while self.peek() == " ":
            self.take()
        if self.peek() not in ("", ";", "\n", "#"):
            self.position += 1
            raise self.fault("unknown option to `s'" if letter == "s" else "extra characters after command")
        return command

    def _digits(self) -> str:
        start = self.position
        while self.peek().isdecimal() and self.position - start < 9:
            self.position += 1
        return self.text[start : self.position]

    def _address(self, *, after: bool = False) -> _Address | None:
        char = self.peek()
        if char.isdecimal():
            number = int(self._digits())
            if self.peek() == "~":
                raise _ScriptError('steps ("first~step") are not simulated here')
            return _Address(number=number)
        if char == "+" and after:
            self.take()
            return _Address(more=int(self._digits() or 0))
        if char == "$":
            self.take()
            return _Address(last=True)
        if char in ("/", "\\") and char:
            self.take()
            delimiter = self.take() if char == "\\" else "/"
            pattern = self._until(delimiter, "unterminated address regex", keep=True)
            ignore = False
            if self.peek() == "I":
                ignore = bool(self.take())
            return _Address(regex=self._regex(pattern, ignore=ignore))
        return None

    def _until(self, delimiter: str, complaint: str, *, keep: bool) -> str:
        """Text up to the delimiter; `keep` leaves backslashes before other characters."""
        out: list[str] = []
        bracket = False
        while True:
            char = self.take()
            if not char or (char == "\n" and keep and delimiter != "\n"):
                self.position = len(self.text)
                raise self.fault(complaint)
            if char == "\\":
                following = self.take()
                if following == delimiter:
                    out.append(following)
                else:
                    out.append("\\" + following)
            elif char == delimiter and not bracket:
                return "".join(out)
            else:
                if keep and char == "[" and not bracket:
                    bracket = True
                    out.append(char)
                    if self.peek() == "^":
                        out.append(self.take())
                    if self.peek() == "]":
                        out.append(self.take())
                    continue
                if char == "]":
                    bracket = False
                elif bracket and char == "[" and self.peek() == ":":
                    close = self.text.find(":]", self.position)
                    if close > 0:
                        out.append(self.text[self.position - 1 : close + 2])
                        self.position = close + 2
                        continue
                out.append(char)

    def _regex(self, pattern: str, *, ignore: bool) -> re.Pattern[str]:
        if not pattern:
            if self.last_regex is None:
                raise self.fault("no previous regular expression")
            return self.last_regex
        try:
            self.last_regex = compile_regex(pattern, extended=self.extended, ignore_case=ignore)
        except RegexError as error:
            raise self.fault(str(error)) from None
        return self.last_regex

    def _substitute(self, command: _Command) -> None:
        delimiter = self.take()
        if delimiter in ("", "\n", "\\"):
            raise self.fault("unterminated `s' command")
        pattern = self._until(delimiter, "unterminated `s' command", keep=True)
        command.text = self._until(delimiter, "unterminated `s' command", keep=False)
        ignore = False
        while self.peek() and self.peek() in "gpiImMe0123456789":
            flag = self.peek()
            if flag.isdecimal():
                command.nth = int(self._digits())
                if not command.nth:
                    raise self.fault("number option to `s' command may not be zero")
                continue
            self.take()
            if flag == "g":
                command.everywhere = True
            elif flag == "p":
                command.print_it = True
            elif flag in "iI":
                ignore = True
            else:
                raise _ScriptError(f'flag "{flag}" of "s" is not simulated here')
        command.regex = self._regex(pattern, ignore=ignore)
        used = [int(digit) for digit in re.findall(r"\\(\d)", command.text.replace("\\\\", ""))]
        if used and max(used) > command.regex.groups:
            raise self.fault(f"invalid reference \\{max(used)} on `s' command's RHS")

    def _transliterate(self, command: _Command) -> None:
        delimiter = self.take()
        source = (
            self._until(delimiter, "unterminated `y' command", keep=False).replace("\\n", "\n").replace("\\\\", "\\")
        )
        target = (
            self._until(delimiter, "unterminated `y' command", keep=False).replace("\\n", "\n").replace("\\\\", "\\")
        )
        if len(source) != len(target):
            raise self.fault("strings for `y' command are different lengths")
        command.table = {ord(a): b for a, b in zip(source, target, strict=True)}

    def _text(self, command: _Command) -> None:
        """`a text`, or `a`, a backslash and the text on the next line."""
        while self.peek() in (" ", "\t") and self.peek():
            self.take()
        if self.peek() == "\\":
            self.take()
            while self.peek() in (" ", "\t") and self.peek():
                self.take()
            if self.peek() == "\n":
                self.take()
        if not self.peek():
            raise self.fault("expected \\ after `a', `c' or `i'")
        out: list[str] = []
        while self.peek() not in ("", "\n"):
            char = self.take()
            if char == "\\":
                char = {"t": "\t"}.get(self.peek(), self.peek())
                self.take()
            out.append(char)
        command.text = "".join(out)


def sed(process: Process) -> Routine:
    """Edit a stream."""
    arguments = list(process.argv[1:])
    suffix: str | None = None
    for index, word in enumerate(arguments):  # -i takes its value only when glued to it
        match = re.fullmatch(r"(-[nErs]*)i(.*)|--in-place(?:=(.*))?", word, re.DOTALL)
        if match and word != "--":
            suffix = match[2] or match[3] or ""
            letters = match[1] or "-"
            if match[2] and set(match[2]) <= set("nErs"):  # -in would keep copies named FILEn, as the real one does
                suffix = match[2]
            arguments[index : index + 1] = [letters] if letters != "-" else []
            break
        if word in ("-e", "-f", "--"):
            continue
    process.argv = [process.argv[0], *arguments]
    parsed = begin(process, "nErse:f:lz", ["quiet", "silent", "regexp-extended", "expression=", "file="], usage=USAGE)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    flags = {option for option, _ in options}
    if flags & {"-f", "--file", "-z", "-l"}:
        return fail(process, "only -n, -E, -r, -i, -s and -e are simulated here")
    scripts = [value for option, value in options if option in ("-e", "--expression")]
    if not scripts:
        if not operands:
            process.error(f"Usage: {USAGE}")
            return 1
        scripts = [operands.pop(0)]
    try:
        extended = bool(flags & {"-E", "-r", "--regexp-extended"})
        commands = _Parser("\n".join(scripts), extended=extended).commands()
    except _ScriptError as error:
        return fail(process, str(error))
    editor = _Editor(process, commands, quiet=bool(flags & {"-n", "--quiet", "--silent"}))
    if suffix is not None:
        return _in_place(process, editor, operands, suffix)
    lines = Lines(process, operands, missing="can't read {name}: {error}", directory="couldn't read {name}: {error}")
    status = yield from editor.stream(lines)
    return status or (2 if lines.failed else 0)


def _in_place(process: Process, editor: _Editor, names: list[str], suffix: str) -> int:
    if not names:
        return fail(process, "no input files")
    files, status = process.node.files, 0
    for name in names:
        path = files.resolve(name, process.directory)
        try:
            text = files.read(path)
        except FileError as error:
            status = 4
            is_directory = str(error) == "Is a directory"
            fail(
                process, f"couldn't edit {name}: not a regular file" if is_directory else f"can't read {name}: {error}"
            )
            status = 4 if is_directory else 2
            continue
        out: list[str] = []
        editor.restart(out.append)
        lines = split_lines(text)
        for index, line in enumerate(lines):
            if not editor.line(line, last=index == len(lines) - 1):
                out.extend(lines[index + 1 :])
                break
        if suffix:
            files.write(path + suffix, text)
        files.write(path, "".join(out))
    return status


class _Editor:
    def __init__(self, process: Process, commands: list[_Command], *, quiet: bool) -> None:
        self.process = process
        self.commands = commands
        self.quiet = quiet
        self.write: Callable[[str], object] = process.stdout.write
        self.number = 0
        self.status = 0

    def restart(self, write: Callable[[str], None]) -> None:
        """A new file for -i: lines count from 1."""
        self.write = write
        self.number = 0
        for command in self.commands:
            command.active_until = None

    def stream(self, lines: Lines) -> Generator[Wait, None, int]:
        """Edit what comes; one line is read ahead where `$` has to be known."""
        needs_last = any(a is not None and a.last for c in self.commands for a in (c.first, c.second))
        stops = any(command.letter == "q" for command in self.commands)
        line = yield from lines.next()
        while line:
            if stops:
                self.process.finite_until_ns = self.process.node.now + PATIENCE_NS
            following = (yield from lines.next()) if needs_last else ""
            if not self.line(line, last=needs_last and not following):
                break
            line = following if needs_last else (yield from lines.next())
        return self.status

    def _selected(self, command: _Command, text: str, *, last: bool) -> bool:
        if command.first is None:
            return not command.negated
        if command.second is None:
            return self._at(command.first, text, last=last) != command.negated
        return self._in_range(command, text, last=last) != command.negated

    def _at(self, address: _Address, text: str, *, last: bool) -> bool:
        if address.regex is not None:
            return address.regex.search(text[:MAX_LINE]) is not None
        return last if address.last else address.number == self.number

    def _in_range(self, command: _Command, text: str, *, last: bool) -> bool:
        assert command.first is not None
        assert command.second is not None
        second = command.second
        if command.active_until is None:
            if not self._at(command.first, text, last=last):
                return False
            if second.number is not None:
                command.active_until = second.number if second.number > self.number else None
            elif second.more is not None:
                command.active_until = self.number + second.more if second.more else None
            else:
                command.active_until = 0 if not (second.last and last) else None
            return True
        ends = self.number >= command.active_until if command.active_until else self._at(second, text, last=last)
        if ends:
            inside = not command.active_until or self.number <= command.active_until
            command.active_until = None
            return inside
        return True

    def line(self, line: str, *, last: bool) -> bool:
        """One cycle; False after `q`."""
        self.number += 1
        newline = "\n" if line.endswith("\n") else ""
        text = line.removesuffix("\n")
        appended: list[str] = []
        deleted, go_on = False, True
        for command in self.commands:
            in_range_before = command.active_until
            if not self._selected(command, text, last=last):
                continue
            letter = command.letter
            if letter == "s":
                text, changed = _substituted(command, text)
                if changed and command.print_it:
                    self.write(text + "\n")
            elif letter == "p":
                self.write(text + "\n")
            elif letter == "=":
                self.write(f"{self.number}\n")
            elif letter == "y":
                text = text.translate(command.table or {})
            elif letter == "a":
                appended.append(command.text + "\n")
            elif letter == "i":
                self.write(command.text + "\n")
            elif letter in "dc":
                ends = command.second is None or command.negated or command.active_until is None
                if letter == "c" and (ends or (last and in_range_before is not None)):
                    self.write(command.text + "\n")
                deleted = True
                break
            elif letter == "q":
                go_on, self.status = False, command.status
                break
        if not deleted and not self.quiet:
            self.write(text + (newline or ("\n" if appended else "")))
        for extra in appended:
            self.write(extra)
        return go_on


def _substituted(command: _Command, text: str) -> tuple[str, bool]:
    assert command.regex is not None
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
    out.append(text[position:])
    return "".join(out), changed


def _replacement(template: str, match: re.Match[str]) -> str:
    out: list[str] = []
    position = 0
    while position < len(template):
        char = template[position]
        position += 1
        if char == "&":
            out.append(match[0])
        elif char == "\\" and position < len(template):
            escape = template[position]
            position += 1
            if escape.isdecimal():
                out.append((match[0] if escape == "0" else match[int(escape)]) or "")
            else:
                out.append({"n": "\n", "t": "\t"}.get(escape, escape))
        else:
            out.append(char)
    return "".join(out)


COMMANDS: dict[str, Program] = {"sed": sed}
