"""What a device does with the packets of one flow that it only passes on, worked out once.

The first packet takes the whole way through the layers. If it came out again at another port, `transit` works out from
the tables what will become of the next one that looks the same, compares that with what did become of this one, and
keeps it. Such a `Transit` counts, refreshes and forwards just as the layers do. It is good as long as the `version` of
the device stands, and `take` refuses whatever is not certain: the packet then goes through the layers again.

Passed on so: unicast IPv4 between Ethernet ports, by a bridge that knows both stations, or by a router; on a device
without netfilter rules, and while nobody captures or traces there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labs.net.actions import Transmit
from labs.net.bridge import CALM_HOPS, PortState, StationKey
from labs.net.ethernet import HEADER_BYTES, MIN_FRAME_BYTES, Frame
from labs.net.ipv4 import Ipv4Packet
from labs.net.linux.way import Fate
from labs.net.neighbour import BASE_REACHABLE_NS, NeighbourState

if TYPE_CHECKING:
    from labs.model.addresses import IPv4, Mac
    from labs.net.bridge import Bridge, Station
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.neighbour import Neighbour

__all__ = ["Look", "Transit", "look_of", "transit"]

TAG_BYTES = 4
# A neighbour in these states is used as it is; the others begin to ask, or wait
REACHABLE = NeighbourState.REACHABLE  # asked for each packet: a global is found faster
STEADY = frozenset({NeighbourState.DELAY, NeighbourState.PROBE, NeighbourState.PERMANENT, NeighbourState.NOARP})


class Look(NamedTuple):
    """All that the packets of a flow have in common and that decides about them."""

    dst: Mac
    src: Mac
    vlan: int | None
    hops: int
    source: IPv4
    destination: IPv4
    ttl: int


def look_of(frame: Frame, packet: Ipv4Packet) -> Look:
    """How a frame looks."""
    return Look(frame.dst, frame.src, frame.vlan, frame.hops, packet.src, packet.dst, packet.ttl)


class Stations(NamedTuple):
    """What a bridge knows of a flow."""

    bridge: Bridge
    vid: int
    sender: Station
    receiver: Station


class Transit:
    """How a device passes on what arrives at `incoming`; `after` is how it looks then, `port` where it leaves."""

    __slots__ = ("_rx", "_rx_header", "_tx", "_tx_header", "_version", "after", "node", "port")

    def __init__(self, node: LinuxNode, incoming: Interface, outgoing: Interface, look: Look, after: Look) -> None:
        self.node = node
        self.port = outgoing.name
        self.after = after
        self._version = node.version
        self._rx = incoming.rx
        self._tx = outgoing.tx
        self._rx_header = HEADER_BYTES if look.vlan is None else HEADER_BYTES + TAG_BYTES
        self._tx_header = HEADER_BYTES if after.vlan is None else HEADER_BYTES + TAG_BYTES

    def take(self, size: int, now: int) -> int:
        """Pass on a packet of `size` bytes: the length of the frame that leaves, or 0 where the layers have to look."""
        raise NotImplementedError


class Routed(Transit):
    """Through a router: LinkLayer.receive, IpLayer.receive, IpLayer._forward, LinkLayer.send_ip."""

    __slots__ = ("_mac", "_mtu", "_neighbour")

    def __init__(
        self,
        node: LinuxNode,
        ports: tuple[Interface, Interface],
        mtu: int,
        look: Look,
        after: Look,
        neighbour: Neighbour,
    ) -> None:
        super().__init__(node, *ports, look, after)
        self._mtu = mtu
        self._neighbour = neighbour
        self._mac = after.dst

    def take(self, size: int, now: int) -> int:
        """See `Transit`."""
        neighbour = self._neighbour
        if self._version != self.node.version or size > self._mtu or neighbour.mac != self._mac:
            return 0
        state = neighbour.state
        if state is REACHABLE:
            if now - neighbour.confirmed_ns > BASE_REACHABLE_NS:
                return 0
        elif state not in STEADY:
            return 0
        neighbour.used_ns = now
        rx, tx = self._rx, self._tx
        length = size + HEADER_BYTES
        if length < MIN_FRAME_BYTES:  # noqa: PLR1730 - for every hop
            length = MIN_FRAME_BYTES
        rx.packets += 1
        rx.bytes += length
        tx.packets += 1
        tx.bytes += length
        return length


class Bridged(Transit):
    """Through a bridge: LinkLayer.receive, Bridge.relay, LinkLayer.transmit."""

    __slots__ = (
        "_bridge",
        "_incoming",
        "_mtu",
        "_outgoing",
        "_receiver",
        "_receiver_key",
        "_sender",
        "_sender_key",
        "_stations",
        "_stations_version",
    )

    def __init__(
        self, node: LinuxNode, ports: tuple[Interface, Interface], look: Look, after: Look, stations: Stations
    ) -> None:
        super().__init__(node, *ports, look, after)
        self._incoming, self._outgoing = ports
        self._mtu = min(port.mtu for port in ports)
        self._bridge, vid, self._sender, self._receiver = stations
        self._stations = self._bridge.stations
        self._stations_version = self._stations.version
        self._sender_key = StationKey(look.src, vid)
        self._receiver_key = StationKey(look.dst, vid)

    def take(self, size: int, now: int) -> int:
        """See `Transit`."""
        if self._version != self.node.version or size > self._mtu:
            return 0
        stations, sender, receiver = self._stations, self._sender, self._receiver
        if stations.version != self._stations_version:
            if stations.get(self._sender_key) is not sender or stations.get(self._receiver_key) is not receiver:
                return 0
            self._stations_version = stations.version
        if sender.port is not self._incoming or receiver.port is not self._outgoing:
            return 0
        if now - receiver.seen_ns > self._bridge.ageing_time_ns and not receiver.permanent:
            return 0
        sender.seen_ns = now
        rx, tx = self._rx, self._tx
        length = size + self._rx_header
        rx.packets += 1
        rx.bytes += length if length > MIN_FRAME_BYTES else MIN_FRAME_BYTES  # noqa: FURB136
        length = size + self._tx_header
        if length < MIN_FRAME_BYTES:  # noqa: PLR1730
            length = MIN_FRAME_BYTES
        tx.packets += 1
        tx.bytes += length
        return length


def transit(node: LinuxNode, port: str, frame: Frame, sent: Transmit) -> Transit | None:
    """What was learned from a frame that arrived at `port` and left as `sent`, or None where it is not that simple."""
    packet = frame.payload
    incoming = node.interfaces.get(port)
    outgoing = node.interfaces.get(sent.port)
    if not isinstance(packet, Ipv4Packet) or incoming is None or outgoing is None:
        return None
    if node.watched or node.netfilter.active:
        return None
    if any(end.kind != "ether" or not end.running for end in (incoming, outgoing)):
        return None
    look = look_of(frame, packet)
    made = (_routed if incoming.master is None else _bridged)(node, incoming, outgoing, look)
    return made if made is not None and seen_as(frame, made.after) == sent.frame else None


def seen_as(frame: Frame, look: Look) -> Frame:
    """A frame of the same packet, further on."""
    packet = frame.payload
    assert isinstance(packet, Ipv4Packet)
    packet = packet._replace(src=look.source, dst=look.destination, ttl=look.ttl)
    return Frame(look.dst, look.src, frame.ethertype, packet, look.vlan, look.hops)


def _routed(node: LinuxNode, incoming: Interface, outgoing: Interface, look: Look) -> Transit | None:
    way = node.ip._ways.get((incoming.name, look.source, look.destination))  # noqa: SLF001 - what it just decided
    if (
        look.vlan is not None
        or look.dst != incoming.mac
        or look.ttl <= 1
        or way is None
        or way.fate is not Fate.FORWARD
        or way.outgoing is not outgoing
        or outgoing is incoming
        or outgoing.master is not None
    ):
        return None
    neighbour = node.link.neighbours.get(outgoing, way.next_hop)
    if neighbour is None or neighbour.mac is None:
        return None
    after = Look(neighbour.mac, outgoing.mac, None, 0, look.source, look.destination, look.ttl - 1)
    mtu = min(outgoing.mtu, way.mtu or outgoing.mtu, incoming.mtu)
    return Routed(node, (incoming, outgoing), mtu, look, after, neighbour)


def _bridged(node: LinuxNode, incoming: Interface, outgoing: Interface, look: Look) -> Transit | None:
    master, entry, leave = incoming.master, incoming.bridge_port, outgoing.bridge_port
    assert master is not None
    bridge = master.bridge
    if bridge is None or entry is None or leave is None or outgoing.master is not master or outgoing is incoming:
        return None
    if not master.up or look.dst.is_group or look.src.is_group or look.hops >= CALM_HOPS:
        return None
    if not entry.learning or any(port.state is not PortState.FORWARDING for port in (entry, leave)):
        return None
    vid, tag = 0, look.vlan
    if bridge.vlan_filtering:
        found = entry.vlans.classify(look.vlan)
        if found is None or found not in leave.vlans.members:
            return None
        vid, tag = found, leave.vlans.tag(found)
    sender, receiver = bridge.stations.get(StationKey(look.src, vid)), bridge.stations.get(StationKey(look.dst, vid))
    if sender is None or receiver is None or sender.permanent:
        return None
    after = look._replace(vlan=tag, hops=look.hops + 1)
    return Bridged(node, (incoming, outgoing), look, after, Stations(bridge, vid, sender, receiver))
