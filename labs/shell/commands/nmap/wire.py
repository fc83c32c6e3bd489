"""Raw frames in and out, as nmap sends them: past the firewall of its own machine, but not past that of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labs.model.addresses import IPv4, Mac
from labs.net import icmp, tcp
from labs.net.arp import REPLY, REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.icmp import IcmpMessage
from labs.net.interface import Interface
from labs.net.ipv4 import ANY, PROTO_ICMP, PROTO_TCP, Ipv4Packet
from labs.net.process import Process, Signal
from labs.net.sockets import PacketSocket
from labs.net.tcp import TcpSegment

__all__ = ["SECOND", "Host", "RawWire"]

SECOND = 1_000_000_000
WINDOW = 1024  # of the segments nmap makes


@dataclass(slots=True, eq=False)
class Host:
    """One target: how it is reached, and what is known of it."""

    address: IPv4
    interface: Interface | None
    next_hop: IPv4
    local: bool = False
    typed: str = ""
    """The name that was typed for it."""
    name: str = ""
    """The name that its address has."""
    up: bool = False
    reason: str = ""
    mac: Mac | None = None
    next_mac: Mac | None = None
    rtt_ns: int | None = None
    silent: bool = False
    """True where nothing was heard yet (-Pn)."""


class RawWire:
    """The packet sockets of one run."""

    def __init__(self, process: Process) -> None:
        self._node = process.node
        self._process = process
        self._sockets: dict[str, PacketSocket] = {}
        self._sequence = 1 + process.pid * 7919

    @property
    def signals(self) -> tuple[Signal, ...]:
        """They fire when a frame came in."""
        return tuple(socket.signal for socket in self._sockets.values())

    def _listen(self, interface: Interface) -> None:
        if interface.name not in self._sockets:
            socket = self._node.transport.packet_open(interface.name)
            socket.accepts = lambda frame: frame.dst == interface.mac
            self._sockets[interface.name] = socket
            self._process.cleanup.append(lambda: self._node.transport.packet_close(socket))

    def received(self) -> Iterator[tuple[int, ArpPacket | Ipv4Packet]]:
        """What came in since the last call, with its time."""
        for socket in self._sockets.values():
            while socket.queue:
                at_ns, _, direction, frame = socket.queue.popleft()
                if direction == "in" and isinstance(frame.payload, (ArpPacket, Ipv4Packet)):
                    yield at_ns, frame.payload

    def ask(self, interface: Interface, address: IPv4) -> None:
        """One ARP request."""
        self._listen(interface)
        source = self._node.ip.source_for(interface, address) or ANY
        request = ArpPacket(REQUEST, interface.mac, source, Mac(0), address)
        self._node.link.transmit(interface, Frame(BROADCAST, interface.mac, ETHERTYPE_ARP, request))

    @staticmethod
    def answered(payload: ArpPacket | Ipv4Packet) -> tuple[IPv4, Mac] | None:
        """Who answered an ARP request."""
        if isinstance(payload, ArpPacket) and payload.operation == REPLY:
            return payload.sender, payload.sender_mac
        return None

    def _send(self, host: Host, protocol: int, payload: IcmpMessage | TcpSegment) -> None:
        assert host.interface is not None
        assert host.next_mac is not None
        self._listen(host.interface)
        source = self._node.ip.preferred_source(host.address) or ANY
        packet = Ipv4Packet(source, host.address, protocol, payload)
        self._node.link.send_to_mac(host.interface, packet, host.next_mac)

    def segment(self, host: Host, sport: int, port: int, flags: int) -> None:
        """One TCP segment out of the blue."""
        self._sequence = self._sequence + 64_013 & 0xFFFFFFFF
        ack = self._sequence if flags & tcp.ACK else 0
        self._send(host, PROTO_TCP, TcpSegment(sport, port, self._sequence, ack, flags, window=WINDOW))

    def echo(self, host: Host, identifier: int) -> None:
        """One echo request."""
        self._send(host, PROTO_ICMP, IcmpMessage(icmp.ECHO_REQUEST, 0, identifier, 0))
