"""Rings of leads between switches: where a broadcast goes round for ever unless a spanning tree closes a port."""

from __future__ import annotations

from labs.model.site import Kind, Site

__all__ = ["has_ring"]


def has_ring(site: Site) -> bool:
    """True where leads close a ring of switches that are on, a lead from a switch to itself included."""
    switches = {name for name, device in site.devices.items() if device.kind is Kind.SWITCH and device.powered}
    group = {name: name for name in switches}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for link in site.links:
        a, b = link.a.device, link.b.device
        if a in switches and b in switches:
            if root(a) == root(b):
                return True
            group[root(a)] = root(b)
    return False
