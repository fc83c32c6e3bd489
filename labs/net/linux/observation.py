"""What a device looks like from outside: its running configuration, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labs.model.state import DeviceState, Listener

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["snapshot"]

INIT = 1  # a service or daemon is its child; what a shell left behind is not
SOON_NS = 60_000_000_000


def snapshot(node: LinuxNode) -> DeviceState:
    """Interfaces, routes, rules, settings, listeners, units and what was learned, as they are now."""
    from labs.net.nftables import to_json

    transport = node.transport
    listeners = [Listener("tcp", s.address, s.port, s.program) for s in transport.listeners()]
    listeners += [Listener("udp", s.address, s.port, s.program, s.interface) for s in transport.udp_sockets()]
    interfaces = node.interfaces.values()
    leased = {
        address.address
        for interface in interfaces
        for address, label in interface.labels.items()
        if label.get("dynamic")
    }
    learned = {known.address for interface in interfaces for known in interface.inet6 if known.learned}
    return DeviceState(
        interfaces=tuple(interface.snapshot(node.now) for interface in interfaces),
        routes=(*node.ip.routes.routes(), *node.ipv6.routes.routes()),
        ruleset=to_json(node.netfilter.ruleset),
        sysctls=node.sysctl.snapshot(),
        listeners=tuple(sorted(listeners, key=lambda s: (s.protocol, s.port, int(s.address)))),
        units=node.units.snapshot(),
        stale_units=node.units.stale(),
        dynamic_addresses=frozenset(leased | learned),
        clock_offset_ns=node.clock_offset_ns,
        static_neighbours=node.link.neighbours.static(),
        left_until_ns=min((end for end in _ends(node) if end > node.now + SOON_NS), default=None),
    )


def _ends(node: LinuxNode) -> Iterator[int]:
    """When something goes on or ends that nobody looks after any more."""
    processes = list(node.processes)
    for process in processes:
        if process.parent_pid != INIT and process.until_ns is not None:
            yield process.until_ns
    yield from node.netfilter.state.ends.values()
    if not any(process.name == "dhclient" for process in processes):  # which renews
        for interface in node.interfaces.values():
            for label in interface.labels.values():
                if "valid_until_ns" in label:
                    yield int(label["valid_until_ns"])
