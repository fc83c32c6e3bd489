"""The journal: every line that was typed, with the time and a digest of its answer.

JSON Lines, appended and flushed before the answer is shown. The state of a lab is the replay of its journal, so a
journal is autosave, undo, submission and evidence at once. Undo is an entry like any other: nothing is ever taken out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labs.engines.base import Output
from labs.messages import Message, message

__all__ = ["DESK", "FORMAT", "Entry", "Header", "Journal", "JournalError", "answer_digest"]

FORMAT = "netwerf-journal/1"
DESK = "desk"
MAX_FILE_BYTES = 8 << 20
MAX_ENTRIES = 5_000
MAX_LINE_CHARACTERS = 16_384
HEADER_KEYS = {"format", "scenario", "scenario_digest", "seed", "engine", "netwerf", "trainee"}
ENTRY_KEYS = {"n", "at_ns", "place", "line", "status", "answer_digest", "chain"}


class JournalError(Exception):
    """A file that is not a journal, or not a whole one. One line for the person who handed it in: `said`."""

    def __init__(self, said: Message | str) -> None:
        super().__init__(str(said))
        self.said = said if isinstance(said, Message) else message("{error}", error=said)


def answer_digest(output: Output) -> str:
    """Twelve hexadecimal digits over what was answered: enough to notice that a replay went another way."""
    return hashlib.sha256(f"{output.status}\n{output.text}".encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Header:
    """What a journal belongs to. `trainee` is a pseudonym of the school's choosing, or empty."""

    scenario: str
    scenario_digest: str
    seed: str
    engine: str = "sim"
    netwerf: str = ""
    trainee: str = ""
    format: str = FORMAT


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its number from 1, when it was typed (ns of simulated time), place, text, status, answer digest.

    `chain` is a digest over the entry and the chain before it, beginning with the header: whoever changes a line
    without knowing how breaks it. It holds no secret and proves nothing against somebody who does.
    """

    n: int
    at_ns: int
    place: str
    line: str
    status: int
    answer_digest: str
    chain: str


def _link(before: str, values: dict[str, Any]) -> str:
    """The chain after an entry (or the header, with nothing before it)."""
    plain = {key: value for key, value in values.items() if key != "chain"}
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"{before}{text}".encode()).hexdigest()[:16]


class Journal:
    """A header and its entries, perhaps with a file behind them."""

    def __init__(self, header: Header, entries: tuple[Entry, ...] = (), path: Path | None = None) -> None:
        self.header = header
        self.notice: Message | None = None
        self._entries = list(entries)
        self._path = path

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry, undone ones and undo itself included."""
        return tuple(self._entries)

    @property
    def path(self) -> Path | None:
        """The file behind it, if any."""
        return self._path

    @property
    def _chain(self) -> str:
        return self._entries[-1].chain if self._entries else _link("", asdict(self.header))

    def effective(self) -> list[Entry]:
        """The entries that count: without those that were undone, and without the undo entries."""
        kept: list[Entry] = []
        for entry in self._entries:
            count = undo_count(entry)
            if count is None:
                kept.append(entry)
            else:
                undoable = [i for i, old in enumerate(kept) if old.place != DESK]
                for index in reversed(undoable[-count:] if count else []):
                    del kept[index]
        return kept

    def append(self, at_ns: int, place: str, line: str, output: Output) -> Entry:
        """Add an entry and write it out. Raises JournalError when there are too many."""
        if len(self._entries) >= MAX_ENTRIES:
            said = message("the journal is full ({most} lines)", most=MAX_ENTRIES)
            raise JournalError(said)
        entry = Entry(len(self._entries) + 1, at_ns, place, line, output.status, answer_digest(output), "")
        entry = replace(entry, chain=_link(self._chain, asdict(entry)))
        if self._path is not None:
            self._write(entry)
        self._entries.append(entry)
        return entry

    def _add(self, entry: Entry) -> None:
        """Take an entry from a file. Raises JournalError where it does not fit what comes before."""
        if entry.chain != _link(self._chain, asdict(entry)):
            said = message("entry {n} or something before it was changed after it was written", n=entry.n)
            raise JournalError(said)
        self._entries.append(entry)

    def attach(self, path: Path) -> None:
        """Append further entries to a file."""
        self._path = path

    def _write(self, entry: Entry) -> None:
        """Opened anew for every line: what was answered is the system's, whatever becomes of this process."""
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            if file.tell() == 0:
                file.write(_dump(asdict(self.header)))
            file.write(_dump(asdict(entry)))

    def dumps(self) -> str:
        """The journal as text."""
        return _dump(asdict(self.header)) + "".join(_dump(asdict(entry)) for entry in self._entries)

    def save(self, path: Path) -> None:
        """Write a copy."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.dumps(), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path: Path, *, keep_file: bool = False) -> Journal:
        """Read a file; with `keep_file` further entries are appended to it. Raises JournalError.

        A torn last line (the machine went down while it was written) is dropped, and `notice` says so.
        """
        try:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                said = message(
                    "the file has {size} bytes; a submission has at most {most}",
                    size=f"{size:,}",
                    most=f"{MAX_FILE_BYTES:,}",
                )
                raise JournalError(said)
            text = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            said = message("the file is not text")
            raise JournalError(said) from None
        except OSError as error:
            raise JournalError(error.strerror or str(error)) from None
        journal = cls.loads(text)
        if keep_file:
            journal.attach(path)
            if journal.notice or not text.endswith("\n"):
                path.write_text(journal.dumps(), encoding="utf-8", newline="\n")
        return journal

    @classmethod
    def loads(cls, text: str) -> Journal:
        """Read a text. Raises JournalError."""
        lines = text.split("\n")
        torn = lines.pop()
        if not lines and not torn.strip():
            said = message("the file is empty")
            raise JournalError(said)
        journal = cls(_header(lines.pop(0) if lines else torn))
        for number, line in enumerate(lines, start=1):
            journal._add(_entry(line, number))
        if len(journal) > MAX_ENTRIES:
            said = message("the journal has more than {most} lines", most=MAX_ENTRIES)
            raise JournalError(said)
        if torn.strip() and lines:
            try:
                journal._add(_entry(torn, len(lines) + 1))
            except JournalError:
                journal.notice = message(
                    "the last line was torn and has been dropped; {count} lines are kept", count=len(lines)
                )
        return journal


def undo_count(entry: Entry) -> int | None:
    """How many lines an undo entry takes back, or None for any other entry."""
    words = entry.line.split()
    if entry.place != DESK or not words or words[0] != "undo":
        return None
    return int(words[1]) if len(words) > 1 else 1


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        said = message("line {line} is not JSON; is this file a Netwerf submission?", line=number)
        raise JournalError(said) from None
    if not isinstance(value, dict):
        said = message("line {line} is not a JSON object", line=number)
        raise JournalError(said)
    try:
        _dump(value).encode()
    except UnicodeEncodeError:  # JSON can write halves of a character that no text can hold
        said = message("line {line} has half a character in it", line=number)
        raise JournalError(said) from None
    return value


def _header(line: str) -> Header:
    value = _object(line, 1)
    if value.get("format") != FORMAT:
        said = message(
            'the first line does not say "format": "{wanted}"; is this file a Netwerf submission?', wanted=FORMAT
        )
        raise JournalError(said)
    if set(value) != HEADER_KEYS or not all(isinstance(part, str) and len(part) < 200 for part in value.values()):
        said = message("the first line must have exactly the text fields {keys}", keys=", ".join(sorted(HEADER_KEYS)))
        raise JournalError(said)
    return Header(**value)


def _entry(line: str, number: int) -> Entry:
    value = _object(line, number + 1)
    kinds = {"n": int, "at_ns": int, "place": str, "line": str, "status": int, "answer_digest": str, "chain": str}
    if set(value) != ENTRY_KEYS or any(type(value[key]) is not kind for key, kind in kinds.items()):
        said = message(
            "line {line} must have exactly the fields {keys}", line=number + 1, keys=", ".join(sorted(ENTRY_KEYS))
        )
        raise JournalError(said)
    entry = Entry(**value)
    if entry.n != number:
        said = message(
            "line {line} is entry {found}, expected entry {n}: lines were taken out or put in",
            line=number + 1,
            found=entry.n,
            n=number,
        )
        raise JournalError(said)
    if len(entry.line) > MAX_LINE_CHARACTERS:
        said = message(
            "entry {n} has {count} characters; at most {most} are allowed",
            n=number,
            count=len(entry.line),
            most=MAX_LINE_CHARACTERS,
        )
        raise JournalError(said)
    if entry.place == DESK and entry.line.split()[:1] == ["undo"]:
        words = entry.line.split()
        if len(words) > 2 or (len(words) == 2 and not re.fullmatch(r"[0-9]{1,9}", words[1])):
            said = message("entry {n} is not a legal undo", n=number)
            raise JournalError(said)
    return entry
