"""What gets from one zone of a policy to another and must not: found among all packets, then sent.

Over each version of IP there is one packet for each pair of devices, from the sender's own address if it can be.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from grader.checks.second_opinion import HAND_TIMEOUT_NS
from grader.reach import Limit, OutOfScope, Packet, Reach
from grader.reach.atoms import bits
from grader.reach.trace import CLIENT_PORT
from labs.engines.base import Observation, Probe
from labs.messages import Message, message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.checks.context import Context
    from grader.reach.side import Side
    from labs.model.services import Service
    from labs.scenario.scenario import Policy

__all__ = ["Opening", "arriving", "confirm", "doubt_text", "openings_over", "tries_over", "was_open"]

MAX_HANDMADE = 400
MAX_TRIED = 1500  # packets that are sent where there is no proof
MAX_SOUGHT = 40  # pairs for which packets are made in vain: then the others stay untried
REASONS = {
    Limit.ASKED_ITSELF: message("a neighbour that is known only after it has asked itself"),
    Limit.BRIDGE_RULES: message("rules of the bridge family"),
    Limit.CLIENT_CERTIFICATE: message("a broker that asks for a certificate of its clients"),
    Limit.CONNECTION_FIELD: message("a rule asks for a field of the connection"),
    Limit.DUPLICATE_ADDRESS: message("two devices answer for one address"),
    Limit.DUPLICATE_MAC: message("two interfaces have one hardware address"),
    Limit.DYNAMIC_SET: message("a set that rules add to"),
    Limit.EQUAL_ROUTES: message("routes that are equally good"),
    Limit.HEADER_FIELD: message("a rule asks for a header field that any packet may fill in"),
    Limit.MARK: message("rules set marks and ask for them"),
    Limit.NAT_RANGE: message("a translation to a range"),
    Limit.NEGATED_CONCATENATION: message("a concatenation that is excluded"),
    Limit.NOT_OBSERVED: message("a bridge port or a VLAN whose settings were not read back"),
    Limit.NOT_TRACKED: message("a rule leaves packets untracked"),
    Limit.PORT_SETTINGS: message("a bridge port that floods or learns in a way of its own"),
    Limit.RATE: message("a rule that lets a rate pass"),
    Limit.SPANNING_TREE: message("the spanning tree would choose anew"),
    Limit.STALE_BROKER: message("a broker that has not read its files again"),
    Limit.STATIC_STATION: message("a hardware address entered by hand in a bridge"),
    Limit.SWITCHING_LOOP: message("switches connected in a loop"),
    Limit.TUNNEL: message("an interface of another kind, such as a tunnel"),
    Limit.RADIO: message("a way over the air"),
    Limit.UNREADABLE_RULES: message("rules that cannot be read"),
}


class Opening(NamedTuple):
    """A packet that gets from one zone to another and must not."""

    source: str
    target: str
    packet: Packet


def openings_over(side: Side, policy: Policy, members: Sequence[str], *, wide: bool) -> list[Opening]:
    """The openings over one version of IP. A conduit speaks of both, unless its service says `ipv6/`."""
    found: list[Opening] = []
    for source in members:
        own = set(side.addresses_of(source))
        for target in members:
            zones = policy.zone_of(source), policy.zone_of(target)
            if source == target or zones[0] == zones[1]:
                continue
            may = 0
            for service in _services_between(policy, zones):
                if wide or not service.wide:
                    may |= side.analysis.mask_of(service)
            open_ = [
                (side.analysis.addresses.first(atom) not in own, not side.is_owned(sent_to), atom, sent_to, more)
                for atom, sent_to, _, services in side.arriving(source, target)
                if (more := services & ~may)
            ]
            if open_:
                _, _, atom, sent_to, more = min(open_)
                packet = side.example_of(source, atom, sent_to, target, more)
                if packet is not None:
                    found.append(Opening(source, target, packet))
    return found


def tries_over(side: Side, policy: Policy, members: Sequence[str], *, wide: bool) -> list[Opening]:
    """What is sent where the proof is none: for each pair a packet for each class of services that must not flow.

    First those from the sender's own address to those of the target, then from others that it may take.
    """
    atoms = side.analysis.addresses
    own: list[Opening] = []
    foreign: list[Iterator[Opening]] = []
    for source in members:
        mine = {atoms.of(address) for address in side.addresses_of(source)}
        for target in members:
            zones = policy.zone_of(source), policy.zone_of(target)
            if source == target or zones[0] == zones[1]:
                continue
            rest = side.analysis.services.full
            for service in _services_between(policy, zones):
                if wide or not service.wide:
                    rest &= ~side.analysis.mask_of(service)
            own += _each(side, source, mine, target, rest)
            foreign.append(_each(side, source, set(side.sources_of(source)) - mine, target, rest))
    return list(islice(chain(own, *foreign), MAX_TRIED))


def _each(side: Side, source: str, froms: set[int], target: str, services: int) -> Iterator[Opening]:
    atoms = side.analysis.addresses
    towards = [atom for atom in map(atoms.of, side.near(source, target)) if not side.analysis.roads.is_scoped(atom)]
    for one in sorted(froms):
        for to in dict.fromkeys(towards):
            for cell in bits(services):
                yield Opening(source, target, side.example(source, one, to, cell, to=target))


def _services_between(policy: Policy, zones: tuple[str | None, str | None]) -> list[Service]:
    return [
        service for conduit in policy.allow if (conduit.source, conduit.target) == zones for service in conduit.services
    ]


def confirm(
    context: Context, side: Side, openings: list[Opening]
) -> tuple[list[Opening], list[tuple[Opening, Observation]]]:
    """Send every witness; those that arrive, and those that do not.

    Where rules ask more than the proof follows, a witness that does not arrive is followed by others with the fields
    that they ask for; no engine sends those, so they go through the machines of the analysis.
    """
    some = _able(context, side, openings)[:MAX_HANDMADE]
    seen = _sent(context, some)
    confirmed = [opening for opening in openings if opening not in some]
    unconfirmed: list[tuple[Opening, Observation]] = []
    for opening, observation in zip(some, seen, strict=True):
        # an engine that shows no hops shows no arrival
        arrived = observation.arrived_at(opening.target) or not observation.hops
        sought = not arrived and len(unconfirmed) < MAX_SOUGHT
        crafted = side.crafted(opening.packet, opening.target) if sought else None
        if arrived:
            confirmed.append(opening)
        elif crafted is not None:
            confirmed.append(opening._replace(packet=crafted))
        else:
            unconfirmed.append((opening, observation))
    return confirmed, unconfirmed


def arriving(context: Context, side: Side, openings: list[Opening]) -> list[Opening]:
    """Send every one that this engine can; those that arrive."""
    some = _able(context, side, openings)
    return [one for one, seen in zip(some, _sent(context, some), strict=True) if seen.arrived_at(one.target)]


def _able(context: Context, side: Side, openings: list[Opening]) -> list[Opening]:
    """Another engine sends from its own address and port."""
    return [one for one in openings if context.engine.name == "sim" or _is_ordinary(side, one)]


def _sent(context: Context, openings: list[Opening]) -> list[Observation]:
    probes = [
        Probe(
            opening.source,
            opening.packet.zoned,
            opening.packet.protocol,
            opening.packet.port,
            HAND_TIMEOUT_NS,
            str(opening.packet.source),
            opening.packet.source_port,
        )
        for opening in openings
    ]
    return context.engine.probe(probes) if probes else []


def _is_ordinary(side: Side, opening: Opening) -> bool:
    """A packet that a program of the sender could send without being told its source or the way out."""
    packet = opening.packet
    mine = packet.source in side.addresses_of(opening.source)
    return mine and packet.source_port == CLIENT_PORT and not packet.over


def was_open(before: Reach, opening: Opening) -> bool:
    """Whether the same packet got through on another site."""
    packet = opening.packet
    if opening.source not in before.analysis.machines:
        return False
    return before.converse_packet(packet).arrived_at(opening.target)


def doubt_text(doubts: Sequence[OutOfScope]) -> Message:
    """What makes a proof no proof: the first such thing."""
    first = doubts[0]
    text = message(
        "tried with packets alone, because of {device}: {limit}", device=first.device, limit=REASONS[first.limit]
    )
    return message("{text} ({what})", text=text, what=first.what) if first.what else text
