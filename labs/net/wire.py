"""Frames as bytes and back: what a real capture of them would hold.

Before changing this file read RFC 791 §3.1, RFC 792, RFC 768, RFC 9293 §3.1, RFC 1071, RFC 826, and IEEE 802.1Q
clause 9.
Not on the wire, and so lost on the way: the tag of a packet and the count of bridges. TCP options are those whose
length `TcpSegment.length` counts, with timestamps of zero. An ICMP error holds as much of the packet as fits 576 bytes.
"""

from __future__ import annotations

import struct

from labs.model.addresses import IPv4, Mac
from labs.net.arp import ArpPacket
from labs.net.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, MIN_FRAME_BYTES, Frame
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import (
    PROTO_GRE,
    PROTO_ICMP,
    PROTO_IPIP,
    PROTO_TCP,
    PROTO_UDP,
    Fragment,
    GrePacket,
    Ipv4Packet,
    Payload,
    Unknown,
)
from labs.net.ipv6 import Ipv6Packet
from labs.net.stp import MAX_AGE_S, Bpdu, Role
from labs.net.tcp import RST, SYN, TcpSegment
from labs.net.udp import UdpDatagram
from labs.net.wire6 import decode_packet6, encode_packet6, pseudo6

__all__ = ["WireError", "checksum", "decode", "encode", "encode_payload"]

ETHERTYPE_VLAN = 0x8100  # IEEE 802.1Q clause 9.6
DONT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
OFFSET = 0x1FFF
GRE_KEY = 0x2000  # RFC 2890 §2.1: the K bit
GRE_SUM = 0x8000  # RFC 2784 §2.1
ARP_HEAD = struct.pack("!HHBB", 1, ETHERTYPE_IPV4, 6, 4)
TIMESTAMPS = b"\x08\x0a" + bytes(8)  # RFC 7323 §3.2
SYN_OPTIONS = b"\x04\x02" + TIMESTAMPS + b"\x01\x03\x03\x07"  # SACK, timestamps, scale
OPTIONS = b"\x01\x01" + TIMESTAMPS


class WireError(ValueError):
    """Bytes that are no frame, or one of a protocol that is not spoken here."""


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(address: Mac) -> bytes:
    return int(address).to_bytes(6, "big")


def _ip(address: IPv4) -> bytes:
    return int(address).to_bytes(4, "big")


# To bytes


def encode(frame: Frame) -> bytes:
    """The bytes from the destination address to the padding; no frame check sequence."""
    head = _mac(frame.dst) + _mac(frame.src)
    if frame.vlan is not None:
        head += struct.pack("!HH", ETHERTYPE_VLAN, frame.vlan)
    payload = frame.payload
    if isinstance(payload, Bpdu):
        body = _encode_bpdu(payload)
    else:
        body = _encode_arp(payload) if isinstance(payload, ArpPacket) else _encode_any(payload)
    return (head + struct.pack("!H", frame.ethertype) + body).ljust(MIN_FRAME_BYTES, b"\0")


def _encode_bpdu(bpdu: Bpdu) -> bytes:
    """LLC and a rapid spanning tree BPDU (IEEE 802.1D-2004 clause 9.3.3); times in 1/256 s."""
    root, cost, bridge, port = bpdu.vector
    role = {Role.ALTERNATE: 1, Role.BACKUP: 1, Role.ROOT: 2, Role.DESIGNATED: 3}.get(bpdu.role, 0)
    flags = bpdu.topology_change | bpdu.proposal << 1 | role << 2 | bpdu.agreement << 6
    head = b"\x42\x42\x03" + struct.pack("!HBBB", 0, 2, 2, flags)
    ids = [struct.pack("!H", known.priority) + _mac(known.mac) for known in (root, bridge)]
    times = struct.pack("!HHHHB", bpdu.age << 8, MAX_AGE_S << 8, 2 << 8, 15 << 8, 0)
    return head + ids[0] + struct.pack("!I", cost) + ids[1] + struct.pack("!H", port) + times


def _encode_arp(packet: ArpPacket) -> bytes:
    ends = _mac(packet.sender_mac) + _ip(packet.sender) + _mac(packet.target_mac) + _ip(packet.target)
    return ARP_HEAD + struct.pack("!H", packet.operation) + ends


def _encode_any(packet: Ipv4Packet | Ipv6Packet) -> bytes:
    if isinstance(packet, Ipv4Packet):
        return _encode_packet(packet)
    body = b"" if isinstance(packet.payload, Icmpv6Message) else encode_payload(packet)
    return encode_packet6(packet, body, checksum)


def _encode_packet(packet: Ipv4Packet) -> bytes:
    body = encode_payload(packet)
    flags = DONT_FRAGMENT if packet.dont_fragment else 0
    if isinstance(packet.payload, Fragment):
        flags |= packet.payload.offset // 8 | (MORE_FRAGMENTS if packet.payload.more else 0)
    fixed = (0x45, packet.tos, 20 + len(body), packet.identification, flags, packet.ttl, packet.protocol)
    ends = _ip(packet.src) + _ip(packet.dst)
    total = checksum(struct.pack("!BBHHHBBH", *fixed, 0) + ends)
    return struct.pack("!BBHHHBBH", *fixed, total) + ends + body


def encode_payload(packet: Ipv4Packet | Ipv6Packet) -> bytes:
    """What an IP packet carries; of IPv6 only UDP and TCP."""
    payload = packet.payload
    assert not isinstance(payload, Icmpv6Message)
    if isinstance(payload, Unknown):
        return payload.data
    if isinstance(payload, Fragment):
        return _encode_fragment(packet, payload)
    if isinstance(payload, Ipv4Packet):
        return _encode_packet(payload)
    if isinstance(payload, GrePacket):
        key = b"" if payload.key is None else struct.pack("!I", payload.key)
        head = struct.pack("!HH", (GRE_KEY if key else 0) | GRE_SUM * payload.summed, ETHERTYPE_IPV4)
        inside = key + _encode_packet(payload.inner)
        check = struct.pack("!HH", checksum(head + bytes(4) + inside), 0) if payload.summed else b""
        return head + check + inside
    if isinstance(payload, IcmpMessage):
        return _encode_icmp(payload)
    if isinstance(payload, UdpDatagram):
        length = 8 + len(payload.data)
        head = struct.pack("!HHH", payload.sport, payload.dport, length)
        total = checksum(_pseudo(packet, length) + head + b"\0\0" + payload.data) or 0xFFFF
        return head + struct.pack("!H", total) + payload.data
    return _encode_segment(packet, payload)


def _encode_fragment(packet: Ipv4Packet | Ipv6Packet, piece: Fragment) -> bytes:
    """The bytes of one piece; what was captured of a later one is there as it was."""
    if isinstance(piece.whole, Unknown):
        return piece.whole.data
    whole = packet._replace(payload=piece.whole)  # type: ignore[arg-type]
    return encode_payload(whole)[piece.offset : piece.offset + piece.size]


def _pseudo(packet: Ipv4Packet | Ipv6Packet, length: int) -> bytes:
    if isinstance(packet, Ipv6Packet):
        return pseudo6(packet, length)
    return _ip(packet.src) + _ip(packet.dst) + struct.pack("!BBH", 0, packet.protocol, length)


def _encode_icmp(message: IcmpMessage) -> bytes:
    if message.original is None:
        rest = struct.pack("!HH", message.identifier, message.sequence) + message.data
    else:
        rest = struct.pack("!HH", message.identifier, message.sequence) + _encode_packet(message.original)
    rest = rest[: message.length - 4]
    total = checksum(struct.pack("!BBH", message.type, message.code, 0) + rest)
    return struct.pack("!BBH", message.type, message.code, total) + rest


def _encode_segment(packet: Ipv4Packet | Ipv6Packet, segment: TcpSegment) -> bytes:
    data = b"" if segment.flags & RST else segment.data
    room = segment.length - 20 - len(data)
    options = b"" if segment.flags & RST else OPTIONS
    if segment.flags & SYN:
        options = (struct.pack("!BBH", 2, 4, segment.mss) if segment.mss else b"") + SYN_OPTIONS
    options = options[:room].ljust(room, b"\1")
    offset = (20 + room) // 4 << 12
    fixed = (segment.sport, segment.dport, segment.seq, segment.ack, offset | segment.flags, segment.window)
    tail = options + data
    length = 20 + len(tail)
    total = checksum(_pseudo(packet, length) + struct.pack("!HHIIHHHH", *fixed, 0, 0) + tail)
    return struct.pack("!HHIIHHHH", *fixed, total, 0) + tail


# From bytes


def decode(data: bytes) -> Frame:
    """The frame of these bytes. Raises WireError."""
    try:
        return _decode(data)
    except (struct.error, IndexError, ValueError) as error:
        message = f"not a frame that is known here: {error}"
        raise WireError(message) from error


def _decode(data: bytes) -> Frame:
    dst, src = Mac(int.from_bytes(data[:6], "big")), Mac(int.from_bytes(data[6:12], "big"))
    (ethertype,) = struct.unpack_from("!H", data, 12)
    start, vlan = 14, None
    if ethertype == ETHERTYPE_VLAN:
        tag, ethertype = struct.unpack_from("!HH", data, 14)
        start, vlan = 18, tag & 0xFFF
    if ethertype == ETHERTYPE_ARP:
        return Frame(dst, src, ethertype, _decode_arp(data[start:]), vlan)
    if ethertype == ETHERTYPE_IPV4:
        return Frame(dst, src, ethertype, _decode_packet(data[start:]), vlan)
    if ethertype == ETHERTYPE_IPV6:
        return Frame(dst, src, ethertype, decode_packet6(data[start:], _decode_payload), vlan)
    message = f"EtherType 0x{ethertype:04x}"
    raise WireError(message)


def _decode_arp(data: bytes) -> ArpPacket:
    if data[:6] != ARP_HEAD:
        raise WireError("ARP for other networks")
    (operation,) = struct.unpack_from("!H", data, 6)
    macs = [Mac(int.from_bytes(data[at : at + 6], "big")) for at in (8, 18)]
    addresses = [IPv4(int.from_bytes(data[at : at + 4], "big")) for at in (14, 24)]
    return ArpPacket(operation, macs[0], addresses[0], macs[1], addresses[1])


def _decode_packet(data: bytes) -> Ipv4Packet:
    first, tos, length, identification, flags, ttl, protocol, _ = struct.unpack_from("!BBHHHBBH", data)
    if first >> 4 != 4:
        raise WireError("another version of IP")
    src, dst = (IPv4(int.from_bytes(data[at : at + 4], "big")) for at in (12, 16))
    body = data[(first & 15) * 4 : length]
    payload: Payload
    if flags & (MORE_FRAGMENTS | OFFSET):
        payload = _decode_piece(protocol, body, flags)
    else:
        payload = _decode_payload(protocol, body)
    return Ipv4Packet(src, dst, protocol, payload, ttl, identification, bool(flags & DONT_FRAGMENT), tos)


def _decode_piece(protocol: int, body: bytes, flags: int) -> Fragment:
    """A fragment: the first one is read as far as it goes, of the others only the bytes are known."""
    offset, more = (flags & OFFSET) * 8, bool(flags & MORE_FRAGMENTS)
    whole = Unknown(body) if offset else _decode_payload(protocol, body)
    return Fragment(whole, offset, len(body), more)


def _decode_payload(protocol: int, body: bytes) -> IcmpMessage | UdpDatagram | TcpSegment | GrePacket | Ipv4Packet:
    if protocol == PROTO_UDP:
        sport, dport, length = struct.unpack_from("!HHH", body)
        return UdpDatagram(sport, dport, body[8:length])
    if protocol == PROTO_TCP:
        sport, dport, seq, ack, flags, window = struct.unpack_from("!HHIIHH", body)
        end = (flags >> 12) * 4
        mss = _decode_mss(body[20:end])
        return TcpSegment(sport, dport, seq, ack, flags & 0x3F, body[end:], window, mss)
    if protocol == PROTO_IPIP:
        return _decode_packet(body)
    if protocol == PROTO_GRE:
        bits, kind = struct.unpack_from("!HH", body)
        if bits & ~(GRE_KEY | GRE_SUM) or kind != ETHERTYPE_IPV4:
            raise WireError("GRE with something else than IPv4 in it")
        place = 8 if bits & GRE_SUM else 4
        key = struct.unpack_from("!I", body, place)[0] if bits & GRE_KEY else None
        return GrePacket(_decode_packet(body[place + 4 if bits & GRE_KEY else place :]), key, bool(bits & GRE_SUM))
    if protocol != PROTO_ICMP:
        message = f"IP protocol {protocol}"
        raise WireError(message)
    kind, code, _, high, low = struct.unpack_from("!BBHHH", body)
    if kind in (3, 4, 5, 11, 12):  # RFC 792: errors carry the packet they are about
        return IcmpMessage(kind, code, high, low, original=_decode_packet(body[8:]))
    return IcmpMessage(kind, code, high, low, body[8:])


def _decode_mss(options: bytes) -> int:
    """The maximum segment size among TCP options (RFC 9293 §3.2), 0 where none is given."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == 2:
            return int(struct.unpack_from("!H", options, at + 2)[0])
        at += max(2, options[at + 1])
    return 0
