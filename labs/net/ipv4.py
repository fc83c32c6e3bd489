"""IPv4 packets. Before changing this file read RFC 791 and RFC 1812 §5."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labs.model.addresses import IPv4

if TYPE_CHECKING:
    from labs.net.icmp import IcmpMessage
    from labs.net.tcp import TcpSegment
    from labs.net.udp import UdpDatagram

__all__ = ["ANY", "DEFAULT_TTL", "LIMITED_BROADCAST", "PROTO_ICMP", "PROTO_TCP", "PROTO_UDP", "Ipv4Packet"]

ANY = IPv4(0)
LIMITED_BROADCAST = IPv4(0xFFFFFFFF)
DEFAULT_TTL = 64  # RFC 1700, and Linux net.ipv4.ip_default_ttl
PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17


_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


class Ipv4Packet(NamedTuple):
    """One IPv4 packet. `tag` is no header field: it marks the packets of one probe so that a trace can follow them."""

    src: IPv4
    dst: IPv4
    protocol: int
    payload: IcmpMessage | UdpDatagram | TcpSegment
    ttl: int = DEFAULT_TTL
    identification: int = 0
    dont_fragment: bool = False
    tos: int = 0
    tag: int = 0

    def one_hop_on(self) -> Ipv4Packet:
        """The same packet with one hop less to live."""
        return _MAKE(Ipv4Packet, (*self[:4], self[4] - 1, *self[5:]))

    def sent(self, source: IPv4, identification: int) -> Ipv4Packet:
        """The same packet as it leaves its device."""
        return _MAKE(Ipv4Packet, (source, *self[1:5], identification, *self[6:]))

    @property
    def length(self) -> int:
        """Bytes, header included (no options)."""
        return 20 + self.payload.length
