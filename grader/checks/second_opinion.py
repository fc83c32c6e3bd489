"""The analysis of all packets, asked about the flows that `reach` and `refuse` try with packets.

Where a flow lies in its exact scope, both must say the same; if they do not, the judge is wrong somewhere and says so
with both stories. Where they agree, the analysis adds what one packet cannot show: other client ports, and the line of
a file that decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from grader.evidence import Evidence, path_of, told_or_quoted
from grader.explain import death_of
from grader.reach import Limit, Packet, Reach
from grader.verdict import Finding, Verdict
from labs.engines.base import Disposition, Observation, Probe
from labs.messages import Message, message
from labs.model.addresses import IPv6, parse_address
from labs.net.actions import Accepted, Dropped, DropReason
from labs.net.foresight import Event
from labs.net.icmp import REDIRECT, IcmpMessage
from labs.net.neighbour import DELAY_FIRST_PROBE_NS, RETRANS_NS, UCAST_SOLICIT
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from grader.checks.context import Context, Flow
    from labs.net.foresight import Step

__all__ = [
    "cause_of",
    "contradiction",
    "decided_at",
    "is_too_big",
    "learns_a_way",
    "let_through",
    "look_again",
    "on_reach",
    "on_refuse",
    "packet_of",
]

STOPPED_NEIGHBOURS = frozenset({Event.SOLICITATION_STOPPED, Event.ADVERTISEMENT_STOPPED})
MEMORY_NS = DELAY_FIRST_PROBE_NS + (UCAST_SOLICIT + 1) * RETRANS_NS
HAND_TIMEOUT_NS = 1_000_000_000  # nobody waits for the answer to a packet made by hand


def packet_of(flow: Flow, observation: Observation | None) -> Packet | None:
    """The packet that a probe began with, as the analysis takes it; None where it has no say."""
    if observation is None or not observation.address:
        return None
    try:
        address = parse_address(observation.address)
    except ValueError:
        return None
    packet = Reach.packet(flow[0], address, flow[2])
    sent = next((hop.note.packet for hop in observation.hops if hop.device == flow[0]), None)
    payload = sent.payload if sent is not None else None
    if isinstance(payload, TcpSegment | UdpDatagram) and payload.dport == packet.port:
        packet = replace(packet, source_port=payload.sport)
    return packet


def _can_say(context: Context, flow: Flow, observation: Observation | None) -> Packet | None:
    """The packet to ask about, or None where proof and packet need not agree."""
    if observation is None or observation.disposition in (Disposition.NO_SENDER, Disposition.NAME_UNKNOWN):
        return None
    lossy = any(link.loss for link in context.site.links)
    packet = packet_of(flow, observation)
    if packet is None or lossy or context.reach.side_of(packet.target) is None:
        return None
    return packet if flow[0] in context.reach.analysis.machines else None


def look_again(context: Context, answers: dict[Flow, Observation | None]) -> dict[Flow, Observation | None]:
    """The same answers, but where a packet of IPv6 passed only because somebody remembers a neighbour.

    A neighbour that may be asked no more is remembered for some seconds after it was used: when they are over, the
    packet is sent anew.
    """
    odd = [flow for flow, observation in answers.items() if _is_remembered(context, flow, observation)]
    if not odd:
        return answers
    context.wait(MEMORY_NS)
    return answers | context.observe(odd, fresh=True)


def _is_remembered(context: Context, flow: Flow, observation: Observation | None) -> bool:
    if observation is None or not (observation.delivered or observation.arrived_at(flow[1])):
        return False
    packet = _can_say(context, flow, observation)
    if packet is None or not isinstance(packet.target, IPv6):
        return False
    found = context.reach.converse_packet(packet)
    vain = (note for _, note in found.notes if isinstance(note, Dropped))
    return not found.answered and any(note.reason is DropReason.NEIGHBOUR_FAILED for note in vain)


def on_reach(context: Context, flow: Flow, observation: Observation | None, *, worked: bool) -> Finding | None:
    """None where the analysis agrees; an error where it does not; a failure where only some client ports work.

    `worked` is what the packets said.
    """
    packet = _can_say(context, flow, observation)
    if packet is None or observation is None:
        return None
    reach, target = context.reach, flow[1]
    known = target in context.site.devices
    found = reach.converse_packet(packet)
    proved = found.answered and (not known or found.arrived_at(target))
    silent_program = flow[2].protocol == "udp" and not worked  # a program need not answer a senseless datagram
    if _in_doubt(reach, packet, it_can=proved):
        return None
    if worked and not proved and learns_a_way(reach, packet):
        return None
    if proved != worked and not silent_program and not is_too_big(observation):
        return contradiction(reach, packet, observation, arrives=proved)
    if worked and known:
        every = reach.can(flow[0], target, flow[2])
        if not every.holds and not _in_doubt(reach, packet, it_can=False) and every.witness is not None:
            return _some_ports(flow, every.witness.packet, every.witness.evidence())
    return None


def learns_a_way(reach: Reach, packet: Packet) -> bool:
    """The sender is told of a shorter way and tries again there; the analysis follows first packets."""
    return any(_is_redirect(note) for _, note in reach.converse_packet(packet).notes)


def is_too_big(observation: Observation) -> bool:
    """A packet died of its size, of which the analysis knows nothing."""
    notes = (hop.note for hop in observation.hops)
    return any(isinstance(note, Dropped) and note.reason is DropReason.TOO_BIG for note in notes)


def _is_redirect(note: object) -> bool:
    """A router told a sender of a shorter way."""
    payload = note.packet.payload if isinstance(note, Accepted) else None
    return isinstance(payload, IcmpMessage) and payload.type == REDIRECT


def _some_ports(flow: Flow, packet: Packet, evidence: tuple[Evidence, ...]) -> Finding | None:
    if flow[2].protocol not in ("tcp", "udp"):
        return None
    text = message(
        "{source} reaches {target} ({service}) from some ports only; this does not get there and back: {packet}",
        source=flow[0],
        target=flow[1],
        service=str(flow[2]),
        packet=str(packet),
    )
    return Finding(Verdict.FAIL, text, evidence=evidence)


def on_refuse(context: Context, flow: Flow, observation: Observation | None, *, arrived: bool) -> Finding | None:
    """None where the analysis agrees that nothing of this service arrives, from any port of the sender.

    An error where proof and packet contradict each other; a failure with the packet that does get through.
    """
    packet = _can_say(context, flow, observation)
    if packet is None or observation is None or flow[1] not in context.site.devices:
        return None
    reach = context.reach
    proved = reach.arrives(packet, flow[1])
    if arrived and not proved and learns_a_way(reach, packet):
        return None
    if proved != arrived and not _in_doubt(reach, packet, it_can=proved):
        return contradiction(reach, packet, observation, arrives=proved)
    return None if arrived else _another_way(context, flow)


def _another_way(context: Context, flow: Flow) -> Finding | None:
    """Another packet of the service that arrives, from an address of the sender; tried on the engine."""
    reach, (source, target, service) = context.reach, flow
    side = reach.side_of(service)
    if side is None:
        return None
    own = set(side.addresses_of(source))
    wanted = side.analysis.mask_of(service)
    for atom, sent_to, _, services in side.arriving(source, target):
        if not services & wanted or side.analysis.addresses.first(atom) not in own or not side.is_owned(sent_to):
            continue
        packet = side.example_of(source, atom, sent_to, target, services & wanted)
        unproved = packet is not None and _in_doubt(reach, packet, it_can=False)
        if packet is None or (unproved and not all(limit.followed for limit in side.own_limits)):
            continue
        if unproved or _in_doubt(reach, packet, it_can=True):  # a rule asks more than the proof follows
            crafted = side.crafted(packet, target)
            if crafted is not None:
                return _gets_through(reach, flow, crafted)
        elif context.engine.name == "sim":
            probe = Probe(
                source,
                packet.zoned,
                packet.protocol,
                packet.port,
                HAND_TIMEOUT_NS,
                str(packet.source),
                packet.source_port,
            )
            (seen,) = context.engine.probe([probe])
            if not seen.arrived_at(target):
                return contradiction(reach, packet, seen, arrives=True)
            return _gets_through(reach, flow, packet)
    return None


def _gets_through(reach: Reach, flow: Flow, packet: Packet) -> Finding:
    source, target, service = flow
    text = message(
        "{source} gets through to {target} ({service}) with {packet}; {why}",
        source=source,
        target=target,
        service=str(service),
        packet=str(packet),
        why=let_through(reach, packet),
    )
    return Finding(Verdict.FAIL, text, evidence=reach.tell(packet).evidence())


def _in_doubt(reach: Reach, packet: Packet, *, it_can: bool) -> bool:
    """Something on the site lies outside the exact scope, so an answer about a packet is no proof."""
    side = reach.side_of(packet.target)
    if side is None:
        return True
    return any(it_can or not limit.cautious or limit.limit is Limit.ASKED_ITSELF for limit in side.own_limits)


def contradiction(reach: Reach, packet: Packet, observation: Observation, *, arrives: bool) -> Finding:
    """Proof and packet that do not agree: our fault, told with both stories."""
    told = reach.tell(packet)
    said = (
        message("the analysis says that {packet} gets through, and the packet did not", packet=str(packet))
        if arrives
        else message("the analysis says that {packet} does not get through, and the packet did", packet=str(packet))
    )
    proof = (message("what the analysis says:"), *told.evidence())
    return Finding(Verdict.ERROR, said, evidence=(*proof, message("what the packet met:"), *path_of(observation)))


# What decides


def let_through(reach: Reach, packet: Packet) -> Message:
    """The last rule on the way that let the packet pass, with its line; or that there was none."""
    steps = [step for step in reach.tell(packet).steps if not step.back]
    rules = [step for step in steps if step.what.phrase is Event.ACCEPTED and step.device != packet.device]
    if rules:
        last = _narrowest(rules)
        rule = told_or_quoted(last.by)
        if last.where:
            return message(
                '{device} lets it through by "{rule}" ({where})', device=last.device, rule=rule, where=last.where
            )
        return message('{device} lets it through by "{rule}"', device=last.device, rule=rule)
    passing = [step for step in steps if step.what.phrase in (Event.FORWARDED, Event.FORWARDED_TO)]
    if passing:
        return message("{device} passes it on, and no rule there is asked", device=passing[-1].device)
    side = reach.side_of(packet.target)
    astray = any(step.fatal and side and packet.target not in side.addresses_of(step.device) for step in steps)
    if astray:
        return message("the way is one that the proof does not follow: a tunnel, or what a router told the sender")
    return message("nothing stands between them")


def _narrowest(rules: list[Step]) -> Step:
    """The last rule that is no policy, else the last."""
    written = [step for step in rules if not step.what.value("policy")]
    return (written or rules)[-1]


def cause_of(context: Context, flow: Flow, observation: Observation) -> Message:
    """Why no answer came; of a neighbour that does not answer, the firewall that stopped question or answer."""
    cause = death_of(observation)
    packet, death = packet_of(flow, observation), observation.death
    if packet is None or death is None or flow[0] not in context.reach.analysis.machines:
        return cause
    note = death.note
    if not isinstance(note, Dropped) or note.reason is not DropReason.NEIGHBOUR_FAILED:
        return cause
    stopped = [step for step in context.reach.tell(packet).steps if step.what.phrase in STOPPED_NEIGHBOURS and step.by]
    if not stopped:
        return cause
    step = min(stopped, key=lambda one: one.what.value("address") != note.by)
    values = {
        "device": step.device,
        "address": step.what.value("address"),
        "rule": f"{step.by} ({step.where})" if step.where else str(step.by),
    }
    why = (
        message("the firewall of {device} stops the neighbour solicitation for {address}: {rule}", **values)
        if step.what.phrase is Event.SOLICITATION_STOPPED
        else message("the firewall of {device} stops the neighbour advertisement of {address}: {rule}", **values)
    )
    return message("{text}; {more}", text=cause, more=why)


def decided_at(context: Context, flow: Flow, observation: Observation | None) -> str:
    """The file and line that decided where the packet of a probe died, or nothing where no file says so."""
    packet = packet_of(flow, observation)
    death = observation.death if observation is not None else None
    if packet is None or death is None or flow[0] not in context.reach.analysis.machines:
        return ""
    asked_in_vain = isinstance(death.note, Dropped) and death.note.reason is DropReason.NEIGHBOUR_FAILED
    if asked_in_vain and isinstance(packet.target, IPv6):  # no line of the sender decides that
        return ""
    steps = context.reach.tell(packet).steps
    last = next((n for n, step in enumerate(steps) if step.fatal), None)
    if last is None or steps[last].device != death.device:
        return ""
    same = [step for step in steps[: last + 1] if step.device == death.device and step.back == steps[last].back]
    return next((step.where for step in reversed(same) if step.where), "")
