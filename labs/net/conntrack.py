"""Connection tracking and the address translation that rests on it.

Before changing this file read the nf_conntrack documentation of the kernel (timeouts) and RFC 3022. A connection is
known by the tuple of its first packet; NAT changes the tuple in which the answers are expected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from labs.model.addresses import Address
from labs.net import icmp, icmpv6, tcp
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_GRE, PROTO_ICMP, PROTO_TCP, PROTO_UDP, Fragment, GrePacket, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

__all__ = ["Connection", "Conntrack", "Flow", "flow_of"]

SECOND = 1_000_000_000
MAX_CONNECTIONS = 65536  # nf_conntrack_max of a small machine
TIMEOUT_NS = {  # net.netfilter.nf_conntrack_*_timeout
    "icmp": 30 * SECOND,
    "udp": 30 * SECOND,
    "udp-stream": 120 * SECOND,
    "SYN_SENT": 120 * SECOND,
    "SYN_RECV": 60 * SECOND,
    "ESTABLISHED": 432_000 * SECOND,
    "FIN_WAIT": 120 * SECOND,
    "CLOSE": 10 * SECOND,
    "TIME_WAIT": 120 * SECOND,
    "gre": 30 * SECOND,
    "gre-stream": 180 * SECOND,
    "generic": 600 * SECOND,
}


ICMP_PROTOCOLS = (PROTO_ICMP, PROTO_ICMPV6)
ECHO_ANSWERS = {
    PROTO_ICMP: {icmp.ECHO_REQUEST: icmp.ECHO_REPLY, icmp.ECHO_REPLY: icmp.ECHO_REQUEST},
    PROTO_ICMPV6: {icmpv6.ECHO_REQUEST6: icmpv6.ECHO_REPLY6, icmpv6.ECHO_REPLY6: icmpv6.ECHO_REQUEST6},
}


class Flow(NamedTuple):
    """One direction of a connection. For ICMP `sport` is the identifier and `dport` type and code."""

    saddr: Address
    daddr: Address
    proto: int
    sport: int
    dport: int

    @property
    def reversed(self) -> Flow:
        """The tuple in which the answer comes when nothing is translated."""
        if self.proto in ICMP_PROTOCOLS:
            kind, code = self.dport >> 8, self.dport & 255
            answer = ECHO_ANSWERS[self.proto].get(kind, kind)
            return Flow(self.daddr, self.saddr, self.proto, self.sport, answer << 8 | code)
        return Flow(self.daddr, self.saddr, self.proto, self.dport, self.sport)


P = TypeVar("P", Ipv4Packet, Ipv6Packet)


def flow_of(packet: Ipv4Packet | Ipv6Packet) -> Flow | None:
    """The tuple of a packet, or None for an ICMP error, which belongs to the connection of the packet inside."""
    payload = packet.head
    if isinstance(payload, (TcpSegment, UdpDatagram)):
        return Flow(packet.src, packet.dst, packet.protocol, payload.sport, payload.dport)
    if isinstance(payload, (GrePacket, Ipv4Packet)):
        return Flow(packet.src, packet.dst, packet.protocol, 0, 0)
    if isinstance(payload, IcmpMessage) and payload.type not in icmp.ERROR_TYPES:
        return Flow(packet.src, packet.dst, PROTO_ICMP, payload.identifier, payload.type << 8 | payload.code)
    if isinstance(payload, Icmpv6Message) and not payload.is_error:
        return Flow(packet.src, packet.dst, PROTO_ICMPV6, payload.identifier, payload.type << 8 | payload.code)
    return None


def rewrite(packet: P, flow: Flow) -> P:
    """The packet with addresses and ports of another tuple."""
    payload = packet.payload
    if isinstance(payload, (TcpSegment, UdpDatagram)):
        payload = payload._replace(sport=flow.sport, dport=flow.dport)
    elif isinstance(payload, IcmpMessage | Icmpv6Message):
        payload = payload._replace(identifier=flow.sport)
    elif isinstance(payload, Fragment) and isinstance(packet, Ipv4Packet) and not payload.offset:
        whole = rewrite(packet._replace(payload=payload.whole), flow).payload
        payload = payload._replace(whole=whole)
    return packet._replace(src=flow.saddr, dst=flow.daddr, payload=payload)  # type: ignore[arg-type]


@dataclass(slots=True)
class Connection:
    """One tracked connection: the tuple it began with and the tuple of its answers."""

    original: Flow
    reply: Flow
    expires_ns: int
    tcp_state: str = ""
    replied: bool = False
    assured: bool = False
    confirmed: bool = False
    mark: int = 0
    source_done: bool = False
    """Source translation was decided (also when the decision was to leave it)."""
    destination_done: bool = False
    packets: list[int] = field(default_factory=lambda: [0, 0])
    octets: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def status(self) -> frozenset[str]:
        """The status bits that `ct status` matches."""
        bits = set()
        if self.replied:
            bits.add("seen-reply")
        if self.assured:
            bits.add("assured")
        if self.confirmed:
            bits.add("confirmed")
        if self.source_translated:
            bits.add("snat")
        if self.destination_translated:
            bits.add("dnat")
        return frozenset(bits)

    @property
    def source_translated(self) -> bool:
        """Answers go to another address, port or identifier than the one that asked (IPS_SRC_NAT)."""
        asker, answered = self.original, self.reply
        if asker.proto in ICMP_PROTOCOLS:
            return answered.daddr != asker.saddr or answered.sport != asker.sport
        return answered.daddr != asker.saddr or answered.dport != asker.sport

    @property
    def destination_translated(self) -> bool:
        """Answers come from another address or port than the one that was asked (IPS_DST_NAT)."""
        asker, answered = self.original, self.reply
        return answered.saddr != asker.daddr or (asker.proto not in ICMP_PROTOCOLS and answered.sport != asker.dport)


class Tracked(NamedTuple):
    """What conntrack says of one packet: the `ct` expressions read it."""

    connection: Connection | None
    state: str
    direction: str
    packet_mark: int = 0
    """The mark of the packet itself (`meta mark`), which goes with it from hook to hook of one device."""

    @property
    def status(self) -> frozenset[str]:
        """Status bits of the connection."""
        return self.connection.status if self.connection else frozenset()

    @property
    def mark(self) -> int:
        """The connection mark."""
        return self.connection.mark if self.connection else 0

    @mark.setter
    def mark(self, value: int) -> None:
        if self.connection is not None:
            self.connection.mark = value

    @property
    def answer(self) -> Tracked | None:
        """What it says of an error or a reset that this device itself sends about the packet (nf_conntrack_attach)."""
        if self.connection is None:
            return None
        return Tracked(self.connection, "related", "reply" if self.direction == "original" else "original")

    @property
    def original(self) -> Flow | None:
        """The tuple of the first packet."""
        return self.connection.original if self.connection else None

    @property
    def reply(self) -> Flow | None:
        """The tuple of the answers."""
        return self.connection.reply if self.connection else None


UNTRACKED = Tracked(None, "untracked", "original")
INVALID = Tracked(None, "invalid", "original")


class Conntrack:
    """The table of connections, found by either tuple."""

    def __init__(self) -> None:
        self._by_flow: dict[Flow, tuple[Connection, str]] = {}

    def __len__(self) -> int:
        return len({id(connection) for connection, _ in self._by_flow.values()})

    def connections(self, now: int) -> list[Connection]:
        """Every live connection, oldest first."""
        self._expire(now)
        return [connection for connection, direction in self._by_flow.values() if direction == "original"]

    def flush(self) -> None:
        """`conntrack -F`."""
        self._by_flow.clear()

    def remove(self, connection: Connection) -> None:
        """Forget one connection."""
        self._by_flow.pop(connection.original, None)
        self._by_flow.pop(connection.reply, None)

    def _expire(self, now: int) -> None:
        for connection, direction in list(self._by_flow.values()):
            if direction == "original" and connection.expires_ns <= now:
                self.remove(connection)

    def find(self, flow: Flow, now: int) -> tuple[Connection, str] | None:
        """The connection that this tuple belongs to, and in which direction."""
        found = self._by_flow.get(flow)
        if found is not None and found[0].expires_ns <= now:
            self.remove(found[0])
            return None
        return found

    def track(self, packet: Ipv4Packet | Ipv6Packet, now: int) -> Tracked:
        """Look up or begin the connection of a packet."""
        payload = packet.payload
        if isinstance(payload, Icmpv6Message):
            if payload.discovery is not None:
                return UNTRACKED  # nf_conntrack_icmpv6_error
            if payload.original is not None:
                return self._related(payload.original, now)
        if isinstance(payload, IcmpMessage) and payload.original is not None:
            return self._related(payload.original, now)
        flow = flow_of(packet)
        if flow is None:
            return INVALID
        found = self.find(flow, now)
        if found is None:
            if not self._may_begin(payload):
                return INVALID
            connection = Connection(flow, flow.reversed, now + TIMEOUT_NS["generic"])
            self._update(connection, packet, "original", now)
            return Tracked(connection, "new", "original")
        connection, direction = found
        if direction == "reply":
            if not connection.replied and isinstance(payload, TcpSegment) and payload.flags & tcp.RST:
                self.remove(connection)  # only ever refused: not worth an entry (nf_conntrack_tcp_packet)
            connection.replied = True
        self._update(connection, packet, direction, now)
        return Tracked(connection, "established" if connection.replied else "new", direction)

    def _related(self, original: Ipv4Packet | Ipv6Packet, now: int) -> Tracked:
        """An error belongs to the connection of the packet inside."""
        inner = flow_of(original)
        found = self.find(inner.reversed, now) if inner is not None else None
        return INVALID if found is None else Tracked(found[0], "related", found[1])

    @staticmethod
    def _may_begin(payload: object) -> bool:
        """Linux picks up TCP in the middle (nf_conntrack_tcp_loose), but never from RST; ICMP begins with a request."""
        if isinstance(payload, TcpSegment):
            return not payload.flags & tcp.RST and payload.flags & (tcp.SYN | tcp.ACK) != tcp.SYN | tcp.ACK
        if isinstance(payload, Icmpv6Message):
            return payload.type == icmpv6.ECHO_REQUEST6
        return not isinstance(payload, IcmpMessage) or payload.type == icmp.ECHO_REQUEST

    @staticmethod
    def _update(connection: Connection, packet: Ipv4Packet | Ipv6Packet, direction: str, now: int) -> None:
        side = 0 if direction == "original" else 1
        connection.packets[side] += 1
        connection.octets[side] += packet.length
        payload = packet.payload
        if isinstance(payload, TcpSegment):
            connection.tcp_state = _tcp_state(connection.tcp_state, payload.flags, direction)
            connection.assured |= connection.tcp_state == "ESTABLISHED"
            timeout = TIMEOUT_NS[connection.tcp_state]
        elif packet.protocol == PROTO_UDP:
            timeout = TIMEOUT_NS["udp-stream" if connection.assured else "udp"]
            connection.assured |= connection.replied and connection.packets[0] > 1
        elif packet.protocol == PROTO_GRE:
            timeout = TIMEOUT_NS["gre-stream" if connection.replied else "gre"]
            connection.assured |= connection.replied
        elif packet.protocol != PROTO_ICMP:
            timeout = TIMEOUT_NS["generic"]
        else:
            timeout = TIMEOUT_NS["icmp"]
        connection.expires_ns = now + timeout

    def confirm(self, connection: Connection) -> bool:
        """Enter a connection whose first packet survived; False where the table is full or the answer clashes."""
        if connection.confirmed:
            return True
        if len(self._by_flow) >= 2 * MAX_CONNECTIONS or connection.reply in self._by_flow:
            return False
        connection.confirmed = True
        self._by_flow[connection.original] = (connection, "original")
        self._by_flow[connection.reply] = (connection, "reply")
        return True

    def translate(self, packet: P, tracked: Tracked, *, source: bool) -> P:
        """Apply the source or the destination half of what the connection's tuples say to a packet."""
        connection = tracked.connection
        if connection is None or connection.reply == connection.original.reversed:
            return packet
        target = (connection.reply if tracked.direction == "original" else connection.original).reversed
        payload = packet.payload
        if isinstance(payload, IcmpMessage | Icmpv6Message) and payload.original is not None:
            return self._translate_error(packet, payload, tracked, source=source)
        flow = flow_of(packet)
        if flow is None:
            return packet
        if flow.proto in ICMP_PROTOCOLS:  # the identifier plays the part of the port that the client chose
            flow = flow._replace(sport=target.sport)
            return rewrite(packet, flow._replace(saddr=target.saddr) if source else flow._replace(daddr=target.daddr))
        if source:
            return rewrite(packet, flow._replace(saddr=target.saddr, sport=target.sport))
        return rewrite(packet, flow._replace(daddr=target.daddr, dport=target.dport))

    @staticmethod
    def _translate_error(packet: P, message: IcmpMessage | Icmpv6Message, tracked: Tracked, *, source: bool) -> P:
        """An ICMP error carries a packet of the other direction: that one is turned back by the opposite half.

        See nf_nat_icmp_reply_translation, and RFC 5508 §4.
        """
        connection = tracked.connection
        assert connection is not None
        assert message.original is not None
        flow = flow_of(message.original)
        reply = tracked.direction == "reply"
        if flow is None or not (connection.source_translated if source != reply else connection.destination_translated):
            return packet
        known = connection.original if reply else connection.reply
        if source:
            inner = flow._replace(daddr=known.daddr, dport=known.dport)
            packet = packet._replace(src=known.daddr)  # type: ignore[arg-type]
        else:
            inner = flow._replace(saddr=known.saddr, sport=known.sport)
            packet = packet._replace(dst=known.saddr)  # type: ignore[arg-type]
        if flow.proto in ICMP_PROTOCOLS:
            inner = inner._replace(sport=known.sport, dport=flow.dport)
        return packet._replace(payload=message._replace(original=rewrite(message.original, inner)))  # type: ignore[arg-type,type-var]

    def free(self, reply: Flow, low: int, high: int) -> Flow:
        """The wished reply tuple, or the next one that nobody uses: another port, for ICMP another identifier."""
        if reply not in self._by_flow or reply.proto not in (*ICMP_PROTOCOLS, PROTO_TCP, PROTO_UDP):
            return reply
        icmp_identifier = reply.proto in ICMP_PROTOCOLS
        wished = reply.sport if icmp_identifier else reply.dport
        start = wished - low if low <= wished <= high else 0
        span = high - low + 1
        for step in range(1, min(span, MAX_CONNECTIONS)):
            number = low + (start + step) % span
            candidate = reply._replace(sport=number) if icmp_identifier else reply._replace(dport=number)
            if candidate not in self._by_flow:
                return candidate
        return reply


def _tcp_state(state: str, flags: int, direction: str) -> str:
    """The conntrack states, coarser than RFC 9293: what decides a timeout and `ct state`."""
    if flags & tcp.RST:
        return "CLOSE"
    if flags & tcp.SYN:
        return "SYN_RECV" if flags & tcp.ACK else "SYN_SENT"
    if flags & tcp.FIN:
        return "TIME_WAIT" if state == "FIN_WAIT" and direction == "reply" else "FIN_WAIT"
    if state in ("", "SYN_RECV"):
        return "ESTABLISHED"
    return state
