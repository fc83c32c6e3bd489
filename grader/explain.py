"""Telling why no answer came, as an expert would: where a packet stopped, and what decided."""

from __future__ import annotations

from grader.evidence import told_or_quoted
from labs.engines.base import Disposition, Hop, Observation
from labs.messages import Message, message
from labs.net.actions import Dropped, DropReason
from labs.net.foresight import Event, death

__all__ = ["death_of"]


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
    return message("no answer comes back ({how})", how=observation.detail or Message(observation.disposition.value))


def _cause(hop: Hop) -> Message:
    note = hop.note
    assert isinstance(note, Dropped)
    device, by = hop.device, told_or_quoted(note.by) or ""
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
        return _unheard(device, note)
    if note.reason in (DropReason.UNPLUGGED, DropReason.NO_CARRIER):
        return message("there is no link at {device} ({interface})", device=device, interface=note.interface)
    return message("{device} drops it: {reason}", device=device, reason=Message(note.reason.value))


def _unheard(device: str, note: Dropped) -> Message:
    what = death(note)
    if what.phrase is not Event.UNHEARD:
        return message("it reaches {device}, but nothing listens there", device=device)
    return message(
        "it reaches {device}, but nothing listens there on {protocol} port {port}", device=device, **dict(what.values)
    )
