"""All probes of a question at once: each device sends its own, every device watches, and the traces are put together.

What a negative check rests on: *sent* is a packet behind the last rule of the sender's output; *refused* is a rule or
policy that the kernel reports as having dropped it; *arrived* is a packet behind the last rule of the target's input.
Where the kernel had too much to report, the probes are sent again in smaller groups: silence is no refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labs.engines.base import Disposition, Hop, Observation, Probe
from labs.engines.kernel.codec import decode, encode
from labs.model.addresses import IPv4, IPv6
from labs.net.actions import Delivered, Dropped, DropReason, Note
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.said import Said
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.engines.kernel.lab.process import Lab

__all__ = ["probe_all"]

GROUP = 2048
SMALLEST = 16
PATIENCE_S = 30.0
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP}


def probe_all(lab: Lab, probes: Sequence[Probe], group: int = GROUP) -> list[Observation]:
    """One observation for each probe, in order."""
    observations: list[Observation] = []
    for start in range(0, len(probes), group):
        part = probes[start : start + group]
        found = _probe_group(lab, part)
        if found is None and group > SMALLEST:
            found = probe_all(lab, part, group // 4)
        observations += found if found is not None else [_unknown(probe) for probe in part]
    return observations


def _unknown(probe: Probe) -> Observation:
    message = f"the kernel reported more than could be read while {probe.source} was probed"
    raise RuntimeError(message)


def _probe_group(lab: Lab, probes: Sequence[Probe]) -> list[Observation] | None:
    orders: dict[str, list[Any]] = {}
    endings: dict[int, tuple[Disposition, str, str | Said]] = {}
    for number, probe in enumerate(probes):
        if probe.source in lab.devices:
            orders.setdefault(probe.source, []).append([number, encode(probe)])
        else:
            endings[number] = (Disposition.NO_SENDER, "", "")
    everybody = list(lab.devices)
    patience = PATIENCE_S + max((probe.timeout_ns for probe in probes), default=0) / 1e9
    lab.ask(everybody, do="watch")
    try:
        answers = lab.ask_each({name: {"do": "probe", "probes": part} for name, part in orders.items()}, patience)
    finally:
        watched = lab.ask([name for name in everybody if name in lab.devices], do="watched")
    if any(answer["lost"] for answer in watched.values()):
        return None
    for answer in answers.values():
        for number, how, address, detail in answer["endings"]:
            endings[number] = (decode(how), address, decode(detail))
    seen: dict[int, list[tuple[bool, int, str, Note]]] = {}
    for name, answer in watched.items():
        for number, reply, order, note in answer["seen"]:
            seen.setdefault(number, []).append((reply, order, name, decode(note)))
    now = lab.now
    return [_observation(lab, probe, endings[n], seen.get(n, []), now) for n, probe in enumerate(probes)]


def _observation(
    lab: Lab,
    probe: Probe,
    ending: tuple[Disposition, str, str | Said],
    seen: list[tuple[bool, int, str, Note]],
    now: int,
) -> Observation:
    how, address, detail = ending
    ordered = sorted(seen, key=lambda sight: sight[:2])
    out = [Hop(name, now, note) for reply, _, name, note in ordered if not reply]
    hops = [Hop(name, now, note) for _, _, name, note in ordered]
    if how is not Disposition.DELIVERED and not any(isinstance(hop.note, Dropped) for hop in hops):
        death = _death(lab, probe, how, address, out)
        hops += [death._replace(at_ns=now)] if death is not None else []
    return Observation(probe, how, address, detail, tuple(hops))


def _death(lab: Lab, probe: Probe, how: Disposition, address: str, hops: list[Hop]) -> Hop | None:
    """Where a packet died of something that is no rule: what the way so far and the answer leave as the only cause."""
    packet = _packet_of(hops) or _made_up(probe, address)
    if not hops:
        if how is Disposition.NO_ROUTE:
            return Hop(probe.source, 0, Dropped(DropReason.NO_ROUTE, "", None, packet, ""))
        return None
    last = hops[-1]
    if isinstance(last.note, Delivered):
        if how is Disposition.REFUSED:
            return Hop(last.device, 0, Dropped(DropReason.NO_LISTENER, last.note.interface, None, packet))
        return None
    interface = getattr(last.note, "outgoing", "") or getattr(last.note, "interface", "")
    state = lab.ask([last.device], do="way", interface=interface, target=str(packet.dst))[last.device]
    if state["dark"]:
        return Hop(last.device, 0, Dropped(DropReason.NO_CARRIER, interface, None, packet, ""))
    if state["unanswered"]:
        return Hop(last.device, 0, Dropped(DropReason.NEIGHBOUR_FAILED, interface, None, packet, state["unanswered"]))
    return None


def _packet_of(hops: list[Hop]) -> Ipv4Packet | Ipv6Packet | None:
    packet = hops[-1].note.packet if hops else None
    return packet if isinstance(packet, Ipv4Packet | Ipv6Packet) else None


def _made_up(probe: Probe, address: str) -> Ipv4Packet | Ipv6Packet:
    if ":" in address:
        protocol = PROTOCOLS.get(probe.protocol, PROTO_ICMPV6)
        return Ipv6Packet(IPv6(0), IPv6.parse(address), protocol, UdpDatagram(0, probe.port))
    target = IPv4.parse(address) if address else IPv4(0)
    return Ipv4Packet(IPv4(0), target, PROTOCOLS.get(probe.protocol, PROTO_ICMP), UdpDatagram(0, probe.port))
