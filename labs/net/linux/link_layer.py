"""From the wire to the protocols and back: taps, bridges, VLANs, and the resolution of next hops by ARP.

Before changing this file read RFC 826, RFC 1122 §2.3.2, RFC 5227 and IEEE 802.1Q clause 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv4, IPv6, Mac
from labs.net.actions import DropReason, Storm, Transmit
from labs.net.arp import REPLY, REQUEST, ArpPacket
from labs.net.bridge import STORM_HOPS, STORM_NS
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADER_BYTES, Frame
from labs.net.ipv4 import ANY, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.linux import spanning
from labs.net.linux.arp_rules import is_silent, sender_of
from labs.net.linux.bystander import Bystander
from labs.net.neighbour import (
    BASE_REACHABLE_NS,
    DELAY_FIRST_PROBE_NS,
    LOCKTIME_NS,
    MCAST_SOLICIT,
    RETRANS_NS,
    UCAST_SOLICIT,
    UNRESOLVED_BYTES,
    Neighbour,
    NeighbourState,
    NeighbourTable,
    memory_of,
)
from labs.net.stp import Bpdu

if TYPE_CHECKING:
    from labs.net.bridge import Relay
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.sockets import PacketSocket

__all__ = ["LinkLayer"]

SECOND = 1_000_000_000
LONGEST_HEADER_BYTES = 18  # Ethernet and one VLAN tag, counted or not (is_skb_forwardable, net/core/dev.c)
WIRE_OVERHEAD_BYTES = 24  # preamble 8, frame check sequence 4, inter-packet gap 12 (IEEE 802.3)

PROXY_DELAY_NS = 400_000_000  # proxy_delay: Linux draws up to 0.8 s so that the owner may come first; we take the mean


class LinkLayer:
    """Layer 2 of one device."""

    def __init__(self, node: LinuxNode) -> None:
        self._node = node
        self.neighbours = NeighbourTable(node.changed)
        self._captures: list[PacketSocket] = []
        self.bystander = Bystander(node, self.neighbours)

    # Captures

    def open_capture(self, capture: PacketSocket) -> None:
        """Copy frames to a packet socket from now on."""
        self._captures.append(capture)
        self._node.changed()

    def close_capture(self, capture: PacketSocket) -> None:
        """Stop copying."""
        if capture in self._captures:
            self._captures.remove(capture)
            self._node.changed()

    @property
    def captured(self) -> bool:
        """True while a packet socket is open."""
        return bool(self._captures)

    def _tap(self, interface: Interface, direction: str, frame: Frame) -> None:
        for capture in self._captures:
            if capture.interface is None or capture.interface == interface.name:
                capture.deliver(self._node.now, interface, direction, frame)

    def count_tunnelled(self, interface: Interface, direction: str, packet: Ipv4Packet) -> Frame:
        """Count and capture a packet that goes into a tunnel or comes out of one; there it has no Ethernet header."""
        counters = interface.tx if direction == "out" else interface.rx
        counters.add(1, packet.length)
        return self.show_tunnelled(interface, direction, packet)

    def show_tunnelled(self, interface: Interface, direction: str, packet: Ipv4Packet) -> Frame:
        """Capture it, whatever will become of it."""
        frame = Frame(interface.mac, interface.mac, ETHERTYPE_IPV4, packet)
        if self._captures:
            self._tap(interface, direction, frame)
        return frame

    # Receiving

    def receive(self, interface: Interface, frame: Frame) -> None:
        """A frame came up from a port, a VLAN or a bridge."""
        length = frame.length
        if length > interface.mtu + LONGEST_HEADER_BYTES and interface.kind == "ether" and _too_long(frame, interface):
            interface.rx.errors += 1
            interface.rx.too_long += 1
            packet = frame.payload if type(frame.payload) is Ipv4Packet else None
            self._node.drop(DropReason.TOO_BIG, interface.name, frame=frame, packet=packet, by=f"mtu {interface.mtu}")
            return
        interface.rx.packets += 1
        interface.rx.bytes += length
        if self._captures:
            self._tap(interface, "in", frame)
        if interface.master is not None:
            self._bridge_input(interface.master, interface, frame)
            return
        if frame.vlan is not None:
            self._receive_tagged(interface, frame)
            return
        if frame.dst != interface.mac and not frame.dst.is_group:
            self._node.drop(DropReason.NOT_FOR_ME, interface.name, frame=frame)
            return
        payload = frame.payload
        if type(payload) is Ipv4Packet:
            self._node.ip.receive(interface, payload, frame)
        elif isinstance(payload, ArpPacket):
            self._arp_input(interface, payload)
        elif type(payload) is Ipv6Packet:
            self._node.ipv6.receive(interface, payload, frame)

    def _receive_tagged(self, interface: Interface, frame: Frame) -> None:
        for other in self._node.interfaces.values():
            if other.parent is interface and other.vlan == frame.vlan and other.up:
                self.receive(other, frame._replace(vlan=None))
                return
        interface.rx.dropped += 1
        self._node.drop(DropReason.VLAN, interface.name, frame=frame)

    def _bridge_input(self, master: Interface, incoming: Interface, frame: Frame) -> None:
        bridge = master.bridge
        assert bridge is not None
        if not master.up:
            self._node.drop(DropReason.ADMIN_DOWN, master.name, frame=frame)
            return
        if bridge.tree is not None and type(frame.payload) is Bpdu:
            spanning.bpdu_arrived(self._node, master, incoming, frame.payload)
            return
        frame = frame._replace(hops=frame.hops + 1)
        relay = bridge.relay(frame, incoming, master.mac, self._node.now)
        if isinstance(relay, DropReason):
            incoming.rx.dropped += 1
            self._node.drop(relay, incoming.name, frame=frame)
            return
        if frame.hops > STORM_HOPS and bridge.storm_until_ns <= self._node.now:
            self._storm(master, incoming, relay, frame)
        self._bridge_output(relay, frame)
        if relay.up:
            self.receive(master, frame._replace(vlan=bridge.vlans.tag(relay.vid)) if relay.vid else frame)
        elif not relay.ports:
            self._node.drop(DropReason.BRIDGE_SAME_PORT, incoming.name, frame=frame)

    def _storm(self, master: Interface, incoming: Interface, relay: Relay, frame: Frame) -> None:
        """A frame goes round: every lead is full from now on, and the counters show what a loop at line rate does."""
        bridge = master.bridge
        assert bridge is not None
        if frame.src == master.mac:  # br_fdb_update, net/bridge/br_fdb.c
            own = "with own address as source address"
            text = f"{master.name}: received packet on {incoming.name} {own} (addr:{frame.src}, vlan:{relay.vid or 0})"
            self._node.units.log("kernel", text, 0)
        bridge.storm_until_ns = until = self._node.now + STORM_NS
        frames = STORM_NS * incoming.speed_bps // (8 * (frame.length + WIRE_OVERHEAD_BYTES) * SECOND)
        incoming.rx.add(frames, frame.length)
        for port in relay.ports:
            port.tx.add(frames, frame.length)
        for port in bridge.ports:
            if port.kind == "ether" and port.running:
                again = frame._replace(hops=0) if port is incoming else None
                passing = frame if port in relay.ports else None
                self._node.emit(Storm(port.name, until, again, passing, frames))

    def _bridge_output(self, relay: Relay, frame: Frame) -> None:
        """Send a frame out of bridge ports, tagged as each of them wants it."""
        length = frame.length
        for port in relay.ports:
            if length > port.mtu + LONGEST_HEADER_BYTES and _too_long(frame, port):
                self._node.drop(DropReason.TOO_BIG, port.name, frame=frame, by=f"mtu {port.mtu}")
            elif not relay.vid and port.kind == "ether" and port.up and port.carrier and not self._captures:
                port.tx.packets += 1  # transmit(), for each port of a flood
                port.tx.bytes += length
                self._node.emit(Transmit(port.name, frame, length))
            elif relay.vid and port.bridge_port is not None:
                tag = port.bridge_port.vlans.tag(relay.vid)
                self.transmit(port, frame if frame.vlan == tag else frame._replace(vlan=tag))
            else:
                self.transmit(port, frame)

    # Sending

    def transmit(self, interface: Interface, frame: Frame) -> None:
        """Send a frame down through an interface."""
        if not interface.up:
            self._node.drop(DropReason.ADMIN_DOWN, interface.name, frame=frame)
            return
        length = frame.length
        interface.tx.packets += 1
        interface.tx.bytes += length
        if self._captures:
            self._tap(interface, "out", frame)
        if interface.parent is not None:
            self.transmit(interface.parent, frame._replace(vlan=interface.vlan))
        elif interface.bridge is not None:
            relay = interface.bridge.relay(frame, None, interface.mac, self._node.now)
            if isinstance(relay, DropReason):
                interface.tx.dropped += 1
                self._node.drop(relay, interface.name, frame=frame)
            else:
                self._bridge_output(relay, frame)
        elif interface.carrier:
            self._node.emit(Transmit(interface.name, frame, length))
        else:
            interface.tx.dropped += 1
            self._node.drop(DropReason.NO_CARRIER, interface.name, frame=frame)

    # Carrier

    def carrier_changed(self, interface: Interface, *, up: bool) -> None:
        """The lead came alive or died: stations behind a dead bridge port are forgotten."""
        if interface.carrier == up:
            return
        interface.carrier = up
        interface.carrier_changes += 1
        if not up and interface.master is not None and interface.master.bridge is not None:
            interface.master.bridge.forget(interface)
        if not up:
            self._flush_neighbours(interface)
        self.ports_changed(interface)
        self._node.ipv6.links_changed()

    def ports_changed(self, interface: Interface) -> None:
        """A bridge or one of its ports came up, went down or was set otherwise: the spanning tree wants to know."""
        owner = interface.master or interface
        if owner.bridge is not None and owner.bridge.tree is not None:
            spanning.refresh(self._node, owner)

    def interface_down(self, interface: Interface) -> None:
        """`ip link set … down` empties the neighbour table of the interface."""
        self._flush_neighbours(interface)

    def _flush_neighbours(self, interface: Interface) -> None:
        for entry in self.neighbours.flush(interface):
            for packet in entry.waiting:
                self._node.drop(DropReason.NEIGHBOUR_FAILED, interface.name, packet=packet)

    # ARP

    def _arp_input(self, interface: Interface, packet: ArpPacket) -> None:
        """RFC 826, section Packet Reception, with Linux's rule for who may enter the table."""
        if not interface.arp:
            return
        mine = self._owns(interface, packet.target)
        if mine and packet.operation == REQUEST and is_silent(self._node, interface, packet.sender, packet.target):
            return
        if packet.sender == ANY:
            if mine and packet.operation == REQUEST:
                self._arp_reply(interface, packet)  # address probe, RFC 5227 §2.1.1
            return
        answer = (
            packet.operation == REQUEST
            and (mine or self.proxies(interface, packet.target))
            and not self._node.ip.spoofed(interface, packet.sender)
        )
        entry = self.neighbours.get(interface, packet.sender)
        if entry is not None:
            self._heard(entry, packet.sender_mac, solicited=packet.operation == REPLY)
        elif answer:
            created = self.neighbours.create(interface, packet.sender, NeighbourState.STALE)
            if created is not None:
                created.mac = packet.sender_mac
                created.updated_ns = self._node.now
        if answer and mine:
            self._arp_reply(interface, packet)
        elif answer:
            self._node.call_at(self._node.now + PROXY_DELAY_NS, lambda: self._arp_reply(interface, packet))

    def _owns(self, interface: Interface, address: IPv4) -> bool:
        """Linux answers for any address of the machine on any interface; `is_silent` knows the settings against it."""
        return interface.up and self._node.ip.is_local(address) and not address.is_loopback

    def proxies(self, interface: Interface, address: IPv4) -> bool:
        """proxy_arp: a router answers for what it reaches over another interface (arp_fwd_proxy)."""
        sysctl = self._node.sysctl
        if not sysctl.interface_number(interface.name, "proxy_arp") or not sysctl.number(
            f"net.ipv4.conf.{interface.name}.forwarding"
        ):
            return False
        route = self._node.ip.routes.lookup(address)
        return route is not None and route.kind == "unicast" and route.device != interface.name

    def _arp_reply(self, interface: Interface, request: ArpPacket) -> None:
        reply = ArpPacket(REPLY, interface.mac, request.target, request.sender_mac, request.sender)
        self.transmit(interface, Frame(request.sender_mac, interface.mac, ETHERTYPE_ARP, reply))

    def _heard(self, entry: Neighbour, mac: Mac, *, solicited: bool) -> None:
        """Somebody says where an address lives."""
        now = self._node.now
        if entry.state is NeighbourState.PERMANENT:
            return
        entry.refresh(now)
        if entry.mac is not None and entry.mac != mac and now - entry.updated_ns < LOCKTIME_NS:
            return
        changed = entry.mac != mac
        entry.mac = mac
        if solicited:
            entry.state = NeighbourState.REACHABLE
            entry.confirmed_ns = now
        elif changed or not entry.usable:
            entry.state = NeighbourState.STALE
        if changed or solicited:
            entry.updated_ns = now
        entry.serial += 1
        entry.probes = 0
        waiting, entry.waiting = entry.waiting, []
        for packet in waiting:
            self.send_ip(entry.interface, packet, entry.address)
        if entry.state is NeighbourState.DELAY:
            self.later(entry, DELAY_FIRST_PROBE_NS)

    def announce(self, interface: Interface, address: IPv4) -> None:
        """A gratuitous ARP (RFC 5227 §3): arp_notify, arping -U."""
        packet = ArpPacket(REQUEST, interface.mac, address, Mac(0), address)
        self.transmit(interface, Frame(BROADCAST, interface.mac, ETHERTYPE_ARP, packet))

    def send_ip(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, next_hop: Address) -> None:
        """Send a packet to a neighbour, resolving its MAC address if need be."""
        if not interface.arp:
            self.send_to_mac(interface, packet, interface.mac)  # to nobody (arp_constructor)
            return
        now = self._node.now
        entry = self.neighbours.get(interface, next_hop)
        if entry is None:
            entry = self.neighbours.create(interface, next_hop, NeighbourState.INCOMPLETE)
            if entry is None:
                self._node.drop(DropReason.NEIGHBOUR_QUEUE, interface.name, packet=packet)
                return
            self._solicit(entry, packet)
        elif entry.state is NeighbourState.FAILED:
            entry.state = NeighbourState.INCOMPLETE
            entry.mac = None
            entry.probes = 0
            self._solicit(entry, packet)
        entry.used_ns = now
        if entry.state is NeighbourState.REACHABLE:
            if now - entry.confirmed_ns <= BASE_REACHABLE_NS and entry.mac is not None:
                self.transmit(
                    interface,
                    Frame(
                        entry.mac,
                        interface.mac,
                        ETHERTYPE_IPV4 if type(packet) is Ipv4Packet else ETHERTYPE_IPV6,
                        packet,
                    ),
                )
                return
            entry.refresh(now)
        if entry.state is NeighbourState.STALE:
            entry.state = NeighbourState.DELAY
            entry.probes = 0
            self.later(entry, DELAY_FIRST_PROBE_NS)
        if entry.usable and entry.mac is not None:
            self.transmit(
                interface,
                Frame(
                    entry.mac, interface.mac, ETHERTYPE_IPV4 if type(packet) is Ipv4Packet else ETHERTYPE_IPV6, packet
                ),
            )
            return
        room = UNRESOLVED_BYTES - memory_of(packet)
        while entry.waiting and sum(map(memory_of, entry.waiting)) > room:
            self._node.drop(DropReason.NEIGHBOUR_QUEUE, interface.name, packet=entry.waiting.pop(0))
        entry.waiting.append(packet)

    def look_for(self, interface: Interface, address: IPv4) -> None:
        """Ask for the MAC address of a neighbour that nothing is sent to yet (neigh_event_send)."""
        if self.neighbours.get(interface, address) is None:
            entry = self.neighbours.create(interface, address, NeighbourState.INCOMPLETE)
            if entry is not None:
                self._solicit(entry)

    def send_to_mac(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, mac: Mac) -> None:
        """Send a packet to a known MAC address: broadcasts, and a DHCP server answering a client without address."""
        self.transmit(
            interface,
            Frame(mac, interface.mac, ETHERTYPE_IPV4 if type(packet) is Ipv4Packet else ETHERTYPE_IPV6, packet),
        )

    def set_neighbour(self, interface: Interface, address: Address, mac: Mac | None, state: NeighbourState) -> bool:
        """`ip neigh replace`: enter a neighbour by hand, and send what waited for it. False where the table is full."""
        entry = self.neighbours.get(interface, address) or self.neighbours.create(interface, address, state)
        if entry is None:
            return False
        entry.state = state
        entry.mac = mac or entry.mac
        entry.serial += 1
        entry.confirmed_ns = entry.updated_ns = self._node.now
        entry.probes = 0
        if entry.usable:
            waiting, entry.waiting = entry.waiting, []
            for packet in waiting:
                self.send_ip(interface, packet, address)
        return True

    def forget_neighbour(self, entry: Neighbour) -> None:
        """`ip neigh del`: what waited for the answer is lost."""
        self.neighbours.remove(entry)
        for packet in entry.waiting:
            self._node.drop(DropReason.NEIGHBOUR_FAILED, entry.interface.name, packet=packet)

    def confirm(self, interface: Interface, address: Address) -> None:
        """An upper layer made progress through this neighbour: no need to ask (RFC 4861 §7.3.1)."""
        entry = self.neighbours.get(interface, address)
        if entry is not None and entry.state in (NeighbourState.STALE, NeighbourState.DELAY, NeighbourState.PROBE):
            entry.state = NeighbourState.REACHABLE
            entry.confirmed_ns = self._node.now
            entry.serial += 1

    def later(self, entry: Neighbour, delay_ns: int) -> None:
        """Look at an entry again when its present state has lasted so long."""
        entry.serial += 1
        serial = entry.serial
        self._node.call_at(self._node.now + delay_ns, lambda: self._timer(entry, serial))

    def _solicit(self, entry: Neighbour, first: Ipv4Packet | Ipv6Packet | None = None) -> None:
        """Ask once and set the timer for the next question; `first` is the packet that waits for it."""
        interface = entry.interface
        entry.probes += 1
        unicast = entry.state is NeighbourState.PROBE and entry.mac is not None
        waiting = entry.waiting[-1] if entry.waiting else first  # the last (neigh_probe)
        if isinstance(entry.address, IPv6):
            self._node.ipv6.discovery.solicit(interface, entry.address, waiting, unicast=unicast)
            self.later(entry, RETRANS_NS)
            return
        sender = sender_of(self._node, interface, entry.address, waiting)
        if sender is not None:
            packet = ArpPacket(REQUEST, interface.mac, sender, Mac(0), entry.address)
            target = entry.mac if unicast and entry.mac is not None else BROADCAST
            self.transmit(interface, Frame(target, interface.mac, ETHERTYPE_ARP, packet))
        self.later(entry, RETRANS_NS)

    def _timer(self, entry: Neighbour, serial: int) -> None:
        if serial != entry.serial or self.neighbours.get(entry.interface, entry.address) is not entry:
            return
        if entry.state is NeighbourState.DELAY:
            if self._node.now - entry.confirmed_ns <= BASE_REACHABLE_NS:
                entry.state = NeighbourState.REACHABLE
                return
            entry.state = NeighbourState.PROBE
            entry.probes = 0
        limit = UCAST_SOLICIT if entry.state is NeighbourState.PROBE else MCAST_SOLICIT
        if entry.state not in (NeighbourState.PROBE, NeighbourState.INCOMPLETE):
            return
        if entry.probes < limit:
            self._solicit(entry)
            return
        entry.state = NeighbourState.FAILED
        entry.mac = None
        waiting, entry.waiting = entry.waiting, []
        for packet in waiting:
            self._node.drop(DropReason.NEIGHBOUR_FAILED, entry.interface.name, packet=packet, by=str(entry.address))
            if isinstance(packet, Ipv6Packet):
                self._node.ipv6.neighbour_failed(packet, entry.interface)
            else:
                self._node.ip.neighbour_failed(packet)


def _too_long(frame: Frame, interface: Interface) -> bool:
    """True where a frame does not pass a port; IPv6 fragments travel as one frame here, and the largest counts."""
    payload = frame.payload
    return type(payload) is not Ipv6Packet or payload.largest > interface.mtu + LONGEST_HEADER_BYTES - HEADER_BYTES
