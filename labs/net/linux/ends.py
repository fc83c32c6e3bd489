"""The two ends of an established TCP connection: what a device does with each segment of it, worked out once.

`labs.net.linux.transit` is about packets that only pass by; this is about those that begin or end here. A `Departure`
is the way of a segment from its connection to a port, an `Arrival` that from a port to the connections of a device: the
counters, tables and time stamps that the layers touch on the way, and nothing else. Both are good as long as the
`version` of the device stands, and refuse whatever is not certain before they have touched anything: the segment then
goes through the layers. Only unicast IPv4 over Ethernet ports, on a device without netfilter rules, and while nobody
captures or traces there.
"""

# ruff: noqa: SLF001 - a short way through the layers
from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.actions import Transmit
from labs.net.ethernet import ETHERTYPE_IPV4, HEADER_BYTES, MIN_FRAME_BYTES, Frame
from labs.net.ipv4 import ANY, DEFAULT_TTL, PROTO_TCP, Ipv4Packet
from labs.net.linux.way import Fate
from labs.net.neighbour import BASE_REACHABLE_NS, DELAY_FIRST_PROBE_NS, NeighbourState
from labs.net.routing import AddressType
from labs.net.tcp import TcpSegment, TcpState

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.neighbour import Neighbour
    from labs.net.tcp import TcpConnection

__all__ = ["Arrival", "Departure", "arrival", "departure"]

IPV4_HEADER_BYTES = 20
REACHABLE, STALE = NeighbourState.REACHABLE, NeighbourState.STALE
DELAY, PROBE = NeighbourState.DELAY, NeighbourState.PROBE
TIME_WAIT = TcpState.TIME_WAIT
_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


class Departure:
    """Transport._emit, IpLayer.output, LinkLayer.send_ip, LinkLayer.transmit."""

    __slots__ = ("_ends", "_interface", "_mac", "_neighbour", "_node", "_tag", "_version")

    def __init__(self, node: LinuxNode, connection: TcpConnection, interface: Interface, neighbour: Neighbour) -> None:
        self._node = node
        self._version = node.version
        self._interface = interface
        self._mac = interface.mac
        self._neighbour = neighbour
        self._ends = connection.local[0], connection.remote[0], PROTO_TCP
        self._tag = connection.tag

    def mtu(self) -> int:
        """The path MTU, or 0 where the layers have to say it."""
        node = self._node
        return 0 if self._version != node.version or node.ip.paths.cache.active else self._interface.mtu

    def send(self, segment: TcpSegment) -> bool:
        """Send a segment; False where the layers have to do it."""
        node, neighbour = self._node, self._neighbour
        ip = node.ip
        if self._version != node.version or ip.paths.cache.active:
            return False
        now, state, mac = node.now, neighbour.state, neighbour.mac
        size = segment.length + IPV4_HEADER_BYTES
        interface = self._interface
        if mac is None or size > interface.mtu:
            return False
        neighbour.used_ns = now
        if state is not REACHABLE or now - neighbour.confirmed_ns > BASE_REACHABLE_NS:
            if state is REACHABLE or state is STALE:
                neighbour.state = DELAY
                neighbour.probes = 0
                node.link.later(neighbour, DELAY_FIRST_PROBE_NS)
            elif state is not DELAY and state is not PROBE:
                return False
        ip._identification = number = ip._identification + 1 & 0xFFFF
        packet = _MAKE(Ipv4Packet, (*self._ends, segment, DEFAULT_TTL, number, True, 0, self._tag))
        length = size + HEADER_BYTES
        if length < MIN_FRAME_BYTES:  # noqa: PLR1730 - for every segment
            length = MIN_FRAME_BYTES
        counters = interface.tx
        counters.packets += 1
        counters.bytes += length
        frame = _MAKE(Frame, (mac, self._mac, ETHERTYPE_IPV4, packet, None, 0))
        node._out.append(_MAKE(Transmit, (interface.name, frame, length, size)))
        return True


class Arrival:
    """LinkLayer.receive, IpLayer.receive, Transport.deliver, LinkLayer.confirm."""

    __slots__ = ("_ends", "_interface", "_key", "_node", "_version")

    def __init__(self, node: LinuxNode, interface: Interface, source: IPv4, destination: IPv4) -> None:
        self._node = node
        self._version = node.version
        self._interface = interface
        self._ends = source, destination
        self._key = interface.name, source

    def take(self, segment: object, size: int, now: int) -> bool:
        """Deliver the payload of a packet of `size` bytes; False where the layers have to do it."""
        node, interface = self._node, self._interface
        if type(segment) is not TcpSegment or self._version != node.version or size > interface.mtu:
            return False
        source, destination = self._ends
        connection = node.transport._connections.get((destination, segment.dport, source, segment.sport))
        if connection is None or connection.state is TIME_WAIT:
            return False
        node.now = now
        length = size + HEADER_BYTES
        counters = interface.rx
        counters.packets += 1
        counters.bytes += length if length > MIN_FRAME_BYTES else MIN_FRAME_BYTES  # noqa: FURB136 - for every segment
        connection.arrived(segment, now)
        neighbour = node.link.neighbours._entries.get(self._key)
        if neighbour is not None and neighbour.state is not REACHABLE:
            node.link.confirm(interface, source)
        return True


def departure(node: LinuxNode, connection: TcpConnection) -> Departure | None:
    """How the next segments of a connection leave, or None where it is not that simple."""
    source, target = connection.local[0], connection.remote[0]
    ip = node.ip
    if not isinstance(target, IPv4) or source == ANY or node.watched or node.netfilter.active or ip.paths.cache.active:
        return None
    route = ip.routes.lookup(target)
    if route is None or route.device is None or not ip.goes_out(target, route):
        return None
    interface = node.interfaces[route.device]
    if not _plain(interface) or ip.type_of(target) is not AddressType.UNICAST:
        return None
    neighbour = node.link.neighbours.get(interface, route.via if isinstance(route.via, IPv4) else target)
    return None if neighbour is None else Departure(node, connection, interface, neighbour)


def arrival(node: LinuxNode, port: str, frame: Frame) -> Arrival | None:
    """How the next segments that look like this one are delivered, or None where it is not that simple."""
    packet = frame.payload
    interface = node.interfaces.get(port)
    if not isinstance(packet, Ipv4Packet) or interface is None or node.watched or node.netfilter.active:
        return None
    way = node.ip._ways.get((interface.name, packet.src, packet.dst))  # what it just decided
    if way is None or way.fate is not Fate.LOCAL or not node.ip.is_local(packet.dst):
        return None
    if not _plain(interface) or frame.vlan is not None or frame.dst != interface.mac:
        return None
    return Arrival(node, interface, packet.src, packet.dst)


def _plain(interface: Interface) -> bool:
    """An Ethernet port that works and belongs to no bridge."""
    return interface.kind == "ether" and interface.master is None and interface.running
