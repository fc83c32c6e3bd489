"""Whether Linux answers an ARP request, and in whose name it asks: arp_ignore, arp_filter and arp_announce.

Before changing this file read net/ipv4/arp.c (arp_ignore, arp_filter, arp_solicit), inet_confirm_addr in
net/ipv4/devinet.c, and the kernel's Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.ipv4 import Ipv4Packet

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.linux.node import LinuxNode

__all__ = ["is_silent", "sender_of"]

ONLY_HERE, ONLY_NEIGHBOURS, NOT_HOST_SCOPE, NEVER = 1, 2, 3, 8  # arp_ignore
SAME_SUBNET, BEST = 1, 2  # arp_announce


def is_silent(node: LinuxNode, interface: Interface, sender: IPv4, target: IPv4) -> bool:
    """True where the settings of an interface forbid an answer for an address of the device."""
    level = node.sysctl.interface_number(interface.name, "arp_ignore")
    if level and _ignores(level, node, interface, sender, target):
        return True
    if not sender or not node.sysctl.interface_number(interface.name, "arp_filter"):
        return False
    route = node.ip.routes.lookup(sender)
    return route is None or route.kind != "unicast" or route.device != interface.name


def _ignores(level: int, node: LinuxNode, interface: Interface, sender: IPv4, target: IPv4) -> bool:
    if level == NOT_HOST_SCOPE:
        return not any(
            known.address == target and other.detail(known, "scope") != "host"
            for other in node.interfaces.values()
            for known in other.addresses
        )
    here = [known for known in interface.addresses if known.address == target]
    if level == ONLY_HERE:
        return not here
    if level == ONLY_NEIGHBOURS:
        return not any(not sender or sender in interface.prefix_of(known) for known in here)
    return level == NEVER


def sender_of(
    node: LinuxNode, interface: Interface, target: IPv4, waiting: Ipv4Packet | Ipv6Packet | None
) -> IPv4 | None:
    """The sender address of a request; `waiting` is the packet that waits for the answer, or None."""
    source = waiting.src if isinstance(waiting, Ipv4Packet) and node.ip.is_local(waiting.src) else None
    level = node.sysctl.interface_number(interface.name, "arp_announce")
    if source is not None and level < BEST and not source.is_loopback:
        onlink = any(
            target in network and source in network for network in map(interface.prefix_of, interface.addresses)
        )
        if level != SAME_SUBNET or onlink:
            return source
    return node.ip.source_for(interface, target)
