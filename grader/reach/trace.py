"""One conversation on the machines of an analysis: out and back, by the very code of the simulator.

The machines are real from layer 3 on; frames go where `Wiring` says. Nothing waits: a machine that would answer later
answers at once, and timers never run.
"""

# ruff: noqa: SLF001 - the machines are ours, and are wiped after each conversation
from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv4, Mac
from labs.net import icmp, tcp
from labs.net.actions import Delivered, Dropped, DropReason
from labs.net.ethernet import ETHERTYPE_IPV4, Frame
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import ANY, PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.linux.link_layer import LinkLayer
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from grader.reach.wiring import Wiring
    from labs.net.actions import Note
    from labs.net.interface import Interface
    from labs.net.ipv6 import Ipv6Packet
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

    `source` None is the address that the kernel would choose.
    """

    device: str
    target: IPv4
    protocol: str = "ping"
    port: int = 0
    source: IPv4 | None = None
    source_port: int = CLIENT_PORT

    def __str__(self) -> str:
        source = str(self.source) if self.source is not None else self.device
        if self.protocol == "ping":
            return f"ping {source} -> {self.target}"
        return f"{self.protocol} {source}:{self.source_port} -> {self.target}:{self.port}"


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
    if isinstance(payload, TcpSegment):
        return payload.flags & (tcp.ACK | tcp.RST) != 0
    return isinstance(payload, UdpDatagram) and payload.data == ANSWERED


class _Catcher(LinkLayer):
    """Keeps what layer 3 wants to send instead of asking for the neighbour."""

    def __init__(self, node: LinuxNode, sent: deque[tuple[str, str, Ipv4Packet, IPv4]]) -> None:
        super().__init__(node)
        self._sent = sent

    def send_ip(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, next_hop: Address) -> None:
        """A packet for a neighbour."""
        if isinstance(packet, Ipv4Packet) and isinstance(next_hop, IPv4):
            self._sent.append((self._node.name, interface.name, packet, next_hop))

    def send_to_mac(self, interface: Interface, packet: Ipv4Packet | Ipv6Packet, mac: Mac) -> None:
        """A broadcast: nobody here waits for one."""


class Tracer:
    """Sends packets between the machines of a site."""

    def __init__(self, machines: dict[str, LinuxNode], wiring: Wiring) -> None:
        self._machines = machines
        self._wiring = wiring
        self._sent: deque[tuple[str, str, Ipv4Packet, IPv4]] = deque()
        self._touched: set[str] = set()
        self._links: dict[str, _Catcher] = {}

    def converse(self, packet: Packet) -> Conversation:
        """Send a packet, let it be answered, and see whether the answer comes."""
        found = Conversation(packet)
        node = self._machines.get(packet.device)
        if node is None:
            return found
        source = packet.source or node.ip.preferred_source(packet.target)
        asked = _packet(packet, source or ANY)
        if not self._links:
            self._links = {name: _Catcher(machine, self._sent) for name, machine in self._machines.items()}
        for name, machine in self._machines.items():
            machine.tracing = True
            machine.link = self._links[name]  # another tracer may have had it meanwhile
        try:
            self._touched.add(packet.device)
            node.ip.output(asked)
            self._run(found, node, asked)
        finally:
            self._wipe()
        return found

    def _run(self, found: Conversation, client: LinuxNode, asked: Ipv4Packet) -> None:
        self._collect(client, found)
        if any(_answers(note, asked) for _, note in found.notes):  # it spoke with itself
            found.answered = True
            return
        for _ in range(MAX_PACKETS):
            if not self._sent:
                return
            device, interface, packet, hop = self._sent.popleft()
            arrival = self._wiring.answer(device, interface, hop)
            if arrival is None:
                found.notes.append((device, Dropped(DropReason.NEIGHBOUR_FAILED, interface, None, packet, str(hop))))
                continue
            node = self._machines[arrival.device]
            self._touched.add(arrival.device)
            incoming = node.interfaces[arrival.interface]
            node.ip.receive(incoming, packet, Frame(incoming.mac, arrival.mac, ETHERTYPE_IPV4, packet))
            self._collect(node, found)
            if node is client and any(_answers(note, asked) for name, note in found.notes if name == client.name):
                found.answered = True
                return

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
                        if datagram.data == ASKED and isinstance(here, IPv4) and isinstance(there, IPv4):
                            payload = UdpDatagram(socket.port, datagram.sport, ANSWERED)
                            node.ip.output(Ipv4Packet(here, there, PROTO_UDP, payload))
            items, node._out = node._out, []
            found.notes += [(node.name, item) for item in items if hasattr(item, "packet")]  # type: ignore[misc]
            if not soon and not items:
                return

    def _wipe(self) -> None:
        for name in self._touched:
            node = self._machines[name]
            node.netfilter.conntrack.flush()
            node.ip.paths.forget()
            node.ip.errors.forget()
            node.transport._connections.clear()
            for listener in node.transport.listeners():
                listener.backlog.clear()
            node._timers.clear()
            node._out.clear()
        self._touched.clear()
        self._sent.clear()
        for node in self._machines.values():
            node.tracing = False


def _packet(packet: Packet, source: IPv4) -> Ipv4Packet:
    if packet.protocol == "tcp":
        segment = TcpSegment(packet.source_port, packet.port, 1, 0, tcp.SYN)
        return Ipv4Packet(source, packet.target, PROTO_TCP, segment, dont_fragment=True)
    if packet.protocol == "udp":
        return Ipv4Packet(source, packet.target, PROTO_UDP, UdpDatagram(packet.source_port, packet.port, ASKED))
    message = IcmpMessage(icmp.ECHO_REQUEST, 0, ICMP_ID, 1, bytes(56))
    return Ipv4Packet(source, packet.target, PROTO_ICMP, message)


def _answers(note: Note, asked: Ipv4Packet) -> bool:
    """A packet that was delivered to the client and is what it waits for."""
    packet = note.packet
    if not isinstance(note, Delivered) or packet is None or (packet.src, packet.dst) != (asked.dst, asked.src):
        return False
    ours, theirs = asked.payload, packet.payload
    if isinstance(ours, IcmpMessage):
        return isinstance(theirs, IcmpMessage) and theirs.type == icmp.ECHO_REPLY and theirs.identifier == ICMP_ID
    if isinstance(ours, UdpDatagram) and isinstance(theirs, UdpDatagram):
        return (theirs.sport, theirs.dport) == (ours.dport, ours.sport)
    if not isinstance(ours, TcpSegment) or not isinstance(theirs, TcpSegment):
        return False
    opened = theirs.flags & (tcp.SYN | tcp.ACK | tcp.RST) == tcp.SYN | tcp.ACK
    return opened and (theirs.sport, theirs.dport) == (ours.dport, ours.sport)
