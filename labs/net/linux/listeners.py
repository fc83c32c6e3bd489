"""Multicast listener reports: which IPv6 groups a device says that it listens to. Nobody here asks for them.

Before changing this file read RFC 3810 §5.2 and §6.1, RFC 3590, and mld_ifc_event and mld_dad_work in net/ipv6/mcast.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv6
from labs.net import icmpv6
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv6 import ALL_NODES, ANY6, PROTO_ICMPV6, Ipv6Packet
from labs.net.ndp import EXCLUDE, INCLUDE, ListenerReport

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.ipv6_layer import Ipv6Layer
    from labs.net.linux.node import LinuxNode

__all__ = ["Listeners"]

ALL_MLD_ROUTERS = IPv6.parse("ff02::16")  # RFC 3810 §5.2.14
HOP_LIMIT = 1
ROBUSTNESS = 2  # RFC 3810 §9.1: how often a report is sent
DELAY_NS = 500_000_000  # unsolicited report interval: Linux draws up to 1 s, we take the mean


class Listeners:
    """What one device has reported, per interface."""

    def __init__(self, node: LinuxNode, layer: Ipv6Layer) -> None:
        self._node = node
        self._layer = layer
        self._reported: dict[int, frozenset[IPv6]] = {}

    def forget(self, interface: Interface) -> None:
        """IPv6 ended on an interface."""
        self._reported.pop(interface.index, None)

    def changed(self, interface: Interface) -> None:
        """An address came or went: report the groups that came or went with it, twice."""
        if interface.kind == "loopback" or interface.tunnel is not None or not interface.multicast:
            return
        groups = frozenset(self._layer.groups(interface)) - {ALL_NODES}
        before = self._reported.get(interface.index, frozenset())
        self._reported[interface.index] = groups
        records = [(EXCLUDE, group) for group in sorted(groups - before)]
        records += [(INCLUDE, group) for group in sorted(before - groups)]
        if records:
            self._twice(interface, tuple(records), DELAY_NS)

    def complete(self, interface: Interface) -> None:
        """The link-local address is usable: what was said without one is said again (RFC 3590)."""
        groups = self._reported.get(interface.index, frozenset())
        if groups:
            self._twice(interface, tuple((EXCLUDE, group) for group in sorted(groups)), 0)

    def _twice(self, interface: Interface, records: tuple[tuple[int, IPv6], ...], delay_ns: int) -> None:
        for turn in range(ROBUSTNESS):
            when = self._node.now + delay_ns + turn * DELAY_NS
            self._node.call_at(when, lambda: self._send(interface, records))

    def _send(self, interface: Interface, records: tuple[tuple[int, IPv6], ...]) -> None:
        if not interface.running or not self._layer.enabled(interface):
            return
        source = next((own.address for own in interface.inet6 if own.address.is_link_local and not own.tentative), ANY6)
        message = Icmpv6Message(icmpv6.LISTENER_REPORT2, discovery=ListenerReport(records))
        packet = Ipv6Packet(source, ALL_MLD_ROUTERS, PROTO_ICMPV6, message, HOP_LIMIT)
        self._layer.output(packet, interface=interface)
