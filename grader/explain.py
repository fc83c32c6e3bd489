"""Telling what became of a packet, as an expert would: where it went, where it stopped, and what decided."""

from __future__ import annotations

from labs.engines.base import Disposition, Hop, Observation
from labs.messages import Message, message
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded

__all__ = ["death_of", "path_of"]


def path_of(observation: Observation) -> tuple[str, ...]:
    """The way out, one line a hop: device, interface and the route or rule that decided.

    A segment that is sent again goes the same way again; that is told once.
    """
    lines: list[str] = []
    for hop in observation.hops:
        line = _step(hop)
        if line and line not in lines:
            lines.append(line)
        if isinstance(hop.note, (Delivered, Dropped)):
            break
    return tuple(lines)


def _step(hop: Hop) -> str:
    note = hop.note
    if isinstance(note, Accepted):
        return f"{hop.device} sends out of {note.interface}" + _because(note.by and f"route: {note.by}")
    if isinstance(note, Forwarded):
        way = f"{hop.device} passes on {note.incoming} -> {note.outgoing} to {note.next_hop}"
        return way + _because(f"route: {note.by}")
    if isinstance(note, Delivered):
        return f"{hop.device} takes it in at {note.interface}"
    if isinstance(note, Dropped):
        return f"{hop.device} drops it: {note.reason}" + _because(note.by)
    return ""


def _because(what: str) -> str:
    return f"   [{what}]" if what else ""


def death_of(observation: Observation) -> Message:
    """Why no answer came, in one clause."""
    hop = observation.death
    if observation.disposition is Disposition.NO_SENDER:
        return message("{device} has no power", device=observation.probe.source)
    if observation.disposition is Disposition.NAME_UNKNOWN:
        return message(
            '{device} cannot look up the name "{name}"', device=observation.probe.source, name=observation.probe.target
        )
    if hop is None:
        return _without_death(observation)
    return _cause(hop)


def _without_death(observation: Observation) -> Message:
    if observation.disposition is Disposition.REFUSED:
        return message("the connection is refused")
    return message("no answer comes back ({how})", how=observation.detail or str(observation.disposition))


def _cause(hop: Hop) -> Message:
    note = hop.note
    assert isinstance(note, Dropped)
    device, by = hop.device, note.by
    packet = note.packet
    target = str(packet.dst) if packet is not None else "?"
    if note.reason is DropReason.POLICY:
        return message("the firewall of {device} stops it: {rule}", device=device, rule=by)
    if note.reason is DropReason.NO_ROUTE:
        return message("{device} has no route to {target}", device=device, target=target)
    if note.reason is DropReason.NEIGHBOUR_FAILED:
        return message("{device} asks who has {address}, and nobody answers", device=device, address=by or target)
    if note.reason is DropReason.NOT_FORWARDING:
        return message("{device} does not forward packets ({setting})", device=device, setting=by)
    if note.reason is DropReason.NO_LISTENER:
        return message("it reaches {device}, but nothing listens there on {port}", device=device, port=by)
    if note.reason in (DropReason.UNPLUGGED, DropReason.NO_CARRIER):
        return message("there is no link at {device} ({interface})", device=device, interface=note.interface)
    return message("{device} drops it: {reason}", device=device, reason=Message(note.reason.value))
