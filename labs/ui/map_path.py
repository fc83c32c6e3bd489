"""The way of a packet on the map: which devices it passes in which order, over which leads, and where it dies.

It is read from the steps of `why`, so map and list cannot tell different stories.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from labs.model.site import Endpoint, Link, Site
from labs.ui.map_lines import lines_of, with_lines
from labs.ui.style import marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from labs.net.foresight import Foresight, Step

__all__ = ["Way", "tell_way", "way_of"]

DEADLY = ("dies", ": drop", ": reject")  # words of a step with which a packet ends
ASIDE = (
    "the ARP question for",
    "the frame for",
    "the neighbour ",
)  # frames beside the packet: they explain, they do not travel on


@dataclass(frozen=True, slots=True)
class Way:
    """`hops` are the devices in order, `back` those of the answer; `dead` is where it ends too early, with `why`.

    `dead_back` is True where the answer dies and not the packet. `answered` is True where the answer comes back.
    """

    hops: tuple[str, ...]
    leads: frozenset[Link]
    back: tuple[str, ...] = ()
    dead: str = ""
    why: str = ""
    dead_back: bool = False
    answered: bool = False
    ending: str = ""

    def numbers(self, device: str) -> str:
        """The places of a device on the way out: `2`, or `2,4` where a packet comes by again."""
        return ",".join(str(number) for number, name in enumerate(self.hops, 1) if name == device)


def way_of(site: Site, told: Foresight) -> Way:
    """The way that an answer of `why` describes."""
    fatal = next((step for step in told.steps if _is_fatal(step)), None) if not told.answered else None
    out, back = (
        [step for step in told.steps if step.back is way and step.device in site.devices and not _is_aside(step)]
        for way in (False, True)
    )
    because, joined = "", with_lines(site, lines_of(site))
    if fatal is not None:
        place = f" [{fatal.where}]" if fatal.where else ""
        because = f"{fatal.what}{f', by {fatal.by}' if fatal.by else ''}{place}"
    return Way(
        tuple(_devices(out)),
        frozenset([*_leads(joined, out), *_leads(joined, back)]),
        tuple(_devices(back)),
        fatal.device if fatal is not None else "",
        because,
        fatal is not None and fatal.back,
        told.answered,
        told.ending if not told.detail or told.detail == told.ending else f"{told.ending}: {told.detail}",
    )


def _is_fatal(step: Step) -> bool:
    return bool(step.device) and any(word in step.what for word in DEADLY)


def _is_aside(step: Step) -> bool:
    return step.what.startswith(ASIDE)


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
        said = [word.rstrip(",").partition(".")[0] for word in step.what.split()]
        chosen = [link for link in between if any(Endpoint(step.device, word) in link.ends for word in said)]
        found += (chosen or between)[:1]
    return found


def tell_way(way: Way, phrase: Callable[..., str]) -> list[str]:
    """The same in words: a line for each device, then where it ends."""
    lines = [f"{number} {name}" for number, name in enumerate(way.hops, 1)]
    if way.back and (way.dead_back or way.answered):
        lines.append(phrase(marked("the answer goes by {devices}"), devices=", ".join(way.back)))
    if way.dead:
        what = marked("the answer dies at {device}: {why}") if way.dead_back else marked("it dies at {device}: {why}")
        lines.append(phrase(what, device=way.dead, why=way.why))
    lines.append(f"= {way.ending}")
    return lines
