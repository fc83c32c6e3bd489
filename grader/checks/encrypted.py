"""What a conduit with `tls: true` asks of the devices that are reached over it: that no port speaks plainly.

That a packet gets there is proved, how the port speaks is read from the file of the program that listens, and both are
tried: a client that speaks plainly gets an answer or not. A file that nobody has read again tells nothing; there the
client alone decides.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from grader.checks.context import Context
from grader.checks.second_opinion import HAND_TIMEOUT_NS
from grader.reach import Packet
from grader.reach.brokers import Admission, Speech, is_stale, speech_of
from grader.verdict import Finding, Verdict
from labs.engines.base import Probe
from labs.messages import Message, message
from labs.model.addresses import IPv6
from labs.model.services import Service
from labs.scenario.scenario import Policy
from labs.things.mosquitto_conf import ConfigError

if TYPE_CHECKING:
    from grader.reach.side import Side

__all__ = ["Bare", "bare_ports", "bare_text"]

CONNECT = r"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"  # MQTT 3.1.1 §3.1, no name, no client identifier
CONNACK = "2002"
REFUSED_PLAIN = "The plain HTTP request was sent to HTTPS port"
NO_TOOL = 127


class Bare(NamedTuple):
    """A port that is reached over a conduit that has to be encrypted, and speaks plainly."""

    source: str
    target: str
    service: Service
    packet: Packet
    where: str
    """File and line of the listener; empty where no file says so."""
    stale: bool
    """The file was changed since the program read it."""


def bare_ports(context: Context, policy: Policy, members: list[str]) -> list[Bare] | Finding:
    """Every such port, once for each sender; a finding where a file and a client contradict each other."""
    found = []
    for source, target, service, packet in _reached(context, policy, members):
        device = context.site.devices[target]
        try:
            said = speech_of(device, service.port)
        except ConfigError as error:
            said = Admission(holds=True, because=str(error))  # it runs with what it read before
        if said.because == Speech.SILENT:
            continue
        stale = is_stale(device, service.port) or said.because not in set(Speech)
        plain = _spoken(context, target, service, packet, said)
        if plain is None:
            continue
        if not stale and plain != (said.because == Speech.PLAIN):
            text = message(
                "the files of {device} and a client of port {port} contradict each other",
                device=target,
                port=service.port,
            )
            return Finding(Verdict.ERROR, text, evidence=(said.evidence, _heard(plain=plain)))
        if plain:
            found.append(Bare(source, target, service, packet, said.where, stale))
    return found


def _reached(context: Context, policy: Policy, members: list[str]) -> Iterator[tuple[str, str, Service, Packet]]:
    """Who gets to which encrypted port, by the analysis: one packet for each, over IPv4 if there is one."""
    found: dict[tuple[str, str, Service], Packet] = {}
    for side in context.reach.sides:
        for source in members:
            for target in members:
                services = policy.encrypted(source, target)
                mine = [s for s in services if side is context.reach.six or not s.wide]
                wanted = [s for s in mine if (source, target, s) not in found]
                if wanted and source != target:
                    found.update(((source, target, s), packet) for s, packet in _through(side, source, target, wanted))
    for (source, target, service), packet in found.items():
        yield source, target, service, packet


def _through(side: Side, source: str, target: str, wanted: list[Service]) -> Iterator[tuple[Service, Packet]]:
    """A packet from the sender's own address to one that somebody has, for each service that gets there."""
    own = set(side.addresses_of(source))
    masks = {service: side.analysis.mask_of(service) for service in wanted}
    for atom, sent_to, _, services in side.arriving(source, target):
        if side.analysis.addresses.first(atom) not in own or not side.is_owned(sent_to):
            continue
        for service in [service for service, mask in masks.items() if services & mask]:
            packet = side.example_of(source, atom, sent_to, target, services & masks[service])
            if packet is not None and not packet.over:
                del masks[service]
                yield service, packet


def _spoken(context: Context, target: str, service: Service, packet: Packet, said: Admission) -> bool | None:
    """Whether a client that speaks plainly is understood; None where its packets do not even arrive."""
    if said.because == Speech.SSH:
        return False
    state = context.site.devices[target].state
    known = state.listeners if state is not None else ()
    programs = {posixpath.basename(one.program) for one in known if one.port == service.port}
    if "mosquitto" in programs:
        # mosquitto_sub would speak TLS by itself where the port is 8883
        line = f"printf '{CONNECT}' | nc -w 2 {packet.target} {packet.port} | xxd -p"
        return context.engine.run(packet.device, line).text.startswith(CONNACK)
    if "nginx" in programs:
        host = f"[{packet.target}]" if isinstance(packet.target, IPv6) else str(packet.target)
        answer = context.engine.run(packet.device, f"curl -s -m 10 http://{host}:{packet.port}/")
        if answer.status != NO_TOOL:
            return answer.status == 0 and REFUSED_PLAIN not in answer.text
        return said.because == Speech.PLAIN
    (seen,) = context.engine.probe(
        [Probe(packet.device, str(packet.target), packet.protocol, packet.port, HAND_TIMEOUT_NS)]
    )
    return True if seen.delivered else None


def _heard(*, plain: bool) -> Message:
    if plain:
        return message("a client that speaks plainly is understood")
    return message("a client that speaks plainly is refused")


def bare_text(found: list[Bare]) -> Message:
    """What is said about them: the first with its line, and how many others."""
    first = found[0]
    values = {"target": first.target, "service": str(first.service), "source": first.source}
    if first.stale:
        text = message(
            "not encrypted: {target} still speaks plainly to {source} on {service}: its file was not read again",
            **values,
        )
    elif first.where:
        text = message(
            "not encrypted: {target} speaks plainly to {source} on {service} ({where})", where=first.where, **values
        )
    else:
        text = message("not encrypted: {target} speaks plainly to {source} on {service}", **values)
    if len(found) > 1:
        return message("{text} (and {count} more)", text=text, count=len(found) - 1)
    return text
