"""One device on a table: frames are put in by hand, what comes out is looked at."""

from __future__ import annotations

from labs.model.addresses import InterfaceAddress, IPv4, Mac, Network
from labs.model.state import Route
from labs.net import icmp
from labs.net.actions import Note, Transmit
from labs.net.arp import REPLY, REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IPV4, Frame
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.linux.node import LinuxNode
from labs.net.neighbour import Neighbour
from labs.net.nftables.apply import load
from labs.net.tcp import SYN, TcpSegment
from labs.net.udp import UdpDatagram
from labs.testing import device

MS = 1_000_000
SECOND = 1000 * MS


def ip(text: str) -> IPv4:
    return IPv4.parse(text)


def mac(number: int) -> Mac:
    return Mac(0x02_AA_00_00_00_00 + number)


class Machine:
    """A device with power and carriers; `eth0` has 10.0.0.1/24, others what is said."""

    def __init__(self, *, name: str = "box", forward: bool = False, rules: str = "", **addresses: str) -> None:
        addresses = addresses or {"eth0": "10.0.0.1/24"}
        self.node: LinuxNode = device(name, ports=tuple(addresses))
        node = self.node
        node.set_up(node.interfaces["lo"], up=True)
        for port, text in addresses.items():
            node.link_changed(port, up=True, now=0)
            node.set_up(node.interfaces[port], up=True)
            for word in text.split():
                node.add_address(node.interfaces[port], InterfaceAddress.parse(word))
        node.sysctl.set("net.ipv4.ip_forward", str(int(forward)))
        if rules:
            self.rules(rules)
        node.tracing = True
        node.drain(0)

    @property
    def now(self) -> int:
        return self.node.now

    def route(self, prefix: str, port: str | None = None, via: str | None = None, **more: object) -> None:
        made = Route(Network.parse(prefix), port, via=ip(via) if via else None, **more)  # type: ignore[arg-type]
        assert self.node.ip.routes.add(made)

    def rules(self, text: str) -> None:
        self.node.netfilter.replace(load(text.replace("} }", "}\n}\n")))  # one line in a test, several for nft

    def put(self, frame: Frame, *, port: str = "eth0", at: int | None = None) -> list[Frame]:
        """A frame arrives; the frames that leave because of it."""
        return self.frames(self.node.receive(port, frame, self.now if at is None else at))

    def packet(
        self,
        packet: Ipv4Packet,
        *,
        port: str = "eth0",
        sender: Mac | None = None,
        dst: Mac | None = None,
        at: int | None = None,
    ) -> list[Frame]:
        """A packet arrives from a neighbour."""
        here = self.node.interfaces[port].mac
        return self.put(Frame(dst or here, sender or mac(99), ETHERTYPE_IPV4, packet), port=port, at=at)

    def arp(
        self, sender: str, number: int, target: str, *, reply: bool = False, port: str = "eth0", at: int | None = None
    ) -> list[Frame]:
        """An ARP packet arrives from the machine with MAC `number`."""
        here = self.node.interfaces[port].mac
        said = ArpPacket(REPLY if reply else REQUEST, mac(number), ip(sender), here if reply else Mac(0), ip(target))
        return self.put(Frame(here if reply else BROADCAST, mac(number), ETHERTYPE_ARP, said), port=port, at=at)

    def know(self, address: str, number: int, port: str = "eth0") -> None:
        """Enter a neighbour that stays."""
        from labs.net.neighbour import NeighbourState

        self.node.link.set_neighbour(self.node.interfaces[port], ip(address), mac(number), NeighbourState.PERMANENT)

    def send(self, packet: Ipv4Packet) -> tuple[str | None, list[Frame]]:
        """A program sends a packet: the error of the system call, and what leaves."""
        error = self.node.ip.output(packet)
        return error, self.frames(self.node.drain(self.now))

    def until(self, when: int) -> list[Frame]:
        """Time passes."""
        out: list[Frame] = []
        while (due := self.node.next_wake()) is not None and due <= when:
            out += self.frames(self.node.wake(due))
        self.node.now = when
        return out

    def frames(self, items: list) -> list[Frame]:
        self.notes: list[Note] = [item for item in items if not isinstance(item, Transmit)]
        return [item.frame for item in items if isinstance(item, Transmit)]

    def neighbour(self, address: str, port: str = "eth0") -> Neighbour | None:
        entry = self.node.link.neighbours.get(self.node.interfaces[port], ip(address))
        if entry is not None:
            entry.refresh(self.now)
        return entry


def echo(src: str, dst: str, *, ttl: int = 64, identifier: int = 1, reply: bool = False, **more: object) -> Ipv4Packet:
    kind = icmp.ECHO_REPLY if reply else icmp.ECHO_REQUEST
    return Ipv4Packet(ip(src), ip(dst), PROTO_ICMP, IcmpMessage(kind, 0, identifier, 1, bytes(56)), ttl, **more)  # type: ignore[arg-type]


def udp(src: str, dst: str, sport: int = 5000, dport: int = 9, data: bytes = b"x", **more: object) -> Ipv4Packet:
    return Ipv4Packet(ip(src), ip(dst), PROTO_UDP, UdpDatagram(sport, dport, data), **more)  # type: ignore[arg-type]


def segment(src: str, dst: str, sport: int = 5000, dport: int = 80, flags: int = SYN, **more: int) -> Ipv4Packet:
    return Ipv4Packet(
        ip(src), ip(dst), PROTO_TCP, TcpSegment(sport, dport, more.get("seq", 1), more.get("ack", 0), flags)
    )


def errors(frames: list[Frame]) -> list[tuple[int, int, str, str]]:
    """Type, code, source and destination of the ICMP errors among frames."""
    return [
        (p.payload.type, p.payload.code, str(p.src), str(p.dst))
        for p in packets(frames)
        if isinstance(p.payload, IcmpMessage) and p.payload.original is not None
    ]


def packets(frames: list[Frame]) -> list[Ipv4Packet]:
    return [frame.payload for frame in frames if isinstance(frame.payload, Ipv4Packet)]


def questions(frames: list[Frame]) -> list[tuple[str, bool]]:
    """Whom ARP asks for, and whether it asks everybody."""
    return [
        (str(frame.payload.target), frame.dst == BROADCAST)
        for frame in frames
        if isinstance(frame.payload, ArpPacket) and frame.payload.operation == REQUEST
    ]


def answers(frames: list[Frame]) -> list[tuple[str, str]]:
    """Which address ARP says is where."""
    return [
        (str(frame.payload.sender), str(frame.payload.sender_mac))
        for frame in frames
        if isinstance(frame.payload, ArpPacket) and frame.payload.operation == REPLY
    ]
