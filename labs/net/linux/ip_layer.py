"""The path of an IPv4 packet through a device: hooks, routing decision, delivery, forwarding, errors.

Before changing the order of anything here read RFC 1812 §5.2, RFC 1122 §3.2.1-3.2.2 and the netfilter packet-flow
diagram. Which address an ICMP error comes from and when it is withheld follows Linux (icmp.c: icmp_send).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.model.state import Route
from labs.net import icmp
from labs.net.actions import Accepted, Delivered, DropReason, Forwarded, PolicyVerdict
from labs.net.conntrack import UNTRACKED, Tracked
from labs.net.ethernet import BROADCAST, Frame
from labs.net.ipv4 import ANY, LIMITED_BROADCAST, Fragment, Ipv4Packet
from labs.net.linux import loopback, tunnel
from labs.net.linux.error_sender import ErrorSender
from labs.net.linux.paths import Paths
from labs.net.linux.way import Fate, Way
from labs.net.netfilter import Filtered
from labs.net.routing import AddressType, RoutingTable, route_text

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["HOST_UNREACHABLE", "NETWORK_UNREACHABLE", "IpLayer"]

NETWORK_UNREACHABLE = "Network is unreachable"  # strerror(ENETUNREACH)
HOST_UNREACHABLE = "No route to host"  # strerror(EHOSTUNREACH)
GROUPS = frozenset({AddressType.BROADCAST, AddressType.MULTICAST})
MAX_ANSWERS = 4096  # remembered decisions
LOOPBACK_ADDRESS = InterfaceAddress(IPv4.parse("127.0.0.1"), 8)
# What a sender is told for each type of route that refuses (fib_props, net/ipv4/fib_semantics.c)
REFUSING = {
    "blackhole": (None, "Invalid argument"),
    "unreachable": (icmp.HOST_UNREACHABLE, HOST_UNREACHABLE),
    "prohibit": (icmp.ADMIN_PROHIBITED, "Permission denied"),
}


class IpLayer:
    """Layer 3 of one device."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self._types: dict[IPv4, AddressType] = {}
        self._ways: dict[tuple[str, IPv4, IPv4], Way] = {}
        self._sources: dict[tuple[str, IPv4], IPv4 | None] = {}
        self.routes = RoutingTable(self._forget_answers)
        node.sysctl.watchers.append(self._forget_answers)
        self._identification = 0
        self.paths = Paths(node, self)
        self.errors = ErrorSender(node, self)

    def _forget_answers(self) -> None:
        """A route, an address, the state of an interface or a setting changed: decide anew."""
        self._types.clear()
        self._ways.clear()
        self._sources.clear()
        self._node.changed()
        self.paths.cache.refresh(metrics=any(route.mtu for route in self.routes))

    # Addresses and the routes that come and go with them

    def address_added(self, interface: Interface, address: InterfaceAddress) -> None:
        """Add the connected route of a new address; arp_notify announces it."""
        if interface.up:
            self._connect(interface, address)
            if self._node.sysctl.interface_number(interface.name, "arp_notify") and isinstance(address.address, IPv4):
                self._node.link.announce(interface, address.address)
        self.routes.forget_answers()

    def address_removed(self, interface: Interface, address: InterfaceAddress, prefix: Network) -> None:
        """Take away what depended on the address (fib_del_ifaddr).

        That is its connected route `prefix`, routes that used it as source, and with the last address of an interface
        every route over that interface.
        """
        self.routes.remove_where(
            [
                route
                for route in self.routes
                if route.device == interface.name
                and (not interface.addresses or self._is_connected(route, address, prefix))
            ]
        )
        if isinstance(address.address, IPv4) and not self.is_local(address.address):
            self.routes.remove_where([route for route in self.routes if route.source == address.address])

    @staticmethod
    def _is_connected(route: Route, address: InterfaceAddress, prefix: Network) -> bool:
        return route.prefix == prefix and route.protocol == "kernel" and route.source == address.address

    def interface_up(self, interface: Interface) -> None:
        """Connected routes appear. The loopback without an address gets 127.0.0.1/8 (inetdev_event)."""
        if interface.kind == "loopback" and not interface.addresses:
            self._node.add_address(interface, LOOPBACK_ADDRESS, scope="host")
        for address in interface.addresses:
            self._connect(interface, address)
        if self._node.sysctl.interface_number(interface.name, "arp_notify"):
            for address in interface.addresses:
                if isinstance(address.address, IPv4):
                    self._node.link.announce(interface, address.address)

    def interface_down(self, interface: Interface) -> None:
        """Every route over the interface goes; addresses stay."""
        self.routes.remove_where([route for route in self.routes if route.device == interface.name])

    def _connect(self, interface: Interface, address: InterfaceAddress) -> None:
        """The route to the network of an address (fib_add_ifaddr); a secondary address and a /32 bring none."""
        prefix = interface.prefix_of(address)
        if interface.kind == "loopback" or interface.is_secondary(address) or prefix.length == 0:
            return
        if int(prefix.address) >> 28 >= 0xE:  # no unicast network
            return
        alone = prefix.address == address.address and prefix.length == 32
        if alone or interface.detail(address, "noprefixroute"):
            return
        metric = int(interface.detail(address, "metric") or 0)
        self.routes.append(
            Route(prefix, interface.name, source=address.address, metric=metric, protocol="kernel", scope="link")
        )

    def source_for(self, interface: Interface, destination: IPv4) -> IPv4 | None:
        """The address to use on an interface: one in the network of the destination, else the first."""
        key = (interface.name, destination)
        if key not in self._sources:
            if len(self._sources) > MAX_ANSWERS:
                self._sources.clear()
            self._sources[key] = self._choose_source(interface, destination)
        return self._sources[key]

    @staticmethod
    def _choose_source(interface: Interface, destination: IPv4) -> IPv4 | None:
        near = destination.is_loopback  # otherwise 127.0.0.1 is none: its scope is the host
        addresses = [a for a in interface.addresses if isinstance(a.address, IPv4) and near >= a.address.is_loopback]
        found = [a for a in addresses if destination in a.network] or addresses
        return found[0].address if found else None  # type: ignore[return-value]

    def is_local(self, address: IPv4) -> bool:
        """True for an address of this device (and all of 127.0.0.0/8)."""
        return self.type_of(address) is AddressType.LOCAL

    def is_broadcast(self, address: IPv4) -> bool:
        """True for 255.255.255.255 and the broadcast address of a connected network."""
        return self.type_of(address) is AddressType.BROADCAST

    def type_of(self, address: IPv4) -> AddressType:
        """What an address is to this device. Asked for each packet, so kept until an address or a route changes."""
        known = self._types.get(address)
        if known is None:
            if len(self._types) > MAX_ANSWERS:
                self._types.clear()
            known = self._types[address] = self._classify(address)
        return known

    def _classify(self, address: IPv4) -> AddressType:
        if address.is_loopback or address in self._node.local_addresses():
            return AddressType.LOCAL
        if address.is_multicast:
            return AddressType.MULTICAST
        if address == LIMITED_BROADCAST or any(
            address == a.network.broadcast and a.length < 31
            for interface in self._node.interfaces.values()
            if interface.up
            for a in interface.addresses
        ):
            return AddressType.BROADCAST
        return AddressType.UNICAST

    # Receiving

    def receive(self, interface: Interface, packet: Ipv4Packet, frame: Frame) -> None:
        """A packet came in from a neighbour."""
        node = self._node
        tracked = UNTRACKED
        if node.netfilter.active:
            if type(packet.payload) is Fragment:  # conntrack wants whole packets (nf_defrag_ipv4)
                whole = self.paths.collect(packet, interface)
                if whole is None:
                    return
                packet = whole
            filtered = self._hook("prerouting", packet, incoming=interface, frame=frame)
            if filtered.packet is None:
                self._refuse(filtered, packet, "prerouting", interface)
                return
            packet, tracked = filtered.packet, filtered.tracked
        way = self._ways.get((interface.name, packet.src, packet.dst)) or self._find_way(interface, packet)
        fate = way.fate
        if fate is Fate.MARTIAN:
            node.drop(DropReason.INVALID_SOURCE, interface.name, frame=frame, packet=packet)
        elif fate is Fate.LOCAL:
            self._deliver(interface, packet, frame, tracked)
        elif frame.dst.is_group:
            node.drop(DropReason.NOT_LOCAL, interface.name, frame=frame, packet=packet)
        elif fate is Fate.NOT_FORWARDING:
            node.drop(DropReason.NOT_FORWARDING, interface.name, packet=packet, by="net.ipv4.ip_forward = 0")
        elif fate is Fate.REFUSED:
            self._no_route(interface, packet, tracked, way.route)
        else:
            self._forward(interface, packet, frame, tracked, way)

    def _find_way(self, interface: Interface, packet: Ipv4Packet) -> Way:
        """The routing decision (ip_route_input); a change of route, address, interface or setting forgets it."""
        if len(self._ways) > MAX_ANSWERS:
            self._ways.clear()
        way = self._ways[interface.name, packet.src, packet.dst] = self._decide(interface, packet.src, packet.dst)
        return way

    def _decide(self, interface: Interface, source: IPv4, destination: IPv4) -> Way:
        if not self.believes(interface, source):
            return Way(Fate.MARTIAN)
        way = self.way_to(interface, destination)
        if way.outgoing is not None and self._is_detour(interface, way.outgoing, source):
            return way._replace(detour=True)
        return way

    def believes(self, interface: Interface, source: IPv4) -> bool:
        """The half of a routing decision that the source makes: False for one that cannot be real here."""
        return not source.is_loopback and not self.spoofed(interface, source)

    def next_hop(self, route: Route | None, destination: IPv4) -> IPv4:
        """Who is asked for its MAC address. A gateway that is the device itself is none (fib_check_nh, RTN_LOCAL)."""
        if route is None or not isinstance(route.via, IPv4) or self.is_local(route.via):
            return destination
        return route.via

    def way_to(self, interface: Interface, destination: IPv4) -> Way:
        """The half of a routing decision that the destination makes."""
        if destination.is_loopback:
            return Way(Fate.MARTIAN)
        if self.type_of(destination) is not AddressType.UNICAST:
            return Way(Fate.LOCAL)
        if not self._node.sysctl.number(f"net.ipv4.conf.{interface.name}.forwarding"):
            return Way(Fate.NOT_FORWARDING)
        route = self.routes.lookup(destination)
        if route is None or route.device is None or route.kind != "unicast":
            return Way(Fate.REFUSED, route)
        next_hop = self.next_hop(route, destination)
        return Way(Fate.FORWARD, route, self._node.interfaces[route.device], next_hop, route.mtu)

    def _is_detour(self, interface: Interface, outgoing: Interface, source: IPv4) -> bool:
        """Out where it came in, from a neighbour (__mkroute_input): a redirect is due where send_redirects is on."""
        if outgoing is not interface or not self._node.sysctl.interface_number(interface.name, "send_redirects"):
            return False
        back = self.routes.lookup(source)
        return back is not None and back.device == interface.name and back.via is None

    def spoofed(self, interface: Interface, source: IPv4) -> bool:
        """A source that is our own address, or that rp_filter (RFC 3704) does not believe (fib_validate_source)."""
        if self.is_local(source):
            return True
        mode = self._node.sysctl.interface_number(interface.name, "rp_filter")
        if not mode or source == ANY:
            return False
        route = self.routes.lookup(source)
        return route is None or (mode == 1 and route.device != interface.name)

    def _deliver(self, interface: Interface, packet: Ipv4Packet, frame: Frame | None, tracked: Tracked) -> None:
        node = self._node
        if type(packet.payload) is Fragment:
            whole = self.paths.collect(packet, interface)
            if whole is None:
                return
            packet = whole
        if node.netfilter.active:
            filtered = self._hook("input", packet, incoming=interface, frame=frame, tracked=tracked)
            if filtered.packet is None:
                self._refuse(filtered, packet, "input", interface)
                return
            packet = filtered.packet
        if node.tracing:
            node.note(Delivered(packet, interface.name))
        node.transport.deliver(packet, interface, frame)

    def _no_route(self, interface: Interface, packet: Ipv4Packet, tracked: Tracked, route: Route | None) -> None:
        """There is no route, or one that refuses."""
        kind = route.kind if route is not None else ""
        code = REFUSING[kind][0] if kind in REFUSING else icmp.NET_UNREACHABLE
        self._node.drop(DropReason.NO_ROUTE, interface.name, packet=packet, by=route_text(route) if route else "")
        if code is not None and self.errors.may_say_no_route(packet.src):
            self.errors.send(packet, icmp.DEST_UNREACHABLE, code, tracked)

    def _forward(self, interface: Interface, packet: Ipv4Packet, frame: Frame, tracked: Tracked, way: Way) -> None:
        node = self._node
        outgoing, next_hop = way.outgoing, way.next_hop
        assert outgoing is not None
        if packet.ttl <= 1:
            node.drop(DropReason.TTL_EXCEEDED, interface.name, packet=packet)
            self.errors.send(packet, icmp.TIME_EXCEEDED, 0, tracked)
            return
        mtu = outgoing.mtu if not way.mtu or way.mtu > outgoing.mtu else way.mtu
        too_big = packet.length > mtu
        if too_big and packet.dont_fragment:
            node.drop(DropReason.TOO_BIG, outgoing.name, packet=packet, by=f"mtu {mtu}")
            self.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.FRAGMENTATION_NEEDED, tracked, mtu=mtu)
            return
        if way.detour:
            self.paths.advise(packet, next_hop)
        packet = packet.one_hop_on()
        if node.netfilter.active:
            filtered = self._hook(
                "forward", packet, incoming=interface, outgoing=outgoing, frame=frame, tracked=tracked
            )
            if filtered.packet is None:
                self._refuse(filtered, packet, "forward", interface)
                return
            packet, tracked = filtered.packet, filtered.tracked
        if node.tracing:
            by = route_text(way.route) if way.route is not None else ""
            node.note(Forwarded(packet, interface.name, outgoing.name, next_hop, by))
        self._leave(packet, tracked, outgoing, next_hop, incoming=interface, cut=mtu if too_big else 0)

    # Sending

    def output(
        self,
        packet: Ipv4Packet,
        *,
        interface: Interface | None = None,
        tracked: Tracked | None = None,
        may_cut: bool = False,
    ) -> str | None:
        """Send a packet of a program. Returns None, or the error of the system call.

        `interface` pins the way out (SO_BINDTODEVICE), as broadcasts and DHCP need it. `tracked` says to which
        connection an error of the device itself belongs. `may_cut`: a packet with DF that is larger than the path MTU
        goes without DF and in pieces (IP_PMTUDISC_WANT).
        """
        node = self._node
        route = self.routes.lookup(packet.dst) if interface is None else self.routes.over(packet.dst, interface.name)
        local = self.is_local(packet.dst)
        if local and interface is None:
            return loopback.loop_back(self, packet, tracked)
        if interface is None and not self.goes_out(packet.dst, route):
            kind = route.kind if route is not None else ""
            node.drop(DropReason.NO_ROUTE, "", packet=packet, by=route_text(route) if route else "")
            return REFUSING[kind][1] if kind in REFUSING else NETWORK_UNREACHABLE
        if interface is None:
            assert route is not None
            assert route.device is not None
            interface = node.interfaces[route.device]
        if packet.src == ANY and packet.dst != LIMITED_BROADCAST:
            source = self._source(route, interface, packet.dst)
            if source is None:
                return NETWORK_UNREACHABLE
        else:
            source = packet.src
        paths = self.paths
        mtu = paths.mtu(packet.dst, route, interface) if paths.cache.active else interface.mtu
        cut = 0
        if packet.length > mtu:
            if packet.dont_fragment and not may_cut:
                return "Message too long"
            packet, cut = packet._replace(dont_fragment=False), mtu
        elif may_cut and paths.cache.active and paths.cache.locked(packet.dst, route, node.now):
            packet = packet._replace(dont_fragment=False)
        self._identification = self._identification + 1 & 0xFFFF
        packet = packet.sent(source, packet.identification or self._identification)  # raw(7): one that is there stays
        if node.netfilter.active:
            filtered = self._hook("output", packet, outgoing=interface, tracked=tracked)
            if filtered.packet is None:
                self._refuse(filtered, packet, "output", None)
                return "Operation not permitted"
            if filtered.packet.dst != packet.dst:
                return loopback.rerouted(self, filtered.packet, filtered.tracked)
            packet, tracked = filtered.packet, filtered.tracked
        next_hop = self.next_hop(route, packet.dst)
        if paths.cache.active:
            next_hop = paths.cache.gateway(packet.dst, route, node.now) or next_hop
        if node.tracing:
            node.note(Accepted(packet, interface.name, route_text(route) if route else ""))
        self._leave(packet, tracked or UNTRACKED, interface, next_hop, incoming=None, cut=cut)
        return None

    @staticmethod
    def goes_out(destination: IPv4, route: Route | None) -> bool:
        """Whether a packet of this device can leave by a route."""
        return route is not None and route.device is not None and route.kind == "unicast" and destination != ANY

    def _source(self, route: Route | None, interface: Interface, destination: IPv4) -> IPv4 | None:
        if route is not None and isinstance(route.source, IPv4):
            return route.source
        gateway = route.via if route is not None and isinstance(route.via, IPv4) else destination
        found = self.source_for(interface, destination if gateway.is_loopback else gateway)
        others = (address for address in self._node.local_addresses() if not address.is_loopback)
        return found if found is not None else next(others, None)

    def source_of(self, route: Route, destination: IPv4) -> IPv4 | None:
        """The source address that a packet gets on a route."""
        return None if route.device is None else self._source(route, self._node.interfaces[route.device], destination)

    def preferred_source(self, destination: IPv4) -> IPv4 | None:
        """The source address that a packet to `destination` would get, or None without a route."""
        if self.is_local(destination):
            return self._own_source(destination)
        route = self.routes.lookup(destination)
        if route is None or route.device is None or route.kind != "unicast":
            return None
        return self._source(route, self._node.interfaces[route.device], destination)

    def _own_source(self, destination: IPv4) -> IPv4:
        """The source towards an address of the device itself: the primary address of its network (fib_add_ifaddr)."""
        for interface in self._node.interfaces.values():
            for address in interface.addresses:
                if address.address == destination or (destination.is_loopback and destination in address.network):
                    network = interface.prefix_of(address)
                    first = next(a.address for a in interface.addresses if interface.prefix_of(a) == network)
                    return first if isinstance(first, IPv4) else destination
        return destination

    def _leave(
        self,
        packet: Ipv4Packet,
        tracked: Tracked,
        outgoing: Interface,
        next_hop: IPv4,
        *,
        incoming: Interface | None,
        cut: int = 0,
    ) -> None:
        """The postrouting hook and the way to the neighbour; in pieces of `cut` bytes where it is not 0."""
        node = self._node
        if node.netfilter.active:
            masks = self.own_address("postrouting", None, outgoing, next_hop)
            filtered = self._hook(
                "postrouting", packet, incoming=incoming, outgoing=outgoing, tracked=tracked, masquerade=masks
            )
            if filtered.packet is None:
                self._refuse(filtered, packet, "postrouting", None)
                return
            packet = filtered.packet
        for piece in self.paths.pieces(packet, cut) if cut else (packet,):
            if outgoing.tunnel is not None:
                tunnel.transmit(node, outgoing, piece)
            elif self.type_of(piece.dst) in GROUPS:
                node.link.send_to_mac(outgoing, piece, BROADCAST)
            elif not outgoing.up:
                node.drop(DropReason.ADMIN_DOWN, outgoing.name, packet=piece)
            else:
                node.link.send_ip(outgoing, piece, next_hop)

    def refuse_port(self, packet: Ipv4Packet) -> None:
        """Nothing listens on a UDP port."""
        self.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.PORT_UNREACHABLE)

    def neighbour_failed(self, packet: Ipv4Packet) -> None:
        """Nobody answered ARP: tell the sender, who may be this device itself, over the loopback (arp_error_report)."""
        self.errors.send(packet, icmp.DEST_UNREACHABLE, icmp.HOST_UNREACHABLE)

    # Refusals

    def _hook(
        self,
        name: str,
        packet: Ipv4Packet,
        *,
        incoming: Interface | None = None,
        outgoing: Interface | None = None,
        frame: Frame | None = None,
        tracked: Tracked | None = None,
        masquerade: IPv4 | None = None,
    ) -> Filtered[Ipv4Packet]:
        netfilter = self._node.netfilter
        if not netfilter.active:
            return Filtered(packet, tracked or UNTRACKED)
        if name in ("prerouting", "output"):
            masquerade = self.own_address(name, incoming, outgoing, None)
        return netfilter.hook(
            name,
            packet,
            now=self._node.now,
            incoming=incoming,
            outgoing=outgoing,
            frame=frame,
            tracked=tracked,
            address=masquerade,
        )

    def own_address(self, hook: str, into: Interface | None, out: Interface | None, hop: IPv4 | None) -> IPv4 | None:
        """The address that masquerade or redirect would use in a hook (nf_nat_masquerade.c, nf_nat_redirect_ipv4)."""
        if hook == "postrouting" and out is not None and hop is not None:
            return self.source_for(out, hop)
        if hook == "prerouting" and into is not None:
            return next((a.address for a in into.addresses if isinstance(a.address, IPv4)), None)
        return IPv4(LOOPBACK_ADDRESS.address) if hook == "output" else None

    def _refuse(
        self, filtered: Filtered[Ipv4Packet], packet: Ipv4Packet, hook: str, interface: Interface | None
    ) -> None:
        """A rule dropped or rejected the packet."""
        node = self._node
        verdict = "reject" if filtered.reject is not None else "drop"
        node.note(PolicyVerdict(packet, hook, verdict, filtered.by))
        node.drop(DropReason.POLICY, interface.name if interface else "", packet=packet, by=filtered.by)
        if filtered.reject is not None:
            self.errors.reject(filtered.reject, packet, filtered.tracked)
