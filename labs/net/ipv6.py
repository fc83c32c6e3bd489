"""IPv6 packets and the addresses that every machine makes for itself.

Before changing this file read RFC 8200 §3, RFC 4291 §2.5 and §2.7, and RFC 2464 §4, §5 and §7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import IPv6, Mac, Network

if TYPE_CHECKING:
    from labs.net.icmpv6 import Icmpv6Message
    from labs.net.tcp import TcpSegment
    from labs.net.udp import UdpDatagram

__all__ = [
    "ALL_NODES",
    "ALL_ROUTERS",
    "ANY6",
    "HEADER_BYTES",
    "LINK_LOCAL",
    "LOOPBACK6",
    "MIN_MTU",
    "PROTO_ICMPV6",
    "Ipv6Packet",
    "interface_identifier",
    "multicast_mac",
    "scope_of",
    "solicited_node",
]

ANY6 = IPv6(0)
LOOPBACK6 = IPv6(1)
ALL_NODES = IPv6.parse("ff02::1")  # RFC 4291 §2.7.1
ALL_ROUTERS = IPv6.parse("ff02::2")
LINK_LOCAL = Network.parse("fe80::/64")  # RFC 4291 §2.5.6
SOLICITED_NODE = IPv6.parse("ff02::1:ff00:0")
PROTO_ICMPV6 = 58  # RFC 4443
HEADER_BYTES = 40
LISTENER_REPORT2 = 143  # RFC 3810 §5.2
MIN_MTU = 1280  # RFC 8200 §5
SCOPE_LINK, SCOPE_SITE, SCOPE_GLOBAL = 2, 5, 14  # RFC 4291 §2.7


class Ipv6Packet(NamedTuple):
    """One IPv6 packet; `protocol` is the next header.

    `fragment` is the size of the largest fragment that the sender cut it into, 0 where it is whole: fragments travel
    as one frame here. `tag` is no header field: it marks the packets of one probe.
    """

    src: IPv6
    dst: IPv6
    protocol: int
    payload: Icmpv6Message | UdpDatagram | TcpSegment
    hop_limit: int = 64
    traffic_class: int = 0
    fragment: int = 0
    tag: int = 0

    @property
    def head(self) -> Icmpv6Message | UdpDatagram | TcpSegment:
        """The payload: fragments travel as one frame here."""
        return self.payload

    @property
    def length(self) -> int:
        """Bytes, header included."""
        return HEADER_BYTES + self.payload.length

    @property
    def has_options(self) -> bool:
        """True where a hop-by-hop header stands before the payload: multicast listener reports (RFC 3810 §5)."""
        return getattr(self.payload, "type", 0) == LISTENER_REPORT2

    @property
    def largest(self) -> int:
        """Bytes of the largest piece that has to pass a link."""
        return self.fragment or self.length

    @property
    def ttl(self) -> int:
        """The hop limit, in the word that IPv4 has for it."""
        return self.hop_limit


def interface_identifier(mac: Mac) -> int:
    """The lower half of an address made from a MAC address (modified EUI-64, RFC 4291 appendix A)."""
    value = int(mac)
    return (value >> 24 ^ 0x020000) << 40 | 0xFFFE << 24 | value & 0xFFFFFF


def solicited_node(address: IPv6) -> IPv6:
    """The group in which the owner of an address is asked for (RFC 4291 §2.7.1)."""
    return IPv6(int(SOLICITED_NODE) | int(address) & 0xFFFFFF)


def multicast_mac(group: IPv6) -> Mac:
    """The Ethernet address of a group (RFC 2464 §7)."""
    return Mac(0x3333 << 32 | int(group) & 0xFFFFFFFF)


def scope_of(address: IPv6) -> int:
    """The scope of an address, in the numbers of multicast scopes (RFC 6724 §3.1)."""
    if address.is_multicast:
        return int(address) >> 112 & 0xF
    if address.is_link_local or address.is_loopback:
        return SCOPE_LINK
    return SCOPE_SITE if int(address) >> 118 == 0x3FB else SCOPE_GLOBAL
