"""The script of sed: addresses, commands, blocks, labels. Compare with GNU sed 4.9, sed/compile.c."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from labs.shell.regex import RegexError, compile_regex

__all__ = ["Address", "Command", "ScriptError", "parse"]

KNOWN = "{}:=abcdDFgGhHilnNpPqQrstTwxyz"
REFUSED = "eRvW"
NO_ADDRESS = ":}"
ESCAPES = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
MAX_COMMANDS = 4096
EXIT_PANIC = 4  # sed/basicdefs.h


class ScriptError(Exception):
    """A wrong script; str is sed's sentence."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Address:
    """Which line is meant: a number, a step, the last one, an expression; `more` and `multiple` stand after a comma."""

    number: int | None = None
    step: int | None = None
    last: bool = False
    regex: re.Pattern[str] | None = None
    more: int | None = None
    multiple: int | None = None


@dataclass(slots=True)
class Command:
    """One command. `target` is the place in the script where `b`, `t` and `{` go on."""

    letter: str
    first: Address | None = None
    second: Address | None = None
    negated: bool = False
    regex: re.Pattern[str] | None = None
    text: str = ""
    everywhere: bool = False
    print_it: bool = False
    nth: int = 1
    table: dict[int, str] = field(default_factory=dict)
    status: int = 0
    file: str = ""
    target: int = 0
    active: bool = False
    """Inside a range."""
    until: int | None = None
    """The last line of that range, where it is known."""


def parse(text: str, *, extended: bool, name: str = "-e expression #1") -> list[Command]:
    """The commands of a script. Raises ScriptError."""
    return _Parser(text, extended=extended, name=name).commands()


class _Parser:
    def __init__(self, text: str, *, extended: bool, name: str) -> None:
        self.text = text
        self.name = name
        self.position = 0
        self.extended = extended
        self.last_regex: re.Pattern[str] | None = None

    def fault(self, message: str) -> ScriptError:
        if self.name.startswith("-e"):
            return ScriptError(f"{self.name}, char {self.position}: {message}")
        return ScriptError(f"{self.name} line {self.text.count(chr(10), 0, self.position) + 1}: {message}")

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        char = self.peek()
        self.position += len(char)
        return char

    def blanks(self) -> None:
        while self.peek() in (" ", "\t"):
            self.position += 1

    def commands(self) -> list[Command]:
        out: list[Command] = []
        blocks: list[int] = []
        labels: dict[str, int] = {}
        while True:
            while self.peek() and self.peek() in " \t\n;":
                self.position += 1
            if not self.peek():
                break
            if self.peek() == "#":
                while self.peek() not in ("\n", ""):
                    self.position += 1
                continue
            command = self._command()
            if command.letter == "{":
                blocks.append(len(out))
            elif command.letter == "}":
                if not blocks:
                    raise self.fault("unexpected `}'")
                out[blocks.pop()].target = len(out)
                continue
            elif command.letter == ":":
                labels[command.text] = len(out)
                continue
            out.append(command)
            if len(out) > MAX_COMMANDS:
                raise self.fault("too many commands")
        if blocks:
            self.position = 0
            raise self.fault("unmatched `{'")
        for command in out:
            if command.letter in "btT":
                if command.text and command.text not in labels:
                    raise ScriptError(f"can't find label for jump to `{command.text}'", EXIT_PANIC)
                command.target = labels[command.text] if command.text else len(out)
        return out

    def _command(self) -> Command:
        first = self._address()
        second = None
        self.blanks()
        if first is not None and self.peek() == ",":
            self.take()
            self.blanks()
            second = self._address(after=True)
            if second is None:
                self.position += 1
                raise self.fault("unexpected `,'")
        elif first is None and self.peek() == ",":
            self.position += 1
            raise self.fault("unexpected `,'")
        if first is not None and first.number == 0 and first.step is None and (second is None or second.regex is None):
            raise self.fault("invalid usage of line address 0")
        self.blanks()
        negated = False
        while self.peek() in ("!", " ") and self.peek():
            negated = self.take() == "!" or negated
        letter = self.take()
        command = Command(letter, first, second, negated)
        if not letter:
            raise self.fault("missing command")
        if letter in REFUSED:
            raise ScriptError(f'"{letter}" is not simulated here')
        if letter not in KNOWN:
            raise self.fault(f"unknown command: `{letter}'")
        if first is not None and letter in NO_ADDRESS:
            raise self.fault(": doesn't want any addresses" if letter == ":" else "} doesn't want any addresses")
        if letter == "{":
            return command
        if letter in ":btT":
            command.text = self._label(letter)
            return command
        if letter in "rw":
            command.file = self._file_name()
            return command
        if letter in "aic":
            self._text(command)
            return command
        if letter in "qQlL":
            self.blanks()
            command.status = int(self._digits() or 0)
        elif letter == "s":
            self._substitute(command)
            if command.file:
                return command
        elif letter == "y":
            self._transliterate(command)
        self._end(letter)
        return command

    def _end(self, letter: str) -> None:
        self.blanks()
        if self.peek() not in ("", ";", "\n", "#", "}"):
            self.position += 1
            raise self.fault("unknown option to `s'" if letter == "s" else "extra characters after command")

    def _label(self, letter: str) -> str:
        self.blanks()
        start = self.position
        while self.peek() and self.peek() not in "\n;":
            self.position += 1
        label = self.text[start : self.position].strip()
        if letter != ":" and label.endswith("}"):  # GNU takes the brace for a part of the label; so do people not
            label = label[:-1].rstrip()
            self.position = start + self.text[start : self.position].rindex("}")
        if letter == ":" and not label:
            raise self.fault('":" lacks a label')
        return label

    def _file_name(self) -> str:
        self.blanks()
        start = self.position
        while self.peek() not in ("", "\n"):
            self.position += 1
        name = self.text[start : self.position]
        if not name:
            raise self.fault("missing filename in r/R/w/W commands")
        return name

    def _digits(self) -> str:
        start = self.position
        while self.peek().isdecimal() and self.position - start < 9:
            self.position += 1
        return self.text[start : self.position]

    def _address(self, *, after: bool = False) -> Address | None:
        char = self.peek()
        if char.isdecimal():
            number = int(self._digits())
            if self.peek() == "~":
                self.take()
                return Address(number=number, step=int(self._digits() or 0))
            return Address(number=number)
        if char in ("+", "~") and after:
            self.take()
            value = int(self._digits() or 0)
            return Address(more=value) if char == "+" else Address(multiple=value)
        if char == "$":
            self.take()
            return Address(last=True)
        if char in ("/", "\\") and char:
            self.take()
            delimiter = self.take() if char == "\\" else "/"
            pattern = self._until(delimiter, "unterminated address regex", keep=True)
            ignore = multiline = False
            while self.peek() in ("I", "M") and self.peek():
                flag = self.take()
                ignore, multiline = ignore or flag == "I", multiline or flag == "M"
            return Address(regex=self._regex(pattern, ignore=ignore, multiline=multiline))
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
                    out.append(following if keep or following != "&" else "\\&")
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

    def _regex(self, pattern: str, *, ignore: bool, multiline: bool = False) -> re.Pattern[str]:
        if not pattern:
            if self.last_regex is None:
                raise self.fault("no previous regular expression")
            return self.last_regex
        try:
            found = compile_regex(pattern, extended=self.extended, ignore_case=ignore)
        except RegexError as error:
            raise self.fault(str(error)) from None
        self.last_regex = re.compile(found.pattern, found.flags | re.MULTILINE) if multiline else found
        return self.last_regex

    def _substitute(self, command: Command) -> None:
        delimiter = self.take()
        if delimiter in ("", "\n", "\\"):
            raise self.fault("unterminated `s' command")
        pattern = self._until(delimiter, "unterminated `s' command", keep=True)
        command.text = self._until(delimiter, "unterminated `s' command", keep=False)
        ignore = multiline = False
        while self.peek() and self.peek() in "gpiImMwe0123456789":
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
            elif flag in "mM":
                multiline = True
            elif flag == "w":
                command.file = self._file_name()
                break
            else:
                raise ScriptError(f'flag "{flag}" of "s" is not simulated here')
        command.regex = self._regex(pattern, ignore=ignore, multiline=multiline)
        used = [int(digit) for digit in re.findall(r"\\(\d)", command.text.replace("\\\\", ""))]
        if used and max(used) > command.regex.groups:
            raise self.fault(f"invalid reference \\{max(used)} on `s' command's RHS")

    def _transliterate(self, command: Command) -> None:
        delimiter = self.take()
        source, target = (
            re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), side)
            for side in (
                self._until(delimiter, "unterminated `y' command", keep=False),
                self._until(delimiter, "unterminated `y' command", keep=False),
            )
        )
        if len(source) != len(target):
            raise self.fault("strings for `y' command are different lengths")
        command.table = {ord(a): b for a, b in zip(source, target, strict=True)}

    def _text(self, command: Command) -> None:
        r"""`a text`, `a\text` with its blanks, or `a\` and the text on the next lines."""
        self.blanks()
        if not self.peek():
            raise self.fault("expected \\ after `a', `c' or `i'")
        if self.peek() == "\\":
            self.take()
            start = self.position
            self.blanks()
            if self.peek() == "\n":
                self.take()
            else:
                self.position = start
            if not self.peek():
                command.letter = "" if command.letter in "ai" else command.letter
                if self.position == start:
                    return
                raise self.fault("expected \\ after `a', `c' or `i'")
        out: list[str] = []
        while self.peek() not in ("", "\n"):
            char = self.take()
            if char == "\\":
                char = self.take()
                char = ESCAPES.get(char, char)
            out.append(char)
        command.text = "".join(out)
