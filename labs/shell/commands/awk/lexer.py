"""The words of an awk program. Before changing this file read POSIX.1-2017, awk, "Lexical Conventions"."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["BUILTINS", "KEYWORDS", "AwkError", "Token", "tokenize"]

KEYWORDS = frozenset(
    "BEGIN END function func if else while for do break continue next nextfile exit return delete in getline print"
    " printf".split()
)
BUILTINS = frozenset(
    "length substr index split sub gsub match sprintf sin cos atan2 exp log sqrt int rand srand tolower toupper system"
    " close fflush systime".split()
)
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\\\r?\n)
    |(?P<comment>\#[^\n]*)
    |(?P<newline>\n)
    |(?P<number>0[xX][0-9A-Fa-f]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<string>"(?:[^"\\\n]|\\.|\\\n)*")
    |(?P<call>[A-Za-z_]\w*(?=\())
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>\+\+|--|\*\*=|\*\*|\+=|-=|\*=|/=|%=|\^=|==|<=|>=|!=|!~|&&|\|\||>>|[{}()\[\];,+\-*/%^!<>|?:~$=])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|\n|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"', "/": "/",
            "\n": ""}  # fmt: skip
# After these a slash divides; anywhere else it begins an expression.
_VALUES = frozenset({"number", "string", "name", "builtin", "regex"})


class AwkError(Exception):
    """A wrong program, or one that cannot go on; str is the sentence after `awk: `."""


class Token(NamedTuple):
    """One word; kind is number, string, regex, name, call, builtin, keyword, newline, end, or the sign itself."""

    kind: str
    text: str
    line: int


def tokenize(text: str) -> list[Token]:
    """All words, ending with `end`. Raises AwkError."""
    out: list[Token] = []
    position, line = 0, 1
    while position < len(text):
        if text[position] == "/" and not _divides(out):
            body, position = _regex(text, position, line)
            out.append(Token("regex", body, line))
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            raise AwkError(_stray(text, position, line))
        kind, word = str(found.lastgroup), found.group()
        position = found.end()
        if kind == "newline":
            out.append(Token("newline", "\n", line))
        elif kind in ("name", "call") and word in KEYWORDS:
            out.append(Token("keyword", "function" if word == "func" else word, line))
        elif kind in ("name", "call") and word in BUILTINS:
            out.append(Token("builtin", word, line))
        elif kind == "string":
            out.append(Token("string", unescape(word[1:-1]), line))
        elif kind == "sign":
            out.append(Token({"**": "^", "**=": "^="}.get(word, word), word, line))
        elif kind not in ("space", "comment"):
            out.append(Token(kind, word, line))
        line += word.count("\n")
    out.append(Token("end", "end of file", line))
    return out


def _divides(before: list[Token]) -> bool:
    return bool(before) and (before[-1].kind in _VALUES or before[-1].kind in (")", "]", "++", "--", "$"))


def _regex(text: str, start: int, line: int) -> tuple[str, int]:
    position, bracket = start + 1, False
    while position < len(text) and text[position] != "\n":
        char = text[position]
        if char == "\\":
            position += 2
            continue
        if char == "[":
            bracket = True
            if text[position + 1 : position + 2] == "^":
                position += 1
            if text[position + 1 : position + 2] == "]":
                position += 1
        elif char == "]":
            bracket = False
        elif char == "/" and not bracket:
            return text[start + 1 : position].replace("\\/", "/"), position + 1
        position += 1
    shown = text[start + 1 :].partition("\n")[0][:10]
    raise AwkError(f"line {line}: runaway regular expression /{shown} ...")


def _stray(text: str, position: int, line: int) -> str:
    if text[position] == '"':
        shown = text[position + 1 :].partition("\n")[0][:10]
        return f'line {line}: runaway string constant "{shown} ...'
    return f"line {line}: syntax error at or near {text[position]}"


def unescape(text: str) -> str:
    """Backslashes of a string; before an unknown character they stay."""

    def one(found: re.Match[str]) -> str:
        inner = found[1]
        if inner[0] in "01234567":
            return chr(int(inner, 8) & 0xFF)
        return _ESCAPES.get(inner, found[0])

    return _ESCAPE.sub(one, text)
