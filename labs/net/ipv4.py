"""IPv4 packets. Before changing this file read RFC 791 and RFC 1812 §5."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from labs.model.addresses import IPv4

if TYPE_CHECKING:
    from labs.net.icmp import IcmpMessage
    from labs.net.tcp import TcpSegment
    from labs.net.udp import UdpDatagram

__all__ = [
    "ANY",
    "DEFAULT_TTL",
    "LIMITED_BROADCAST",
    "PROTO_GRE",
    "PROTO_ICMP",
    "PROTO_IPIP",
    "PROTO_TCP",
    "PROTO_UDP",
    "Fragment",
    "GrePacket",
    "Ipv4Packet",
    "Payload",
    "Unknown",
]

ANY = IPv4(0)
LIMITED_BROADCAST = IPv4(0xFFFFFFFF)
DEFAULT_TTL = 64  # RFC 1700, and Linux net.ipv4.ip_default_ttl
PROTO_ICMP = 1
PROTO_IPIP = 4  # RFC 2003
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_GRE = 47  # RFC 2784


Payload: TypeAlias = "IcmpMessage | UdpDatagram | TcpSegment | GrePacket | Ipv4Packet | Fragment | Unknown"


class Unknown(NamedTuple):
    """Captured bytes whose meaning stands in another packet, or that are not spoken here."""

    data: bytes

    @property
    def length(self) -> int:
        """Bytes."""
        return len(self.data)


class GrePacket(NamedTuple):
    """A packet in a GRE tunnel (RFC 2784), with the key of RFC 2890 and a checksum where there is one."""

    inner: Ipv4Packet
    key: int | None = None
    summed: bool = False

    @property
    def length(self) -> int:
        """Bytes, the GRE header included."""
        return 4 + 4 * (self.key is not None) + 4 * self.summed + self.inner.length


class Fragment(NamedTuple):
    """`size` bytes from `offset` on of the payload `whole` (RFC 791 §3.2); `more` says that others follow.

    Nothing but its first piece shows the ports or the ICMP type of a payload.
    """

    whole: Payload
    offset: int
    size: int
    more: bool

    @property
    def length(self) -> int:
        """Bytes of this piece."""
        return self.size


_MAKE = tuple.__new__  # a NamedTuple made by its own name takes twice as long


class Ipv4Packet(NamedTuple):
    """One IPv4 packet. `tag` is no header field: it marks the packets of one probe so that a trace can follow them."""

    src: IPv4
    dst: IPv4
    protocol: int
    payload: Payload
    ttl: int = DEFAULT_TTL
    identification: int = 0
    dont_fragment: bool = False
    tos: int = 0
    tag: int = 0

    @property
    def head(self) -> Payload | None:
        """The payload that the bytes of this packet begin with; None for a later fragment."""
        payload = self.payload
        if not isinstance(payload, Fragment):
            return payload
        return None if payload.offset else payload.whole

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
