"""Judge of `policy`: what can flow between zones, proved for all packets, against what may flow.

What may flow must work, shown by conversations; what may not must be impossible, shown by the analysis of every packet
that a device of the zone can send (see `Reach.sources_of`). Both are tried on the engine: every witness, every pair
with every service that anybody offers or the policy names, and ports that nobody uses. Proof and packet must agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from grader.checks.context import Context, Flow
from grader.checks.encrypted import Bare, bare_ports, bare_text
from grader.checks.flows import describe
from grader.checks.second_opinion import HAND_TIMEOUT_NS, contradiction, let_through
from grader.explain import death_of, path_of
from grader.reach import Limit, OutOfScope, Packet, Reach
from grader.reach.trace import CLIENT_PORT
from grader.verdict import Finding, Verdict
from labs.engines.base import Observation, Probe
from labs.messages import Message, message
from labs.model.services import Service
from labs.scenario.intents import PolicyHolds
from labs.scenario.scenario import Policy

__all__ = ["judge_policy"]

USUAL = (
    Service("icmp"),
    Service("tcp", 22),
    Service("tcp", 23),
    Service("tcp", 80),
    Service("tcp", 443),
    Service("tcp", 8080),
)
UNUSED = (Service("tcp", 47_808), Service("udp", 47_808))
SHOWN = 4
MAX_HANDMADE = 400
REASONS = {
    Limit.ASKED_ITSELF: message("a neighbour that is known only after it has asked itself"),
    Limit.BRIDGE_RULES: message("rules of the bridge family"),
    Limit.CLIENT_CERTIFICATE: message("a broker that asks for a certificate of its clients"),
    Limit.CONNECTION_FIELD: message("a rule asks for a field of the connection"),
    Limit.DUPLICATE_ADDRESS: message("two devices answer for one address"),
    Limit.DUPLICATE_MAC: message("two interfaces have one hardware address"),
    Limit.DYNAMIC_SET: message("a set that rules add to"),
    Limit.HEADER_FIELD: message("a rule asks for a header field that any packet may fill in"),
    Limit.IPV6: message("addresses of IPv6"),
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


@dataclass(slots=True)
class _Trial:
    """One judgement: the questions, the proofs and the packets."""

    context: Context
    policy: Policy
    mode: str
    members: list[str] = field(default_factory=list)
    answers: dict[Flow, Observation | None] = field(default_factory=dict)
    wanted: list[Flow] = field(default_factory=list)
    forbidden: list[Flow] = field(default_factory=list)
    over_six: list[Flow] = field(default_factory=list)
    """What must not flow, over IPv6: tried with packets, since the proof is one about IPv4."""

    @property
    def reach(self) -> Reach:
        return self.context.reach

    @property
    def doubts(self) -> tuple[OutOfScope, ...]:
        """What makes the proof no proof: then packets alone decide."""
        return tuple(limit for limit in self.reach.limits if not limit.cautious and not limit.aside)


def judge_policy(context: Context, body: PolicyHolds) -> Finding:
    """Too little is a broken service, too much a packet that got through."""
    policy = context.variant.scenario.policy
    assert policy is not None
    trial = _Trial(context, policy, body.mode, [device for zone in policy.zones.values() for device in zone])
    dead = [name for name in trial.members if context.site.devices[name].state is None]
    if dead:
        return Finding(Verdict.BLOCKED, message("{device} has no power, so nothing was tested", device=dead[0]))
    trial.wanted = [flow for flow in context.allowed_flows() if _between_zones(policy, flow)]
    trial.forbidden = _forbidden(context, policy, trial.members) if body.mode != "at_least" else []
    trial.over_six = _over_six(context, policy, trial.forbidden)
    openings = _openings(trial) if body.mode != "at_least" else []  # before any packet: time stands still for a proof
    stories = {flow: _converse(trial, flow) for flow in trial.wanted}
    silent = next((name for name in trial.members if not _alive(trial, name)), None)
    proof_of = {flow: _proved_arrival(trial, flow) for flow in trial.forbidden}
    doubts = trial.doubts
    trial.answers = context.observe([*trial.wanted, *trial.forbidden, *trial.over_six])
    confirmed, unconfirmed = _confirm(trial, openings)
    if {limit.limit for limit in trial.reach.limits if limit.cautious} == {Limit.RATE}:
        confirmed = openings  # the rate let others pass just now; it lets this one pass at another time
    if not doubts and not _lossy(context):
        odd = _disagreement(trial, stories, proof_of, unconfirmed)
        if odd is not None:
            return odd
    too_little = [flow for flow in trial.wanted if not _works(trial, flow)] if body.mode != "at_most" else []
    by_packet = [flow for flow in trial.forbidden if _arrived(flow, trial.answers[flow])]
    too_much = confirmed if not doubts else _of_packets(trial, by_packet)
    wide = [flow for flow in trial.over_six if _arrived(flow, trial.answers[flow])]
    bare = bare_ports(context, policy, trial.members) if body.mode != "at_least" else []
    if isinstance(bare, Finding):
        return bare
    if too_much or too_little or wide or bare:
        return _failed(trial, too_much, too_little, wide, bare, doubts)
    if silent is not None:
        return Finding(
            Verdict.BLOCKED, message("{device} reaches nobody at all, so its silence proves nothing", device=silent)
        )
    passed = _passed(trial, doubts)
    if body.mode != "at_least" and any(conduit.tls for conduit in policy.allow):
        encrypted = message("{text}; what has to be encrypted speaks TLS", text=passed.rationale)
        return replace(passed, rationale=encrypted)
    return passed


# What the analysis says


def _converse(trial: _Trial, flow: Flow) -> bool | None:
    """Whether a wanted conversation works by the analysis; None where it cannot be asked."""
    source, target, service = flow
    if target not in trial.context.site.devices or service.wide:
        return None
    address = trial.context.address_of(target, source)
    if address is None:
        return None
    found = trial.reach.converse(source, address, service)
    return found.answered and found.arrived_at(target)


def _proved_arrival(trial: _Trial, flow: Flow) -> bool | None:
    """Whether the packet of a probe arrives by the analysis of all packets."""
    source, target, service = flow
    reach = trial.reach
    address = trial.context.address_of(target, source)
    if address is None or service.wide:
        return None
    return reach.arrives(reach.packet(source, address, service), target)


def _openings(trial: _Trial) -> list[Opening]:
    """One packet for each pair of devices that gets through and must not, from the sender's own address if it can."""
    reach, policy = trial.reach, trial.policy
    found: list[Opening] = []
    for source in trial.members:
        own = set(reach.addresses_of(source))
        for target in trial.members:
            zones = policy.zone_of(source), policy.zone_of(target)
            if source == target or zones[0] == zones[1]:
                continue
            may = 0
            for conduit in policy.allow:
                if (conduit.source, conduit.target) == zones:
                    for service in (service for service in conduit.services if not service.wide):
                        may |= reach.analysis.mask_of(service)
            open_ = [
                (reach.analysis.addresses.first(atom) not in own, not reach.is_owned(sent_to), atom, sent_to, more)
                for atom, sent_to, _, services in reach.arriving(source, target)
                if (more := services & ~may)
            ]
            if open_:
                _, _, atom, sent_to, more = min(open_)
                packet = reach.example_of(source, atom, sent_to, target, more)
                if packet is not None:
                    found.append(Opening(source, target, packet))
    return found


def _alive(trial: _Trial, device: str) -> bool:
    """The device can show itself: something that it sends arrives somewhere."""
    reach = trial.reach
    others = sorted(
        reach.analysis.machines, key=lambda name: trial.policy.zone_of(name) != trial.policy.zone_of(device)
    )
    for other in others:
        if other == device:
            continue
        for address in reach.addresses_of(other):
            found = reach.converse(device, address, Service("icmp"))
            if any(name not in (device, "") for name, _ in found.notes):
                return True
    return False


# What packets say


def _confirm(trial: _Trial, openings: list[Opening]) -> tuple[list[Opening], list[tuple[Opening, Observation]]]:
    """Send every witness; those that arrive, and those that do not."""
    able = trial.context.engine.name == "sim"  # another engine sends from its own address and port
    some = [o for o in openings if able or _is_ordinary(trial, o)][:MAX_HANDMADE]
    probes = [
        Probe(
            opening.source,
            str(opening.packet.target),
            opening.packet.protocol,
            opening.packet.port,
            HAND_TIMEOUT_NS,
            str(opening.packet.source),
            opening.packet.source_port,
        )
        for opening in some
    ]
    seen = trial.context.engine.probe(probes) if probes else []
    confirmed, unconfirmed = [opening for opening in openings if opening not in some], []
    for opening, observation in zip(some, seen, strict=True):
        if (
            observation.arrived_at(opening.target) or not observation.hops
        ):  # an engine that shows no hops shows no arrival
            confirmed.append(opening)
        else:
            unconfirmed.append((opening, observation))
    return confirmed, unconfirmed


def _is_ordinary(trial: _Trial, opening: Opening) -> bool:
    """A packet that a program of the sender could send without being told its source."""
    packet = opening.packet
    return packet.source in trial.reach.addresses_of(opening.source) and packet.source_port == CLIENT_PORT


def _disagreement(
    trial: _Trial,
    stories: dict[Flow, bool | None],
    proof_of: dict[Flow, bool | None],
    unconfirmed: list[tuple[Opening, Observation]],
) -> Finding | None:
    """Proof and packet that contradict each other: our fault, told with both stories."""
    cautious = any(limit.cautious for limit in trial.reach.limits)
    for opening, observation in unconfirmed:
        if not cautious:
            return contradiction(trial.reach, opening.packet, observation, arrives=True)
    for flow, proved in (*proof_of.items(), *stories.items()):
        observation_ = trial.answers[flow]
        if proved is None or observation_ is None or not (observation_.hops or observation_.delivered):
            continue
        wanted = flow in stories
        seen = _works(trial, flow) if wanted else _arrived(flow, observation_)
        if seen != proved and not (cautious and proved):
            address = trial.context.address_of(flow[1], flow[0])
            assert address is not None
            return contradiction(trial.reach, Reach.packet(flow[0], address, flow[2]), observation_, arrives=proved)
    return None


def _lossy(context: Context) -> bool:
    """Leads that lose frames: one packet proves nothing there."""
    return any(link.loss for link in context.site.links)


def _works(trial: _Trial, flow: Flow) -> bool:
    """The answer came. A program need not answer a senseless datagram: there the way back is the analysis's to tell."""
    observation = trial.answers[flow]
    if observation is None or observation.delivered or flow[2].protocol != "udp":
        return observation is not None and observation.delivered
    return observation.arrived_at(flow[1]) and bool(_converse(trial, flow))


def _of_packets(trial: _Trial, flows: list[Flow]) -> list[Opening]:
    found = []
    for source, target, service in flows:
        address = trial.context.address_of(target, source)
        if address is not None and not service.wide:
            found.append(Opening(source, target, Reach.packet(source, address, service)))
    return found


# What the trainee is told


def _failed(
    trial: _Trial,
    too_much: list[Opening],
    too_little: list[Flow],
    wide: list[Flow],
    bare: list[Bare],
    doubts: tuple[OutOfScope, ...],
) -> Finding:
    """Opened too far, still open, newly broken, still broken; the first of each with its packet."""
    before = trial.context.before
    said: list[Message] = []
    evidence: list[str] = []
    known = [opening for opening in too_much if _was_open(before, opening)]
    new = [opening for opening in too_much if opening not in known]
    for openings, fresh in ((new, True), (known, False)):
        if openings:
            said.append(_open_text(trial, openings, fresh=fresh))
            evidence += [str(openings[0].packet), *trial.reach.tell(openings[0].packet).lines()]
    if wide:
        source, target, service = wide[0]
        said.append(
            message(
                "open over IPv6: {count} flows; {source} gets through to {target} ({service})",
                count=len(wide),
                source=source,
                target=target,
                service=str(service),
            )
        )
        observation = trial.answers[wide[0]]
        evidence += [describe(wide[0]), *(path_of(observation) if observation is not None else ())]
    if bare:
        said.append(bare_text(bare))
        evidence += [str(bare[0].packet), *trial.reach.tell(bare[0].packet).lines()]
    worked = [flow for flow in too_little if _worked(before, flow)]
    never = [flow for flow in too_little if flow not in worked]
    for flows, fresh in ((worked, True), (never, False)):
        if flows:
            said.append(_broken_text(trial, flows, fresh=fresh))
            observation = trial.answers[flows[0]]
            evidence += [describe(flows[0]), *(path_of(observation) if observation is not None else ())]
    mended = [
        flow for flow in trial.wanted if flow not in too_little and not flow[2].wide and not _worked(before, flow)
    ]
    if mended:
        said.append(message("{count} allowed flows are mended", count=len(mended)))
    if doubts:
        said.append(_doubt(doubts))
    text = said[0]
    for more in said[1:]:
        text = message("{text}; {more}", text=text, more=more)
    help_ = message("follow one of them: the last device that passed it on is where it should have been stopped")
    if bare and not (too_much or wide):
        help_ = message("a listener of mosquitto speaks TLS with a certfile and a keyfile, one of nginx with ssl")
    return Finding(Verdict.FAIL, text, help_ if too_much or wide or bare else None, tuple(evidence))


def _was_open(before: Reach, opening: Opening) -> bool:
    packet = opening.packet
    if opening.source not in before.analysis.machines:
        return False
    return before.tracer.converse(packet).arrived_at(opening.target)


def _worked(before: Reach, flow: Flow) -> bool:
    source, target, service = flow
    known = before.analysis.machines
    if service.wide or source not in known or target not in known:
        return False
    return any(
        found.answered and found.arrived_at(target)
        for found in (before.converse(source, address, service) for address in before.addresses_of(target))
    )


def _open_text(trial: _Trial, openings: list[Opening], *, fresh: bool) -> Message:
    first = openings[0]
    others = ", ".join(dict.fromkeys(f"{o.source} -> {o.target}" for o in openings[1:]))
    zones = trial.policy.zone_of(first.source), trial.policy.zone_of(first.target)
    values = {
        "source": first.source,
        "target": first.target,
        "packet": str(first.packet),
        "zone": zones[0],
        "other": zones[1],
        "why": let_through(trial.reach, first.packet),
    }
    text = (
        message("opened too far: {source} ({zone}) gets through to {target} ({other}) with {packet}; {why}", **values)
        if fresh
        else message("still open: {source} ({zone}) gets through to {target} ({other}) with {packet}; {why}", **values)
    )
    if others:
        return message("{text} (and {others})", text=text, others=_short(others))
    return text


def _short(listed: str) -> str:
    parts = listed.split(", ")
    return ", ".join(parts[:SHOWN]) + (" …" if len(parts) > SHOWN else "")


def _broken_text(trial: _Trial, flows: list[Flow], *, fresh: bool) -> Message:
    flow = flows[0]
    observation = trial.answers[flow]
    cause = death_of(observation) if observation is not None else message("{device} has no address", device=flow[1])
    values = {"count": len(flows), "all": len(trial.wanted), "flow": describe(flow), "cause": cause}
    if fresh:
        return message("newly broken: {count} of {all} allowed flows; {flow}: {cause}", **values)
    return message("still broken: {count} of {all} allowed flows; {flow}: {cause}", **values)


def _doubt(doubts: tuple[OutOfScope, ...]) -> Message:
    first = doubts[0]
    text = message(
        "tried with packets alone, because of {device}: {limit}", device=first.device, limit=REASONS[first.limit]
    )
    return message("{text} ({what})", text=text, what=first.what) if first.what else text


def _passed(trial: _Trial, doubts: tuple[OutOfScope, ...]) -> Finding:
    if trial.mode == "at_least":
        return Finding(Verdict.PASS, message("{wanted} allowed flows work", wanted=len(trial.wanted)))
    if doubts:
        said = message(
            "{wanted} allowed flows work and {forbidden} others do not get through",
            wanted=len(trial.wanted),
            forbidden=len(trial.forbidden),
        )
        return Finding(Verdict.PASS, message("{text}; {more}", text=said, more=_doubt(doubts)))
    pairs = sum(
        trial.policy.zone_of(a) != trial.policy.zone_of(b) for a in trial.members for b in trial.members if a != b
    )
    if trial.mode == "at_most":
        said = message("proved for every packet between {pairs} pairs: nothing gets through that may not", pairs=pairs)
    else:
        said = message(
            "{wanted} allowed flows work, and nothing else gets through: proved for every packet between {pairs} pairs",
            wanted=len(trial.wanted),
            pairs=pairs,
        )
    if any(limit.aside for limit in trial.reach.limits):
        tried = message("over IPv6 {count} flows were tried with packets, which is no proof", count=len(trial.over_six))
        said = message("{text}; {more}", text=said, more=tried)
    return Finding(Verdict.PASS, said)


def _between_zones(policy: Policy, flow: Flow) -> bool:
    zones = policy.zone_of(flow[0]), policy.zone_of(flow[1])
    return None not in zones and zones[0] != zones[1]


def _forbidden(context: Context, policy: Policy, members: list[str]) -> list[Flow]:
    named = {service for conduit in policy.allow for service in conduit.services if service.protocol != "any"}
    flows: list[Flow] = []
    for source in members:
        for target in members:
            if source == target or policy.zone_of(source) == policy.zone_of(target):
                continue
            services = {*named, *USUAL, *UNUSED, *context.offered(target)}
            flows += [
                (source, target, service) for service in sorted(services) if not policy.allows(source, target, service)
            ]
    return flows


def _over_six(context: Context, policy: Policy, forbidden: list[Flow]) -> list[Flow]:
    """The same flows over IPv6, between devices that have addresses of it. A conduit speaks of both versions."""
    wide = [(source, target, replace(service, wide=True)) for source, target, service in forbidden]
    return [
        flow
        for flow in dict.fromkeys(wide)
        if flow not in forbidden
        and not policy.allows(*flow)
        and all(context.wide_address_of(name) is not None for name in flow[:2])
    ]


def _arrived(flow: Flow, observation: Observation | None) -> bool:
    """At the target itself: an answer from somewhere else, behind a translation, is not its own."""
    if observation is None:
        return False
    return observation.arrived_at(flow[1]) or (observation.delivered and not observation.hops)
