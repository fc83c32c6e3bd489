"""What would happen to a packet: the question, and the answer step by step."""

from __future__ import annotations

from dataclasses import dataclass

from labs.model.addresses import Address

__all__ = ["Foresight", "Question", "Step"]


@dataclass(frozen=True, slots=True)
class Question:
    """A packet that is not sent: `protocol` is ping, tcp or udp; `port` counts for the last two.

    `source` is an address of the sender, or None for the one that the kernel would choose. With `source_port` the
    packet is made by hand: it then may come from any address, and no program waits for its answer.
    """

    destination: Address
    protocol: str = "ping"
    port: int = 0
    source: Address | None = None
    source_port: int = 0
    over: str = ""
    """The interface that stands behind the % of a link-local destination."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would happen.

    `by` is the route, rule or table that decides, `where` its file and line if it has one.
    """

    device: str
    what: str
    by: str = ""
    where: str = ""
    back: bool = False
    """True on the way of the answer."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would become of a packet.

    `ending` is a disposition (delivered, refused, timed out …), `detail` what the sender would be told.
    """

    steps: tuple[Step, ...]
    ending: str
    detail: str = ""

    @property
    def answered(self) -> bool:
        """It would arrive, and the answer would come back."""
        return self.ending == "delivered"
