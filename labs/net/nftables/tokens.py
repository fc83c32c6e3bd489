"""Walking over tokens: look, take, expect, complain.

Read first: `lexer`.
"""

from __future__ import annotations

import re

from labs.net.nftables.errors import NftError, Span
from labs.net.nftables.inclusion import Inclusions
from labs.net.nftables.lexer import Token, tokenize
from labs.net.nftables.syntax import RawExpr

__all__ = ["TokenReader", "milliseconds"]

_TIME = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")


def milliseconds(text: str) -> int | None:
    """The time of `1d2h3m4s5ms`, or None."""
    found = _TIME.fullmatch(text)
    if found is None or not text:
        return None
    factors = (86_400_000, 3_600_000, 60_000, 1000, 1)
    return sum(int(part) * factor for part, factor in zip(found.groups(), factors, strict=True) if part)


class TokenReader:
    """A place in the input; `variables` are the definitions seen so far."""

    def __init__(self, text: str, inclusions: Inclusions | None = None) -> None:
        self.tokens = tokenize(text)
        self.inclusions = inclusions or Inclusions(text)
        self.position = 0
        self.variables: dict[str, RawExpr] = {}

    @property
    def token(self) -> Token:
        """The token under the hand."""
        return self.tokens[self.position]

    def peek(self, distance: int = 1) -> Token:
        """A token further on."""
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    def take(self) -> Token:
        """Take the token, and go on."""
        token = self.tokens[self.position]
        if self.position < len(self.tokens) - 1:
            self.position += 1
        return token

    def at(self, *words: str) -> bool:
        """True when the token is one of these words or signs."""
        token = self.token
        return token.text in words if token.kind == "word" else token.kind in words

    def accept(self, *words: str) -> Token | None:
        """Take the token when it is one of these."""
        return self.take() if self.at(*words) else None

    def expect(self, word: str, expecting: str = "") -> Token:
        """Take this word or sign, or complain."""
        if self.at(word):
            return self.take()
        raise self.unexpected(expecting)

    def unexpected(self, expecting: str = "", message: str = "") -> NftError:
        """The syntax error at this token."""
        token = self.token
        tail = f", expecting {expecting}" if expecting else ""
        span = token.span
        if token.kind == "quoted" and message == "":
            span = Span(span.line, span.column, span.length)
        return NftError.at(message or f"syntax error, unexpected {token.name}{tail}", span)

    def number(self, expecting: str = "number") -> int:
        """Take a number."""
        if self.token.kind != "number":
            raise self.unexpected(expecting)
        text = self.take().text
        return int(text, 16) if text[1:2] in {"x", "X"} else int(text)

    def string(self, expecting: str = "string or quoted string or string with a trailing asterisk") -> str:
        """Take a word that is no keyword, or quoted text."""
        token = self.token
        if token.kind in {"quoted", "wild"} or (token.kind == "word" and token.name == "string"):
            return self.take().text
        raise self.unexpected(expecting)

    def variable(self) -> RawExpr:
        """`$name`, the dollar not yet taken."""
        self.expect("$")
        name = self.take()
        if name.text not in self.variables:
            raise NftError.at(f"unknown identifier '{name.text}'", name.span)
        return self.variables[name.text]

    def span_from(self, start: Token) -> Span:
        """From this token to the last one taken."""
        return start.span.to(self.tokens[self.position - 1].span)

    def time(self) -> int:
        """Take a time such as 1h30m; the result is in milliseconds."""
        token = self.token
        value = milliseconds(token.text) if token.kind == "word" else None
        if value is None:
            raise self.unexpected("string")
        self.take()
        return value
