"""Evidence for people: what happened to a packet stands in columns, everything else in lines.

The columns are device, what happened, and what decided; where they do not fit, what decided stands below.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

from grader.evidence import Evidence, Row

__all__ = ["Cells", "evidence_lines", "evidence_parts"]

GAP = "  "
NARROWEST = 32  # of the column that says what decided: a rule that is broken more often is hard to read
BELOW = 4
SHORTEST = 20  # a row of a screen that is as good as none

Cells = tuple[str, str, tuple[str, ...]]
"""Device (in its first row alone), what happened, and what decided: the route or rule, and its file and line."""


def evidence_parts(evidence: Iterable[Evidence], language: str) -> list[str | list[Cells]]:
    """Lines and tables in the order in which they were found, in a language."""
    parts: list[str | list[Cells]] = []
    for is_row, group in groupby(evidence, key=lambda one: isinstance(one, Row)):
        if is_row:
            parts.append(_table([one for one in group if isinstance(one, Row)], language))
        else:
            parts += [one.in_language(language) for one in group]
    return parts


def _table(rows: Sequence[Row], language: str) -> list[Cells]:
    cells: list[Cells] = []
    before = ""
    for row in rows:
        because = [row.by.in_language(language)] if row.by is not None else []
        because += [row.where] if row.where else []
        device = "" if row.device == before else row.device
        cells.append((device, row.what.in_language(language), tuple(because)))
        before = row.device
    return cells


def evidence_lines(evidence: Iterable[Evidence], language: str, width: int = sys.maxsize) -> list[str]:
    """The lines in a language, broken between words where they are wider than `width` characters."""
    lines: list[str] = []
    for part in evidence_parts(evidence, language):
        if isinstance(part, str):
            lines += _folded(part, width)
        else:
            lines += _columns(part, width)
    return lines


def _columns(table: Sequence[Cells], width: int) -> list[str]:
    first = max(len(device) for device, _, _ in table)
    first += len(GAP) if first else 0
    second = max((len(what) for _, what, because in table if because), default=0)
    third = first + second + len(GAP)
    longest = max(len(GAP.join(because)) for _, _, because in table)
    beside = width - third >= min(NARROWEST, longest)
    lines: list[str] = []
    for device, what, because in table:
        if beside and because:
            right = _reasons(because, width - third)
            lines.append(f"{device:<{first}}{what:<{second}}{GAP}{right[0]}")
            lines += [" " * third + row for row in right[1:]]
            continue
        left = _folded(what, width - first)
        lines.append(f"{device:<{first}}{left[0]}")
        lines += [" " * first + row for row in left[1:]]
        below = " " * (first + BELOW)
        lines += [below + row for row in _reasons(because, width - len(below))] if because else []
    return lines


def _reasons(because: Sequence[str], width: int) -> list[str]:
    """Rule and line in one row where that fits, else each in rows of its own."""
    whole = GAP.join(because)
    return [whole] if len(whole) <= width else [row for reason in because for row in _folded(reason, width)]


def _folded(text: str, width: int) -> list[str]:
    """Broken between words; a word that is longer than a row stays whole."""
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, SHORTEST), break_long_words=False, break_on_hyphens=False) or [text]
