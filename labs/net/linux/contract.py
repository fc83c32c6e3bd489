"""The edges of a device: what an engine needs of it, and what it can learn of its surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from labs.net.actions import Action, Note
    from labs.net.ethernet import Frame
    from labs.net.foresight import Foresight, Question
    from labs.net.phy import LinkMode

__all__ = ["Node", "Oracle", "World"]


class Node(Protocol):
    """What an engine needs of a device. Times are integer nanoseconds since the start of the lab."""

    def receive(self, port: str, frame: Frame, now: int) -> list[Action | Note]:
        """A frame arrived at a port."""

    def link_changed(
        self,
        port: str,
        up: bool,  # noqa: FBT001 - the engine's event
        now: int,
        mode: LinkMode | None = None,
    ) -> list[Action | Note]:
        """The lead in a port came alive, in this mode, or died."""

    def wake(self, now: int) -> list[Action | Note]:
        """The time asked for by `next_wake` has come."""

    def next_wake(self) -> int | None:
        """When to call `wake`, or None."""


class World(Protocol):
    """What a device can know of its surroundings."""

    def sense(self, quantity: str, now: int) -> float:
        """The true value of a quantity at the device. Raises KeyError where there is none."""

    def felt(self, quantity: str, now: int, tau_s: float) -> float:
        """The same as a probe with a time constant has followed it. Raises KeyError where there is none."""

    def terminal(self, number: int, now: int, *, mode: str, cold_c: float = 20.0) -> Any:
        """What stands on an analogue input of the device; None where nothing is connected."""

    def battery(self, now: int) -> tuple[float, int]:
        """The share that was in the battery of the device when it was last put in, and when that was."""

    @property
    def serial(self) -> str:
        """What tells this unit from every other."""

    def drive(self, what: str, level: float, now: int, *, stays: bool = False) -> None:
        """Set something in the room of the device (heater, window, lamp …) to a level from 0 to 1."""

    def level(self, what: str, now: int) -> float:
        """At what level something in the room is."""

    def power_lost(self, now: int) -> None:
        """The device has no power any more: its relays fall back."""

    def wall_clock(self, now: int) -> float:
        """Unix time in seconds."""


class Oracle(Protocol):
    """Whoever knows the whole site and can say what would happen to a packet."""

    def foresee(self, device: str, question: Question) -> Foresight | None:
        """What would become of a packet that `device` sends. None: not to be told. Raises KeyError."""
