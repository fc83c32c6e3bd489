"""Neighbour discovery: who asks and who answers, in the neighbour table that ARP uses too.

Before changing this file read RFC 4861 §7 and ndisc_recv_ns, ndisc_recv_na in net/ipv6/ndisc.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv6, Mac
from labs.net import icmpv6
from labs.net.actions import DropReason
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv6 import ALL_NODES, ALL_ROUTERS, ANY6, PROTO_ICMPV6, Ipv6Packet, solicited_node
from labs.net.ndp import Advert, RouterAdvert, RouterSolicit, Solicit
from labs.net.neighbour import BASE_REACHABLE_NS, DELAY_FIRST_PROBE_NS, Neighbour, NeighbourState
from labs.net.said import Ground, said

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.linux.ipv6_layer import Ipv6Layer
    from labs.net.linux.node import LinuxNode

__all__ = ["HOP_LIMIT", "Discovery"]

HOP_LIMIT = 255  # RFC 4861 §3.1: proof that no router passed it on


class Discovery:
    """The messages of RFC 4861 as one device sends and understands them."""

    def __init__(self, node: LinuxNode, layer: Ipv6Layer) -> None:
        self._node = node
        self._layer = layer

    # Sending

    def send(
        self,
        interface: Interface,
        source: IPv6,
        target: IPv6,
        kind: int,
        what: Solicit | Advert | RouterSolicit | RouterAdvert,
    ) -> None:
        """Send one message over an interface."""
        packet = Ipv6Packet(source, target, PROTO_ICMPV6, Icmpv6Message(kind, discovery=what), HOP_LIMIT)
        self._layer.output(packet, interface=interface)

    def solicit(
        self, interface: Interface, address: IPv6, waiting: Ipv4Packet | Ipv6Packet | None, *, unicast: bool
    ) -> None:
        """Ask who has an address, with the source of `waiting`, the packet that came last (ndisc_solicit).

        A source that the interface has not gives way to its link-local address (ndisc_send_ns).
        """
        own = [known.address for known in interface.inet6 if not known.tentative and not known.failed]
        links = (known for known in own if known.is_link_local)
        source = waiting.src if isinstance(waiting, Ipv6Packet) and waiting.src in own else next(links, None)
        if source is not None:
            target = address if unicast else solicited_node(address)
            self.send(interface, source, target, icmpv6.NEIGHBOUR_SOLICIT, Solicit(address, interface.mac))

    def solicit_routers(self, interface: Interface) -> None:
        """Ask for routers (RFC 4861 §6.3.7)."""
        source = self._layer.source_for(interface, ALL_ROUTERS)
        link = interface.mac if source is not None else None
        self.send(interface, source or ANY6, ALL_ROUTERS, icmpv6.ROUTER_SOLICIT, RouterSolicit(link))

    def _advertise(self, interface: Interface, source: IPv6, target: IPv6, *, asked: bool) -> None:
        router = bool(self._layer.setting(interface, "forwarding"))
        advert = Advert(source, interface.mac, router=router, solicited=asked, override=True)
        self.send(interface, source, target, icmpv6.NEIGHBOUR_ADVERT, advert)

    # Receiving

    def receive(self, packet: Ipv6Packet, message: Icmpv6Message, interface: Interface, frame: Frame | None) -> None:
        """A message of neighbour discovery; one that passed a router is a forgery (RFC 4861 §7.1)."""
        if packet.hop_limit != HOP_LIMIT:
            self._node.drop(DropReason.NO_PROTOCOL, interface.name, packet=packet, by=said(Ground.HOP_LIMIT))
            return
        what = message.discovery
        if isinstance(what, Solicit):
            self._solicited(packet, what, interface)
        elif isinstance(what, Advert):
            self._advertised(packet, what, interface)
        elif isinstance(what, RouterSolicit):
            if packet.src != ANY6 and what.link is not None and self._layer.setting(interface, "forwarding"):
                self.learn(interface, packet.src, what.link)
            self._layer.autoconf.heard_solicit(packet, interface)
        elif isinstance(what, RouterAdvert) and packet.src.is_link_local:
            self._layer.autoconf.heard_advert(packet.src, what, interface)

    def _solicited(self, packet: Ipv6Packet, asked: Solicit, interface: Interface) -> None:
        known = next((own for own in interface.inet6 if own.address == asked.target), None)
        if known is None or known.failed:
            return
        if known.tentative:
            if packet.src == ANY6 and not self._layer.autoconf.is_own_question(interface, asked):
                self._layer.autoconf.duplicate(interface, known, None)
            return
        if packet.src == ANY6:  # somebody tests whether the address is free
            self._advertise(interface, known.address, ALL_NODES, asked=False)
            return
        if asked.link is not None:
            self.learn(interface, packet.src, asked.link)
        self._advertise(interface, known.address, packet.src, asked=True)

    def _advertised(self, packet: Ipv6Packet, advert: Advert, interface: Interface) -> None:
        known = next((own for own in interface.inet6 if own.address == advert.target), None)
        if known is not None:
            if known.tentative:
                self._layer.autoconf.duplicate(interface, known, advert.link)
            return
        entry = self._node.link.neighbours.get(interface, advert.target)
        if entry is None or entry.state is NeighbourState.FAILED:
            return
        was_router = entry.router
        entry.router = advert.router
        self.update(entry, advert.link, solicited=advert.solicited, override=advert.override)
        if was_router and not advert.router:  # it is no router any more (RFC 4861 §7.2.5)
            self._layer.autoconf.forget_router(interface, advert.target)

    def learn(self, interface: Interface, address: Address, mac: Mac, *, router: bool = False) -> None:
        """Somebody said in passing where it lives: enough to answer, not enough to be sure."""
        table = self._node.link.neighbours
        entry = table.get(interface, address)
        if entry is None:
            entry = table.create(interface, address, NeighbourState.STALE)
            if entry is None:
                return
            entry.mac = mac
            entry.updated_ns = self._node.now
            entry.confirmed_ns = self._node.now - 2 * BASE_REACHABLE_NS  # never (neigh_create)
        else:
            self.update(entry, mac, solicited=False, override=True)
        entry.router = entry.router or router

    def update(self, entry: Neighbour, mac: Mac | None, *, solicited: bool, override: bool) -> None:
        """What an advertisement does to an entry (RFC 4861 §7.2.5, neigh_update)."""
        now, link = self._node.now, self._node.link
        if entry.state is NeighbourState.PERMANENT:
            return
        entry.refresh(now)
        changed = mac is not None and mac != entry.mac
        if entry.usable and changed and not override:
            if entry.state is NeighbourState.REACHABLE:
                entry.state = NeighbourState.STALE
            return
        fresh = not entry.usable
        entry.mac = mac or entry.mac
        if entry.mac is None:
            return
        if solicited:
            entry.state = NeighbourState.REACHABLE
            entry.confirmed_ns = now
        elif changed or fresh:
            entry.state = NeighbourState.STALE
        entry.updated_ns = now
        entry.serial += 1
        entry.probes = 0
        if fresh:
            self._layer.routes.forget_answers()
        waiting, entry.waiting = entry.waiting, []
        for packet in waiting:
            link.send_ip(entry.interface, packet, entry.address)
        if entry.state is NeighbourState.DELAY:
            link.later(entry, DELAY_FIRST_PROBE_NS)
