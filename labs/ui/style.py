"""How the command line speaks: in the language of the reader, with marks that the terminal has, in colour for people.

Every text is an English template that the catalogues in `labs/locale` translate. `make messages` finds templates as the
first argument of `say`, `warn`, `phrase`, `Refusal`, `marked`, `message` and `translate`.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import TextIO

import click

from labs.messages import Message, language, message

__all__ = ["Refusal", "Screen", "columns", "marked", "near", "plain"]

# What a console without these signs shows instead.
ASCII = str.maketrans(
    {
        "✔": "+", "✖": "x", "◌": "o", "·": "-", "–": "-", "—": "-", "…": "...", "→": "->", "←": "<-", "×": "x",
        "─": "-", "━": "-", "│": "|", "┃": "|", "├": "+", "└": "`", "┌": ",", "┐": ".", "┘": "'", "┬": "+", "┴": "+",
        "┤": "+", "┼": "+", "╭": ",", "╮": ".", "╰": "`", "╯": "'", "╌": "-", "═": "=", "║": "|", "▏": "|", "≤": "<=",
        "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
    }
)  # fmt: skip
COLOURS = {"✔": "green", "✖": "red", "◌": "yellow", "!": "magenta", "–": "bright_black"}
WIDEST = 110
# A line of a report: mark, title and points, and what is said of it
UNDER_POINTS = 6
# Characters that the last column of a table needs to stand beside the others
LEAST_BESIDE = 24
POINTS = re.compile(r"(\s*\S .*?\s+[-\d]+/\d+)\s+(.*)")


class Refusal(Exception):
    """Something that cannot be done as asked: one line that says what is wrong, where, and what is allowed."""

    def __init__(self, template: str, /, status: int = 2, **values: object) -> None:
        self.message: Message = message(template, **values)
        self.status = status
        super().__init__(str(self.message))


def marked(template: str) -> str:
    """The template itself: for `make messages` to find a text that is translated where it is shown."""
    return template


def near(word: str, allowed: Iterable[str]) -> Message:
    """`; did you mean "x"?` where one of the allowed words is close, else nothing."""
    names = list(allowed)
    close = difflib.get_close_matches(word, names, n=1)
    if not close and len(word) >= 3:
        close = [name for name in names if word in name][:1]
    return message('; did you mean "{word}"?', word=close[0]) if close else Message("{word}", {"word": ""})


def plain(text: str, encoding: str | None) -> str:
    """The text as far as an encoding has it: signs become ASCII ones, letters it lacks become `?`."""
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(encoding or "ascii", "replace").decode(encoding or "ascii")
    except LookupError:
        return text.translate(ASCII)
    return text


def columns(rows: Iterable[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows with their cells one below the other; on a terminal too narrow for it the last cell goes on under itself.

    Where hardly any room is left beside the others, it stands below them.
    """
    table = [list(row) for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*(row[:-1] for row in table), strict=True)]
    lines, room = [], _room()
    for row in table:
        head = gap.join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), ""])
        if len(head) + len(row[-1]) <= room:
            lines.append(f"{head}{row[-1]}".rstrip())
            continue
        beside = room - len(head) >= LEAST_BESIDE
        below = " " * (len(head) - len(head.lstrip()) + UNDER_POINTS)
        if not beside:
            lines.append(head.rstrip())
        lines += textwrap.wrap(
            row[-1],
            room,
            initial_indent=head if beside else below,
            subsequent_indent=" " * len(head) if beside else below,
            break_on_hyphens=False,
            break_long_words=False,
        )
    return lines


def _room() -> int:
    """Characters in a row of the terminal; no end where nobody looks at one."""
    return get_terminal_size((100, 24)).columns if sys.stdout.isatty() else sys.maxsize


class Screen:
    """Where a command writes. `--lang`, NETWERF_LANG or the machine chooses the language; NO_COLOR is obeyed."""

    def __init__(self, language_: str | None = None) -> None:
        self.language = language_ or language()

    @property
    def width(self) -> int:
        """Characters that a line of running text may have."""
        return max(40, min(get_terminal_size((100, 24)).columns - 2, WIDEST))

    def phrase(self, template: str, /, **values: object) -> str:
        """A template, finished, in the language of the reader."""
        return Message(template, values).in_language(self.language)

    def say(self, template: str, /, **values: object) -> None:
        """A sentence to standard output; on a terminal its rows break between words."""
        for line in self.phrase(template, **values).split("\n"):
            self.show("\n".join(self.folded(line)))

    def warn(self, template: str, /, **values: object) -> None:
        """A sentence to standard error, as `netwerf: …`."""
        self.show("\n".join(self.folded(f"netwerf: {self.phrase(template, **values)}")), err=True)

    def refuse(self, refusal: Refusal) -> None:
        """A refusal to standard error."""
        self.show("\n".join(self.folded(f"netwerf: {refusal.message.in_language(self.language)}")), err=True)

    def show(self, text: str = "", *, err: bool = False, newline: bool = True, **style: bool | str) -> None:
        """A text as it is, flushed; `style` as click.style has it."""
        stream: TextIO = sys.stderr if err else sys.stdout
        text = plain(text, stream.encoding)
        if style:
            text = click.style(text, **style)  # type: ignore[arg-type]
        click.echo(text, nl=newline, err=err, color=False if os.environ.get("NO_COLOR") else None)

    def verdict(self, line: str) -> None:
        """A line that begins with a mark: the mark gets its colour, the rest speaks for itself.

        On a terminal that is too narrow for it, what stands behind the points goes below, word by word.
        """
        first, *others = self.folded(line)
        self._marked(first)
        for other in others:
            self.show(other)

    @property
    def room(self) -> int:
        """Characters in a row of the terminal; no end where nobody looks at one."""
        return _room()

    def folded(self, line: str) -> list[str]:
        """A line as rows that fit the terminal; as it is where nobody looks at one."""
        room = _room()
        if len(line) <= room:
            return [line]
        found = POINTS.match(line)
        if found is not None:
            head, text, margin, hanging = [found[1]], found[2], UNDER_POINTS, 0
        else:
            text = line.lstrip()
            head, margin, hanging = [], len(line) - len(text), 2
        rows = textwrap.wrap(
            text,
            room,
            initial_indent=" " * margin,
            subsequent_indent=" " * (margin + hanging),
            break_on_hyphens=False,
            break_long_words=False,
        )
        return [*head, *rows] or [""]

    def _marked(self, line: str) -> None:
        stripped = line.lstrip()
        colour = COLOURS.get(stripped[:1]) if stripped[1:2] == " " else None
        if colour is None:
            self.show(line)
            return
        margin = line[: len(line) - len(stripped)]
        self.show(margin, newline=False)
        self.show(stripped[0], newline=False, fg=colour, bold=True)
        self.show(stripped[1:])

    def paragraph(self, text: str, indent: str = "  ") -> None:
        """Running text, wrapped; a blank line stays one."""
        for part in text.strip().split("\n\n"):
            words = " ".join(part.split())
            self.show(
                textwrap.fill(
                    words, self.width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
                )
            )
