"""Devices that nothing on the site tells apart: what holds between two of them holds between all of their classes.

Only plain hosts are put together: one interface, one address that nobody else has, no rules of their own. Every other
device is a class of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from grader.reach.versions import V4
from grader.reach.wiring import Tap
from labs.model.addresses import IPv4

if TYPE_CHECKING:
    from grader.reach.side import Side

__all__ = ["numbered", "sender_classes", "target_classes"]


def numbered(classes: Iterable[Hashable]) -> list[int]:
    """A number for each class: asked for often, a number is quicker than what it stands for."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(found, len(numbers)) for found in classes]


def sender_classes(reach: Side, names: Sequence[str]) -> list[Hashable]:
    """For each device what its packets are told by: where they start, the way out, and all that asks for the source."""
    return [name if (where := _plain(reach, name)) is None else (where, _sources(reach, name)) for name in names]


def target_classes(reach: Side, names: Sequence[str]) -> list[Hashable]:
    """For each device what packets to it are told by: where it is, and all that asks for the destination."""
    analysis = reach.analysis
    programs = [program for hooks in analysis.hooks.values() for program in hooks.all_programs]
    routers = [node for name, node in analysis.machines.items() if _plain(reach, name) is None]
    translating = any(analysis.hooks[node.name].translates for node in routers)
    found: list[Hashable] = []
    asked = list(zip(*(program.by_target for program in programs), strict=True))
    for name in names:
        where = _plain(reach, name)
        if where is None or translating:
            found.append(name)
            continue
        address = reach.addresses_of(name)[0]
        atom = analysis.addresses.of(address)
        routes = tuple(id(analysis.surveys[node.name].layer.routes.lookup(address)) for node in routers)
        found.append((where, asked[atom] if asked else (), routes))
    return found


def _sources(reach: Side, name: str) -> Hashable:
    return frozenset(reach.signature(atom) for atom in reach.sources_of(name))


def _plain(reach: Side, name: str) -> Hashable | None:
    """Where a plain host is and how it gets away from there; None for any other device."""
    known = reach.plain
    if name not in known:
        known[name] = _look(reach, name)
    return known[name]


def _look(reach: Side, name: str) -> Hashable | None:
    analysis = reach.analysis
    node = analysis.machines.get(name)
    if analysis.version is not V4:  # every host has several addresses
        return None
    if node is None or analysis.hooks[name].programs:
        return None
    shown = [i for i in node.interfaces.values() if i.kind != "loopback"]
    if len(shown) != 1 or len(shown[0].addresses) != 1 or shown[0].kind != "ether" or not shown[0].up:
        return None
    address = shown[0].addresses[0]
    if not isinstance(address.address, IPv4) or not analysis.neighbours.alone(address.address):
        return None
    if node.sysctl.number("net.ipv4.ip_forward") or node.sysctl.interface_number(shown[0].name, "rp_filter"):
        return None
    segment = analysis.wiring.segment(Tap(name, shown[0].name))
    if segment is None:
        return None
    away = tuple(
        (route.prefix, route.via, route.kind)
        for route in node.ip.routes
        if route.via is not None or route.device is None
    )
    return segment, address.network, away
