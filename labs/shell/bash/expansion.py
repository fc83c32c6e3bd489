"""Words to fields: tilde, parameters, substitution, arithmetic, splitting, file names (POSIX.1-2017, XCU §2.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from labs.net.filesystem import FileSystem
from labs.net.process import Wait
from labs.shell.bash import arithmetic, arrays, patterns
from labs.shell.bash.state import State
from labs.shell.bash.syntax import (
    Arithmetic,
    CommandSubstitution,
    CompoundList,
    Literal,
    Parameter,
    Part,
    ProcessSubstitution,
    Word,
)

__all__ = ["Expander", "ExpansionError", "braces"]

MAX_FIELDS = 10_000
MAX_TEXT = 1 << 18
CONSTANTS = {"UID": "0", "EUID": "0", "BASH_VERSION": "5.2.15(1)-release", "OSTYPE": "linux-gnu", "HOSTTYPE": "x86_64"}
Substitute = Callable[[CompoundList], Generator[Wait, None, str]]


class ExpansionError(Exception):
    """A word that cannot be expanded; str is bash's sentence."""


class _Piece(NamedTuple):
    """A run of text: quoted text keeps its blanks and stars; `split` text is cut at IFS; `cut` begins a new field."""

    text: str
    quoted: bool
    split: bool = False
    cut: bool = False


class Expander:
    """Expands words for one shell. `substitute` runs a list and returns what it printed."""

    def __init__(self, state: State, files: FileSystem, substitute: Substitute) -> None:
        self._state = state
        self._files = files
        self._substitute = substitute
        self.opened: list[str] = []
        """The files of process substitutions that are still there."""

    # What the interpreter asks for

    def fields(self, words: Sequence[Word]) -> Generator[Wait, None, list[str]]:
        """The arguments that the words become."""
        out: list[str] = []
        for word in words:
            for variant in braces(word):
                pieces = yield from self._pieces(variant, tilde=True)
                out.extend(self._split_and_match(pieces))
                if len(out) > MAX_FIELDS:
                    raise ExpansionError("Argument list too long")
        return out

    def text(self, word: Word, *, tilde: bool = True) -> Generator[Wait, None, str]:
        """One text, neither split nor matched, as for assignments, `case` and here-documents."""
        pieces = yield from self._pieces(word, tilde=tilde)
        text = "".join((" " if piece.cut else "") + piece.text for piece in pieces)
        if len(text) > MAX_TEXT:
            raise ExpansionError("the text is too long")
        return text

    def pattern(self, word: Word) -> Generator[Wait, None, str]:
        """A pattern in which quoted text stands for itself."""
        pieces = yield from self._pieces(word, tilde=True)
        return "".join(patterns.escape(piece.text) if piece.quoted else piece.text for piece in pieces)

    def regular_expression(self, word: Word) -> Generator[Wait, None, str]:
        """The right side of `=~`: quoted text stands for itself."""
        pieces = yield from self._pieces(word, tilde=True)
        return "".join(re.escape(piece.text) if piece.quoted else piece.text for piece in pieces)

    def number(self, word: Word) -> Generator[Wait, None, int]:
        """The value of an arithmetic expression. Raises ExpansionError."""
        text = yield from self.text(word, tilde=False)
        try:
            return arithmetic.evaluate(text, self._state.variables)
        except arithmetic.ArithmeticFault as fault:
            raise ExpansionError(str(fault)) from None

    # Parts

    def _pieces(self, word: Word, *, tilde: bool) -> Generator[Wait, None, list[_Piece]]:
        pieces: list[_Piece] = []
        for index, part in enumerate(word.parts):
            if isinstance(part, Literal):
                text = self._tilde(part.text) if tilde and index == 0 and not part.quoted else part.text
                pieces.append(_Piece(text, part.quoted))
            else:
                pieces.extend((yield from self._expand(part)))
        return pieces

    def _tilde(self, text: str) -> str:
        if text == "~" or text.startswith("~/"):
            return self._state.variables.get("HOME", "/root") + text[1:]
        if text.startswith("~root") and text[5:6] in ("", "/"):
            return "/root" + text[5:]
        if text in ("~+", "~-"):
            return self._state.variables.get("PWD" if text == "~+" else "OLDPWD", text)
        return text

    def _expand(self, part: Part) -> Generator[Wait, None, list[_Piece]]:
        if isinstance(part, CommandSubstitution):
            printed = yield from self._substitute(part.script)
            return [_Piece(printed.rstrip("\n"), part.quoted, split=True)]
        if isinstance(part, Arithmetic):
            value = yield from self.number(part.expression)
            return [_Piece(str(value), part.quoted, split=True)]
        if isinstance(part, ProcessSubstitution):
            return [_Piece((yield from self._file_of(part)), quoted=True)]
        assert isinstance(part, Parameter)
        if part.operator == "bad":
            source = part.word.source if part.word else ""
            raise ExpansionError(f"{source}: bad substitution")
        if part.name in ("@", "*") and not part.operator and not part.length:
            return self._listed(part, self._state.arguments, joined=part.name == "*")
        if part.index is None:
            return (yield from self._parameter(part, self.value(part.name)))
        if part.index.source in ("@", "*"):
            return (yield from self._array(part))
        try:
            key = yield from arrays.key_of(self, self._state, part.name, part.index)
        except arithmetic.ArithmeticFault as fault:
            raise ExpansionError(str(fault)) from None
        return (yield from self._parameter(part, arrays.element(self._state, part.name, key)))

    def _array(self, part: Parameter) -> Generator[Wait, None, list[_Piece]]:
        """`${name[@]}` with what may stand around it."""
        state, joined = self._state, part.index is not None and part.index.source == "*"
        found = (arrays.keys if part.keys else arrays.values)(state, part.name)
        if part.length:
            return [_Piece(str(len(found)), part.quoted)]
        word = part.word or Word(())
        if part.operator == ":":
            found = yield from self._slice(found, word)
        elif part.operator in (":-", "-", ":+", "+"):
            if bool(found) == (part.operator[-1] == "+"):
                return [_Piece((yield from self.text(word)), part.quoted, split=True)]
        elif part.operator:
            changed: list[str] = []
            for value in found:
                changed += [(yield from self._transformed(part, value, word))]
            found = changed
        return self._listed(part, found, joined=joined)

    def _slice(self, found: list[str], word: Word) -> Generator[Wait, None, list[str]]:
        text = yield from self.text(word)
        first, colon, length = text.partition(":")
        try:
            start = arithmetic.evaluate(first, self._state.variables)
            count = arithmetic.evaluate(length, self._state.variables) if colon else len(found)
        except arithmetic.ArithmeticFault as fault:
            raise ExpansionError(str(fault)) from None
        start = start + len(found) if start < 0 else start
        return found[start : start + count] if start >= 0 else []

    def _file_of(self, part: ProcessSubstitution) -> Generator[Wait, None, str]:
        """`<(…)`: what the list printed, as a file."""
        printed = yield from self._substitute(part.script)
        number = next(n for n in range(63, -1, -1) if n < 10 or not self._files.is_file(f"/dev/fd/{n}"))
        self._files.write(f"/dev/fd/{number}", printed)
        self.opened.append(f"/dev/fd/{number}")
        return f"/dev/fd/{number}"

    def close(self, kept: int) -> None:
        """The files of process substitutions beyond the first `kept` are gone."""
        while len(self.opened) > kept:
            path = self.opened.pop()
            if self._files.is_file(path):
                self._files.remove(path)

    def _listed(self, part: Parameter, arguments: list[str], *, joined: bool) -> list[_Piece]:
        if joined and part.quoted:
            separator = self._state.variables.get("IFS", " ")[:1]
            return [_Piece(separator.join(arguments), quoted=True)]
        if not arguments:
            return [_Piece("", quoted=False)]
        return [
            _Piece(argument, part.quoted, split=not part.quoted, cut=index > 0)
            for index, argument in enumerate(arguments)
        ]

    def value(self, name: str) -> str | None:
        """The value of a variable or special parameter; None where it is unset."""
        state = self._state
        special: dict[str, Callable[[], str | None]] = {
            "?": lambda: str(state.status),
            "#": lambda: str(len(state.arguments)),
            "$": lambda: str(state.shell_pid),
            "!": lambda: str(state.last_background) if state.last_background else None,
            "-": state.options,
            "@": lambda: " ".join(state.arguments) if state.arguments else None,
            "*": lambda: " ".join(state.arguments) if state.arguments else None,
        }
        if name in special:
            return special[name]()
        if name.isdecimal():
            number = int(name)
            if number == 0:
                return state.name
            return state.arguments[number - 1] if number <= len(state.arguments) else None
        if name in state.arrays:
            return arrays.element(state, name, "0")
        if name == "RANDOM" and name not in state.variables:
            state.random = state.random * 16807 % 2147483647  # brand(), bash lib/sh/random.c
            return str(state.random & 0x7FFF)
        return state.variables.get(name, CONSTANTS.get(name))

    def _parameter(self, part: Parameter, value: str | None) -> Generator[Wait, None, list[_Piece]]:
        if part.length:
            if part.name in ("@", "*"):
                return [_Piece(str(len(self._state.arguments)), part.quoted)]
            return [_Piece(str(len(value or "")), part.quoted, split=True)]
        operator, word = part.operator, part.word or Word(())
        missing = value is None or (operator.startswith(":") and not value)
        kind = operator.lstrip(":") if operator in (":-", ":=", ":+", ":?", "-", "=", "+", "?") else ""
        if kind in ("-", "+"):
            if missing != (kind == "-"):
                return [_Piece(value or "", part.quoted, split=True)] if kind == "-" else [_Piece("", part.quoted)]
            pieces = yield from self._pieces(word, tilde=True)
            return [p._replace(quoted=p.quoted or part.quoted, split=not part.quoted) for p in pieces]
        if kind in ("=", "?") and missing:
            text = yield from self.text(word)
            if kind == "?":
                default = "parameter null or not set" if operator == ":?" else "parameter not set"
                raise ExpansionError(f"{part.name}: {text or default}")
            self._state.variables[part.name] = text
            value = text
        elif value is None:
            if self._state.nounset:
                raise ExpansionError(f"{part.name}: unbound variable")
            value = ""
        if operator and not kind:
            value = yield from self._transformed(part, value, word)
        return [_Piece(value, part.quoted, split=True)]

    def _transformed(self, part: Parameter, value: str, word: Word) -> Generator[Wait, None, str]:
        operator = part.operator
        if operator in ("#", "##", "%", "%%"):
            pattern = yield from self.pattern(word)
            return _trimmed(value, operator, pattern)
        if operator == ":":
            return (yield from self._substring(value, word))
        if operator in ("^", "^^"):
            return value.upper() if operator == "^^" else value[:1].upper() + value[1:]
        if operator in (",", ",,"):
            return value.lower() if operator == ",," else value[:1].lower() + value[1:]
        return (yield from self._replaced(operator, value, word))

    def _substring(self, value: str, word: Word) -> Generator[Wait, None, str]:
        text = yield from self.text(word)
        offset_text, colon, length_text = text.partition(":")
        try:
            offset = arithmetic.evaluate(offset_text, self._state.variables)
            length = arithmetic.evaluate(length_text, self._state.variables) if colon else len(value)
        except arithmetic.ArithmeticFault as fault:
            raise ExpansionError(str(fault)) from None
        if offset < 0:
            offset += len(value)
        if offset < 0 or offset > len(value):
            return ""
        stop = offset + length if length >= 0 else len(value) + length
        if stop < offset and length < 0:
            raise ExpansionError(f"{length_text}: substring expression < 0")
        return value[offset:stop]

    def _replaced(self, operator: str, value: str, word: Word) -> Generator[Wait, None, str]:
        """`${name/pattern/text}`: the first unquoted slash divides."""
        before: list[Part] = []
        after: list[Part] = []
        seen = False
        for part in word.parts:
            if not seen and isinstance(part, Literal) and not part.quoted and "/" in part.text:
                left, _, right = part.text.partition("/")
                before.extend([Literal(left)] if left else [])
                after.extend([Literal(right)] if right else [])
                seen = True
            else:
                (after if seen else before).append(part)
        pattern = yield from self.pattern(Word(tuple(before)))
        text = yield from self.text(Word(tuple(after)))
        if not pattern:
            return value
        expression = patterns.regular_expression(pattern)
        if operator in ("/#", "/%"):
            expression = f"\\A(?:{expression})" if operator == "/#" else f"(?:{expression})\\Z"
        return re.sub(expression, lambda _: text, value, count=0 if operator == "//" else 1, flags=re.DOTALL)

    # Splitting and file names

    def _split_and_match(self, pieces: list[_Piece]) -> list[str]:
        out: list[str] = []
        for text, pattern in self._split(pieces):
            magic = patterns.has_magic(pattern)
            found = patterns.paths(self._files, self._state.directory, pattern) if magic else []
            out.extend(found or ([] if magic and self._state.nullglob else [text]))
        return out

    def _split(self, pieces: list[_Piece]) -> list[tuple[str, str]]:
        """Fields as (text, pattern)."""
        separators = self._state.variables.get("IFS", " \t\n")
        fields: list[tuple[str, str]] = []
        text: list[str] = []
        pattern: list[str] = []
        begun = False

        def end() -> None:
            nonlocal begun
            if begun:
                fields.append(("".join(text), "".join(pattern)))
            text.clear()
            pattern.clear()
            begun = False

        for piece in pieces:
            if piece.cut:
                end()
            if piece.quoted or not piece.split:
                text.append(piece.text)
                pattern.append(patterns.escape(piece.text) if piece.quoted else piece.text)
                begun = begun or piece.quoted or bool(piece.text)
                continue
            for run in _runs(piece.text, separators):
                if run is None:
                    end()
                elif run == "":
                    begun = True
                    end()
                else:
                    text.append(run)
                    pattern.append(run.replace("\\", "\\\\"))
                    begun = True
        end()
        return fields


def _runs(text: str, separators: str) -> list[str | None]:
    """Cut at IFS: None between fields, "" for an empty field between two visible separators."""
    if not separators:
        return [text] if text else []
    blanks = "".join(char for char in separators if char in " \t\n")
    out: list[str | None] = []
    run = ""
    visible = False
    for char in text:
        if char not in separators:
            run += char
            visible = False
            continue
        if run:
            out.extend([run, None])
            run = ""
            visible = char not in blanks
        elif char in blanks:
            out.append(None)
        else:
            if visible or not out or out == [None]:
                out.append("")
            visible = True
    if run:
        out.append(run)
    return out


def _trimmed(value: str, operator: str, pattern: str) -> str:
    lengths = range(len(value) + 1)
    if operator[0] == "#":
        for length in lengths if operator == "#" else reversed(lengths):
            if patterns.matches(pattern, value[:length]):
                return value[length:]
    else:
        for length in lengths if operator == "%" else reversed(lengths):
            if patterns.matches(pattern, value[len(value) - length :]):
                return value[: len(value) - length]
    return value


SEQUENCE = re.compile(
    r"(-?\d{1,9})\.\.(-?\d{1,9})(?:\.\.(-?\d{1,9}))?\Z|([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,9}))?\Z"
)


def braces(word: Word) -> list[Word]:
    """`a{b,c}` and `{1..4}`, where the braces and all between them are unquoted plain text."""
    for index, part in enumerate(word.parts):
        if not isinstance(part, Literal) or part.quoted or "{" not in part.text:
            continue
        found = _brace(part.text)
        if found is None:
            continue
        before, choices, after = found
        out: list[Word] = []
        for choice in choices[:MAX_FIELDS]:
            text = before + choice
            head = (*word.parts[:index], *((Literal(text),) if text else ()))
            rest = Word((*((Literal(after),) if after else ()), *word.parts[index + 1 :]))
            out.extend(Word((*head, *tail.parts)) for tail in braces(rest))
            if len(out) > MAX_FIELDS:
                break
        return out
    return [word]


def _brace(text: str) -> tuple[str, list[str], str] | None:
    start = text.find("{")
    while start >= 0:
        depth, parts, last = 0, [], start + 1
        for position in range(start, len(text)):
            char = text[position]
            depth += (char == "{") - (char == "}")
            if char == "," and depth == 1:
                parts.append(text[last:position])
                last = position + 1
            if depth == 0:
                parts.append(text[last:position])
                choices = _choices(parts)
                if choices:
                    return text[:start], choices, text[position + 1 :]
                break
        start = text.find("{", start + 1)
    return None


def _choices(parts: list[str]) -> list[str]:
    if len(parts) > 1:
        out: list[str] = []
        for part in parts:
            found = _brace(part)
            out.extend([found[0] + choice + found[2] for choice in found[1]] if found else [part])
        return out
    match = SEQUENCE.match(parts[0])
    if match is None:
        return []
    if match[4]:
        first, last = ord(match[4]), ord(match[5])
        size = abs(int(match[6] or 1)) or 1
        letters = range(first, last + 1, size) if first <= last else range(first, last - 1, -size)
        return [chr(code) for code in letters]
    first, last = int(match[1]), int(match[2])
    step = abs(int(match[3] or 1)) or 1
    padded = any(len(t.lstrip("-")) > 1 and t.lstrip("-").startswith("0") for t in (match[1], match[2]))
    width = max(len(match[1]), len(match[2])) if padded else 0
    numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
    return [f"{number:0{width}d}" for number in numbers[:MAX_FIELDS]]
