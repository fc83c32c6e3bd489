"""Who answers for an IPv6 address: questions by neighbour discovery, which firewalls on both ends may stop.

The question and the answer are packets, made, judged and understood by the very code of the simulator. Before changing
this file read RFC 4861 §7.2, `labs.net.linux.discovery` and `labs.net.linux.link_layer`.
"""

# ruff: noqa: SLF001 - the machines are ours, and are wiped after each question
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grader.reach.neighbours import Found, Neighbours
from grader.reach.scope import Limit, OutOfScope
from grader.reach.wiring import Arrival, Doubts, Tap
from labs.model.addresses import IPv6
from labs.net import icmpv6
from labs.net.actions import Dropped, PolicyVerdict
from labs.net.ethernet import ETHERTYPE_IPV6, Frame
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_UDP
from labs.net.ipv6 import ALL_NODES, ALL_ROUTERS, PROTO_ICMPV6, Ipv6Packet, multicast_mac
from labs.net.linux.discovery import HOP_LIMIT
from labs.net.linux.link_layer import LinkLayer
from labs.net.ndp import RouterAdvert, RouterSolicit
from labs.net.neighbour import NeighbourState
from labs.net.nftables import EvaluationState
from labs.net.routing import route_text
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.model.addresses import Address, Mac
    from labs.net.actions import Note
    from labs.net.interface import Interface
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.linux.node import LinuxNode
    from labs.net.netfilter import Netfilter

__all__ = ["SolicitingNeighbours"]

_NOTHING = UdpDatagram(1, 1, b"")


class _Mouth(LinkLayer):
    """A link layer that keeps what is sent, and knows no neighbour but those entered by hand."""

    def __init__(self, node: LinuxNode, by_hand: list[tuple[Interface, Address, Mac]]) -> None:
        super().__init__(node)
        self.said: list[tuple[Interface, Ipv6Packet, Address]] = []
        for interface, address, mac in by_hand:
            entry = self.neighbours.create(interface, address, NeighbourState.PERMANENT)
            if entry is not None:
                entry.mac = mac

    def send_ip(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, next_hop: Address) -> None:
        """A packet for a neighbour."""
        if isinstance(packet, Ipv6Packet):
            self.said.append((interface, packet, next_hop))

    def send_to_mac(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, mac: Mac) -> None:
        """A packet for a group."""
        if isinstance(packet, Ipv6Packet):
            self.said.append((interface, packet, packet.dst))

    def mac_of(self, interface: Interface, address: Address) -> Mac | None:
        """What is known of a neighbour."""
        entry = self.neighbours.get(interface, address)
        return entry.mac if entry is not None and entry.usable else None


class SolicitingNeighbours(Neighbours):
    """Questions by neighbour solicitation."""

    def _prepare(self) -> None:
        self._taps: dict[int, list[Tap]] = {}
        for name, node in self._machines.items():
            for interface in node.interfaces.values():
                for known in interface.inet6:
                    if not known.tentative and not known.failed:
                        self._taps.setdefault(int(known.address), []).append(Tap(name, interface.name))
        self.minds = any(node.netfilter.active for node in self._machines.values() if node.ipv6.on)

    def asks_as(self, device: str, source: Address) -> Address | None:
        """A device asks from the source of the packet where that is its own, else from its link-local address."""
        if not self.minds or not self._machines[device].ipv6.is_local(source):
            return None
        return source

    def ways_to_ask(self, device: str) -> list[Address | None]:
        """See `Neighbours`."""
        return [None, *self._machines[device].ipv6.addresses()] if self.minds else [None]

    def choices(self, device: str, destination: Any, *, answered: bool) -> Doubts:
        """See `Neighbours`."""
        if destination.is_link_local:  # the sender says over which interface
            return ()
        first, *others = self._machines[device].ipv6.routes.equals(destination) or (None,)
        equal = [route for route in others if first is not None and route.preference == first.preference]
        if first is None or not (equal if answered else others):
            return ()
        return (OutOfScope(device, Limit.EQUAL_ROUTES, route_text(first)),)

    def _hears(self, tap: Tap) -> bool:
        return self._machines[tap.device].ipv6.speaks(self.wiring.interface(tap))

    def _ask(self, here: Tap, address: Any, asker: Address | None, doubts: list[OutOfScope]) -> Found:
        interface, around = self.wiring.interface(here), self.wiring.around(here).taps
        if address.is_loopback or address.is_multicast or not self._hears(here) or not interface.arp:
            return Found(None, tuple(doubts))
        if any(known.address == address for known in interface.inet6):  # tentative here: nobody else may have it
            return Found(None, tuple(doubts))
        owners = [tap for tap in self._taps.get(int(address), ()) if tap in around and tap != here]
        asked = [(owner, self._question(here, owner, address, asker)) for owner in owners]
        answering = [owner for owner, talk in asked if talk.answered]
        taught = tuple(fact for _, talk in asked for fact in talk.taught)
        arrival = self._only(here, address, answering, doubts)
        if arrival is not None:
            return Found(arrival, tuple(doubts), taught=taught)
        perhaps = next((owner for owner in owners if self._may_know(here, owner, address, asker)), None)
        notes = tuple(note for _, talk in asked for note in talk.notes)
        if perhaps is None:
            return Found(None, tuple(doubts), None, notes, taught)
        doubts.append(OutOfScope(here.device, Limit.ASKED_ITSELF, f"{address} on {here.interface}"))
        return Found(None, tuple(doubts), Arrival(*perhaps, interface.mac), notes, taught)

    def _question(self, here: Tap, owner: Tap, address: IPv6, asker: Address | None) -> _Talk:
        """Solicitation and advertisement between two interfaces on one link."""
        talk = _Talk(self, here, owner)
        asking, answering = self.wiring.interface(here), self.wiring.interface(owner)
        link = talk.mouths[here.device]
        link.neighbours.create(asking, address, NeighbourState.INCOMPLETE)
        waiting = Ipv6Packet(asker, address, PROTO_UDP, _NOTHING) if isinstance(asker, IPv6) else None
        firewalls = [talk.node(tap).netfilter for tap in (here, owner)]
        with talk, _unspent(*firewalls):
            talk.node(here).ipv6.discovery.solicit(asking, address, waiting, unicast=False)
            for _, question, _ in talk.heard(here):
                talk.deliver(owner, question, asking.mac, multicast_mac(question.dst))
                if talk.mouths[owner.device].mac_of(answering, question.src) == asking.mac:
                    where = Arrival(*here, answering.mac)
                    talk.taught.append((owner.device, owner.interface, question.src, where))
            for out, answer, hop in talk.heard(owner):
                known = talk.mouths[owner.device].mac_of(out, hop)
                if out is answering and known == asking.mac and here in self.wiring.around(owner).taps:
                    talk.deliver(here, answer, answering.mac, asking.mac)
        talk.answered = link.mac_of(asking, address) == answering.mac
        return talk

    def _may_know(self, here: Tap, owner: Tap, address: IPv6, asker: Address | None) -> bool:
        """Whether a neighbour may be known all the same: from another packet, or because it told of itself."""
        others = (other for other in self.ways_to_ask(here.device) if other != asker)
        return self._told(owner, here, address) or any(
            self._question(here, owner, address, other).answered for other in others
        )

    def _told(self, owner: Tap, here: Tap, address: IPv6) -> bool:
        """Whether the owner of an address, when it asks or advertises itself, tells a neighbour where it is."""
        if here not in self.wiring.around(owner).taps:
            return False
        node, interface = self._machines[here.device], self.wiring.interface(here)
        for target in [known.address for known in interface.inet6 if not known.tentative and not known.failed]:
            taught = self._question(owner, here, target, address).taught
            if any(fact[0] == here.device and fact[2] == address for fact in taught):
                return True
        if not address.is_link_local:
            return False
        mac = self.wiring.interface(owner).mac
        advert = Icmpv6Message(icmpv6.ROUTER_ADVERT, discovery=RouterAdvert(link=mac))
        solicit = Icmpv6Message(icmpv6.ROUTER_SOLICIT, discovery=RouterSolicit(mac))
        sent = []
        if self._machines[owner.device].ipv6.setting(self.wiring.interface(owner), "forwarding"):
            sent.append(Ipv6Packet(address, ALL_NODES, PROTO_ICMPV6, advert, HOP_LIMIT))
        if node.ipv6.setting(interface, "forwarding"):
            sent.append(Ipv6Packet(address, ALL_ROUTERS, PROTO_ICMPV6, solicit, HOP_LIMIT))
        return any(self._passes(owner, here, packet) for packet in sent)

    def _passes(self, sender: Tap, receiver: Tap, packet: Ipv6Packet) -> bool:
        """Whether the firewalls of both let a message to a group through."""
        out, into = self.wiring.interface(sender), self.wiring.interface(receiver)
        frame = Frame(multicast_mac(packet.dst), out.mac, ETHERTYPE_IPV6, packet)
        for tap, hooks in ((sender, ("output", "postrouting")), (receiver, ("prerouting", "input"))):
            netfilter, tracked = self._machines[tap.device].netfilter, None
            with _unspent(netfilter):
                for hook in hooks if netfilter.active else ():
                    leaving = tap is sender
                    filtered = netfilter.hook(
                        hook,
                        packet,
                        now=0,
                        incoming=None if leaving else into,
                        outgoing=out if leaving else None,
                        frame=None if leaving else frame,
                        tracked=tracked,
                    )
                    if filtered.packet is None:
                        return False
                    tracked = filtered.tracked
        return True


@contextmanager
def _unspent(*firewalls: Netfilter) -> Iterator[None]:
    """Rates are whole, and nothing of what is sent stays."""
    before = [netfilter.state for netfilter in firewalls]
    for netfilter in firewalls:
        netfilter.state = EvaluationState()
    try:
        yield
    finally:
        for netfilter, state in zip(firewalls, before, strict=True):
            netfilter.state = state


class _Talk:
    """A question and its answer between two devices. A context manager: afterwards the devices are as before."""

    def __init__(self, neighbours: SolicitingNeighbours, *taps: Tap) -> None:
        self._nodes = {tap.device: neighbours._machines[tap.device] for tap in taps}
        self._wiring = neighbours.wiring
        self.mouths = {
            name: _Mouth(
                node,
                [
                    (node.interfaces[interface], address, mac)
                    for (device, interface, address), mac in neighbours._static.items()
                    if device == name and interface in node.interfaces
                ],
            )
            for name, node in self._nodes.items()
        }
        self.answered = False
        self.taught: list[tuple[str, str, Address, Arrival]] = []
        self.notes: list[tuple[str, Note]] = []
        self._before: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> None:
        for name, node in self._nodes.items():
            self._before[name] = {part: getattr(node, part) for part in ("link", "tracing", "_out", "_timers")}
            node.link, node.tracing, node._out, node._timers = self.mouths[name], True, [], []

    def __exit__(self, *_: object) -> None:
        for name, node in self._nodes.items():
            self.notes += [(name, item) for item in node._out if isinstance(item, Dropped | PolicyVerdict)]
            for part, value in self._before[name].items():
                setattr(node, part, value)
            node.ipv6.routes.forget_answers()

    def node(self, tap: Tap) -> LinuxNode:
        """The device of an interface."""
        return self._nodes[tap.device]

    def heard(self, tap: Tap) -> list[tuple[Interface, Ipv6Packet, Address]]:
        """What a device said since it was asked last: over which interface, and to which neighbour."""
        mouth = self.mouths[tap.device]
        said, mouth.said = mouth.said, []
        return said

    def deliver(self, tap: Tap, packet: Ipv6Packet, source: Mac, target: Mac) -> None:
        """A frame arrives."""
        frame = Frame(target, source, ETHERTYPE_IPV6, packet)
        self._nodes[tap.device].ipv6.receive(self._wiring.interface(tap), packet, frame)
