"""Header fields with numbers of a tester's choosing, in the words of nft (nft(8), payload expressions)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import HEADER_BYTES, Ipv6Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

__all__ = ["with_fields"]

P = TypeVar("P", Ipv4Packet, Ipv6Packet)
Head = TcpSegment | UdpDatagram | IcmpMessage | Icmpv6Message
DONT_FRAGMENT = 0x4000  # RFC 791 §3.1
MAX_BYTES = 1400
HEADS: dict[str, tuple[type[Head], dict[str, str]]] = {
    "tcp": (TcpSegment, {"window": "window", "sequence": "seq", "ackseq": "ack"}),
    "icmp": (IcmpMessage, {"id": "identifier", "sequence": "sequence"}),
    "icmpv6": (Icmpv6Message, {"id": "identifier", "sequence": "sequence"}),
}


def with_fields(packet: P, fields: Iterable[tuple[str, str, int]]) -> P:
    """The packet with these fields; one that it has not, or that is not to be chosen, stays as it is."""
    for protocol, name, value in fields:
        payload = packet.payload
        if protocol in HEADS:
            kind, names = HEADS[protocol]
            if isinstance(payload, kind) and name in names:
                packet = packet._replace(payload=_changed(payload, **{names[name]: value}))
        elif name == "length":
            packet = _of_length(packet, protocol, value)
        elif isinstance(packet, Ipv4Packet) and protocol == "ip":
            packet = packet._replace(**_header4(packet, name, value))
        elif isinstance(packet, Ipv6Packet) and protocol == "ip6":
            packet = packet._replace(**_header6(packet, name, value))
    return packet


def _header4(packet: Ipv4Packet, name: str, value: int) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "ttl": {"ttl": value},
        "id": {"identification": value},
        "dscp": {"tos": value << 2 | packet.tos & 3},
        "ecn": {"tos": packet.tos & ~3 | value & 3},
        "frag-off": {"dont_fragment": bool(value & DONT_FRAGMENT)},
    }
    return fields.get(name, {})


def _header6(packet: Ipv6Packet, name: str, value: int) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "hoplimit": {"hop_limit": value},
        "dscp": {"traffic_class": value << 2 | packet.traffic_class & 3},
        "ecn": {"traffic_class": packet.traffic_class & ~3 | value & 3},
    }
    return fields.get(name, {})


def _of_length(packet: P, protocol: str, value: int) -> P:
    """More data or less, until the length that a header shows is this."""
    payload = packet.payload
    if not isinstance(payload, Head) or (protocol == "udp" and not isinstance(payload, UdpDatagram)):
        return packet
    shown = {"ip6": packet.length - HEADER_BYTES, "udp": payload.length}.get(protocol, packet.length)
    size = len(payload.data) + value - shown
    if not 0 <= size <= MAX_BYTES:
        return packet
    return packet._replace(payload=_changed(payload, data=(payload.data + bytes(size))[:size]))


def _changed(payload: Any, **fields: object) -> Any:
    return payload._replace(**fields)
