"""`include "FILE"`: the texts of one input, and where an error in one of them stands.

Read first: nft(8), section "INPUT FILE FORMATS". Relative names that do not begin with a dot are looked for in /etc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from labs.net.nftables.errors import NftError, Span

__all__ = ["Inclusions"]

MAX_DEPTH = 16  # MAX_INCLUDE_DEPTH, nftables src/scanner.l
MAX_FILES = 256
LINES = 1 << 21  # a span of the n-th text counts its lines from n times this: no file has so many
DEFAULT_PATH = "/etc/"  # DEFAULT_INCLUDE_PATH


class _Source(NamedTuple):
    """One text, and the place of the statement that included it."""

    name: str | None
    text: str
    parent: Span | None
    depth: int


class Inclusions:
    """The input and what it includes.

    `find` gives the files that a name or pattern means, in order; `read` their text, and raises OSError.
    """

    def __init__(
        self,
        text: str,
        name: str | None = None,
        *,
        find: Callable[[str], Sequence[str]] | None = None,
        read: Callable[[str], str] | None = None,
    ) -> None:
        self._sources = [_Source(name, text, None, 0)]
        self._find = find
        self._read = read

    def open(self, pattern: str, span: Span) -> list[tuple[str, int]]:
        """Texts with the number of lines before them. Raises NftError."""
        depth = self._sources[span.line // LINES].depth + 1
        if depth >= MAX_DEPTH:
            raise NftError.at(f"Include nested too deeply, max {MAX_DEPTH} levels", span)
        wanted = pattern if pattern.startswith(("/", ".")) else DEFAULT_PATH + pattern
        names = list(self._find(wanted)) if self._find is not None else []
        if not names and not any(sign in pattern for sign in "*?["):
            raise NftError.at(f"File not found: {pattern}", span)
        opened = []
        for name in names:
            if self._read is None or len(self._sources) >= MAX_FILES:
                raise NftError.at(f"Could not open file: {name}", span)
            try:
                text = self._read(name)
            except OSError:
                continue  # a directory
            opened.append((text, LINES * len(self._sources)))
            self._sources.append(_Source(name, text, span, depth))
        return opened

    def render(self, error: NftError) -> str:
        """The text of an error and those that came with it."""
        return "".join(self._render_one(one) for one in (error, *error.others))

    def _render_one(self, error: NftError) -> str:
        source = self._sources[error.line // LINES]
        head = ""
        parent = source.parent
        while parent is not None:
            above = self._sources[parent.line // LINES]
            place = f"{above.name}:{parent.line % LINES}:{parent.column}-{parent.column + parent.length - 1}"
            head += f"{'                 from' if head else 'In file included from'} {place}:\n"
            parent = above.parent
        return head + error.render_one(source.text, source.name, error.line % LINES)
