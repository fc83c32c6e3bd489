"""ICMPv6 messages for this device: echo, errors about what it sent, neighbour discovery.

Before changing this file read RFC 4443 §3-4 and icmpv6_err_convert in net/ipv6/icmp.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net import icmpv6
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.linux.ip_layer import HOST_UNREACHABLE, NETWORK_UNREACHABLE
from labs.net.sockets import IcmpError

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.transport import Transport

__all__ = ["ERRORS6", "Icmpv6Input"]

# What a program sees for each code of "destination unreachable" (tab_unreach)
ERRORS6 = {
    icmpv6.NO_ROUTE: NETWORK_UNREACHABLE,
    icmpv6.ADMIN_PROHIBITED6: "Permission denied",
    icmpv6.BEYOND_SCOPE: HOST_UNREACHABLE,
    icmpv6.ADDRESS_UNREACHABLE: HOST_UNREACHABLE,
    icmpv6.PORT_UNREACHABLE6: "Connection refused",
    icmpv6.POLICY_FAILED: "Permission denied",
    icmpv6.REJECT_ROUTE: "Permission denied",
}


class Icmpv6Input:
    """The ICMPv6 part of layer 4 of one device."""

    def __init__(self, node: LinuxNode, transport: Transport) -> None:
        self._node = node
        self._transport = transport

    def receive(self, packet: Ipv6Packet, message: Icmpv6Message, interface: Interface, frame: Frame | None) -> None:
        """A message for this device."""
        if message.discovery is not None:
            self._node.ipv6.discovery.receive(packet, message, interface, frame)
            return
        if frame is not None:
            self._node.link.confirm(interface, packet.src)
        if message.type == icmpv6.ECHO_REQUEST6:
            self._answer(packet, message, interface)
        elif message.type == icmpv6.ECHO_REPLY6:
            self._transport.echo_answered(packet, message, interface.name)
        elif message.original is not None:
            self._error(packet, message)

    def _answer(self, packet: Ipv6Packet, message: Icmpv6Message, interface: Interface) -> None:
        layer, wanted = self._node.ipv6, self._node.sysctl.number
        source = packet.dst
        if wanted("net.ipv6.icmp.echo_ignore_all"):
            return
        if source.is_multicast:
            if wanted("net.ipv6.icmp.echo_ignore_multicast"):
                return
            found = layer.source_for(interface, packet.src)
            if found is None:
                return
            source = found
        answer = Ipv6Packet(source, packet.src, PROTO_ICMPV6, message._replace(type=icmpv6.ECHO_REPLY6), tag=packet.tag)
        layer.output(answer, interface=interface if packet.src.is_link_local else None)

    def _error(self, packet: Ipv6Packet, message: Icmpv6Message) -> None:
        """Tell the socket that sent the packet inside; a path is narrower than we thought (RFC 8201)."""
        original = message.original
        assert original is not None
        if message.type == icmpv6.PACKET_TOO_BIG:
            self._node.ipv6.path_mtu(original.dst, message.mtu)
        error = IcmpError(packet.src, message.type, message.code, packet.hop_limit, original.dst, mtu=message.mtu)
        meaning = {
            icmpv6.DEST_UNREACHABLE6: ERRORS6.get(message.code),
            icmpv6.TIME_EXCEEDED6: HOST_UNREACHABLE,
            icmpv6.PACKET_TOO_BIG: "Message too long",
        }.get(message.type)
        self._transport.tell_sender(original, error, meaning)
