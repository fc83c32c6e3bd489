"""How a DHCP answer reaches its client: through the relay, to the address it has, to everybody, or to its MAC address.

Before changing this file read RFC 2131 §4.1 and the end of dhcp_packet in dnsmasq 2.90 (dhcp.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Mac
from labs.net import dhcp
from labs.net.dhcp import DhcpMessage
from labs.net.ethernet import BROADCAST
from labs.net.ipv4 import ANY, LIMITED_BROADCAST, PROTO_UDP, Ipv4Packet
from labs.net.neighbour import NeighbourState
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["deliver", "send"]

TOS = 0xC0  # network control, as dnsmasq sets it


def deliver(
    node: LinuxNode, answer: DhcpMessage, interface: Interface, local: IPv4, log: Callable[[str], None]
) -> None:
    """Send an answer to the client that is on `interface`."""
    target, way = answer.yiaddr, interface
    if answer.ciaddr != ANY and not answer.broadcast:
        send(node, answer, local, (answer.ciaddr, dhcp.CLIENT_PORT), log)
        return
    if answer.broadcast or answer.yiaddr == ANY:
        target = LIMITED_BROADCAST
    else:
        _introduce(node, interface, answer.yiaddr, answer.chaddr)
    send(node, answer, local, (target, dhcp.CLIENT_PORT), log, way)


def send(
    node: LinuxNode,
    message: DhcpMessage,
    local: IPv4,
    target: tuple[IPv4, int],
    log: Callable[[str], None],
    way: Interface | None = None,
) -> None:
    """Send a message from the server port, by `way` where the routes have no say."""
    address, port = target
    datagram = UdpDatagram(dhcp.SERVER_PORT, port, dhcp.encode(message))
    error = node.ip.output(Ipv4Packet(local, address, PROTO_UDP, datagram, tos=TOS), interface=way)
    if error is not None:
        log(f"Error sending DHCP packet to {address}: {error}")


def _introduce(node: LinuxNode, interface: Interface, address: IPv4, mac: Mac) -> None:
    """Tell the kernel where a client without an address is, as SIOCSARP does."""
    table = node.link.neighbours
    entry = table.get(interface, address)
    if entry is None:
        entry = table.create(interface, address, NeighbourState.STALE)
    if entry is not None and mac != BROADCAST:
        entry.mac = mac
        entry.state = NeighbourState.STALE
        entry.serial += 1
