"""What hands can reach of an engine, and how they say that something cannot be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from labs.messages import Message, message

if TYPE_CHECKING:
    from labs.model.bus import Bus
    from labs.model.field import Loop
    from labs.model.site import Endpoint, Link, Site
    from labs.net.linux.node import LinuxNode
    from labs.things.world import LivingWorld

__all__ = ["HandsError", "Told", "Verb", "Workbench", "no_device"]


Told = list[Message]
"""What hands tell, a message a line."""


class HandsError(Exception):
    """Something hands cannot do. `status` 2: the words were wrong; 1: the thing was not possible."""

    def __init__(self, said: Message, status: int = 2) -> None:
        super().__init__(str(said))
        self.said = said
        self.status = status


def no_device(name: str, bench: Workbench) -> HandsError:
    """There is no device of that name."""
    return HandsError(
        message('there is no device "{name}"; there are: {known}', name=name, known=", ".join(bench.site.devices))
    )


class Workbench(Protocol):
    """What hands can reach of an engine."""

    @property
    def site(self) -> Site:
        """Devices, and leads as they are plugged now."""

    @property
    def now(self) -> int:
        """Simulated time."""

    @property
    def world(self) -> LivingWorld:
        """The world as it goes on."""

    def node(self, name: str) -> LinuxNode:
        """A device in operation."""

    def plug(self, link: Link) -> None:
        """Put a lead between two free ports."""

    def unplug(self, end: Endpoint) -> Link | None:
        """Take a lead out."""

    def rewire_line(self, loop: Loop) -> None:
        """Change an analogue line."""

    def power(self, device: str, *, on: bool) -> None:
        """Switch a device."""

    def wait(self, duration_ns: int) -> None:
        """Let a moment pass."""

    def let_pass(self, duration_ns: int) -> Told:
        """Let time pass; what a person has to know of how it passed. Raises HandsError."""

    def rewire(self, bus: Bus) -> None:
        """Change the wiring of a bus."""

    def alter(self, device: str, path: str, text: str, *, restart: str) -> None:
        """Set a switch on a device: what it says stands in a file, and a service reads it again."""

    def move(self, device: str, room: str) -> None:
        """Carry a device into another room."""


Verb = tuple[Callable[[Workbench, list[str]], Told], Message]
"""What a word does, and how `help` tells it."""
