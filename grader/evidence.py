"""What shows a verdict, as data. It becomes sentences and columns where somebody reads it (`grader.report.evidence`).

What a device, a message or a file says is `Quoted`: it stays as it is. What is said in words of ours is a Message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from labs.engines.base import Disposition, Hop, Observation
from labs.messages import Message
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded
from labs.net.foresight import Answer, Event, PacketForm, Step, by_route, death, forwarded
from labs.net.said import Ground, Said, said

__all__ = [
    "PHRASES",
    "Evidence",
    "Quoted",
    "Row",
    "Words",
    "path_of",
    "quoted",
    "row_of",
    "told",
    "told_or_quoted",
    "way_of",
]

PHRASES: tuple[type[StrEnum], ...] = (Event, PacketForm, Answer, Ground, DropReason, Disposition)
"""Closed lists of phrases that evidence and rationales may hold: each value has a translation."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A line as a device prints it, a message as it came, an address: the same in every language."""

    text: str

    def in_language(self, language: str) -> str:
        """The text itself."""
        del language
        return self.text

    def __str__(self) -> str:
        return self.text


Words = Message | Quoted


@dataclass(frozen=True, slots=True)
class Row:
    """Something at a device. `by` is the route, rule or setting that decided, `where` its file and line."""

    device: str
    what: Words
    by: Words | None = None
    where: str = ""

    def in_language(self, language: str) -> str:
        """The whole row as one line."""
        because = [] if self.by is None else [self.by.in_language(language)]
        because += [self.where] if self.where else []
        line = f"{self.device}: {self.what.in_language(language)}" if self.device else self.what.in_language(language)
        return f"{line}   [{', '.join(because)}]" if because else line

    def __str__(self) -> str:
        return self.in_language("en")


Evidence = Row | Message | Quoted


def quoted(lines: Iterable[str]) -> tuple[Quoted, ...]:
    """Lines of a device, each as it is."""
    return tuple(map(Quoted, lines))


def told(words: Said) -> Message:
    """What a device says in a phrase of ours, for people of every language."""
    return Message(words.phrase.value, {name: _value(value) for name, value in words.values})


def _value(value: object) -> object:
    if isinstance(value, Said):
        return told(value)
    return Message(value.value) if isinstance(value, PHRASES) else value


def told_or_quoted(words: str | Said) -> Words | None:
    """What decided: in a phrase of ours, or as the device prints it; None where nothing is known."""
    if isinstance(words, Said):
        return told(words)
    return Quoted(words) if words else None


# The way of a packet


def path_of(observation: Observation) -> tuple[Evidence, ...]:
    """The way out of a packet that was really sent: device, interface and the route or rule that decided.

    A segment that is sent again goes the same way again; that is told once.
    """
    rows: list[Evidence] = []
    for hop in observation.hops:
        row = _row_of(hop)
        if row is not None and row not in rows:
            rows.append(row)
        if isinstance(hop.note, (Delivered, Dropped)):
            break
    return tuple(rows)


def _row_of(hop: Hop) -> Row | None:
    note = hop.note
    if isinstance(note, Accepted):
        return _row(hop.device, said(Event.LEAVES, interface=note.interface), by_route(note.by))
    if isinstance(note, Forwarded):
        return _row(hop.device, forwarded(note), by_route(note.by))
    if isinstance(note, Delivered):
        return _row(hop.device, said(Event.ARRIVES, interface=note.interface))
    if isinstance(note, Dropped):
        what = death(note)
        return _row(hop.device, what, note.by if what.phrase is Event.DIES else "")
    return None


def _row(device: str, what: Said, by: str | Said = "", where: str = "") -> Row:
    return Row(device, told(what), told_or_quoted(by), where)


def way_of(steps: Iterable[Step]) -> Iterator[Evidence]:
    """The way out of a packet as `why` tells it. The packet itself is told where it is another than before."""
    last: object = None
    for step in steps:
        if step.back:
            continue
        packet = step.what.value("packet")
        if step.what.phrase is Event.PACKET:
            if packet != last:
                yield told(packet) if last is None and isinstance(packet, Said) else row_of(step)
        else:
            yield row_of(step)
        last = last if packet is None else packet


def row_of(step: Step) -> Row:
    """One step of `why`."""
    return _row(step.device, step.what, step.by, step.where)
