"""What a device answers on its own account: ICMP errors within their limits, and resets of the firewall.

Before changing this file read RFC 1122 §3.2.2 and RFC 1812 §4.3. When an error is withheld follows Linux (icmp.c:
icmp_send, icmpv4_xrlim_allow; route.c: ip_error; inetpeer.c: inet_peer_xrlim_allow).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net import icmp, tcp
from labs.net.conntrack import UNTRACKED, Tracked
from labs.net.icmp import IcmpMessage
from labs.net.ipv4 import ANY, LIMITED_BROADCAST, PROTO_ICMP, PROTO_TCP, Ipv4Packet
from labs.net.nftables import icmp_code
from labs.net.tcp import TcpSegment

if TYPE_CHECKING:
    from labs.net.linux.ip_layer import IpLayer
    from labs.net.linux.node import LinuxNode
    from labs.net.nftables import Reject

__all__ = ["ErrorSender", "reset_for"]

BURST = 6  # XRLIM_BURST_FACTOR, net/ipv4/inetpeer.c
HZ = 250  # ticks a second of Debian's kernel: the unit of net.ipv4.route.error_*
NEVER_NS = -60 * 1_000_000_000  # a peer that was never told anything has a full bucket (inet_getpeer)
MAX_PEERS = 1024


class ErrorSender:
    """Tells senders what became of their packets, and remembers how often it told each of them."""

    def __init__(self, node: LinuxNode, ip: IpLayer) -> None:
        self._node = node
        self._ip = ip
        self._credit: dict[IPv4, tuple[int, int]] = {}  # of each peer: what it may cost, and since when (inet_peer)

    def forget(self) -> None:
        """As if nobody had been told anything yet."""
        self._credit.clear()

    def reject(self, reject: Reject, packet: Ipv4Packet, tracked: Tracked) -> None:
        """A rule rejected a packet: tell its sender as the rule says."""
        if reject.type == "tcp reset":
            self._send_reset(packet, tracked)
        else:
            self.send(packet, icmp.DEST_UNREACHABLE, icmp_code(reject), tracked)

    def _send_reset(self, packet: Ipv4Packet, tracked: Tracked) -> None:
        """`reject with tcp reset` (nf_send_reset): only an open attempt or a segment gets one, never a reset."""
        segment = packet.payload
        if packet.protocol != PROTO_TCP or not isinstance(segment, TcpSegment) or segment.flags & tcp.RST:
            return
        answer = Ipv4Packet(packet.dst, packet.src, PROTO_TCP, reset_for(segment), tag=packet.tag)
        self._ip.output(answer, tracked=tracked.answer)

    def send(
        self,
        packet: Ipv4Packet,
        kind: int,
        code: int,
        tracked: Tracked = UNTRACKED,
        *,
        mtu: int = 0,
        gateway: IPv4 = ANY,
    ) -> None:
        """Send an ICMP error about a packet, unless RFC 1122 §3.2.2 or the rate limit forbids it.

        `tracked` is what conntrack says of that packet: the error belongs to its connection (nf_ct_attach).
        """
        payload = packet.payload
        if isinstance(payload, IcmpMessage) and payload.type in icmp.ERROR_TYPES:
            return
        if packet.head is None:  # about a packet in pieces only its first piece counts
            return
        if packet.src in (ANY, LIMITED_BROADCAST) or packet.src.is_multicast or packet.dst.is_multicast:
            return
        if self._ip.is_broadcast(packet.dst):
            return
        if not mtu and not self._within_rate(packet.src, kind):  # path MTU discovery has no limit
            return
        source = packet.dst if self._ip.is_local(packet.dst) else self._ip.preferred_source(packet.src)
        if source is None:
            return
        message = IcmpMessage(kind, code, int(gateway) >> 16, mtu or int(gateway) & 0xFFFF, original=packet)
        error = Ipv4Packet(source, packet.src, PROTO_ICMP, message, tos=0xC0, tag=packet.tag)
        self._ip.output(error, tracked=tracked.answer)

    def _within_rate(self, peer: IPv4, kind: int) -> bool:
        """One error a second and a burst of six to each peer (icmpv4_xrlim_allow)."""
        if self._ip.is_local(peer) or not self._node.sysctl.number("net.ipv4.icmp_ratemask") >> kind & 1:
            return True
        cost = self._node.sysctl.number("net.ipv4.icmp_ratelimit") * 1_000_000
        return self._pay(peer, cost, BURST * cost)

    def may_say_no_route(self, peer: IPv4) -> bool:
        """Errors about missing routes have a limit of their own on the same bucket (ip_error).

        So a ping that goes on and on sees four of them.
        """
        cost, burst = (self._node.sysctl.number(f"net.ipv4.route.error_{word}") for word in ("cost", "burst"))
        return self._pay(peer, cost * 1_000_000_000 // HZ, burst * 1_000_000_000 // HZ)

    def _pay(self, peer: IPv4, cost: int, most: int) -> bool:
        """Take `cost` nanoseconds out of the bucket of a peer, which fills as time passes (inet_peer_xrlim_allow)."""
        now = self._node.now
        credit, since = self._credit.get(peer, (0, NEVER_NS + now))
        if since != now:
            credit = min(credit + now - since, most)
        allowed = credit >= cost
        if len(self._credit) > MAX_PEERS:
            self._credit.clear()
        self._credit[peer] = (credit - cost if allowed else credit, now)
        return allowed


def reset_for(segment: TcpSegment) -> TcpSegment:
    """The reset that answers a segment to a closed port (RFC 9293 §3.10.7.1)."""
    if segment.flags & tcp.ACK:
        return TcpSegment(segment.dport, segment.sport, segment.ack, 0, tcp.RST, window=0)
    length = len(segment.data) + (1 if segment.flags & (tcp.SYN | tcp.FIN) else 0)
    ack = segment.seq + length & 0xFFFFFFFF
    return TcpSegment(segment.dport, segment.sport, 0, ack, tcp.RST | tcp.ACK, window=0)
