"""The mistakes of an nftables user, rendered as nft renders them.

Read first: nft(8), section "ERROR REPORTING".
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NO_SPAN", "NftError", "NotSimulatedError", "Span"]

MAX_ERRORS = 10  # nft stops after ten


class Span(NamedTuple):
    """A stretch of one line of the input; line and column count from 1."""

    line: int
    column: int
    length: int

    def to(self, end: Span) -> Span:
        """From the start of this one to the end of `end`; cut at the end of the first line."""
        if end.line != self.line:
            return self
        return Span(self.line, self.column, max(self.length, end.column + end.length - self.column))


NO_SPAN = Span(0, 0, 0)


class NftError(Exception):
    """One mistake and its place; `others` are mistakes found in the same input."""

    def __init__(
        self, message: str, line: int = 0, column: int = 0, length: int = 0, *, related: Span | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.length = length
        self.related = related
        self.others: tuple[NftError, ...] = ()

    @classmethod
    def at(cls, message: str, span: Span, related: Span | None = None) -> NftError:
        """The error at `span`; `related` is underlined with tildes when it is on the same line."""
        return cls(message, *span, related=related)

    @property
    def span(self) -> Span:
        """The place of the mistake."""
        return Span(self.line, self.column, self.length)

    def with_others(self, others: tuple[NftError, ...]) -> NftError:
        """Make it the first of several; returns itself."""
        self.others = others[: MAX_ERRORS - 1]
        return self

    def render(self, text: str, source: str | None = None) -> str:
        """The error text of nft, with a newline at the end; `source` is the file name, None for a command line."""
        return "".join(error.render_one(text, source) for error in (self, *self.others))

    def render_one(self, text: str, source: str | None = None, number: int | None = None) -> str:
        """As `render`, without the others; `number` is the line where the text is not the first of its input."""
        if not self.line:
            return f"Error: {self.message}\n"
        number = self.line if number is None else number
        lines = text.split("\n")
        line = lines[number - 1] if number <= len(lines) else ""
        last = self.column + max(self.length, 1) - 1
        place = "" if source is None else f"{source}:{number}:{self.column}-{last}: "
        return f"{place}Error: {self.message}\n{line}\n{self._marks(line, last)}\n"

    def _marks(self, line: str, last: int) -> str:
        end = last
        related = self.related
        if related is not None and related.line == self.line:
            end = max(end, related.column + related.length - 1)
        else:
            related = None
        marks = ["\t" if i < len(line) and line[i] == "\t" else " " for i in range(end)]
        if related is not None:
            marks[related.column - 1 : related.column - 1 + related.length] = "~" * related.length
        marks[self.column - 1 : last] = "^" * (last - self.column + 1)
        return "".join(marks)


class NotSimulatedError(NftError):
    """nftables has this, the simulator does not."""

    @classmethod
    def of(cls, thing: str, span: Span) -> NotSimulatedError:
        """Refuse `thing` by its name."""
        return cls(f"{thing} is not simulated", *span)
