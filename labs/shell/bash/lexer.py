"""Shell text to tokens: words with quoting and expansions, operators, newlines with the here-documents behind them.

Before changing this file read POSIX.1-2017, XCU §2.2 (quoting), §2.3 (token recognition) and §2.6 (word expansions).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from labs.shell.bash.syntax import (
    Arithmetic,
    CommandSubstitution,
    CompoundList,
    HereDocument,
    Literal,
    Parameter,
    Part,
    ProcessSubstitution,
    Word,
)

__all__ = ["MAX_DEPTH", "Lexer", "ShellSyntaxError", "Token"]

MAX_DEPTH = 25
"""How deep substitutions and compound commands may nest."""

OPERATORS = (
    "<<<", "<<-", "&>>", ";;&", "&&", "||", ";;", ";&", "<<", ">>", "<&", ">&", "<>", ">|", "|&", "&>",
    ";", "&", "|", "<", ">", "(", ")",
)  # fmt: skip
META = set(" \t\n;&|<>()")
SPECIAL = set("?#@*!$-0123456789")
NAME_START = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
NAME = NAME_START | set("0123456789")
PARAMETER_OPERATORS = (
    ":-", ":=", ":+", ":?", "##", "%%", "//", "/#", "/%", "^^", ",,", "-", "=", "+", "?", "#", "%", "/", "^", ",", ":",
)  # fmt: skip
ANSI_C = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}


class ShellSyntaxError(Exception):
    """The text is not a complete, correct command; str is bash's sentence, without its prefix."""


class Token(NamedTuple):
    """`kind` is word, op, io (a file descriptor before a redirection), newline or end."""

    kind: str
    text: str
    start: int
    end: int
    word: Word | None = None


SubParser = Callable[[str, int, int], tuple[CompoundList, int]]


class Lexer:
    """Tokens of one text. `parse_list(text, position, depth)` parses a command substitution up to its `)`."""

    def __init__(self, text: str, position: int, depth: int, parse_list: SubParser) -> None:
        if depth > MAX_DEPTH:
            raise ShellSyntaxError(f"netwerf: more than {MAX_DEPTH} levels of nesting are not simulated here")
        self.text = text
        self.position = position
        self.depth = depth
        self.pending: list[HereDocument] = []
        self.warnings: list[str] = []
        self._parse_list = parse_list

    def line(self, position: int) -> int:
        """The line number of a position, from 1."""
        return self.text.count("\n", 0, position) + 1

    # Tokens

    def next(self) -> Token:
        """The next token; end of the text is a token too."""
        self._skip_blanks()
        text, start = self.text, self.position
        if start >= len(text):
            self._read_documents()
            return Token("end", "newline", start, start)
        if text[start] == "\n":
            self.position += 1
            self._read_documents()
            return Token("newline", "newline", start, start + 1)
        if text.startswith(">(", start):
            raise ShellSyntaxError("netwerf: process substitution with >(...) is not simulated here; use a pipe")
        if text.startswith("<(", start):
            script, self.position = self._parse_list(text, start + 2, self.depth + 1)
            source = text[start : self.position]
            return Token("word", source, start, self.position, Word((ProcessSubstitution(script),), source))
        for operator in OPERATORS:
            if text.startswith(operator, start):
                self.position += len(operator)
                return Token("op", operator, start, self.position)
        word = self._word()
        source = text[start : self.position]
        if source.isdecimal() and len(source) <= 3 and self.position < len(text) and text[self.position] in "<>":
            return Token("io", source, start, self.position)
        return Token("word", source, start, self.position, Word(word, source))

    def next_until_blank(self) -> Token:
        """The next token where only blanks end a word: a regular expression in `[[ … =~ … ]]`."""
        self._skip_blanks()
        start = self.position
        parts: list[Part] = []
        self._unquoted(parts, {" ", "\t", "\n"})
        if self.position == start:
            return self.next()
        source = self.text[start : self.position]
        return Token("word", source, start, self.position, Word(tuple(parts), source))

    def _skip_blanks(self) -> None:
        text = self.text
        while self.position < len(text):
            char = text[self.position]
            if char in " \t":
                self.position += 1
            elif text.startswith("\\\n", self.position):
                self.position += 2
            elif char == "#":
                newline = text.find("\n", self.position)
                self.position = len(text) if newline < 0 else newline
            else:
                return

    def _read_documents(self) -> None:
        pending, self.pending = self.pending, []
        for document in pending:
            lines, first, found = [], self.line(self.position), False
            while self.position < len(self.text):
                newline = self.text.find("\n", self.position)
                stop = len(self.text) if newline < 0 else newline
                line = self.text[self.position : stop]
                self.position = min(stop + 1, len(self.text))
                line = line.lstrip("\t") if document.strip_tabs else line
                if line == document.delimiter:
                    found = True
                    break
                lines.append(line + "\n")
            if not found:
                self.warnings.append(
                    f"warning: here-document at line {max(first - 1, 1)} delimited by end-of-file "
                    f"(wanted `{document.delimiter}')"
                )
            body = "".join(lines)
            document.body = self.quoted_text(body) if document.expand else Word((Literal(body, quoted=True),))

    def quoted_text(self, text: str) -> Word:
        """A text in which only `$`, backquote and backslash are special, as in a here-document."""
        inner = Lexer(text, 0, self.depth + 1, self._parse_list)
        parts: list[Part] = []
        inner._quoted(parts, "", "$`\\\n")
        return Word(tuple(parts), text)

    # Words

    def _word(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        self._unquoted(parts, META)
        return tuple(parts)

    def _unquoted(self, parts: list[Part], stop: set[str]) -> None:
        """Read up to an unquoted character of `stop`."""
        text = self.text
        plain: list[str] = []

        def flush() -> None:
            if plain:
                parts.append(Literal("".join(plain)))
                plain.clear()

        while self.position < len(text) and text[self.position] not in stop:
            char = text[self.position]
            if char == "\\":
                if text.startswith("\\\n", self.position):
                    self.position += 2
                    continue
                flush()
                parts.append(Literal(text[self.position + 1 : self.position + 2] or "\\", quoted=True))
                self.position += 2
            elif char in "'\"$`":
                flush()
                self._special(parts, char)
            else:
                plain.append(char)
                self.position += 1
        self.position = min(self.position, len(text))
        flush()

    def _special(self, parts: list[Part], char: str) -> None:
        if char == "'":
            parts.append(Literal(self._until("'", 1), quoted=True))
        elif char == '"':
            self.position += 1
            before = len(parts)
            self._quoted(parts, '"', '$`"\\\n')
            if len(parts) == before:
                parts.append(Literal("", quoted=True))
        elif char == "`":
            parts.append(self._backquotes(quoted=False))
        elif self.text.startswith("$'", self.position):
            parts.append(self._ansi_c())
        elif self.text.startswith('$"', self.position):
            self.position += 1
        else:
            parts.append(self._dollar(quoted=False))

    def _until(self, close: str, skip: int) -> str:
        start = self.position + skip
        stop = self.text.find(close, start)
        if stop < 0:
            raise ShellSyntaxError(f"unexpected EOF while looking for matching `{close}'")
        self.position = stop + 1
        return self.text[start:stop]

    def _ansi_c(self) -> Literal:
        self.position += 2
        out: list[str] = []
        while True:
            if self.position >= len(self.text):
                raise ShellSyntaxError("unexpected EOF while looking for matching `''")
            char = self.text[self.position]
            self.position += 1
            if char == "'":
                return Literal("".join(out), quoted=True)
            if char == "\\" and self.position < len(self.text):
                escape = self.text[self.position]
                self.position += 1
                out.append(ANSI_C.get(escape, escape if escape in "\\'\"?" else "\\" + escape))
            else:
                out.append(char)

    def _quoted(self, parts: list[Part], close: str, escapable: str) -> None:
        """Read double-quoted text up to `close`, or to the end where `close` is empty."""
        text = self.text
        plain: list[str] = []

        def flush() -> None:
            if plain:
                parts.append(Literal("".join(plain), quoted=True))
                plain.clear()

        while True:
            if self.position >= len(text):
                if close:
                    raise ShellSyntaxError(f"unexpected EOF while looking for matching `{close}'")
                break
            char = text[self.position]
            if close and char == close:
                self.position += 1
                break
            if char == "\\" and text[self.position + 1 : self.position + 2] in escapable:
                following = text[self.position + 1 : self.position + 2]
                plain.append("" if following == "\n" else following or "\\")
                self.position += 2
            elif char == "$":
                flush()
                parts.append(self._dollar(quoted=True))
            elif char == "`":
                flush()
                parts.append(self._backquotes(quoted=True))
            else:
                plain.append(char)
                self.position += 1
        flush()

    # Expansions

    def _dollar(self, *, quoted: bool) -> Part:
        text, start = self.text, self.position
        following = text[start + 1 : start + 2]
        if text.startswith("$((", start):
            inner = self._arithmetic(start + 3)
            if inner is not None:
                return Arithmetic(self.quoted_text(inner), quoted)
        if following == "(":
            script, self.position = self._parse_list(text, start + 2, self.depth + 1)
            return CommandSubstitution(script, quoted)
        if following == "{":
            return self._braced(quoted=quoted)
        if following and following in NAME_START:
            stop = start + 1
            while stop < len(text) and text[stop] in NAME:
                stop += 1
            self.position = stop
            return Parameter(text[start + 1 : stop], quoted=quoted)
        if following and following in SPECIAL:
            self.position = start + 2
            return Parameter(following, quoted=quoted)
        self.position = start + 1
        return Literal("$", quoted)

    def arithmetic_for(self) -> list[Word] | None:
        """After `for ((`: the three expressions up to `))`, or None."""
        inner = self._arithmetic(self.position)
        parts = [] if inner is None else inner.split(";")
        return [self.quoted_text(part) for part in parts] if len(parts) == 3 else None

    def arithmetic_command(self) -> Word | None:
        """After `((`: the expression up to `))`, or None where this is a subshell in a subshell."""
        inner = self._arithmetic(self.position)
        return None if inner is None else self.quoted_text(inner)

    def _arithmetic(self, start: int) -> str | None:
        depth, position = 0, start
        while position < len(self.text):
            char = self.text[position]
            if char == "(":
                depth += 1
            elif char == ")":
                if depth == 0:
                    if not self.text.startswith("))", position):
                        return None
                    self.position = position + 2
                    return self.text[start:position]
                depth -= 1
            position += 1
        return None

    def _braced(self, *, quoted: bool) -> Part:
        text = self.text
        start = self.position
        position = start + 2
        length = text.startswith("#", position) and text[position + 1 : position + 2] not in {"}", ""}
        if length:
            position += 1
        keys = not length and re.match(r"![A-Za-z_]\w*\[[@*]\]\}", text[position:]) is not None
        position += keys
        name_start = position
        if position < len(text) and text[position] in NAME_START:
            while position < len(text) and text[position] in NAME:
                position += 1
        elif text[position : position + 1].isdecimal():
            while position < len(text) and text[position].isdecimal():
                position += 1
        elif position < len(text) and text[position] in SPECIAL:
            position += 1
        name = text[name_start:position]
        index: Word | None = None
        if text.startswith("[", position) and name and name[0] in NAME_START:
            inner: list[Part] = []
            self.position = position + 1
            self._unquoted(inner, {"]", "}"})
            if not text.startswith("]", self.position):
                raise ShellSyntaxError("unexpected EOF while looking for matching `]'")
            index = Word(tuple(inner), text[position + 1 : self.position])
            position = self.position + 1
        if text.startswith("}", position) and name:
            self.position = position + 1
            return Parameter(name, quoted=quoted, length=length, index=index, keys=keys)
        operator = next((o for o in PARAMETER_OPERATORS if text.startswith(o, position)), "")
        self.position = position + len(operator)
        parts: list[Part] = []
        self._unquoted(parts, {"}"})
        if self.position >= len(text):
            raise ShellSyntaxError("unexpected EOF while looking for matching `}'")
        self.position += 1
        if not name or not operator or length:
            return Parameter("", "bad", Word((), text[start : self.position]), quoted)
        return Parameter(name, operator, Word(tuple(parts)), quoted, index=index)

    def _backquotes(self, *, quoted: bool) -> CommandSubstitution:
        position = self.position + 1
        out: list[str] = []
        while True:
            char = self.text[position : position + 1]
            if not char:
                raise ShellSyntaxError("unexpected EOF while looking for matching ``'")
            if char == "`":
                break
            if char == "\\" and self.text[position + 1 : position + 2] in ("$", "`", "\\", '"' if quoted else "`"):
                position += 1
                char = self.text[position]
            out.append(char)
            position += 1
        self.position = position + 1
        script, _ = self._parse_list("".join(out) + "\n)", 0, self.depth + 1)
        return CommandSubstitution(script, quoted)
