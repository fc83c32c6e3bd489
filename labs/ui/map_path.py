"""The way of a packet on the map: which devices it passes in which order, over which leads, and where it dies.

It is read from the steps of `why`, so map and list cannot tell different stories.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from grader.evidence import told, told_or_quoted
from labs.messages import Message, message
from labs.model.site import Endpoint, Link, Site
from labs.ui.map_lines import lines_of, with_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labs.net.foresight import Foresight, Step

__all__ = ["Way", "tell_way", "way_of"]

PORTS = ("interface", "incoming", "outgoing")  # values of a step that name a port of its device


@dataclass(frozen=True, slots=True)
class Way:
    """`hops` are the devices in order, `back` those of the answer; `dead` is where it ends too early, with `why`.

    `dead_back` is True where the answer dies and not the packet. `answered` is True where the answer comes back.
    """

    hops: tuple[str, ...]
    leads: frozenset[Link]
    back: tuple[str, ...] = ()
    dead: str = ""
    why: Message | None = None
    dead_back: bool = False
    answered: bool = False
    ending: Message | None = None

    def numbers(self, device: str) -> str:
        """The places of a device on the way out: `2`, or `2,4` where a packet comes by again."""
        return ",".join(str(number) for number, name in enumerate(self.hops, 1) if name == device)


def way_of(site: Site, foreseen: Foresight) -> Way:
    """The way that an answer of `why` describes."""
    fatal = (
        next((step for step in foreseen.steps if step.device and step.fatal), None) if not foreseen.answered else None
    )
    out, back = (
        [step for step in foreseen.steps if step.back is way and step.device in site.devices and not step.aside]
        for way in (False, True)
    )
    joined = with_lines(site, lines_of(site))
    return Way(
        tuple(_devices(out)),
        frozenset([*_leads(joined, out), *_leads(joined, back)]),
        tuple(_devices(back)),
        fatal.device if fatal is not None else "",
        _why(fatal) if fatal is not None else None,
        fatal is not None and fatal.back,
        foreseen.answered,
        _ending(foreseen),
    )


def _why(fatal: Step) -> Message:
    text, by = told(fatal.what), told_or_quoted(fatal.by)
    if by is not None:
        text = message("{text}, by {by}", text=text, by=by)
    return message("{text} [{where}]", text=text, where=fatal.where) if fatal.where else text


def _ending(foreseen: Foresight) -> Message:
    ending, detail = Message(foreseen.ending), told_or_quoted(foreseen.detail)
    if detail is None or str(detail) == foreseen.ending:
        return ending
    return message("{ending}: {detail}", ending=ending, detail=detail)


def _devices(steps: Iterable[Step]) -> list[str]:
    found: list[str] = []
    for step in steps:
        if not found or found[-1] != step.device:
            found.append(step.device)
    return found


def _leads(site: Site, steps: list[Step]) -> list[Link]:
    """The lead between each device and the next; of several the one that the packet leaves by."""
    found = []
    for step, after in pairwise(steps):
        if step.device == after.device:
            continue
        between = [k for k in site.links if {end.device for end in k.ends} == {step.device, after.device}]
        said = [str(value).partition(".")[0] for name, value in step.what.values if name in PORTS]
        chosen = [link for link in between if any(Endpoint(step.device, word) in link.ends for word in said)]
        found += (chosen or between)[:1]
    return found


def tell_way(way: Way, language: str) -> list[str]:
    """The same in words: a line for each device, then where it ends."""
    lines = [f"{number} {name}" for number, name in enumerate(way.hops, 1)]
    more: list[Message] = []
    if way.back and (way.dead_back or way.answered):
        more.append(message("the answer goes by {devices}", devices=", ".join(way.back)))
    if way.dead:
        more.append(
            message("the answer dies at {device}: {why}", device=way.dead, why=way.why)
            if way.dead_back
            else message("it dies at {device}: {why}", device=way.dead, why=way.why)
        )
    more.append(Message("= {ending}", {"ending": way.ending}))
    return [*lines, *(text.in_language(language) for text in more)]
