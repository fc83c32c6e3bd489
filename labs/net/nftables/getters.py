"""Rules to closures: what a packet is asked, prepared once.

Read first: net/netfilter/nft_payload.c, nft_meta.c, nft_ct.c, nft_cmp.c, nft_bitwise.c. A getter answers the number
that the kernel would load, or None where the kernel breaks off the rule (a tcp field of a udp packet).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING

from labs.net.arp import ArpPacket
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import HEADER_BYTES, Ipv6Packet
from labs.net.nftables import symbols
from labs.net.nftables.datatypes import DATATYPES, Datatype
from labs.net.nftables.elements import flag_bits, interval
from labs.net.nftables.fields import expression_type
from labs.net.nftables.tree import (
    BinOp,
    Concat,
    Ct,
    Element,
    Flags,
    MapExpr,
    Meta,
    Payload,
    Prefix,
    Range,
    SetLiteral,
    SetRef,
    Table,
    Value,
)
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.net.nftables.packet import Context

__all__ = ["Getter", "Lookup", "getter", "kernel_key", "lookup", "set_kinds", "value_test"]

Key = int | str | tuple[int | str, ...]
Getter = Callable[["Context"], Key | None]
Lookup = Callable[[Key], Element | None]

_ETHERTYPES = {"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD}
_FAMILY_NUMBERS = {"ip": 2, "arp": 3, "bridge": 7, "ip6": 10}
_DONT_FRAGMENT = 0x4000  # RFC 791 §3.1


def _ip(read: Callable[[Ipv4Packet], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        return read(packet) if type(packet) is Ipv4Packet else None

    return get


def _tcp(read: Callable[[TcpSegment], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        if (type(packet) is Ipv4Packet or type(packet) is Ipv6Packet) and type(packet.payload) is TcpSegment:
            return read(packet.payload)
        return None

    return get


def _udp(read: Callable[[UdpDatagram], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        if (type(packet) is Ipv4Packet or type(packet) is Ipv6Packet) and type(packet.payload) is UdpDatagram:
            return read(packet.payload)
        return None

    return get


def _th(
    read: Callable[[TcpSegment | UdpDatagram], int], read_icmp: Callable[[IcmpMessage | Icmpv6Message], int]
) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        if type(packet) is not Ipv4Packet and type(packet) is not Ipv6Packet:
            return None
        payload = packet.payload
        if isinstance(payload, IcmpMessage | Icmpv6Message):
            return read_icmp(payload)
        return read(payload) if isinstance(payload, TcpSegment | UdpDatagram) else None

    return get


def _ip6(read: Callable[[Ipv6Packet], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        return read(packet) if type(packet) is Ipv6Packet else None

    return get


def _icmpv6(read: Callable[[Icmpv6Message], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        if type(packet) is Ipv6Packet and type(packet.payload) is Icmpv6Message:
            return read(packet.payload)
        return None

    return get


def _icmp(read: Callable[[IcmpMessage], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        if type(packet) is Ipv4Packet and type(packet.payload) is IcmpMessage:
            return read(packet.payload)
        return None

    return get


def _arp(read: Callable[[ArpPacket], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        packet = ctx.packet
        return read(packet) if type(packet) is ArpPacket else None

    return get


def _ether_type(ctx: Context) -> int | None:
    frame = ctx.frame
    if frame is None:
        return None
    return frame.ethertype if frame.vlan is None else symbols.ETHER_TYPE["8021q"]


def _vlan(read: Callable[[int, int], int]) -> Getter:
    def get(ctx: Context) -> int | None:
        frame = ctx.frame
        return None if frame is None or frame.vlan is None else read(frame.vlan, frame.ethertype)

    return get


def _mac(read: Callable[..., int]) -> Getter:
    def get(ctx: Context) -> int | None:
        return None if ctx.frame is None else read(ctx.frame)

    return get


_FIELDS: Mapping[tuple[str, str], Getter] = {
    ("ether", "saddr"): _mac(lambda frame: frame.src),
    ("ether", "daddr"): _mac(lambda frame: frame.dst),
    ("ether", "type"): _ether_type,
    ("vlan", "id"): _vlan(lambda vlan, _: vlan & 0xFFF),
    ("vlan", "pcp"): _vlan(lambda vlan, _: vlan >> 13 & 7),
    ("vlan", "dei"): _vlan(lambda vlan, _: vlan >> 12 & 1),
    ("vlan", "cfi"): _vlan(lambda vlan, _: vlan >> 12 & 1),
    ("vlan", "type"): _vlan(lambda _, ethertype: ethertype),
    ("ip", "saddr"): _ip(lambda packet: packet.src),
    ("ip", "daddr"): _ip(lambda packet: packet.dst),
    ("ip", "protocol"): _ip(lambda packet: packet.protocol),
    ("ip", "ttl"): _ip(lambda packet: packet.ttl),
    ("ip", "length"): _ip(lambda packet: packet.length),
    ("ip", "id"): _ip(lambda packet: packet.identification),
    ("ip", "version"): _ip(lambda _: 4),
    ("ip", "hdrlength"): _ip(lambda _: 5),
    ("ip", "dscp"): _ip(lambda packet: packet.tos >> 2),
    ("ip", "ecn"): _ip(lambda packet: packet.tos & 3),
    ("ip", "frag-off"): _ip(lambda packet: _DONT_FRAGMENT if packet.dont_fragment else 0),
    ("ip6", "saddr"): _ip6(lambda packet: packet.src),
    ("ip6", "daddr"): _ip6(lambda packet: packet.dst),
    ("ip6", "nexthdr"): _ip6(lambda packet: packet.protocol),
    ("ip6", "hoplimit"): _ip6(lambda packet: packet.hop_limit),
    ("ip6", "length"): _ip6(lambda packet: packet.length - HEADER_BYTES),
    ("ip6", "version"): _ip6(lambda _: 6),
    ("ip6", "dscp"): _ip6(lambda packet: packet.traffic_class >> 2),
    ("ip6", "ecn"): _ip6(lambda packet: packet.traffic_class & 3),
    ("ip6", "flowlabel"): _ip6(lambda _: 0),
    ("icmpv6", "type"): _icmpv6(lambda message: message.type),
    ("icmpv6", "code"): _icmpv6(lambda message: message.code),
    ("icmpv6", "id"): _icmpv6(lambda message: message.identifier),
    ("icmpv6", "sequence"): _icmpv6(lambda message: message.sequence),
    ("tcp", "sport"): _tcp(lambda segment: segment.sport),
    ("tcp", "dport"): _tcp(lambda segment: segment.dport),
    ("tcp", "flags"): _tcp(lambda segment: segment.flags),
    ("tcp", "sequence"): _tcp(lambda segment: segment.seq),
    ("tcp", "ackseq"): _tcp(lambda segment: segment.ack),
    ("tcp", "window"): _tcp(lambda segment: segment.window),
    ("tcp", "doff"): _tcp(lambda segment: (segment.length - len(segment.data)) // 4),
    ("udp", "sport"): _udp(lambda datagram: datagram.sport),
    ("udp", "dport"): _udp(lambda datagram: datagram.dport),
    ("udp", "length"): _udp(lambda datagram: datagram.length),
    # The kernel reads these bytes of any protocol: in ICMP type and code, and a checksum, which equals no port here.
    ("th", "sport"): _th(lambda payload: payload.sport, lambda message: message.type << 8 | message.code),
    ("th", "dport"): _th(lambda payload: payload.dport, lambda message: -1),
    ("icmp", "type"): _icmp(lambda message: message.type),
    ("icmp", "code"): _icmp(lambda message: message.code),
    ("icmp", "id"): _icmp(lambda message: message.identifier),
    ("icmp", "sequence"): _icmp(lambda message: message.sequence),
    ("arp", "htype"): _arp(lambda _: 1),
    ("arp", "ptype"): _arp(lambda _: 0x0800),
    ("arp", "hlen"): _arp(lambda _: 6),
    ("arp", "plen"): _arp(lambda _: 4),
    ("arp", "operation"): _arp(lambda packet: packet.operation),
    ("arp", "saddr ether"): _arp(lambda packet: packet.sender_mac),
    ("arp", "saddr ip"): _arp(lambda packet: packet.sender),
    ("arp", "daddr ether"): _arp(lambda packet: packet.target_mac),
    ("arp", "daddr ip"): _arp(lambda packet: packet.target),
}


def _never(ctx: Context) -> int | None:
    """A field that nothing here has."""
    return None


def _protocol(ctx: Context) -> int | None:
    packet = ctx.packet
    if type(packet) is Ipv4Packet:
        return 0x0800
    if type(packet) is ArpPacket:
        return 0x0806
    if type(packet) is Ipv6Packet:
        return 0x86DD
    return None if ctx.frame is None else ctx.frame.ethertype


def _l4proto(ctx: Context) -> int | None:
    packet = ctx.packet
    return packet.protocol if type(packet) is Ipv4Packet or type(packet) is Ipv6Packet else None


def _pkttype(ctx: Context) -> int | None:
    frame, packet = ctx.frame, ctx.packet
    if frame is not None:
        if not frame.dst.is_group:
            return 0
        return 1 if frame.dst == 0xFFFFFFFFFFFF else 2
    if type(packet) is Ipv4Packet:
        return 1 if packet.dst == 0xFFFFFFFF else 2 if packet.dst.is_multicast else 0
    return 2 if type(packet) is Ipv6Packet and packet.dst.is_multicast else 0


def _length(ctx: Context) -> int | None:
    return None if ctx.packet is None else ctx.packet.length


_META: Mapping[str, Getter] = {
    "iifname": lambda ctx: ctx.iifname or "",
    "oifname": lambda ctx: ctx.oifname or "",
    "iif": lambda ctx: ctx.iifname or None,
    "oif": lambda ctx: ctx.oifname or None,
    "mark": lambda ctx: ctx.mark,
    "skuid": lambda ctx: ctx.skuid,
    "skgid": lambda ctx: ctx.skgid,
    "protocol": _protocol,
    "nfproto": lambda ctx: _FAMILY_NUMBERS[ctx.family],
    "l4proto": _l4proto,
    "pkttype": _pkttype,
    "length": _length,
    "ibrname": lambda ctx: ctx.ibrname,
    "obrname": lambda ctx: ctx.obrname,
}


def _ct_state(ctx: Context) -> int | None:
    # nft_ct.c: a packet without a connection is untracked when notrack said so, else invalid
    if ctx.ct is None:
        return symbols.CT_STATE["untracked" if ctx.notrack else "invalid"]
    return symbols.CT_STATE[ctx.ct.state]


def _ct_status(ctx: Context) -> int | None:
    if ctx.ct is None:
        return None
    return sum(symbols.CT_STATUS.get(name, 0) for name in ctx.ct.status)


def _ct_end(key: str, direction: str | None) -> Getter:
    name = {"saddr": "saddr", "daddr": "daddr", "proto-src": "sport", "proto-dst": "dport", "protocol": "proto"}[key]

    def get(ctx: Context) -> int | None:
        if ctx.ct is None:
            return None
        ends = ctx.ct.reply if direction == "reply" else ctx.ct.original
        value: int | None = getattr(ends, name, None)  # a packet without a connection has no ends
        return value

    return get


def _ct_getter(key: str, direction: str | None) -> Getter:
    if key.startswith(("ip ", "ip6 ")):
        family, key = key.split(" ", 1)
        inner = _ct_getter(key, direction)
        return lambda ctx: inner(ctx) if ctx.family == family else None
    match key:
        case "state":
            return _ct_state
        case "status":
            return _ct_status
        case "direction":
            return lambda ctx: None if ctx.ct is None else symbols.CT_DIR[ctx.ct.direction]
        case "mark":
            return lambda ctx: None if ctx.ct is None else ctx.ct.mark
        case "l3proto":
            return lambda ctx: None if ctx.ct is None else _FAMILY_NUMBERS[ctx.family]
        case "saddr" | "daddr" | "proto-src" | "proto-dst" | "protocol" as name:
            return _ct_end(name, direction)
    return _never


def getter(expr: Value, table: Table) -> Getter:
    """The function that reads this expression from a packet."""
    match expr:
        case Payload(protocol, field):
            return _FIELDS.get((protocol, field), _never)
        case Meta(key):
            return _META[key]
        case Ct(key, direction):
            return _ct_getter(key, direction)
        case BinOp():
            return _binary(expr, table)
        case Concat(parts):
            return _concat(tuple(getter(part, table) for part in parts))
        case MapExpr(key, data):
            return _mapped(getter(key, table), _map_lookup(data, expression_type(key), table), _data_kinds(data, table))
    raise TypeError(expr)


def _binary(expr: BinOp, table: Table) -> Getter:
    left = getter(expr.left, table)
    kind = expression_type(expr.left)[0]
    right = flag_bits(expr.right, kind)
    limit = (1 << kind.bits) - 1
    operation: Callable[[int], int] = {
        "&": lambda value: value & right, "|": lambda value: value | right, "^": lambda value: value ^ right,
        "<<": lambda value: value << right & limit, ">>": lambda value: value >> right,
    }[expr.op]  # fmt: skip

    def get(ctx: Context) -> int | None:
        value = left(ctx)
        return operation(value) if isinstance(value, int) else None

    return get


def _concat(parts: tuple[Getter, ...]) -> Getter:
    def get(ctx: Context) -> Key | None:
        values: list[int | str] = []
        for part in parts:
            value = part(ctx)
            if value is None or isinstance(value, tuple):
                return None
            values.append(value)
        return tuple(values)

    return get


def _data_kinds(data: SetLiteral | SetRef, table: Table) -> tuple[Datatype, ...]:
    if isinstance(data, SetRef):
        found = table.set(data.name)
        if found is not None and found.map is not None and found.map != ("verdict",):
            return tuple(DATATYPES[name] for name in found.map if name in DATATYPES)
    return ()


def _mapped(key: Getter, find: Lookup, kinds: tuple[Datatype, ...]) -> Getter:
    def get(ctx: Context) -> Key | None:
        value = key(ctx)
        found = None if value is None else find(value)
        if found is None or found.data is None:
            return None
        return plain(found.data, kinds)

    return get


def plain(value: Value, kinds: tuple[Datatype, ...]) -> Key | None:
    """The number or text of a constant; addresses become numbers."""
    if isinstance(value, Concat):
        parts = tuple(plain(part, kinds[i : i + 1]) for i, part in enumerate(value.parts))
        return tuple(part for part in parts if isinstance(part, int | str))
    if isinstance(value, str):
        for name in [kind.name for kind in kinds] or ["ipv4_addr", "ipv6_addr", "ether_addr"]:
            try:
                return DATATYPES[name].number(value)
            except (KeyError, ValueError):
                continue
        return value
    return value if isinstance(value, int) else None


# -- sets -------------------------------------------------------------------------------------------------------------


def set_kinds(table: Table, data: SetLiteral | SetRef, kinds: tuple[Datatype, ...]) -> tuple[Element, ...]:
    """The elements of an anonymous or a named set."""
    del kinds
    if isinstance(data, SetLiteral):
        return data.elements
    found = table.set(data.name)
    return () if found is None else found.elements


def kernel_key(value: Value, kind: Datatype) -> int | str:
    """A constant as getters answer it: text for interfaces, a number for all else."""
    if kind.is_string:
        return str(value)
    return flag_bits(value, kind)


def _map_lookup(data: SetLiteral | SetRef, kinds: tuple[Datatype, ...], table: Table) -> Lookup:
    return lookup(set_kinds(table, data, kinds), kinds)


def lookup(elements: tuple[Element, ...], kinds: tuple[Datatype, ...]) -> Lookup:
    """The function that finds the element of a key; exact keys by hash, intervals one after the other."""
    exact: dict[Hashable, Element] = {}
    others: list[tuple[tuple[Callable[[int | str], bool], ...], Element]] = []
    for element in elements:
        parts = element.key.parts if isinstance(element.key, Concat) else (element.key,)
        if any(_is_wide(part) for part in parts):
            others.append((tuple(value_test(part, kind) for part, kind in zip(parts, kinds, strict=True)), element))
        else:
            keys = tuple(kernel_key(part, kind) for part, kind in zip(parts, kinds, strict=True))
            exact.setdefault(keys if len(keys) > 1 else keys[0], element)
    if not others:
        return exact.get

    def find(key: Key) -> Element | None:
        found = exact.get(key)
        if found is not None:
            return found
        parts = key if isinstance(key, tuple) else (key,)
        for tests, element in others:
            if all(test(part) for test, part in zip(tests, parts, strict=True)):
                return element
        return None

    return find


def _is_wide(value: Value) -> bool:
    return isinstance(value, Range | Prefix) or (isinstance(value, str) and value.endswith("*"))


def value_test(value: Value, kind: Datatype) -> Callable[[int | str], bool]:
    """The function that tells whether a loaded number is this constant, or within it."""
    if kind.is_string:
        text = str(value)
        if text.endswith("*"):
            start = text[:-1]
            return lambda got: str(got).startswith(start)
        return lambda got: got == text
    if isinstance(value, Range | Prefix):
        low, high = interval(value, kind)
        return lambda got: low <= got <= high  # type: ignore[operator]
    number = flag_bits(value, kind)
    return lambda got: got == number


def bits_of(value: Value, kind: Datatype) -> int:
    """The number of one flag or of several."""
    return flag_bits(value, kind) if isinstance(value, Flags | str | int | BinOp) else 0


def is_expression(value: Value) -> bool:
    """True when the value is read from the packet."""
    if isinstance(value, BinOp):
        return is_expression(value.left)
    return isinstance(value, Payload | Meta | Ct | MapExpr)
