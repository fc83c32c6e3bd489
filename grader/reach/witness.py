"""What an answer rests on: a concrete packet, its hops, and at each hop the route, rule or file line that decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grader.evidence import Evidence, Quoted, row_of, way_of
from grader.reach.machine import machine
from labs.net.foresight import Question, Step

if TYPE_CHECKING:
    from grader.reach.scope import OutOfScope
    from grader.reach.trace import Packet
    from labs.engines.sim.wire import Wire
    from labs.model.site import Site
    from labs.net.linux.node import LinuxNode

__all__ = ["Answer", "Narrator", "Opening", "Witness"]


@dataclass(frozen=True, slots=True)
class Witness:
    """One packet and everything that happens to it. `ending` is a disposition in words.

    The steps are those of `why`: the packets themselves, what each device does with them, by which route or rule, and
    the file and line that says so.
    """

    packet: Packet
    steps: tuple[Step, ...] = ()
    ending: str = ""

    def lines(self, *, back: bool = False) -> Iterator[str]:
        """One line a step, the way out only unless `back`."""
        return (str(row_of(step)) for step in self.steps if back or not step.back)

    def evidence(self) -> tuple[Evidence, ...]:
        """The way out, for people: what cannot be told anew is left out."""
        return tuple(way_of(self.steps)) or (Quoted(str(self.packet)),)


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes or no for every packet of a question, with a witness: one that shows it, or one that shows why not.

    `limits` is what could not be decided exactly; without any, the answer is a proof.
    """

    holds: bool
    witness: Witness | None = None
    classes: int = 0
    """How many classes of packets were decided."""
    limits: tuple[OutOfScope, ...] = ()
    decided: tuple[str, ...] = ()
    """What a broker says behind the packets, in the order in which it asks, each with the line of its file."""

    @property
    def proved(self) -> bool:
        """Nothing on the way was outside the exact scope."""
        return not self.limits

    def __bool__(self) -> bool:
        return self.holds


@dataclass(frozen=True, slots=True)
class Opening:
    """A class of packets that gets from one device to another: ranges, both ends included. No ports for ping."""

    sources: tuple[str, str]
    targets: tuple[str, str]
    protocol: str
    source_ports: tuple[tuple[int, int], ...] = ()
    ports: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        def span(ends: tuple[object, object]) -> str:
            return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"

        text = f"{self.protocol} {span(self.sources)} -> {span(self.targets)}"
        if self.ports:
            text += " port " + ",".join(span(part) for part in self.ports)
        if self.source_ports not in ((), ((1, 65535),)):
            text += " from port " + ",".join(span(part) for part in self.source_ports)
        return text


@dataclass(slots=True)
class Narrator:
    """Tells what happens to a packet on an observed site, step by step, as `why` does."""

    site: Site
    _machines: dict[str, LinuxNode] = field(default_factory=dict)
    _wires: dict[tuple[str, str], Wire] = field(default_factory=dict)

    def tell(self, packet: Packet) -> Witness:
        """The story of a packet."""
        from labs.engines.sim.foresight import foresee

        if not self._machines:
            self._start()
        if packet.device not in self._machines:
            return Witness(packet, (), "the sender has no power")
        after = [_question(earlier) for earlier in packet.after]
        told = foresee(self._machines, self._wires, 0, packet.device, _question(packet), after)
        return Witness(packet, told.steps, told.ending)

    def _start(self) -> None:
        from labs.engines.sim.wire import Wire

        for name, device in self.site.devices.items():
            if device.state is not None:
                self._machines[name] = machine(device)
        for link in self.site.links:
            if all(end.device in self._machines for end in link.ends):
                interfaces = [self._machines[end.device].interfaces.get(end.port) for end in link.ends]
                wire = Wire(link, 1_000_000_000, self.site.seed)
                wire.up = all(interface is not None and interface.running for interface in interfaces)
                for end in link.ends:
                    self._wires[end] = wire


def _question(packet: Packet) -> Question:
    by_hand = packet.source is not None
    return Question(
        packet.target,
        packet.protocol,
        packet.port,
        packet.source,
        packet.source_port if by_hand else 0,
        packet.over,
        packet.fields,
    )
