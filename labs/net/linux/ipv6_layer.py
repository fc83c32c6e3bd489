"""The path of an IPv6 packet through a device: hooks, routing decision, delivery, forwarding, errors.

Before changing the order of anything here read RFC 8200 §3-4, RFC 4291 §2, RFC 4007 §9, and ip6_input.c and
ip6_output.c of Linux.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv6, Network
from labs.model.state import Route
from labs.net import icmpv6
from labs.net.actions import Accepted, Delivered, DropReason, Forwarded, PolicyVerdict
from labs.net.conntrack import UNTRACKED, Tracked
from labs.net.icmpv6 import Icmpv6Message
from labs.net.inet6_address import best_source
from labs.net.ipv6 import ALL_NODES, ALL_ROUTERS, ANY6, LOOPBACK6, MIN_MTU, Ipv6Packet, multicast_mac, solicited_node
from labs.net.ipv6_routes import Ipv6Routes
from labs.net.linux.autoconf import Autoconf
from labs.net.linux.discovery import Discovery
from labs.net.linux.icmpv6_sender import Icmpv6Sender
from labs.net.linux.ip_layer import HOST_UNREACHABLE, NETWORK_UNREACHABLE
from labs.net.linux.loopback import LOOPBACK_NS
from labs.net.linux.way import Fate, Way
from labs.net.neighbour import NeighbourState
from labs.net.netfilter import Filtered
from labs.net.routing import AddressType, route_text
from labs.net.said import Ground, said

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["Ipv6Layer"]

NO_ADDRESS = "Cannot assign requested address"  # strerror(EADDRNOTAVAIL)
LARGEST = 65_535
MAX_PATHS = 1024
# What a sender is told for each type of route that refuses (fib6_prop, ip6_pkt_discard): code, error of the call
REFUSING = {
    "blackhole": (None, "Invalid argument"),
    "unreachable": (icmpv6.NO_ROUTE, HOST_UNREACHABLE),
    "prohibit": (icmpv6.ADMIN_PROHIBITED6, "Permission denied"),
}


class Ipv6Layer:
    """Layer 3 of one device, for IPv6. It rests while `disable_ipv6` is 1 on every interface."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self._mine: dict[IPv6, Interface] | None = None
        self._paths: dict[Address, int] = {}
        self.routes = Ipv6Routes(self._forget_answers, self._alive)
        self.errors = Icmpv6Sender(node, self)
        self.discovery = Discovery(node, self)
        self.autoconf = Autoconf(node, self)
        self.on = False
        """True while some interface speaks IPv6."""
        self.router_groups: set[str] = set()
        """Interfaces on which a program joined the group of all routers."""
        node.sysctl.watchers.append(self._settings_changed)

    def _forget_answers(self) -> None:
        self._mine = None

    def _settings_changed(self) -> None:
        on = any(self.enabled(interface) for interface in self._node.interfaces.values())
        if on or self.on:
            self.on = on
            self._mine = None
            self.autoconf.refresh()

    def links_changed(self) -> None:
        """An interface or its lead went up or down, or was put into a bridge or taken out of it."""
        if self.on:
            self._mine = None
            self.autoconf.refresh()

    def enabled(self, interface: Interface) -> bool:
        """False where `disable_ipv6` is set. A bridge port leaves IPv6 to its bridge.

        Tunnels carry IPv4 alone here.
        """
        return interface.master is None and interface.tunnel is None and not self.setting(interface, "disable_ipv6")

    def setting(self, interface: Interface, leaf: str) -> int:
        """One of net.ipv6.conf.INTERFACE.*; what stands under `all` counts only when it is written."""
        return self._node.sysctl.number(f"net.ipv6.conf.{interface.name}.{leaf}")

    @property
    def forwards(self) -> bool:
        """Whether packets are passed on: one setting for all interfaces (ip6_forward).

        That of an interface says whether it is one of a router, to which routers do not advertise.
        """
        return bool(self._node.sysctl.number("net.ipv6.conf.all.forwarding"))

    # Addresses

    def addresses(self) -> dict[IPv6, Interface]:
        """Every address of the device that it may use."""
        if self._mine is None:
            self._mine = {
                known.address: interface
                for interface in self._node.interfaces.values()
                for known in interface.inet6
                if not known.tentative and not known.failed
            }
        return self._mine

    def is_local(self, address: Address) -> bool:
        """True for an address of this device."""
        return isinstance(address, IPv6) and address in self.addresses()

    def type_of(self, address: IPv6) -> AddressType:
        """What an address is to this device."""
        if self.is_local(address):
            return AddressType.LOCAL
        return AddressType.MULTICAST if address.is_multicast else AddressType.UNICAST

    def joined(self, interface: Interface, group: IPv6) -> bool:
        """True for a group that the device listens to on an interface."""
        if group == ALL_NODES:
            return True
        if group == ALL_ROUTERS:
            return interface.name in self.router_groups or bool(self.setting(interface, "forwarding"))
        return any(solicited_node(known.address) == group for known in interface.inet6)

    def groups(self, interface: Interface) -> list[IPv6]:
        """The groups joined on an interface besides all nodes, the newest first."""
        if not interface.up or not self.enabled(interface) or interface.kind == "loopback":
            return []
        found = [solicited_node(known.address) for known in reversed(interface.inet6)]
        found += [ALL_ROUTERS] if self.joined(interface, ALL_ROUTERS) else []
        return list(dict.fromkeys(reversed(found)))

    def source_for(self, interface: Interface | None, destination: IPv6) -> IPv6 | None:
        """The source address on the way out over an interface (RFC 6724 §5), or None."""
        candidates = [known for other in self._node.interfaces.values() for known in other.inet6]
        name = interface.name if interface is not None else None
        best = best_source(candidates, destination, name, self._node.now)
        return best.address if best is not None else None

    def source_of(self, route: Route, destination: IPv6) -> IPv6 | None:
        """The source address that a packet gets on a route."""
        if isinstance(route.source, IPv6):
            return route.source
        return None if route.device is None else self.source_for(self._node.interfaces[route.device], destination)

    def preferred_source(self, destination: IPv6) -> IPv6 | None:
        """The source address that a packet to `destination` would get, or None without a way."""
        if self.is_local(destination):
            return destination
        route = self.route_to(destination)
        return self.source_of(route, destination) if route is not None and route.kind == "unicast" else None

    def route_to(self, destination: IPv6) -> Route | None:
        """The route to a destination; a group or a link-local address leads over the first interface that is up."""
        if destination.is_multicast:
            for interface in self._node.interfaces.values():
                if interface.kind != "loopback" and interface.up and interface.inet6:
                    return Route(Network(IPv6(0xFF << 120), 8), interface.name, protocol="kernel", metric=256)
        return self.routes.lookup(destination)

    def _alive(self, route: Route) -> bool:
        """A router that does not answer is passed over while there is another (rt6_check_neigh)."""
        interface = self._node.interfaces.get(route.device or "")
        if interface is None or route.via is None:
            return True
        entry = self._node.link.neighbours.get(interface, route.via)
        return entry is None or entry.state not in (NeighbourState.FAILED, NeighbourState.INCOMPLETE)

    # Receiving

    def receive(self, interface: Interface, packet: Ipv6Packet, frame: Frame) -> None:
        """A packet came in from a neighbour."""
        node = self._node
        if not self.speaks(interface):
            node.drop(DropReason.NO_PROTOCOL, interface.name, frame=frame, packet=packet, by="disable_ipv6 = 1")
            return
        if packet.dst.is_loopback or not self.believes(interface, packet.src):
            node.drop(DropReason.INVALID_SOURCE, interface.name, frame=frame, packet=packet)
            return
        filtered = self._hook("prerouting", packet, incoming=interface, frame=frame)
        if filtered.packet is None:
            self._refuse(filtered, packet, "prerouting", interface)
            return
        packet, tracked = filtered.packet, filtered.tracked
        dst = packet.dst
        if dst.is_multicast and not self.joined(interface, dst):
            node.drop(DropReason.NOT_FOR_ME, interface.name, frame=frame, packet=packet)
            return
        way = self.way_to(interface, dst)
        if way.fate is Fate.LOCAL:
            self._deliver(interface, packet, frame, tracked)
        elif frame.dst.is_group:
            node.drop(DropReason.NOT_LOCAL, interface.name, frame=frame, packet=packet)
        elif way.fate is Fate.NOT_FORWARDING:
            by = "net.ipv6.conf.all.forwarding = 0"
            node.drop(DropReason.NOT_FORWARDING, interface.name, packet=packet, by=by)
        elif way.fate is Fate.OF_A_LINK or packet.src == ANY6:
            node.drop(DropReason.NOT_LOCAL, interface.name, packet=packet, by=said(Ground.LINK_LOCAL))
        else:
            self._forward(interface, packet, frame, tracked, way)

    def speaks(self, interface: Interface) -> bool:
        """Whether anything that comes in over an interface is looked at."""
        return self.on and self.enabled(interface)

    def believes(self, interface: Interface, source: IPv6) -> bool:
        """False for a source that cannot be real (ip6_rcv_core); one's own address may come back, unlike with IPv4."""
        return self.speaks(interface) and not (source.is_multicast or source.is_loopback)

    def way_to(self, interface: Interface, destination: IPv6) -> Way:
        """The half of a routing decision that the destination makes; a group is taken to be joined."""
        if destination.is_loopback:
            return Way(Fate.MARTIAN)
        if destination.is_multicast or self._is_own(interface, destination):
            return Way(Fate.LOCAL)
        if not self.forwards:
            return Way(Fate.NOT_FORWARDING)
        if destination.is_link_local:
            return Way(Fate.OF_A_LINK)
        route = self.routes.lookup(destination)
        if route is None or route.device is None or route.kind != "unicast":
            return Way(Fate.REFUSED, route)
        return Way(Fate.FORWARD, route, self._node.interfaces[route.device], self.next_hop(route, destination))

    def _is_own(self, interface: Interface, address: IPv6) -> bool:
        """An address of the device; one of a link has to be on that interface, and may be on others as well."""
        if not address.is_link_local:
            return self.is_local(address)
        return any(k.address == address and not k.tentative and not k.failed for k in interface.inet6)

    @staticmethod
    def next_hop(route: Route | None, destination: IPv6) -> IPv6:
        """Who is asked for its link-layer address."""
        return route.via if route is not None and isinstance(route.via, IPv6) else destination

    def _deliver(self, interface: Interface, packet: Ipv6Packet, frame: Frame | None, tracked: Tracked) -> None:
        node = self._node
        filtered = self._hook("input", packet, incoming=interface, frame=frame, tracked=tracked)
        if filtered.packet is None:
            self._refuse(filtered, packet, "input", interface)
            return
        if node.tracing:
            node.note(Delivered(filtered.packet, interface.name))
        node.transport.deliver(filtered.packet, interface, frame)

    def _forward(self, interface: Interface, packet: Ipv6Packet, frame: Frame, tracked: Tracked, way: Way) -> None:
        node, route, outgoing = self._node, way.route, way.outgoing
        if route is None or outgoing is None:
            kind = route.kind if route is not None else ""
            code = REFUSING[kind][0] if kind in REFUSING else icmpv6.NO_ROUTE
            node.drop(DropReason.NO_ROUTE, interface.name, packet=packet, by=route_text(route) if route else "")
            if code is not None:
                self.errors.send(packet, icmpv6.DEST_UNREACHABLE6, code, tracked, incoming=interface)
            return
        if packet.hop_limit <= 1:
            node.drop(DropReason.TTL_EXCEEDED, interface.name, packet=packet)
            self.errors.send(packet, icmpv6.TIME_EXCEEDED6, 0, tracked, incoming=interface)
            return
        if packet.src.is_link_local and outgoing is not interface:  # ip6_forward, RFC 4291 §2.5.6
            node.drop(DropReason.NOT_LOCAL, interface.name, packet=packet, by=said(Ground.LINK_LOCAL))
            self.errors.send(packet, icmpv6.DEST_UNREACHABLE6, icmpv6.BEYOND_SCOPE, tracked, incoming=interface)
            return
        if packet.largest > outgoing.mtu:
            node.drop(DropReason.TOO_BIG, outgoing.name, packet=packet, by=f"mtu {outgoing.mtu}")
            self.errors.send(packet, icmpv6.PACKET_TOO_BIG, 0, tracked, mtu=outgoing.mtu, incoming=interface)
            return
        packet = packet._replace(hop_limit=packet.hop_limit - 1)
        filtered = self._hook("forward", packet, incoming=interface, outgoing=outgoing, frame=frame, tracked=tracked)
        if filtered.packet is None:
            self._refuse(filtered, packet, "forward", interface)
            return
        packet = filtered.packet
        next_hop = self.next_hop(route, packet.dst)
        if node.tracing:
            node.note(Forwarded(packet, interface.name, outgoing.name, next_hop, route_text(route)))
        self._leave(packet, filtered.tracked, outgoing, next_hop, incoming=interface)

    # Sending

    def output(
        self,
        packet: Ipv6Packet,
        *,
        interface: Interface | None = None,
        tracked: Tracked | None = None,
        dont_fragment: bool = False,
    ) -> str | None:
        """Send a packet of a program. Returns None, or the error of the system call.

        `interface` pins the way out: SO_BINDTODEVICE, and what stands behind the % of an address.
        """
        node = self._node
        dst = packet.dst
        if self.is_local(dst):
            return self._loop_back(packet, tracked)
        route = self.route_to(dst) if interface is None else self._route_over(interface, dst)
        if interface is not None and self._is_discovery(packet):
            route = None  # what neighbours say to each other goes by no router (icmp6_dst_alloc)
        if interface is None:
            if not self.goes_out(dst, route):
                kind = route.kind if route is not None else ""
                node.drop(DropReason.NO_ROUTE, "", packet=packet, by=route_text(route) if route else "")
                return REFUSING[kind][1] if kind in REFUSING else NETWORK_UNREACHABLE
            assert route is not None
            assert route.device is not None
            interface = node.interfaces[route.device]
        if not self.enabled(interface) or not interface.up:
            return NETWORK_UNREACHABLE
        if packet.src == ANY6 and not self._is_discovery(packet):
            found = route.source if route is not None and isinstance(route.source, IPv6) else None
            source = found or self.source_for(interface, dst)
            if source is None:
                return NO_ADDRESS
            packet = packet._replace(src=source)
        room = min(interface.mtu, self._paths.get(dst, interface.mtu))
        if packet.length > room:
            if dont_fragment:
                return "Message too long"
            packet = packet._replace(fragment=room)
        filtered = self._hook("output", packet, outgoing=interface, tracked=tracked)
        if filtered.packet is None:
            self._refuse(filtered, packet, "output", None)
            return "Operation not permitted"
        if filtered.packet.dst != dst:
            return self._rerouted(filtered.packet, filtered.tracked)
        if node.tracing:
            node.note(Accepted(filtered.packet, interface.name, route_text(route) if route else ""))
        if dst.is_multicast and not self._is_discovery(packet) and self.joined(interface, dst):
            self._loop_group(filtered.packet, interface)
        next_hop = self.next_hop(route, dst)
        self._leave(filtered.packet, filtered.tracked, interface, next_hop, incoming=None)
        return None

    @staticmethod
    def goes_out(destination: IPv6, route: Route | None) -> bool:
        """Whether a packet of this device can leave by a route."""
        del destination
        return route is not None and route.device is not None and route.kind == "unicast"

    def _route_over(self, interface: Interface, destination: IPv6) -> Route | None:
        """The route over a given interface; without one the destination is taken to be on the link."""
        if destination.is_multicast or destination.is_link_local:
            return None
        route = self.routes.lookup(destination)
        return route if route is not None and route.device == interface.name else None

    @staticmethod
    def _is_discovery(packet: Ipv6Packet) -> bool:
        """Neighbour discovery: it says by itself where it comes from, be it from nowhere."""
        return isinstance(packet.payload, Icmpv6Message) and packet.payload.discovery is not None

    def _rerouted(self, packet: Ipv6Packet, tracked: Tracked) -> str | None:
        """The output hook changed the destination: find the way again (ip6_route_me_harder)."""
        if self.is_local(packet.dst):
            self._enter_loopback(packet, tracked)
            return None
        route = self.route_to(packet.dst)
        if route is None or route.device is None or not self.goes_out(packet.dst, route):
            return NETWORK_UNREACHABLE
        next_hop = self.next_hop(route, packet.dst)
        self._leave(packet, tracked, self._node.interfaces[route.device], next_hop, incoming=None)
        return None

    def _loop_back(self, packet: Ipv6Packet, tracked: Tracked | None) -> str | None:
        loopback = self._node.interfaces["lo"]
        if not loopback.up:
            return NETWORK_UNREACHABLE
        if packet.src == ANY6:
            packet = packet._replace(src=packet.dst)
        filtered = self._hook("output", packet, outgoing=loopback, tracked=tracked)
        if filtered.packet is None:
            self._refuse(filtered, packet, "output", None)
            return "Operation not permitted"
        if filtered.packet.dst != packet.dst:
            return self._rerouted(filtered.packet, filtered.tracked)
        self._enter_loopback(filtered.packet, filtered.tracked)
        return None

    def _enter_loopback(self, packet: Ipv6Packet, tracked: Tracked) -> None:
        """Out over lo and in again, through all hooks."""
        loopback = self._node.interfaces["lo"]
        filtered = self._hook("postrouting", packet, outgoing=loopback, tracked=tracked)
        leaving = filtered.packet
        if leaving is None:
            return
        for counters in (loopback.tx, loopback.rx):
            counters.packets += 1
            counters.bytes += leaving.length

        def arrive() -> None:
            again = self._hook("prerouting", leaving, incoming=loopback, tracked=filtered.tracked)
            if again.packet is not None:
                self._deliver(loopback, again.packet, None, again.tracked)

        self._node.call_at(self._node.now + LOOPBACK_NS, arrive)

    def _loop_group(self, packet: Ipv6Packet, interface: Interface) -> None:
        """What a program sends to a group that this device is in comes to itself too (IPV6_MULTICAST_LOOP)."""
        self._node.call_at(self._node.now, lambda: self._deliver(interface, packet, None, UNTRACKED))

    def _leave(
        self, packet: Ipv6Packet, tracked: Tracked, outgoing: Interface, next_hop: IPv6, *, incoming: Interface | None
    ) -> None:
        """The postrouting hook and the way to the neighbour."""
        node = self._node
        filtered = self._hook("postrouting", packet, incoming=incoming, outgoing=outgoing, tracked=tracked)
        if filtered.packet is None:
            self._refuse(filtered, packet, "postrouting", None)
            return
        packet = filtered.packet
        if packet.dst.is_multicast:
            node.link.send_to_mac(outgoing, packet, multicast_mac(packet.dst))
        elif not outgoing.up:
            node.drop(DropReason.ADMIN_DOWN, outgoing.name, packet=packet)
        else:
            node.link.send_ip(outgoing, packet, next_hop)

    def neighbour_failed(self, packet: Ipv6Packet, interface: Interface) -> None:
        """Nobody said where the next hop is: tell the sender (ndisc_error_report, ip6_link_failure)."""
        self.routes.forget_answers()
        self.errors.send(packet, icmpv6.DEST_UNREACHABLE6, icmpv6.ADDRESS_UNREACHABLE, outgoing=interface)

    def path_mtu(self, destination: IPv6, mtu: int) -> None:
        """A router said how large packets to a destination may be (RFC 8201)."""
        if len(self._paths) > MAX_PATHS:
            self._paths.clear()
        self._paths[destination] = max(mtu, MIN_MTU)

    def forget(self) -> None:
        """Forget path MTUs and whom errors were told."""
        self._paths.clear()
        self.errors.forget()

    def mtu_to(self, destination: IPv6) -> int:
        """The path MTU to a destination, as far as it is known."""
        route = self.routes.lookup(destination)
        device = self._node.interfaces.get(route.device) if route is not None and route.device else None
        known = self._paths.get(destination, LARGEST)
        return LARGEST if self.is_local(destination) else min(known, device.mtu if device is not None else MIN_MTU)

    def refuse_port(self, packet: Ipv6Packet, incoming: Interface | None = None) -> None:
        """Nothing listens on a UDP port."""
        if not packet.dst.is_multicast:
            self.errors.send(packet, icmpv6.DEST_UNREACHABLE6, icmpv6.PORT_UNREACHABLE6, incoming=incoming)

    # Hooks

    def _hook(
        self,
        name: str,
        packet: Ipv6Packet,
        *,
        incoming: Interface | None = None,
        outgoing: Interface | None = None,
        frame: Frame | None = None,
        tracked: Tracked | None = None,
    ) -> Filtered[Ipv6Packet]:
        netfilter = self._node.netfilter
        if not netfilter.active:
            return Filtered(packet, tracked or UNTRACKED)
        return netfilter.hook(
            name,
            packet,
            now=self._node.now,
            incoming=incoming,
            outgoing=outgoing,
            frame=frame,
            tracked=tracked,
            address=self.own_address(name, incoming, outgoing, packet.dst),
        )

    def own_address(self, hook: str, into: Interface | None, out: Interface | None, destination: IPv6) -> IPv6 | None:
        """The address that masquerade or redirect would use in a hook (nf_nat_masquerade.c, nf_nat_redirect_ipv6)."""
        if hook == "postrouting":
            return self.source_for(out, destination)
        if hook == "prerouting" and into is not None:
            return next((known.address for known in into.inet6 if not known.tentative), None)
        return LOOPBACK6 if hook == "output" else None

    def _refuse(
        self, filtered: Filtered[Ipv6Packet], packet: Ipv6Packet, hook: str, interface: Interface | None
    ) -> None:
        """A rule dropped or rejected the packet."""
        node = self._node
        verdict = "reject" if filtered.reject is not None else "drop"
        node.note(PolicyVerdict(packet, hook, verdict, filtered.by))
        node.drop(DropReason.POLICY, interface.name if interface else "", packet=packet, by=filtered.by)
        if filtered.reject is not None:
            self.errors.reject(filtered.reject, packet, filtered.tracked, interface)
