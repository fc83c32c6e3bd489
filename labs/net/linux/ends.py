"""The two ends of a conversation: what a device does with each segment or datagram of it, worked out once.

`labs.net.linux.transit` is about packets that only pass by; this is about those that begin or end here. A `Departure`
is the way from a socket to a port, an `Arrival` that from a port to the sockets of a device: the counters, tables and
time stamps that the layers touch on the way, and nothing else. Both are good as long as the `version` of the device
stands, and refuse whatever is not certain before they have touched anything: the payload then goes through the layers.
Only unicast IPv4 over Ethernet ports, on a device without netfilter rules, and while nobody captures or traces there.

Where the engine knows the next device, it hands out a `Launch`, and a payload goes on to the lead without its frame.
"""

# ruff: noqa: SLF001 - a short way through the layers
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from labs.model.addresses import IPv4
from labs.net.actions import Transmit
from labs.net.ethernet import ETHERTYPE_IPV4, HEADER_BYTES, MIN_FRAME_BYTES, Frame
from labs.net.ipv4 import ANY, DEFAULT_TTL, Ipv4Packet
from labs.net.linux.transit import Look
from labs.net.linux.way import Fate
from labs.net.neighbour import BASE_REACHABLE_NS, DELAY_FIRST_PROBE_NS, NeighbourState
from labs.net.routing import AddressType
from labs.net.sockets import QUEUE_LIMIT, Datagram
from labs.net.tcp import TcpSegment, TcpState
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.model.addresses import Mac
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.neighbour import Neighbour

__all__ = ["Arrival", "Departure", "Launch", "Outlet", "arrival", "departure"]

IPV4_HEADER_BYTES = 20
REACHABLE, STALE = NeighbourState.REACHABLE, NeighbourState.STALE
DELAY, PROBE = NeighbourState.DELAY, NeighbourState.PROBE
TIME_WAIT = TcpState.TIME_WAIT
_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


class Launch(Protocol):
    """Where the packets of one flow enter their first lead."""

    def send(self, payload: TcpSegment | UdpDatagram, number: int, length: int, size: int, now: int) -> bool:
        """Send what would be a packet with this identification, in a frame of `length` bytes; False: build it."""


Outlet = Callable[[str, Look, Ipv4Packet], Launch | None]
"""What the engine offers a device: how packets like this one leave by a port, in frames that look so."""


class Departure:
    """Transport.udp_send or _emit, IpLayer.output, LinkLayer.send_ip, LinkLayer.transmit."""

    __slots__ = (
        "_cache",
        "_interface",
        "_ip",
        "_launch",
        "_mac",
        "_neighbour",
        "_node",
        "_packet",
        "_version",
        "target",
    )

    def __init__(
        self, node: LinuxNode, packet: Ipv4Packet, interface: Interface, neighbour: Neighbour, mac: Mac
    ) -> None:
        self._node = node
        self._version = node.version
        self._ip = node.ip
        self._cache = node.ip.paths.cache
        self._interface = interface
        self._neighbour = neighbour
        self._packet = packet
        self.target = packet.dst
        self._mac = mac
        look = Look(mac, interface.mac, None, 0, packet.src, packet.dst, packet.ttl)
        self._launch = None if node.outlet is None else node.outlet(interface.name, look, packet)

    def mtu(self) -> int:
        """The path MTU, or 0 where the layers have to say it."""
        return 0 if self._version != self._node.version or self._cache.active else self._interface.mtu

    def send(self, payload: TcpSegment | UdpDatagram, length: int) -> bool:
        """Send a segment or datagram of `length` bytes; False where the layers have to do it."""
        node, neighbour, interface = self._node, self._neighbour, self._interface
        if self._version != node.version or self._cache.active:
            return False
        now, state, mac = node.now, neighbour.state, neighbour.mac
        size = length + IPV4_HEADER_BYTES
        if mac is None or size > interface.mtu:  # it may have failed since, and be asked for anew
            return False
        neighbour.used_ns = now
        if state is not REACHABLE or now - neighbour.confirmed_ns > BASE_REACHABLE_NS:
            if state is REACHABLE or state is STALE:
                neighbour.state = DELAY
                neighbour.probes = 0
                node.link.later(neighbour, DELAY_FIRST_PROBE_NS)
            elif state is not DELAY and state is not PROBE:
                return False
        ip = self._ip
        ip._identification = number = ip._identification + 1 & 0xFFFF
        length = size + HEADER_BYTES
        if length < MIN_FRAME_BYTES:  # noqa: PLR1730 - for every packet
            length = MIN_FRAME_BYTES
        counters = interface.tx
        counters.packets += 1
        counters.bytes += length
        launch = self._launch
        if launch is None or node._out or mac != self._mac or not launch.send(payload, number, length, size, now):
            known = self._packet
            packet = _MAKE(Ipv4Packet, (*known[:3], payload, known[4], number, *known[6:]))
            frame = _MAKE(Frame, (mac, interface.mac, ETHERTYPE_IPV4, packet, None, 0))
            node._out.append(_MAKE(Transmit, (interface.name, frame, length, size)))
        return True


class Arrival:
    """LinkLayer.receive, IpLayer.receive, Transport.deliver, LinkLayer.confirm."""

    __slots__ = ("_destination", "_interface", "_key", "_node", "_source", "_ttl", "_version")

    def __init__(self, node: LinuxNode, interface: Interface, packet: Ipv4Packet) -> None:
        self._node = node
        self._version = node.version
        self._interface = interface
        self._source, self._destination, self._ttl = packet.src, packet.dst, packet.ttl
        self._key = interface.name, packet.src

    def take(self, payload: Any, size: int, now: int) -> bool:
        """Deliver the payload of a packet of `size` bytes; False where the layers have to do it."""
        raise NotImplementedError


class SegmentArrival(Arrival):
    """What is for the connections of a device."""

    __slots__ = ()

    def take(self, payload: Any, size: int, now: int) -> bool:
        """See `Arrival`."""
        node, interface = self._node, self._interface
        if type(payload) is not TcpSegment or self._version != node.version or size > interface.mtu:
            return False
        source = self._source
        connection = node.transport._connections.get((self._destination, payload[1], source, payload[0]))
        if connection is None or connection.state is TIME_WAIT:
            return False
        node.now = now
        length = size + HEADER_BYTES
        counters = interface.rx
        counters.packets += 1
        counters.bytes += length if length > MIN_FRAME_BYTES else MIN_FRAME_BYTES  # noqa: FURB136 - for every segment
        connection.arrived(payload, now)
        neighbour = node.link.neighbours._entries.get(self._key)
        if neighbour is not None and neighbour.state is not REACHABLE:
            node.link.confirm(interface, source)
        return True


class DatagramArrival(Arrival):
    """What is for the UDP sockets of a device: for the first of a port that hears it."""

    __slots__ = ()

    def take(self, payload: Any, size: int, now: int) -> bool:
        """See `Arrival`."""
        node, interface = self._node, self._interface
        if type(payload) is not UdpDatagram or self._version != node.version or size > interface.mtu:
            return False
        group = node.transport._udp.get(payload[1])
        if group is None or len(group) != 1:
            return False
        [socket] = group
        bound = socket.address
        if (socket.interface is not None and socket.interface != interface.name) or type(bound) is not IPv4:
            return False
        destination = self._destination
        if bound and bound != destination:
            return False
        node.now = now
        length = size + HEADER_BYTES
        counters = interface.rx
        counters.packets += 1
        counters.bytes += length if length > MIN_FRAME_BYTES else MIN_FRAME_BYTES  # noqa: FURB136 - for every datagram
        if len(socket.queue) < QUEUE_LIMIT:
            known = self._source, payload[0], destination, payload[2], interface.name, self._ttl
            socket.queue.append(_MAKE(Datagram, known))
            socket.signal.fire()
        neighbour = node.link.neighbours._entries.get(self._key)
        if neighbour is not None and neighbour.state is not REACHABLE:
            node.link.confirm(interface, self._source)
        return True


KINDS: dict[type, type[Arrival]] = {TcpSegment: SegmentArrival, UdpDatagram: DatagramArrival}


def departure(node: LinuxNode, source: object, target: object, protocol: int, *, tag: int = 0) -> Departure | None:
    """How the next packets between two addresses leave, or None where it is not that simple. They carry DF."""
    ip = node.ip
    if not isinstance(target, IPv4) or not isinstance(source, IPv4):
        return None
    if node.watched or node.netfilter.active or ip.paths.cache.active:
        return None
    route = ip.routes.lookup(target)
    if route is None or route.device is None or not ip.goes_out(target, route):
        return None
    interface = node.interfaces[route.device]
    if not _plain(interface) or ip.type_of(target) is not AddressType.UNICAST:
        return None
    found = ip.source_of(route, target) if source == ANY else source
    neighbour = node.link.neighbours.get(interface, ip.next_hop(route, target))
    if found is None or neighbour is None or neighbour.mac is None:
        return None
    nothing: Any = None
    packet = Ipv4Packet(found, target, protocol, nothing, DEFAULT_TTL, dont_fragment=True, tag=tag)
    return Departure(node, packet, interface, neighbour, neighbour.mac)


def arrival(node: LinuxNode, port: str, frame: Frame) -> Arrival | None:
    """How the next packets that look like this one are delivered, or None where it is not that simple."""
    packet = frame.payload
    interface = node.interfaces.get(port)
    if not isinstance(packet, Ipv4Packet) or interface is None or node.watched or node.netfilter.active:
        return None
    way = node.ip._ways.get((interface.name, packet.src, packet.dst))  # what it just decided
    if way is None or way.fate is not Fate.LOCAL or not node.ip.is_local(packet.dst):
        return None
    if not _plain(interface) or frame.vlan is not None or frame.dst != interface.mac:
        return None
    kind = KINDS.get(type(packet.payload))
    return None if kind is None else kind(node, interface, packet)


def _plain(interface: Interface) -> bool:
    """An Ethernet port that works and belongs to no bridge."""
    return interface.kind == "ether" and interface.master is None and interface.running
