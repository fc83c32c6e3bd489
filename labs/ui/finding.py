"""One line of what `netwerf doctor` found."""

from __future__ import annotations

from dataclasses import dataclass

from labs.messages import Message

__all__ = ["ABSENT", "GOOD", "LACKING", "Finding"]

GOOD, LACKING, ABSENT = "✔", "✖", "–"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: a mark, what was looked at, how it is; where it lacks, what that excludes and how to mend it."""

    mark: str
    what: Message
    found: Message
    mend: Message | None = None
    vital: bool = False
