"""Judge of `policy`: what can flow between zones, proved for all packets, against what may flow.

What may flow must work, shown by conversations; what may not must be impossible, shown by the analysis of every packet
that a device of the zone can send (see `Reach.sources_of`), over each version of IP. Both are tried on the engine:
every witness, every pair with every service that anybody offers or the policy names, and ports that nobody uses. Proof
and packet must agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from grader.checks.context import Context, Flow
from grader.checks.encrypted import Bare, bare_ports, bare_text
from grader.checks.flows import describe
from grader.checks.openings import Opening, arriving, confirm, doubt_text, openings_over, tries_over, was_open
from grader.checks.second_opinion import cause_of, contradiction, is_too_big, learns_a_way, let_through, look_again
from grader.evidence import Evidence, Quoted, path_of
from grader.reach import Limit, OutOfScope, Reach
from grader.verdict import Finding, Verdict
from labs.engines.base import Observation
from labs.messages import Message, message
from labs.model.services import Service
from labs.scenario.intents import PolicyHolds
from labs.scenario.scenario import Policy

if TYPE_CHECKING:
    from grader.reach.side import Side

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


@dataclass(slots=True)
class _Half:
    """What must not flow over one version of IP: the flows that packets try, and what the proof says."""

    side: Side
    wide: bool
    forbidden: list[Flow]
    openings: list[Opening] = field(default_factory=list)
    proof_of: dict[Flow, bool | None] = field(default_factory=dict)
    confirmed: list[Opening] = field(default_factory=list)
    unconfirmed: list[tuple[Opening, Observation]] = field(default_factory=list)
    tried: list[Opening] = field(default_factory=list)
    """What got through although there is no proof to say so."""

    @property
    def doubts(self) -> tuple[OutOfScope, ...]:
        """What makes the proof no proof: then packets alone decide."""
        return tuple(limit for limit in self.side.own_limits if not limit.cautious)

    @property
    def untold(self) -> tuple[OutOfScope, ...]:
        """Besides: what let the proof see an opening through which no packet was found to get."""
        return self.doubts or tuple(limit for limit in self.side.own_limits if limit.cautious and self.unconfirmed)

    @property
    def cautious(self) -> bool:
        """The proof is certain of what cannot flow alone."""
        return any(limit.cautious for limit in self.side.own_limits)

    @property
    def remembers(self) -> bool:
        """Some neighbour may be known although it cannot be asked: a conversation may work that the proof knows not."""
        return any(limit.limit is Limit.ASKED_ITSELF for limit in self.side.own_limits)


@dataclass(slots=True)
class _Trial:
    """One judgement: the questions, the proofs and the packets."""

    context: Context
    policy: Policy
    mode: str
    members: list[str] = field(default_factory=list)
    answers: dict[Flow, Observation | None] = field(default_factory=dict)
    wanted: list[Flow] = field(default_factory=list)
    halves: list[_Half] = field(default_factory=list)
    """One for each version of IP that the site speaks."""

    @property
    def reach(self) -> Reach:
        return self.context.reach

    @property
    def forbidden(self) -> list[Flow]:
        """What must not flow, over both versions."""
        return [flow for half in self.halves for flow in half.forbidden]


def judge_policy(context: Context, body: PolicyHolds) -> Finding:
    """Too little is a broken service, too much a packet that got through."""
    policy = context.variant.scenario.policy
    assert policy is not None
    trial = _Trial(context, policy, body.mode, [device for zone in policy.zones.values() for device in zone])
    dead = [name for name in trial.members if context.site.devices[name].state is None]
    if dead:
        return Finding(Verdict.BLOCKED, message("{device} has no power, so nothing was tested", device=dead[0]))
    trial.wanted = [flow for flow in context.allowed_flows() if _between_zones(policy, flow)]
    trial.halves = _halves(trial)
    for half in trial.halves if body.mode != "at_least" else ():  # before any packet: time stands still for a proof
        half.openings = openings_over(half.side, policy, trial.members, wide=half.wide)
    stories = {flow: _converse(trial, flow) for flow in trial.wanted}
    silent = next((name for name in trial.members if not _alive(trial, name)), None)
    for half in trial.halves:
        half.proof_of = {flow: _proved_arrival(trial, flow) for flow in half.forbidden}
    doubts = tuple(doubt for half in trial.halves for doubt in half.doubts)
    trial.answers = look_again(context, context.observe([*trial.wanted, *trial.forbidden]))
    for half in trial.halves:
        half.confirmed, half.unconfirmed = confirm(context, half.side, half.openings)
        if half.doubts:
            tries = [opening for opening in half.openings if opening not in half.confirmed]
            tries += tries_over(half.side, policy, trial.members, wide=half.wide) if body.mode != "at_least" else []
            known = [opening for opening in half.confirmed if opening in half.openings]
            half.tried = arriving(context, half.side, list(dict.fromkeys([*known, *tries])))
            if all(limit.followed for limit in half.side.own_limits):
                half.tried += [opening for opening in half.confirmed if opening not in known]
        if {limit.limit for limit in half.side.own_limits if limit.cautious} == {Limit.RATE}:
            half.confirmed = half.openings  # the rate let others pass just now; it lets this one pass at another time
        if not half.doubts and not _lossy(context):
            odd = _disagreement(trial, half, stories)
            if odd is not None:
                return odd
    too_little = [flow for flow in trial.wanted if not _works(trial, flow)] if body.mode != "at_most" else []
    too_much = [opening for half in trial.halves for opening in _too_much(trial, half)]
    bare = bare_ports(context, policy, trial.members) if body.mode != "at_least" else []
    if isinstance(bare, Finding):
        return bare
    if too_much or too_little or bare:
        return _failed(trial, too_much, too_little, bare, doubts)
    if silent is not None:
        return Finding(
            Verdict.BLOCKED, message("{device} reaches nobody at all, so its silence proves nothing", device=silent)
        )
    passed = _passed(trial)
    if body.mode != "at_least" and any(conduit.tls for conduit in policy.allow):
        encrypted = message("{text}; what has to be encrypted speaks TLS", text=passed.rationale)
        return replace(passed, rationale=encrypted)
    return passed


def _halves(trial: _Trial) -> list[_Half]:
    context, policy = trial.context, trial.policy
    forbidden = _forbidden(context, policy, trial.members) if trial.mode != "at_least" else []
    found = [_Half(trial.reach, wide=False, forbidden=[flow for flow in forbidden if not flow[2].wide])]
    if trial.reach.six is not None:
        wide = [flow for flow in forbidden if flow[2].wide]
        wide += _over_six(context, policy, forbidden)
        found.append(_Half(trial.reach.six, wide=True, forbidden=wide))
    return found


def _too_much(trial: _Trial, half: _Half) -> list[Opening]:
    """What got through and must not, one for each pair: witnesses of the proof, or else packets that arrived."""
    by_packet = _of_packets(trial, [flow for flow in half.forbidden if _arrived(flow, trial.answers[flow])])
    found = [*by_packet, *half.tried] if half.doubts else [*half.confirmed, *by_packet]
    of_pairs: dict[tuple[str, str], Opening] = {}
    for opening in found:
        of_pairs.setdefault((opening.source, opening.target), opening)
    return list(of_pairs.values())


# What the analysis says


def _converse(trial: _Trial, flow: Flow) -> bool | None:
    """Whether a wanted conversation works by the analysis; None where it cannot be asked."""
    source, target, service = flow
    if target not in trial.context.site.devices or trial.reach.side_of(service) is None:
        return None
    address = trial.context.target_of(flow)
    if address is None:
        return None
    found = trial.reach.converse(source, address, service)
    return found.answered and found.arrived_at(target)


def _proved_arrival(trial: _Trial, flow: Flow) -> bool | None:
    """Whether the packet of a probe arrives by the analysis of all packets."""
    address = trial.context.target_of(flow)
    if address is None:
        return None
    return trial.reach.arrives(Reach.packet(flow[0], address, flow[2]), flow[1])


def _alive(trial: _Trial, device: str) -> bool:
    """The device can show itself: something that it sends arrives somewhere."""
    reach = trial.reach
    side = reach if reach.six is None or trial.context.before.addresses_of(device) else reach.six
    others = sorted(
        reach.analysis.machines, key=lambda name: trial.policy.zone_of(name) != trial.policy.zone_of(device)
    )
    for other in others:
        if other == device:
            continue
        for address in side.addresses_of(other):
            found = side.converse(device, address, Service("icmp"))
            if any(name not in (device, "") for name, _ in found.notes):
                return True
    return False


# What packets say


def _disagreement(trial: _Trial, half: _Half, stories: dict[Flow, bool | None]) -> Finding | None:
    """Proof and packet that contradict each other: our fault, told with both stories."""
    for opening, observation in half.unconfirmed:
        if not half.cautious:
            return contradiction(trial.reach, opening.packet, observation, arrives=True)
    mine = {flow: story for flow, story in stories.items() if flow[2].wide == half.wide}
    for flow, proved in (*half.proof_of.items(), *mine.items()):
        observation_ = trial.answers[flow]
        if proved is None or observation_ is None or not (observation_.hops or observation_.delivered):
            continue
        seen = _works(trial, flow) if flow in mine else _arrived(flow, observation_)
        if seen != proved and not (half.cautious and proved) and not (half.remembers and seen):
            address = trial.context.target_of(flow)
            assert address is not None
            packet = Reach.packet(flow[0], address, flow[2])
            if not (is_too_big(observation_) if proved else learns_a_way(trial.reach, packet)):
                return contradiction(trial.reach, packet, observation_, arrives=proved)
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
    for flow in flows:
        address = trial.context.target_of(flow)
        if address is not None:
            found.append(Opening(flow[0], flow[1], Reach.packet(flow[0], address, flow[2])))
    return found


# What the trainee is told


def _failed(
    trial: _Trial,
    too_much: list[Opening],
    too_little: list[Flow],
    bare: list[Bare],
    doubts: tuple[OutOfScope, ...],
) -> Finding:
    """Opened too far, still open, newly broken, still broken; the first of each with its packet."""
    before = trial.context.before
    said: list[Message] = []
    evidence: list[Evidence] = []
    known = [opening for opening in too_much if was_open(before, opening)]
    new = [opening for opening in too_much if opening not in known]
    for openings, fresh in ((new, True), (known, False)):
        if openings:
            said.append(_open_text(trial, openings, fresh=fresh))
            evidence += trial.reach.tell(openings[0].packet).evidence()
    if bare:
        said.append(bare_text(bare))
        evidence += trial.reach.tell(bare[0].packet).evidence()
    worked = [flow for flow in too_little if _worked(before, flow)]
    never = [flow for flow in too_little if flow not in worked]
    for flows, fresh in ((worked, True), (never, False)):
        if flows:
            said.append(_broken_text(trial, flows, fresh=fresh))
            observation = trial.answers[flows[0]]
            evidence += [Quoted(describe(flows[0])), *(path_of(observation) if observation is not None else ())]
    mended = [flow for flow in trial.wanted if flow not in too_little and not _worked(before, flow)]
    if mended:
        said.append(message("{count} allowed flows are mended", count=len(mended)))
    if doubts:
        said.append(doubt_text(doubts))
    text = said[0]
    for more in said[1:]:
        text = message("{text}; {more}", text=text, more=more)
    help_ = message("follow one of them: the last device that passed it on is where it should have been stopped")
    if bare and not too_much:
        help_ = message("a listener of mosquitto speaks TLS with a certfile and a keyfile, one of nginx with ssl")
    return Finding(Verdict.FAIL, text, help_ if too_much or bare else None, tuple(evidence))


def _worked(before: Reach, flow: Flow) -> bool:
    source, target, service = flow
    known = before.analysis.machines
    side = before.side_of(service)
    if side is None or source not in known or target not in known:
        return False
    return any(
        found.answered and found.arrived_at(target)
        for found in (side.converse(source, address, service) for address in side.near(source, target))
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
    cause = message("{device} has no address", device=flow[1])
    if observation is not None:
        cause = cause_of(trial.context, flow, observation)
    values = {"count": len(flows), "all": len(trial.wanted), "flow": describe(flow), "cause": cause}
    if fresh:
        return message("newly broken: {count} of {all} allowed flows; {flow}: {cause}", **values)
    return message("still broken: {count} of {all} allowed flows; {flow}: {cause}", **values)


def _passed(trial: _Trial) -> Finding:
    if trial.mode == "at_least":
        return Finding(Verdict.PASS, message("{wanted} allowed flows work", wanted=len(trial.wanted)))
    old, *new = trial.halves
    if old.untold:
        said = message(
            "{wanted} allowed flows work and {forbidden} others do not get through",
            wanted=len(trial.wanted),
            forbidden=len(old.forbidden),
        )
        return Finding(Verdict.PASS, message("{text}; {more}", text=said, more=doubt_text(old.untold)))
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
    for half in new:
        if half.untold:
            tried = message(
                "over IPv6 {count} flows were tried with packets, which is no proof", count=len(half.forbidden)
            )
            said = message(
                "{text}; {more}", text=said, more=message("{text}; {more}", text=tried, more=doubt_text(half.untold))
            )
        else:
            said = message("{text}, of IPv4 and of IPv6", text=said)
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
