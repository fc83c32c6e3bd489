"""The contract of an engine, and what passes over it: outputs, probes and observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from labs.messages import Message
from labs.net.actions import Delivered, Dropped, DropReason
from labs.net.said import Said

if TYPE_CHECKING:
    from labs.model.site import Site
    from labs.net.actions import Note

__all__ = [
    "BeyondEngine",
    "CommandRejected",
    "Disposition",
    "Engine",
    "EngineUnavailable",
    "HandsOutput",
    "Hop",
    "Observation",
    "Output",
    "Probe",
    "SandboxMissing",
]

HANDS = "hands"
MAX_OUTPUT = 1 << 18  # characters of one line that a person is shown
CUT = "netwerf: output cut after "


class CommandRejected(Exception):
    """A line that cannot be run at all: an unknown place, an over-long line. The trainee's mistake, in one line."""


class BeyondEngine(Exception):
    """An engine cannot do what a judge asked, however long anybody waits; one line says what and why."""


class EngineUnavailable(Exception):
    """An engine cannot run here; one line says what is missing and what to do."""


class SandboxMissing(EngineUnavailable):
    """There is no sandbox, or it does not hold: nothing that somebody typed is run."""


class Output(NamedTuple):
    """What a line answered: everything it printed, and its exit status."""

    text: str
    status: int

    @property
    def was_cut(self) -> bool:
        """There was more than could be kept."""
        return self.text.rstrip("\n").rpartition("\n")[2].startswith(CUT)

    def in_language(self, language: str) -> str:
        """What to show: the tools of devices speak English whatever the language of the interface."""
        del language
        return self.text


class HandsOutput(Output):
    """What hands answered, message by message: they speak the language of their owner."""

    told: tuple[Message, ...]

    def __new__(cls, told: Sequence[Message], status: int) -> Self:  # noqa: D102 - the class says it
        answer = super().__new__(cls, "".join(f"{line}\n" for line in told), status)
        answer.told = tuple(told)
        return answer

    def in_language(self, language: str) -> str:
        """The same as `text`, in a language."""
        return "".join(f"{line.in_language(language)}\n" for line in self.told)


class Disposition(StrEnum):
    """How a probe ended. Closed: grader and reports know no other ending."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    REJECTED = "rejected"
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"
    NO_ROUTE = "no route"
    NAME_UNKNOWN = "name unknown"
    NO_SENDER = "the sender has no power"


@dataclass(frozen=True, slots=True)
class Probe:
    """The grader's own traffic: from a device to an address or name, as `ping`, `tcp` or `udp`.

    `port` counts for tcp and udp. `timeout_ns` is how long an answer may take. With `load` so many bytes have to
    arrive: over TCP after the connection is open, in a ping as its data. With `source_port` the packet is made by
    hand, with any `source_address`: nobody waits for its answer, and what counts is how far it comes.
    """

    source: str
    target: str
    protocol: str = "ping"
    port: int = 0
    timeout_ns: int = 4_000_000_000
    source_address: str = ""
    source_port: int = 0
    load: int = 0


class Hop(NamedTuple):
    """One thing that happened to a probe on its way: where, what, and what decided."""

    device: str
    at_ns: int
    note: Note


@dataclass(frozen=True, slots=True)
class Observation:
    """What became of a probe. `hops` is its trace, both ways, in order of time."""

    probe: Probe
    disposition: Disposition
    address: str = ""
    detail: str | Said = ""
    hops: tuple[Hop, ...] = field(default=())

    @property
    def delivered(self) -> bool:
        """The probe got its answer."""
        return self.disposition is Disposition.DELIVERED

    def arrived_at(self, device: str) -> bool:
        """A packet of the probe reached this device, whether or not anything answered."""
        return any(hop.device == device and isinstance(hop.note, Delivered) for hop in self.hops)

    @property
    def death(self) -> Hop | None:
        """Where the first packet of the probe died, if one did.

        A packet that was too big is sent again in smaller ones: then what counts is where the last of those died.
        """
        deaths = [hop for hop in self.hops if isinstance(hop.note, Dropped)]
        too_big = [hop for hop in deaths if isinstance(hop.note, Dropped) and hop.note.reason is DropReason.TOO_BIG]
        return too_big[-1] if too_big and too_big[0] is deaths[0] else next(iter(deaths), None)


class Engine(Protocol):
    """Runs a site. Times are nanoseconds since it was switched on; the trainee arrives at `ARRIVAL_NS`."""

    name: str
    repeats: bool
    """True where the same lines on the same site give the same answers, byte for byte."""

    @property
    def now(self) -> int:
        """Simulated time."""

    def start(self, site: Site) -> None:
        """Build, power and boot everything."""

    def run(self, place: str, line: str, *, most: int = MAX_OUTPUT, longest_ns: int = 0) -> Output:
        """Run one line at a place. Raises CommandRejected.

        Output is cut after `most` characters and says so (`was_cut`); an engine in real time may keep to its own limit.
        A line that a judge lets run for `longest_ns` is not interrupted before; raises BeyondEngine where an engine in
        real time does not wait for so long.
        """

    def login(self) -> None:
        """A new shell at every device. Whoever judges has none of the functions, aliases and settings of a trainee.

        What runs in the shells before goes on there.
        """

    def wait(self, duration_ns: int) -> None:
        """Let time pass. Raises BeyondEngine where an engine in real time does not wait for so long."""

    def elapse(self, duration_ns: int, *, besides: str = "") -> None:
        """Let so much time of the world pass; an engine in real time puts the clocks of the site forward.

        What goes on now and then goes on as before, so whatever is shown is as old as the jump until it comes again.
        Raises BeyondEngine where something on site would have changed meanwhile that no clock of the site moves; a
        program with `besides` among its words is the judge's own and does not count.
        """

    def moment(self, device: str, unix_ns: int) -> int:
        """When it was that the tools of a device showed this Unix time."""

    def settle(self, duration_ns: int) -> None:
        """Let the site come to rest, as so much time would. An engine in real time may take less."""

    def observe(self) -> Site:
        """The site as it now is, read back."""

    def probe(self, probes: Sequence[Probe]) -> list[Observation]:
        """Send the grader's own traffic, all probes at once; one observation each, in the same order."""

    def read_file(self, device: str, path: str) -> bytes:
        """A file of a device as it is now, byte for byte. Raises CommandRejected."""

    def power(self, device: str, *, on: bool) -> None:
        """Switch a device on or off."""

    def stop(self) -> None:
        """Give everything back."""
