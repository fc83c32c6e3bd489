"""IPv6 packets as bytes and back.

Before changing this file read RFC 8200 §3 and §8.1, RFC 4443 §2.3, RFC 4861 §4, RFC 4191 §2.2, RFC 8106 §5.
A packet that was cut into fragments is written whole, as after reassembly.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from labs.model.addresses import IPv6, Mac, Network
from labs.net import icmpv6
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv6 import HEADER_BYTES, PROTO_ICMPV6, Ipv6Packet
from labs.net.ndp import PREFERENCES, Advert, Discovery, ListenerReport, Prefix, RouterAdvert, RouterSolicit, Solicit

__all__ = ["decode_packet6", "encode_packet6", "pseudo6"]

SOURCE_LINK, TARGET_LINK, PREFIX, MTU, NONCE, SERVERS, DOMAINS = 1, 2, 3, 5, 14, 25, 31  # option types
PREFERENCE_BITS = {"low": 3, "medium": 0, "high": 1}  # RFC 4191 §2.1
HOP_BY_HOP = 0  # RFC 8200 §4.3
ROUTER_ALERT = bytes([0, 5, 2, 0, 0, 1, 0])  # RFC 2711 §2.1: length, the alert for MLD, PadN
Checksum = Callable[[bytes], int]


def pseudo6(packet: Ipv6Packet, length: int) -> bytes:
    """The pseudo-header of checksums (RFC 8200 §8.1)."""
    return _ip(packet.src) + _ip(packet.dst) + struct.pack("!II", length, packet.protocol)


def _ip(address: IPv6) -> bytes:
    return int(address).to_bytes(16, "big")


def encode_packet6(packet: Ipv6Packet, body: bytes, checksum: Checksum) -> bytes:
    """Header and payload; `body` is the encoded payload where that is UDP or TCP."""
    if isinstance(packet.payload, Icmpv6Message):
        body = _encode_message(packet, packet.payload, checksum)
    first = 6 << 28 | packet.traffic_class << 20
    following = packet.protocol
    if isinstance(packet.payload, Icmpv6Message) and isinstance(packet.payload.discovery, ListenerReport):
        following, body = HOP_BY_HOP, bytes([PROTO_ICMPV6]) + ROUTER_ALERT + body
    head = struct.pack("!IHBB", first, len(body), following, packet.hop_limit)
    return head + _ip(packet.src) + _ip(packet.dst) + body


def _encode_message(packet: Ipv6Packet, message: Icmpv6Message, checksum: Checksum) -> bytes:
    if message.discovery is not None:
        rest = _encode_discovery(message.discovery)
    elif message.original is not None:
        original = message.original
        inner = encode_packet6(original, _plain(original), checksum)
        rest = struct.pack("!I", message.mtu) + inner
    else:
        rest = struct.pack("!HH", message.identifier, message.sequence) + message.data
    rest = rest[: message.length - 4]  # cuts an error
    head = struct.pack("!BB", message.type, message.code)
    total = checksum(pseudo6(packet, 4 + len(rest)) + head + b"\0\0" + rest)
    return head + struct.pack("!H", total) + rest


def _plain(packet: Ipv6Packet) -> bytes:
    from labs.net.wire import encode_payload  # the two modules need each other: an error carries a packet

    return b"" if isinstance(packet.payload, Icmpv6Message) else encode_payload(packet)


def _link(kind: int, mac: Mac | None) -> bytes:
    return b"" if mac is None else struct.pack("!BB", kind, 1) + int(mac).to_bytes(6, "big")


def _encode_discovery(what: Discovery) -> bytes:
    match what:
        case ListenerReport(records):
            groups = b"".join(struct.pack("!BBH", kind, 0, 0) + _ip(group) for kind, group in records)
            return struct.pack("!HH", 0, len(records)) + groups
        case Solicit(target, link, nonce):
            tail = struct.pack("!BB", NONCE, 1) + nonce.to_bytes(6, "big") if nonce else b""
            return bytes(4) + _ip(target) + _link(SOURCE_LINK, link) + tail
        case Advert(target, link, router, solicited, override):
            flags = router << 31 | solicited << 30 | override << 29
            return struct.pack("!I", flags) + _ip(target) + _link(TARGET_LINK, link)
        case RouterSolicit(link):
            return bytes(4) + _link(SOURCE_LINK, link)
    return _encode_router(what)


def _encode_router(advert: RouterAdvert) -> bytes:
    flags = advert.managed << 7 | advert.other << 6 | PREFERENCE_BITS[advert.preference] << 3
    out = struct.pack("!BBHII", advert.hop_limit, flags, advert.lifetime_s, advert.reachable_ms, advert.retrans_ms)
    for prefix in advert.prefixes:
        bits = prefix.on_link << 7 | prefix.autonomous << 6
        network = prefix.network
        times = (prefix.valid_s, prefix.preferred_s, 0)
        out += struct.pack("!BBBBIII", PREFIX, 4, network.length, bits, *times) + _ip(IPv6(network.address))
    if advert.mtu:
        out += struct.pack("!BBHI", MTU, 1, 0, advert.mtu)
    if advert.servers:
        out += struct.pack("!BBHI", SERVERS, 1 + 2 * len(advert.servers), 0, advert.servers_lifetime_s)
        out += b"".join(map(_ip, advert.servers))
    if advert.domains:
        names = b"".join(
            b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".")) + b"\0"
            for name in advert.domains
        )
        names += bytes(-len(names) % 8)
        out += struct.pack("!BBHI", DOMAINS, 1 + len(names) // 8, 0, advert.domains_lifetime_s) + names
    return out + _link(SOURCE_LINK, advert.link)


# From bytes


def decode_packet6(data: bytes, payload_of: Callable[[int, bytes], object]) -> Ipv6Packet:
    """The packet of these bytes; `payload_of` reads UDP and TCP. Raises ValueError, struct.error, IndexError."""
    first, length, protocol, hops = struct.unpack_from("!IHBB", data)
    src, dst = (IPv6(int.from_bytes(data[at : at + 16], "big")) for at in (8, 24))
    body = data[HEADER_BYTES : HEADER_BYTES + length]
    if protocol == HOP_BY_HOP:
        protocol, body = body[0], body[8 + 8 * body[1] :]
    payload = _decode_message(body, payload_of) if protocol == PROTO_ICMPV6 else payload_of(protocol, body)
    return Ipv6Packet(src, dst, protocol, payload, hops, first >> 20 & 0xFF)  # type: ignore[arg-type]


def _decode_message(body: bytes, payload_of: Callable[[int, bytes], object]) -> Icmpv6Message:
    kind, code, _, high, low = struct.unpack_from("!BBHHH", body)
    if kind < 128:
        mtu = high << 16 | low if kind == icmpv6.PACKET_TOO_BIG else 0
        return Icmpv6Message(kind, code, original=decode_packet6(body[8:], payload_of), mtu=mtu)
    if kind == icmpv6.LISTENER_REPORT2:
        groups = (body[8 + 20 * number : 28 + 20 * number] for number in range(low))
        return Icmpv6Message(
            kind, code, discovery=ListenerReport(tuple((g[0], IPv6(int.from_bytes(g[4:], "big"))) for g in groups))
        )
    if icmpv6.ROUTER_SOLICIT <= kind <= icmpv6.NEIGHBOUR_ADVERT:
        return Icmpv6Message(kind, code, discovery=_decode_discovery(kind, body))
    return Icmpv6Message(kind, code, high, low, body[8:])


def _options(data: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    while len(data) >= 8 and data[1]:
        found.setdefault(data[0], []).append(data[: 8 * data[1]])
        data = data[8 * data[1] :]
    return found


def _decode_discovery(kind: int, body: bytes) -> Discovery:
    start = {icmpv6.ROUTER_SOLICIT: 8, icmpv6.ROUTER_ADVERT: 16}.get(kind, 24)
    options = _options(body[start:])

    def link(number: int) -> Mac | None:
        return Mac(int.from_bytes(options[number][0][2:8], "big")) if number in options else None

    if kind == icmpv6.ROUTER_SOLICIT:
        return RouterSolicit(link(SOURCE_LINK))
    if kind == icmpv6.ROUTER_ADVERT:
        return _decode_router(body, options, link(SOURCE_LINK))
    target = IPv6(int.from_bytes(body[8:24], "big"))
    if kind == icmpv6.NEIGHBOUR_SOLICIT:
        nonce = int.from_bytes(options[NONCE][0][2:8], "big") if NONCE in options else 0
        return Solicit(target, link(SOURCE_LINK), nonce)
    flags = body[4]
    return Advert(target, link(TARGET_LINK), bool(flags & 128), bool(flags & 64), bool(flags & 32))


def _decode_router(body: bytes, options: dict[int, list[bytes]], link: Mac | None) -> RouterAdvert:
    hops, flags, lifetime, reachable, retrans = struct.unpack_from("!BBHII", body, 4)
    prefixes = []
    for option in options.get(PREFIX, []):
        length, bits, valid, preferred = struct.unpack_from("!BBII", option, 2)
        network = Network.of(IPv6(int.from_bytes(option[16:32], "big")), length)
        prefixes.append(Prefix(network, bool(bits & 128), bool(bits & 64), valid, preferred))
    servers = options.get(SERVERS, [b""])[0]
    domains = options.get(DOMAINS, [b""])[0]
    return RouterAdvert(
        hop_limit=hops,
        managed=bool(flags & 128),
        other=bool(flags & 64),
        preference={1: "high", 3: "low"}.get(flags >> 3 & 3, PREFERENCES[1]),
        lifetime_s=lifetime,
        reachable_ms=reachable,
        retrans_ms=retrans,
        link=link,
        mtu=int.from_bytes(options[MTU][0][4:8], "big") if MTU in options else 0,
        prefixes=tuple(prefixes),
        servers=tuple(IPv6(int.from_bytes(servers[at : at + 16], "big")) for at in range(8, len(servers), 16)),
        servers_lifetime_s=int.from_bytes(servers[4:8], "big"),
        domains=_names(domains[8:]),
        domains_lifetime_s=int.from_bytes(domains[4:8], "big"),
    )


def _names(data: bytes) -> tuple[str, ...]:
    names: list[str] = []
    labels: list[str] = []
    while data and (data[0] or labels):
        size = data[0]
        if size:
            labels.append(data[1 : 1 + size].decode("ascii", "replace"))
        else:
            names.append(".".join(labels))
            labels = []
        data = data[1 + size :]
    return tuple(names)
