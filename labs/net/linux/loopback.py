"""Packets of a device to itself, and those that its own output hook sends elsewhere."""

# ruff: noqa: SLF001 - a part of the IP layer
from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.ipv4 import ANY

if TYPE_CHECKING:
    from labs.net.conntrack import Tracked
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.linux.ip_layer import IpLayer

__all__ = ["LOOPBACK_NS", "loop_back", "rerouted"]

LOOPBACK_NS = 10_000  # what a packet to oneself takes on a small machine
NETWORK_UNREACHABLE = "Network is unreachable"  # strerror(ENETUNREACH)


def loop_back(ip: IpLayer, packet: Ipv4Packet, tracked: Tracked | None) -> str | None:
    """Send a packet to an address of the device. Returns None, or the error of the system call."""
    interface = ip._node.interfaces["lo"]
    if not interface.up:
        return NETWORK_UNREACHABLE
    if packet.src == ANY:
        packet = packet._replace(src=ip._own_source(packet.dst))
    filtered = ip._hook("output", packet, outgoing=interface, tracked=tracked)
    if filtered.packet is None:
        ip._refuse(filtered, packet, "output", None)
        return "Operation not permitted"
    if filtered.packet.dst != packet.dst:
        return rerouted(ip, filtered.packet, filtered.tracked)
    _enter(ip, filtered.packet, filtered.tracked)
    return None


def _enter(ip: IpLayer, packet: Ipv4Packet, tracked: Tracked) -> None:
    """Out over lo and in again, through all hooks; what conntrack said of the packet stays with it."""
    interface = ip._node.interfaces["lo"]
    filtered = ip._hook("postrouting", packet, outgoing=interface, tracked=tracked)
    if filtered.packet is None:
        return
    leaving = filtered.packet
    for counters in (interface.tx, interface.rx):
        counters.add(1, leaving.length)

    def arrive() -> None:
        again = ip._hook("prerouting", leaving, incoming=interface, tracked=filtered.tracked)
        if again.packet is not None:
            ip._deliver(interface, again.packet, None, again.tracked)

    ip._node.call_at(ip._node.now + LOOPBACK_NS, arrive)


def rerouted(ip: IpLayer, packet: Ipv4Packet, tracked: Tracked) -> str | None:
    """The output hook changed the destination: find the way again (ip_route_me_harder)."""
    if ip.is_local(packet.dst):
        _enter(ip, packet, tracked)
        return None
    route = ip.routes.lookup(packet.dst)
    if not ip.goes_out(packet.dst, route):
        return NETWORK_UNREACHABLE
    assert route is not None
    assert route.device is not None
    next_hop = ip.next_hop(route, packet.dst)
    outgoing = ip._node.interfaces[route.device]
    cut = outgoing.mtu if packet.length > outgoing.mtu else 0
    ip._leave(packet, tracked, outgoing, next_hop, incoming=None, cut=cut)
    return None
