"""`tcp[tcpflags] & tcp-syn != 0`: numbers read from the bytes of a frame (pcap-filter(7), "expr relop expr")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.net.arp import ArpPacket
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire import WireError, encode

if TYPE_CHECKING:
    from labs.net.ethernet import Frame

__all__ = ["ACCESSIBLE", "Expression", "number", "reader"]

Expression = Callable[["Frame"], int | None]
TAG_BYTES = 4
NUMBERS = {
    "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1, "tcpflags": 13,
    "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64,
    "tcp-cwr": 128,
    "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
    "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
    "icmp-tstampreply": 14, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-routersolicit": 133,
    "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136,
}  # fmt: skip
ACCESSIBLE = ("ether", "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6")
_PAYLOADS = {"tcp": TcpSegment, "udp": UdpDatagram, "icmp": IcmpMessage, "icmp6": Icmpv6Message}


def number(text: str) -> int | None:
    """A number or one of the names; None for anything else."""
    if text in NUMBERS:
        return NUMBERS[text]
    if re.fullmatch(r"\d{1,9}", text):
        return int(text)
    return int(text, 16) if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", text) else None


def reader(protocol: str, index: Expression, size: int) -> Expression:
    """The number at `protocol[index:size]`, or None where the frame is none of that protocol or too short."""

    def read(frame: Frame) -> int | None:
        at = index(frame)
        start = None if at is None else _start(frame, protocol)
        if start is None or at is None:
            return None
        try:
            data = encode(frame)[start + at : start + at + size]
        except WireError:
            return None
        return int.from_bytes(data, "big") if len(data) == size else None

    return read


def _start(frame: Frame, protocol: str) -> int | None:
    """Where the header of a protocol begins in the bytes of a frame."""
    if protocol == "ether":
        return 0
    network = 14 + (TAG_BYTES if frame.vlan is not None else 0)
    packet = frame.payload
    if protocol == "arp":
        return network if isinstance(packet, ArpPacket) else None
    if protocol in ("ip", "ip6"):
        return network if isinstance(packet, Ipv4Packet if protocol == "ip" else Ipv6Packet) else None
    if not isinstance(packet, Ipv4Packet | Ipv6Packet) or not isinstance(packet.payload, _PAYLOADS[protocol]):
        return None
    if isinstance(packet, Ipv6Packet) and protocol in ("tcp", "udp"):  # pcap-filter(7): IPv4 only
        return None
    return network + (40 if isinstance(packet, Ipv6Packet) else 20)
