"""Sets of packets: those on their way, and those that arrived. Addresses are atoms, services the bits of an integer."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Delivery", "Packets"]


class Delivery(NamedTuple):
    """Packets that arrive: where, which services, and as what (addresses as atoms)."""

    device: str
    services: int
    source: int
    target: int


class Packets(NamedTuple):
    """A set of packets on its way: source atom, destination atom, services, and what this device translated so far."""

    source: int
    target: int
    services: int
    status: frozenset[str] = frozenset()
