"""`test`, `[` and `[[`: conditions on texts, numbers and simulated files (POSIX.1-2017, XCU test)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from labs.net.filesystem import FileSystem

__all__ = ["BINARY", "UNARY", "ConditionError", "test"]

UNARY = frozenset("-b -c -d -e -f -g -h -k -L -n -o -p -r -s -S -t -u -v -w -x -z".split())
NUMERIC: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
TEXTUAL: dict[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
BINARY = frozenset([*NUMERIC, *TEXTUAL, "-nt", "-ot", "-ef"])


class ConditionError(Exception):
    """A wrong condition; str is bash's sentence after `test: ` or `[: `."""


def test(arguments: Sequence[str], files: FileSystem, directory: str) -> bool:
    """The truth of the arguments of `test`. Raises ConditionError."""
    return _Test(arguments, files, directory).value()


def unary(operator: str, operand: str, files: FileSystem, directory: str) -> bool:
    """One operand."""
    if operator in ("-n", "-z"):
        return bool(operand) == (operator == "-n")
    if operator == "-t":
        return False
    path = files.resolve(operand, directory)
    if not operand:
        return False
    if operator == "-d":
        return files.is_directory(path) and not files.is_file(path)
    if operator == "-f":
        return files.is_file(path) and not path.startswith("/dev/")
    if operator == "-c":
        return files.is_file(path) and path.startswith("/dev/")
    if operator == "-s":
        return files.is_directory(path) if not files.is_file(path) else bool(files.read(path))
    if operator in ("-e", "-r", "-w", "-x"):
        return files.exists(path)
    return False


def number(text: str) -> int:
    """An integer operand. Raises ConditionError."""
    if not re.fullmatch(r"\s*[-+]?\d{1,25}\s*", text):
        raise ConditionError(f"{text}: integer expression expected")
    return int(text)


def binary(left: str, operator: str, right: str) -> bool:
    """Two operands."""
    if operator in TEXTUAL:
        return TEXTUAL[operator](left, right)
    if operator in NUMERIC:
        return NUMERIC[operator](number(left), number(right))
    raise ConditionError(f"{operator}: times and inodes of files are not simulated here")


class _Test:
    """POSIX decides by the number of arguments; more than four are parsed with -a and -o."""

    def __init__(self, arguments: Sequence[str], files: FileSystem, directory: str) -> None:
        self.arguments = list(arguments)
        self.files = files
        self.directory = directory
        self.index = 0

    def value(self) -> bool:
        words = self.arguments
        count = len(words)
        if count == 0:
            return False
        if count == 1:
            return bool(words[0])
        if count == 2:
            if words[0] == "!":
                return not words[1]
            if words[0] in UNARY:
                return unary(words[0], words[1], self.files, self.directory)
            raise ConditionError(f"{words[0]}: unary operator expected")
        if count == 3:
            if words[1] in BINARY:
                return binary(words[0], words[1], words[2])
            if words[1] in ("-a", "-o"):
                return bool(words[0] and words[2]) if words[1] == "-a" else bool(words[0] or words[2])
            if words[0] == "!":
                return not _Test(words[1:], self.files, self.directory).value()
            if words[0] == "(" and words[2] == ")":
                return bool(words[1])
            raise ConditionError(f"{words[1]}: binary operator expected")
        if count == 4 and words[0] == "!":
            return not _Test(words[1:], self.files, self.directory).value()
        result = self._or(0)
        if self.index < count:
            raise ConditionError("too many arguments")
        return result

    def _peek(self) -> str | None:
        return self.arguments[self.index] if self.index < len(self.arguments) else None

    def _or(self, depth: int) -> bool:
        result = self._and(depth)
        while self._peek() == "-o":
            self.index += 1
            right = self._and(depth)
            result = result or right
        return result

    def _and(self, depth: int) -> bool:
        result = self._primary(depth)
        while self._peek() == "-a":
            self.index += 1
            right = self._primary(depth)
            result = result and right
        return result

    def _primary(self, depth: int) -> bool:
        if depth > 50:
            raise ConditionError("too many arguments")
        word = self._peek()
        if word is None:
            raise ConditionError("argument expected")
        self.index += 1
        following = self._peek()
        if word == "!":
            return not self._primary(depth + 1)
        if following in BINARY and self.index + 1 < len(self.arguments):
            right = self.arguments[self.index + 1]
            self.index += 2
            return binary(word, following or "", right)
        if word == "(":
            result = self._or(depth + 1)
            if self._peek() != ")":
                raise ConditionError("`)' expected")
            self.index += 1
            return result
        if word in UNARY and following is not None:
            self.index += 1
            return unary(word, following, self.files, self.directory)
        return bool(word)
