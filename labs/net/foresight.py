"""What would happen to a packet: the question, and the answer step by step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from labs.model.addresses import Address
from labs.net.actions import Dropped, DropReason, Forwarded
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP
from labs.net.ipv6 import Ipv6Packet
from labs.net.said import Ground, Said, said

__all__ = ["Answer", "Event", "Foresight", "PacketForm", "Question", "Step", "by_route", "death", "forwarded"]

PROTOCOLS = {PROTO_TCP: "tcp", PROTO_UDP: "udp"}


class Event(StrEnum):
    """What can happen to a packet. Closed. The value is how it is said, names in braces."""

    PACKET = "{packet}"
    BRIDGED = "bridge: {incoming} -> {outgoing}"
    FLOODED = "bridge: {incoming} -> {outgoing} (and out of every other port: it does not know the station)"
    LEAVES = "leaves by {interface}"
    FORWARDED = "is forwarded from {incoming} to {outgoing}"
    FORWARDED_TO = "is forwarded from {incoming} to {outgoing}, to {hop}"
    ARRIVES = "arrives by {interface}"
    HEARD = "arrives by {interface}: {program} listens on {protocol} port {port}"
    IGNORED = "arrives by {interface}: ignored ({setting} = 1)"
    ACCEPTED = "{hook}: accept{state}"
    STOPPED = "{hook}: {verdict}{state}"
    UNTRACKED = "{hook}: dropped"
    BECOMES = "{hook}: becomes {packet}"
    DIES = "dies: {reason}"
    UNHEARD = "dies: nothing listens on {protocol} port {port}"
    UNANSWERED = "dies: nobody answers ARP for {address} on {interface}"
    UNANSWERED6 = "dies: nobody answers neighbour solicitations for {address} on {interface}"
    ARP_DIES = "the ARP question for {address} dies at {interface}: {reason}"
    FRAME_DIES = "the frame for {address} dies at {interface}: {reason}"
    SOLICITATION_DIES = "the neighbour solicitation for {address} dies at {interface}: {reason}"
    SOLICITATION_STOPPED = "the neighbour solicitation for {address} dies: {hook}: {verdict}"
    ADVERTISEMENT_DIES = "the neighbour advertisement for {address} dies at {interface}: {reason}"
    ADVERTISEMENT_STOPPED = "the neighbour advertisement for {address} dies: {hook}: {verdict}"
    LOOP = "frames never stop going round: the switches are connected in a loop"


class PacketForm(StrEnum):
    """How a packet is named, in the words of tcpdump and of the RFCs where they have some."""

    PLAIN = "{protocol} {source} -> {target}, {kind}"
    DATAGRAM = "{protocol} {source} -> {target}"
    AROUND = "{protocol} {source} -> {target}, with {packet} in it"
    FRAGMENT = "{source} -> {target}, a fragment"
    ERROR = "error: {error}"
    NO_ADDRESS = "(no address)"
    A_PORT = "a port"


class Answer(StrEnum):
    """What the sender of a packet would be told."""

    SILENCE = "no answer"
    ANSWERS = "{address} answers"
    REPORTS = "{address} says: {error}"
    DATAGRAM = "an answer would come back, if the program gives one"
    OPENS = "the connection opens"
    LOST = "{left} of {size} bytes never arrived"
    UNWAITED = "nobody waits for the answer"


ASIDE = frozenset(  # frames beside the packet: they explain, they do not travel on
    {
        Event.ARP_DIES,
        Event.FRAME_DIES,
        Event.SOLICITATION_DIES,
        Event.SOLICITATION_STOPPED,
        Event.ADVERTISEMENT_DIES,
        Event.ADVERTISEMENT_STOPPED,
    }
)
FATAL = ASIDE | {
    Event.STOPPED,
    Event.UNTRACKED,
    Event.DIES,
    Event.UNHEARD,
    Event.UNANSWERED,
    Event.UNANSWERED6,
}


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
    fields: tuple[tuple[str, str, int], ...] = ()
    """Of a packet that is made by hand: header fields as (protocol, field, value), in the words of nft."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would happen: `what` is an Event with its values.

    `by` is the route, rule or table that decides: as the device prints it, or a Ground. `where` is its file and line
    if it has one.
    """

    device: str
    what: Said
    by: str | Said = ""
    where: str = ""
    back: bool = False
    """True on the way of the answer."""

    @property
    def fatal(self) -> bool:
        """The packet, or a frame that it needs, ends here too early."""
        return self.what.phrase in FATAL

    @property
    def aside(self) -> bool:
        """It tells of a frame beside the packet: a question for a neighbour, its answer."""
        return self.what.phrase in ASIDE


@dataclass(frozen=True, slots=True)
class Foresight:
    """What would become of a packet.

    `ending` is a disposition (delivered, refused, timed out …), `detail` what the sender would be told: an Answer, or
    an error as the kernel words it.
    """

    steps: tuple[Step, ...]
    ending: str
    detail: str | Said = ""

    @property
    def answered(self) -> bool:
        """It would arrive, and the answer would come back."""
        return self.ending == "delivered"


def forwarded(note: Forwarded) -> Said:
    """A router passes a packet on; its next hop is named where it is not the destination itself."""
    ways = {"incoming": note.incoming, "outgoing": note.outgoing}
    if note.next_hop == note.packet.dst:
        return said(Event.FORWARDED, **ways)
    return said(Event.FORWARDED_TO, **ways, hop=str(note.next_hop))


def death(note: Dropped) -> Said:
    """A packet dies. Where nobody listens or answers, the phrase says it all; else `note.by` tells more."""
    packet = note.packet
    if note.reason is DropReason.NO_LISTENER and packet is not None and packet.protocol in PROTOCOLS:
        port = getattr(packet.head, "dport", "?")
        return said(Event.UNHEARD, protocol=PROTOCOLS[packet.protocol], port=port)
    if note.reason is DropReason.NEIGHBOUR_FAILED and packet is not None:
        event = Event.UNANSWERED6 if isinstance(packet, Ipv6Packet) else Event.UNANSWERED
        return said(event, address=str(note.by or packet.dst), interface=note.interface)
    return said(Event.DIES, reason=note.reason)


def by_route(text: str) -> str | Said:
    """What decided, where a route did: as `ip route` prints it; nothing where none is known."""
    return said(Ground.ROUTE, route=text) if text else ""
