"""Packets inside packets: GRE and IPIP.

Before changing this file read RFC 2003 §4, RFC 2784, RFC 2890, and net/ipv4/ip_tunnel.c of Linux (ip_tunnel_xmit,
tnl_update_pmtu), which decides when a sender is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net import icmp
from labs.net.actions import DropReason
from labs.net.ipv4 import ANY, PROTO_GRE, PROTO_IPIP, GrePacket, Ipv4Packet
from labs.net.said import Ground, said

if TYPE_CHECKING:
    from labs.net.icmp import IcmpMessage
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.tunnel import Tunnel

__all__ = ["failed", "receive", "transmit"]

ERROR_NS = 30_000_000_000  # IPTUNNEL_ERR_TIMEO
PROTOCOLS = {"gre": PROTO_GRE, "ipip": PROTO_IPIP}


def transmit(node: LinuxNode, interface: Interface, packet: Ipv4Packet) -> None:
    """Send a packet into a tunnel (ip_tunnel_xmit)."""
    tunnel = interface.tunnel
    assert tunnel is not None
    if interface.wireguard is not None:
        interface.wireguard.transmit(packet)
        return
    if not interface.up:
        node.drop(DropReason.ADMIN_DOWN, interface.name, packet=packet)
        return
    node.link.show_tunnelled(interface, "out", packet)
    if tunnel.local != ANY and not node.ip.is_local(tunnel.local):
        _lost(node, interface, packet, Ground.TUNNEL_SOURCE, address=str(tunnel.local))
        return
    if tunnel.link is not None:  # without a route over it, the other end is taken to be on the link
        route = node.ip.routes.over(tunnel.remote, tunnel.link)
    else:
        route = node.ip.routes.lookup(tunnel.remote)
    known = route is not None and route.device is not None and route.kind == "unicast"
    if tunnel.remote == ANY or not (known or tunnel.link is not None):
        _lost(node, interface, packet, Ground.TUNNEL_ROUTE, address=str(tunnel.remote))
        return
    way = tunnel.link or (route.device if route is not None else None)
    assert way is not None
    if way == interface.name:
        interface.tx.collisions += 1
        _lost(node, interface, packet, Ground.TUNNEL_ITSELF)
        return
    beyond = node.interfaces[way]
    room = node.ip.paths.mtu(tunnel.remote, route, beyond) - tunnel.overhead
    if packet.dont_fragment and packet.length > room:
        node.drop(DropReason.TOO_BIG, interface.name, packet=packet, by=f"mtu {room}")
        interface.tx.errors += 1
        node.ip.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.FRAGMENTATION_NEEDED, mtu=room)
        return
    if tunnel.errors:
        if node.now < tunnel.error_ns + ERROR_NS:
            tunnel.errors -= 1
            node.ip.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.HOST_UNREACHABLE)
        else:
            tunnel.errors = 0
    inner = packet if tunnel.mode == "ipip" else GrePacket(packet, tunnel.output_key, tunnel.output_sum)
    outer = Ipv4Packet(
        tunnel.local,
        tunnel.remote,
        PROTOCOLS[tunnel.mode],
        inner,
        ttl=tunnel.ttl or packet.ttl,
        dont_fragment=tunnel.path_mtu or packet.dont_fragment,
        tos=packet.tos if tunnel.inherit_tos else tunnel.tos,
        tag=packet.tag,
    )
    bound = node.interfaces[tunnel.link] if tunnel.link is not None else None
    error = node.ip.output(outer, interface=bound)
    if error is not None:
        interface.tx.dropped += 1
        node.drop(DropReason.TUNNEL, interface.name, packet=packet, by=f"{interface.name}: {error}")
        return
    interface.tx.add(1, packet.length)


def _lost(node: LinuxNode, interface: Interface, packet: Ipv4Packet, why: Ground, **values: str) -> None:
    interface.tx.errors += 1
    by = said(why, interface=interface.name, **values)
    node.drop(DropReason.TUNNEL, interface.name, packet=packet, by=by)


def receive(node: LinuxNode, packet: Ipv4Packet, interface: Interface) -> None:
    """A packet for this device with another one in it; without a tunnel for it, its sender is told."""
    payload = packet.payload
    if isinstance(payload, GrePacket):
        inner, mode, key = payload.inner, "gre", payload.key
    elif isinstance(payload, Ipv4Packet):
        inner, mode, key = payload, "ipip", None
    else:
        return
    found = [
        other
        for other in node.interfaces.values()
        if other.tunnel is not None and other.up and _takes(other.tunnel, packet, mode, key)
    ]
    if not found:
        known = any(other.tunnel is not None and other.tunnel.mode == mode for other in node.interfaces.values())
        by = said(Ground.TUNNEL_UNKNOWN, mode=mode, source=str(packet.src), target=str(packet.dst))
        node.drop(DropReason.TUNNEL, interface.name, packet=packet, by=by)
        code = icmp.PORT_UNREACHABLE if known else icmp.PROTOCOL_UNREACHABLE
        node.ip.errors.send(packet, icmp.DEST_UNREACHABLE, code)
        return
    best = max(found, key=lambda other: _exactness(other.tunnel))
    assert best.tunnel is not None
    if best.tunnel.input_sum != (isinstance(payload, GrePacket) and payload.summed):
        best.rx.damage()
        node.drop(DropReason.TUNNEL, best.name, packet=packet, by=said(Ground.CHECKSUM, interface=best.name))
        return
    frame = node.link.count_tunnelled(best, "in", inner)
    node.ip.receive(best, inner, frame)


def _takes(tunnel: Tunnel, packet: Ipv4Packet, mode: str, key: int | None) -> bool:
    return (
        tunnel.mode == mode
        and tunnel.remote in (ANY, packet.src)
        and tunnel.local in (ANY, packet.dst)
        and tunnel.input_key == key
    )


def _exactness(tunnel: Tunnel | None) -> int:
    """A tunnel that names both ends comes before one that names one (ip_tunnel_lookup)."""
    return 0 if tunnel is None else 2 * (tunnel.remote != ANY) + (tunnel.local != ANY)


def failed(node: LinuxNode, outer: Ipv4Packet, message: IcmpMessage) -> None:
    """An ICMP error about a packet of a tunnel: whoever sends through it next is told (ipgre_err, ipip_err)."""
    mode = "gre" if isinstance(outer.payload, GrePacket) else "ipip"
    if message.type == icmp.DEST_UNREACHABLE:
        if message.code == icmp.FRAGMENTATION_NEEDED or (message.code == icmp.PORT_UNREACHABLE and mode == "gre"):
            return
    elif message.type != icmp.TIME_EXCEEDED:
        return
    for interface in node.interfaces.values():
        tunnel = interface.tunnel
        if tunnel is None or tunnel.mode != mode or tunnel.remote != outer.dst:
            continue
        if message.type == icmp.TIME_EXCEEDED and (message.code != 0 or not tunnel.ttl):
            continue
        tunnel.errors = tunnel.errors + 1 if node.now < tunnel.error_ns + ERROR_NS else 1
        tunnel.error_ns = node.now
