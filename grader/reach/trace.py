"""One conversation on the machines of an analysis: out and back, by the very code of the simulator.

The machines are real from layer 3 on; frames go where `Wiring` says. Nothing waits: a machine that would answer later
answers at once, and timers never run.
"""

# ruff: noqa: SLF001 - the machines are ours, and are wiped after each conversation
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grader.reach.versions import V4, Version, version_of
from labs.model.addresses import Address, IPv4, IPv6, Mac
from labs.net import icmp, icmpv6, tcp
from labs.net.actions import Delivered, Dropped, DropReason
from labs.net.ethernet import Frame
from labs.net.header_fields import with_fields
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.linux.link_layer import LinkLayer
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from grader.reach.neighbours import Neighbours
    from grader.reach.wiring import Arrival
    from labs.net.actions import Note
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["Conversation", "Packet", "Tracer"]

SOON_NS = 10_000  # what a packet to oneself takes (labs.net.linux.loopback)
CLIENT_PORT = 40_000
MAX_PACKETS = 400
ASKED, ANSWERED = b"?", b"!"
ICMP_ID = 7


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that begins a conversation: `protocol` is ping, tcp or udp; ports count for the last two.

    `source` None is the address that the kernel would choose. `over` names the interface of the sender where the target
    means something on its link alone; "" leaves it to the routes. `fields` are header fields with numbers of their own,
    (protocol, field, value) in the words of nft; `after` is what the sender has sent before.
    """

    device: str
    target: Address
    protocol: str = "ping"
    port: int = 0
    source: Address | None = None
    source_port: int = CLIENT_PORT
    over: str = ""
    fields: tuple[tuple[str, str, int], ...] = ()
    after: tuple[Packet, ...] = ()

    @property
    def zoned(self) -> str:
        """The target as a program is told of it: `fe80::1%eth0`."""
        return f"{self.target}%{self.over}" if self.over else str(self.target)

    def __str__(self) -> str:
        own = ", ".join([self._ends, *(f"{protocol} {name} {value}" for protocol, name, value in self.fields)])
        if not self.after:
            return own
        every = (*dict.fromkeys(map(str, self.after)), own)  # numbers are words of no language
        return " ".join(f"({number}) {one}" for number, one in enumerate(every, start=1))

    @property
    def _ends(self) -> str:
        source = str(self.source) if self.source is not None else self.device
        if self.protocol == "ping":
            return f"ping {source} -> {self.zoned}"
        if isinstance(self.target, IPv4):
            return f"{self.protocol} {source}:{self.source_port} -> {self.target}:{self.port}"
        source = f"[{source}]" if self.source is not None else source
        return f"{self.protocol} {source}:{self.source_port} -> [{self.zoned}]:{self.port}"


@dataclass(slots=True)
class Conversation:
    """What became of a packet and of its answer. `notes` are what the devices reported, in order."""

    packet: Packet
    answered: bool = False
    notes: list[tuple[str, Note]] = field(default_factory=list)

    def arrived_at(self, device: str) -> bool:
        """The first packet reached the device."""
        return any(name == device and isinstance(note, Delivered) and not _is_reply(note) for name, note in self.notes)

    @property
    def death(self) -> tuple[str, Dropped] | None:
        """Where the first packet, or the answer to it, died."""
        return next(((name, note) for name, note in self.notes if isinstance(note, Dropped)), None)


def _is_reply(note: Note) -> bool:
    packet = note.packet
    if packet is None:
        return False
    payload = packet.payload
    if isinstance(payload, IcmpMessage):
        return payload.type != icmp.ECHO_REQUEST
    if isinstance(payload, Icmpv6Message):
        return payload.type != icmpv6.ECHO_REQUEST6
    if isinstance(payload, TcpSegment):
        return payload.flags & (tcp.ACK | tcp.RST) != 0
    return isinstance(payload, UdpDatagram) and payload.data == ANSWERED


_Sent = tuple[str, str, Ipv4Packet | Ipv6Packet, Address]  # device, interface, packet, next hop


class _Catcher(LinkLayer):
    """Keeps what layer 3 wants to send instead of asking for the neighbour."""

    def __init__(self, node: LinuxNode, sent: deque[_Sent]) -> None:
        super().__init__(node)
        self._sent = sent

    def send_ip(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, next_hop: Address) -> None:
        """A packet for a neighbour."""
        self._sent.append((self._node.name, interface.name, packet, next_hop))

    def send_to_mac(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, mac: Mac) -> None:
        """A broadcast: nobody here waits for one."""


class Tracer:
    """Sends packets of one version between the machines of a site."""

    def __init__(self, machines: dict[str, LinuxNode], neighbours: Neighbours, version: Version = V4) -> None:
        self._machines = machines
        self._neighbours, self._version = neighbours, version
        self._sent: deque[_Sent] = deque()
        self._touched: set[str] = set()
        self._links: dict[str, _Catcher] = {}
        self._heard: dict[tuple[str, str, Address], Arrival] = {}
        """What devices learned of their neighbours in this conversation."""

    def converse(self, packet: Packet) -> Conversation:
        """Send a packet, let it be answered, and see whether the answer comes."""
        found = Conversation(packet)
        if packet.device not in self._machines:
            return found
        if not self._links:
            self._links = {name: _Catcher(machine, self._sent) for name, machine in self._machines.items()}
        self._take(tracing=True)
        try:
            for earlier in packet.after:
                self._begin(Conversation(earlier))
            self._begin(found)
        finally:
            self._wipe()
        return found

    def _begin(self, found: Conversation) -> None:
        packet = found.packet
        node = self._machines[packet.device]
        layer = self._version.layer(node)
        source = packet.source or layer.preferred_source(packet.target)
        asked = _packet(packet, self._version.kind(0) if source is None else source)
        self._touched.add(packet.device)
        self._sent.clear()
        layer.output(asked, interface=node.interfaces[packet.over] if packet.over else None)
        self._run(found, node, asked)

    def _take(self, *, tracing: bool) -> None:
        for name, machine in self._machines.items():
            machine.tracing = tracing
            machine.link = self._links[name]  # another tracer may have had it meanwhile

    def _run(self, found: Conversation, client: LinuxNode, asked: Ipv4Packet | Ipv6Packet) -> None:
        self._collect(client, found)
        if any(_answers(note, asked) for _, note in found.notes):  # it spoke with itself
            found.answered = True
            return
        for _ in range(MAX_PACKETS):
            if not self._sent:
                return
            arrival = self._next_arrival(found, self._sent[0])
            device, interface, packet, hop = self._sent.popleft()
            if arrival is None:
                found.notes.append((device, Dropped(DropReason.NEIGHBOUR_FAILED, interface, None, packet, str(hop))))
                continue
            node = self._machines[arrival.device]
            self._touched.add(arrival.device)
            incoming = node.interfaces[arrival.interface]
            frame = Frame(incoming.mac, arrival.mac, self._version.ethertype, packet)
            self._version.layer(node).receive(incoming, packet, frame)
            self._collect(node, found)
            if node is client and any(_answers(note, asked) for name, note in found.notes if name == client.name):
                found.answered = True
                return

    def _next_arrival(self, found: Conversation, sent: _Sent) -> Arrival | None:
        """Where a packet comes in: what the sender learned meanwhile, or what it is told when it asks."""
        device, interface, packet, hop = sent
        known = self._heard.get((device, interface, hop))
        if known is not None:
            return known
        seen = self._neighbours.look(device, interface, hop, self._neighbours.asks_as(device, packet.src))
        choices = self._neighbours.choices(device, packet.dst, answered=seen.arrival is not None)
        self._neighbours.met.update(seen.doubts + choices)
        self._heard.update({fact[:3]: fact[3] for fact in seen.taught})
        if seen.arrival is None:
            found.notes += seen.notes
        return seen.arrival

    def _collect(self, node: LinuxNode, found: Conversation) -> None:
        """Take what a machine reports, pass on what went over its loopback, and let datagrams be answered."""
        for _ in range(8):
            soon = [timer for timer in node._timers if timer[0] <= node.now + SOON_NS]
            node._timers = [timer for timer in node._timers if timer not in soon]
            for timer in sorted(soon):
                timer[3]()
            for group in node.transport._udp.values():
                for socket in group:
                    while socket.queue:
                        datagram = socket.queue.popleft()
                        here, there = datagram.destination, datagram.source
                        if datagram.data == ASKED and here is not None:
                            payload = UdpDatagram(socket.port, datagram.sport, ANSWERED)
                            self._answer(node, here, there, payload, datagram.interface)
            items, node._out = node._out, []
            found.notes += [(node.name, item) for item in items if hasattr(item, "packet")]  # type: ignore[misc]
            if not soon and not items:
                return

    def _answer(self, node: LinuxNode, here: Address, there: Address, payload: UdpDatagram, interface: str) -> None:
        if isinstance(here, IPv4) and isinstance(there, IPv4):
            node.ip.output(Ipv4Packet(here, there, PROTO_UDP, payload))
        elif isinstance(here, IPv6) and isinstance(there, IPv6):
            over = node.interfaces[interface] if there.is_link_local else None
            node.ipv6.output(Ipv6Packet(here, there, PROTO_UDP, payload), interface=over)

    def _wipe(self) -> None:
        for name in self._touched:
            node = self._machines[name]
            node.netfilter.forget()
            node.ip.paths.forget()
            node.ip.errors.forget()
            node.ipv6.forget()
            node.transport._connections.clear()
            for listener in node.transport.listeners():
                listener.backlog.clear()
            node._timers.clear()
            node._out.clear()
        self._touched.clear()
        self._sent.clear()
        self._heard.clear()
        for node in self._machines.values():
            node.tracing = False


def _packet(packet: Packet, source: Address) -> Ipv4Packet | Ipv6Packet:
    version = version_of(source)
    protocol: int = {"tcp": PROTO_TCP, "udp": PROTO_UDP}.get(packet.protocol, version.icmp)
    payload: TcpSegment | UdpDatagram | IcmpMessage | Icmpv6Message
    if protocol == PROTO_TCP:
        payload = TcpSegment(packet.source_port, packet.port, 1, 0, tcp.SYN)
    elif protocol == PROTO_UDP:
        payload = UdpDatagram(packet.source_port, packet.port, ASKED)
    elif isinstance(source, IPv6):
        payload = Icmpv6Message(icmpv6.ECHO_REQUEST6, 0, ICMP_ID, 1, bytes(56))
    else:
        payload = IcmpMessage(icmp.ECHO_REQUEST, 0, ICMP_ID, 1, bytes(56))
    if isinstance(source, IPv6):
        assert isinstance(packet.target, IPv6)
        assert not isinstance(payload, IcmpMessage)
        return with_fields(Ipv6Packet(source, packet.target, protocol, payload), packet.fields)
    assert isinstance(packet.target, IPv4)
    assert not isinstance(payload, Icmpv6Message)
    whole = Ipv4Packet(source, packet.target, protocol, payload, dont_fragment=protocol == PROTO_TCP)
    return with_fields(whole, packet.fields)


def _answers(note: Note, asked: Ipv4Packet | Ipv6Packet) -> bool:
    """A packet that was delivered to the client and is what it waits for."""
    packet = note.packet
    if not isinstance(note, Delivered) or packet is None or (packet.src, packet.dst) != (asked.dst, asked.src):
        return False
    ours, theirs = asked.payload, packet.payload
    if isinstance(ours, IcmpMessage):
        return isinstance(theirs, IcmpMessage) and theirs.type == icmp.ECHO_REPLY and theirs.identifier == ICMP_ID
    if isinstance(ours, Icmpv6Message):
        return isinstance(theirs, Icmpv6Message) and (theirs.type, theirs.identifier) == (icmpv6.ECHO_REPLY6, ICMP_ID)
    if isinstance(ours, UdpDatagram) and isinstance(theirs, UdpDatagram):
        return (theirs.sport, theirs.dport) == (ours.dport, ours.sport)
    if not isinstance(ours, TcpSegment) or not isinstance(theirs, TcpSegment):
        return False
    opened = theirs.flags & (tcp.SYN | tcp.ACK | tcp.RST) == tcp.SYN | tcp.ACK
    return opened and (theirs.sport, theirs.dport) == (ours.dport, ours.sport)
