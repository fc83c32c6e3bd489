"""ICMPv6 errors that a device sends on its own account, within their limits, and resets of the firewall.

Before changing this file read RFC 4443 §2.4 and icmp6_send, icmpv6_xrlim_allow in net/ipv6/icmp.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv6
from labs.net import icmpv6, tcp
from labs.net.conntrack import UNTRACKED, Tracked
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_TCP
from labs.net.ipv6 import ANY6, PROTO_ICMPV6, Ipv6Packet
from labs.net.linux.error_sender import reset_for
from labs.net.nftables import icmpv6_code
from labs.net.tcp import TcpSegment

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.ipv6_layer import Ipv6Layer
    from labs.net.linux.node import LinuxNode
    from labs.net.nftables import Reject

__all__ = ["Icmpv6Sender"]

BURST = 6  # XRLIM_BURST_FACTOR
MILLISECOND = 1_000_000
FULL_NS = 60 * 1_000_000_000
MAX_PEERS = 1024


class Icmpv6Sender:
    """Tells senders what became of their packets, and remembers how often it told each of them."""

    def __init__(self, node: LinuxNode, layer: Ipv6Layer) -> None:
        self._node = node
        self._layer = layer
        self._credit: dict[IPv6, tuple[int, int]] = {}

    def reject(self, reject: Reject, packet: Ipv6Packet, tracked: Tracked, incoming: Interface | None) -> None:
        """A rule rejected a packet: tell its sender as the rule says."""
        if reject.type != "tcp reset":
            self.send(packet, icmpv6.DEST_UNREACHABLE6, icmpv6_code(reject), tracked, incoming=incoming)
            return
        segment = packet.payload
        if isinstance(segment, TcpSegment) and not segment.flags & tcp.RST:
            answer = Ipv6Packet(packet.dst, packet.src, PROTO_TCP, reset_for(segment), tag=packet.tag)
            over = incoming if answer.dst.is_link_local else None
            self._layer.output(answer, tracked=tracked.answer, interface=over)

    def send(
        self,
        packet: Ipv6Packet,
        kind: int,
        code: int,
        tracked: Tracked = UNTRACKED,
        *,
        mtu: int = 0,
        incoming: Interface | None = None,
        outgoing: Interface | None = None,
    ) -> None:
        """Send an error about a packet, unless RFC 4443 §2.4 (e) or the rate limit forbids it.

        To whom means something on its link alone it goes back over `incoming` (icmp6_iif).
        """
        payload = packet.payload
        if isinstance(payload, Icmpv6Message) and (payload.is_error or payload.discovery is not None):
            return
        if packet.src == ANY6 or packet.src.is_multicast:
            return
        if packet.dst.is_multicast and kind != icmpv6.PACKET_TOO_BIG:
            return
        if kind != icmpv6.PACKET_TOO_BIG and not self._within_rate(packet.src):
            return
        local = self._layer.is_local(packet.dst)
        over = incoming if packet.src.is_link_local else None
        if local:
            source: IPv6 | None = packet.dst
        elif over is not None:
            source = self._layer.source_for(over, packet.src)
        else:
            source = self._layer.preferred_source(packet.src)
        if source is None and outgoing is not None:
            source = self._layer.source_for(outgoing, packet.src)
        if source is None:
            return
        message = Icmpv6Message(kind, code, original=packet, mtu=mtu)
        self._layer.output(
            Ipv6Packet(source, packet.src, PROTO_ICMPV6, message, tag=packet.tag),
            tracked=tracked.answer,
            interface=over,
        )

    def forget(self) -> None:
        """Forget who was told how often."""
        self._credit.clear()

    def _within_rate(self, peer: IPv6) -> bool:
        """A bucket for each peer; the shorter the prefix of its route, the more it holds (icmpv6_xrlim_allow)."""
        if self._layer.is_local(peer):
            return True
        route = self._layer.routes.lookup(peer)
        length = route.prefix.length if route is not None else 0
        cost = self._node.sysctl.number("net.ipv6.icmp.ratelimit") * MILLISECOND >> (128 - length >> 5)
        now = self._node.now
        credit, since = self._credit.get(peer, (0, now - FULL_NS))
        credit = min(credit + now - since, BURST * cost)
        allowed = credit >= cost
        if len(self._credit) > MAX_PEERS:
            self._credit.clear()
        self._credit[peer] = (credit - cost if allowed else credit, now)
        return allowed
