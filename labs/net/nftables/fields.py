"""The keys a rule can match on: header fields, meta keys, ct keys; each with its datatype.

Read first: nft(8), sections "PAYLOAD EXPRESSIONS", "META EXPRESSIONS", "CONNTRACK EXPRESSIONS".
"""

from __future__ import annotations

from collections.abc import Mapping

from labs.net.nftables.datatypes import DATATYPES, Datatype, integer
from labs.net.nftables.tree import BinOp, Concat, Ct, Expr, MapExpr, Meta, Payload, SetLiteral, Value

__all__ = [
    "CT",
    "CT_DIRECTED",
    "CT_ONLY_DIRECTED",
    "LAYER",
    "META",
    "META_KEYS",
    "META_UNQUALIFIED",
    "OFFSETS",
    "PROTOCOLS",
    "PROTOCOL_NUMBERS",
    "REFUSED_CT",
    "REFUSED_FIELDS",
    "REFUSED_META",
    "expression_type",
]  # fmt: skip

_D = DATATYPES

PROTOCOLS: Mapping[str, Mapping[str, Datatype]] = {
    "ether": {"daddr": _D["ether_addr"], "saddr": _D["ether_addr"], "type": _D["ether_type"]},
    "vlan": {"id": integer(12), "pcp": integer(3), "dei": integer(1), "cfi": integer(1), "type": _D["ether_type"]},
    "arp": {
        "htype": integer(16), "ptype": _D["ether_type"], "hlen": integer(8), "plen": integer(8),
        "operation": _D["arp_op"],
        "saddr ether": _D["ether_addr"], "saddr ip": _D["ipv4_addr"], "daddr ether": _D["ether_addr"],
        "daddr ip": _D["ipv4_addr"],
    },
    "ip": {
        "version": integer(4), "hdrlength": integer(4), "dscp": _D["dscp"], "ecn": _D["ecn"], "length": integer(16),
        "id": integer(16), "frag-off": integer(16), "ttl": integer(8), "protocol": _D["inet_proto"],
        "saddr": _D["ipv4_addr"], "daddr": _D["ipv4_addr"],
    },
    "ip6": {
        "version": integer(4), "dscp": _D["dscp"], "ecn": _D["ecn"], "flowlabel": integer(20), "length": integer(16),
        "nexthdr": _D["inet_proto"], "hoplimit": integer(8), "saddr": _D["ipv6_addr"], "daddr": _D["ipv6_addr"],
    },
    "icmp": {"type": _D["icmp_type"], "code": _D["icmp_code"], "id": integer(16), "sequence": integer(16)},
    "icmpv6": {"type": _D["icmpv6_type"], "code": _D["icmpv6_code"], "id": integer(16), "sequence": integer(16)},
    "tcp": {
        "sport": _D["inet_service"], "dport": _D["inet_service"], "sequence": integer(32), "ackseq": integer(32),
        "doff": integer(4), "flags": _D["tcp_flag"], "window": integer(16),
    },
    "udp": {"sport": _D["inet_service"], "dport": _D["inet_service"], "length": integer(16)},
    "th": {"sport": _D["inet_service"], "dport": _D["inet_service"]},
}  # fmt: skip

REFUSED_FIELDS: Mapping[str, frozenset[str]] = {
    "ip": frozenset({"checksum"}),
    "icmp": frozenset({"checksum", "mtu", "gateway"}),
    "icmpv6": frozenset({"checksum", "parameter-problem", "mtu", "max-delay"}),
    "tcp": frozenset({"checksum", "urgptr", "option"}),
    "udp": frozenset({"checksum"}),
}

# Fields that lie side by side; nft compares two neighbours at once and lists them in header order.
OFFSETS: Mapping[tuple[str, str], tuple[int, int]] = {
    ("ether", "daddr"): (0, 48), ("ether", "saddr"): (48, 48), ("ether", "type"): (96, 16),
    ("arp", "htype"): (0, 16), ("arp", "ptype"): (16, 16), ("arp", "hlen"): (32, 8), ("arp", "plen"): (40, 8),
    ("arp", "operation"): (48, 16), ("arp", "saddr ether"): (64, 48), ("arp", "saddr ip"): (112, 32),
    ("arp", "daddr ether"): (144, 48), ("arp", "daddr ip"): (192, 32),
    ("ip", "length"): (16, 16), ("ip", "id"): (32, 16), ("ip", "frag-off"): (48, 16),
    ("ip", "ttl"): (64, 8), ("ip", "protocol"): (72, 8), ("ip", "saddr"): (96, 32), ("ip", "daddr"): (128, 32),
    ("ip6", "length"): (32, 16), ("ip6", "nexthdr"): (48, 8), ("ip6", "hoplimit"): (56, 8),
    ("ip6", "saddr"): (64, 128), ("ip6", "daddr"): (192, 128),
    ("icmp", "type"): (0, 8), ("icmp", "code"): (8, 8), ("icmp", "id"): (32, 16), ("icmp", "sequence"): (48, 16),
    ("icmpv6", "type"): (0, 8), ("icmpv6", "code"): (8, 8), ("icmpv6", "id"): (32, 16),
    ("icmpv6", "sequence"): (48, 16),
    ("tcp", "sport"): (0, 16), ("tcp", "dport"): (16, 16), ("tcp", "sequence"): (32, 32), ("tcp", "ackseq"): (64, 32),
    ("tcp", "window"): (112, 16), ("udp", "sport"): (0, 16), ("udp", "dport"): (16, 16), ("udp", "length"): (32, 16),
    ("th", "sport"): (0, 16), ("th", "dport"): (16, 16),
}  # fmt: skip

LAYER: Mapping[str, int] = {
    "ether": 2, "vlan": 2, "arp": 3, "ip": 3, "ip6": 3, "icmp": 4, "icmpv6": 4, "tcp": 4, "udp": 4, "th": 4,
}  # fmt: skip
PROTOCOL_NUMBERS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}

META: Mapping[str, Datatype] = {
    "length": integer(32), "protocol": _D["ether_type"], "nfproto": _D["nf_proto"], "l4proto": _D["inet_proto"],
    "mark": _D["mark"], "iif": _D["iface_index"], "oif": _D["iface_index"], "iifname": _D["ifname"],
    "oifname": _D["ifname"], "skuid": _D["uid"], "skgid": _D["gid"], "pkttype": _D["pkt_type"],
    "ibrname": _D["ifname"], "obrname": _D["ifname"],
}  # fmt: skip
# In the order of nft's own error text.
META_KEYS = (
    "length", "protocol", "priority", "mark", "iif", "oif", "iifname", "oifname", "iiftype", "oiftype", "skuid",
    "skgid",
    "nftrace", "rtclassid", "secmark", "nfproto", "l4proto", "ibrname", "obrname", "pkttype", "cpu", "iifgroup",
    "oifgroup", "cgroup", "random", "ipsec", "iifkind", "oifkind", "ibrpvid", "ibrvproto", "time", "day", "hour",
    "sdif",
    "sdifname",
)  # fmt: skip
REFUSED_META = frozenset(META_KEYS) - frozenset(META) | {"ibriport", "obriport", "secpath", "broute"}
META_UNQUALIFIED = frozenset({
    "mark", "iif", "iifname", "iiftype", "oif", "oifname", "oiftype", "skuid", "skgid", "nftrace", "rtclassid",
    "ibrname",
    "obrname", "pkttype", "cpu", "iifgroup", "oifgroup", "cgroup", "ibriport", "obriport",
})  # fmt: skip
META_PRINTED_BARE = frozenset({"iif", "oif", "iifname", "oifname", "ibrname", "obrname"})

CT: Mapping[str, Datatype] = {
    "state": _D["ct_state"], "direction": _D["ct_dir"], "status": _D["ct_status"], "mark": _D["mark"],
    "l3proto": _D["nf_proto"], "protocol": _D["inet_proto"], "saddr": _D["ipv4_addr"], "daddr": _D["ipv4_addr"],
    "ip saddr": _D["ipv4_addr"], "ip daddr": _D["ipv4_addr"], "ip6 saddr": _D["ipv6_addr"],
    "ip6 daddr": _D["ipv6_addr"],
    "proto-src": _D["inet_service"], "proto-dst": _D["inet_service"],
}  # fmt: skip
CT_DIRECTED = frozenset({
    "l3proto", "protocol", "saddr", "daddr", "ip saddr", "ip daddr", "ip6 saddr", "ip6 daddr", "proto-src",
    "proto-dst",
})  # fmt: skip
CT_ONLY_DIRECTED = CT_DIRECTED - {"l3proto", "protocol"}
REFUSED_CT = frozenset({
    "expiration", "helper", "label", "zone", "bytes", "packets", "avgpkt", "id", "secmark", "event", "count",
    "timeout",
    "expectation",
})  # fmt: skip


def expression_type(expr: Value) -> tuple[Datatype, ...]:
    """The datatypes of an expression, one for each part of a concatenation."""
    match expr:
        case Payload(protocol, field):
            return (PROTOCOLS[protocol][field],)
        case Meta(key):
            return (META[key],)
        case Ct(key):
            return (CT[key],)
        case BinOp(_, left):
            return expression_type(left)
        case Concat(parts):
            return tuple(kind for part in parts for kind in expression_type(part))
        case MapExpr(_, SetLiteral(elements)) if elements:
            return ()
        case _:
            return ()


def as_expr(value: Value) -> Expr:
    """The value as an expression. Raises TypeError for a constant."""
    if isinstance(value, Payload | Meta | Ct | BinOp | Concat | MapExpr):
        return value
    raise TypeError(value)
