"""What one match of a rule asks, taken apart by field: addresses and ports as intervals, the rest as a question.

The meaning of values, sets and operators is that of `labs.net.nftables`: intervals come from its elements, and what is
no interval is asked with its own compiled test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from grader.reach.atoms import PORTS, Intervals, complement
from grader.reach.scope import Limit
from grader.reach.versions import V4, Version
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP
from labs.net.nftables import Context
from labs.net.nftables.actions import compile_match
from labs.net.nftables.elements import interval
from labs.net.nftables.fields import expression_type
from labs.net.nftables.tree import (
    BinOp,
    Concat,
    Ct,
    Element,
    Expr,
    Flags,
    Match,
    Meta,
    Payload,
    Prefix,
    Range,
    SetLiteral,
    SetRef,
    Table,
    Value,
)

__all__ = ["Condition", "PortTest", "Question", "conditions", "element_conditions"]

Question = Callable[[Context], bool]
PORTED = {"tcp": (PROTO_TCP,), "udp": (PROTO_UDP,), "th": (PROTO_TCP, PROTO_UDP)}
SITUATION_META = frozenset({"iifname", "oifname", "iif", "oif", "nfproto", "protocol", "skuid", "skgid", "mark"})
SITUATION_CT = frozenset({"state", "status", "direction", "mark", "l3proto"})
SITUATION_FRAME = frozenset({"ether", "vlan"})
SERVICE_FIELDS = frozenset(
    {
        ("ip", "version"),
        ("ip", "protocol"),
        ("icmp", "type"),
        ("icmp", "code"),
        ("ip6", "version"),
        ("ip6", "nexthdr"),
        ("icmpv6", "type"),
        ("icmpv6", "code"),
        ("tcp", "flags"),
    }
)
OF_A_VERSION = frozenset({"ip", "icmp", "ip6", "icmpv6", "arp"})
COMPARING = frozenset({"<", ">", "<=", ">="})


@dataclass(frozen=True, slots=True)
class PortTest:
    """The port of one of some protocols lies in intervals."""

    protocols: tuple[int, ...]
    field: str
    intervals: Intervals
    icmp: Question | None = None
    """For `th`: whether the kernel, reading an ICMP message as if it had ports, finds one in the intervals."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A conjunction: every part must hold. None or empty asks nothing.

    `situation` are questions about interfaces, frame and connection; `service` questions about protocol and type.
    `limits` are what could not be taken apart: such a condition may hold or not.
    """

    sources: tuple[Intervals, ...] = ()
    targets: tuple[Intervals, ...] = ()
    ports: tuple[PortTest, ...] = ()
    situation: tuple[Question, ...] = ()
    service: tuple[Question, ...] = ()
    limits: tuple[Limit, ...] = ()
    uncertain: bool = False
    """Whether it holds is not the packet's to say: a rate."""
    asks_mark: bool = field(default=False, compare=False)
    asks_frame: bool = field(default=False, compare=False)

    def also(self, other: Condition) -> Condition:
        """Both at once."""
        return Condition(
            self.sources + other.sources,
            self.targets + other.targets,
            self.ports + other.ports,
            self.situation + other.situation,
            self.service + other.service,
            self.limits + other.limits,
            self.uncertain or other.uncertain,
            self.asks_mark or other.asks_mark,
            self.asks_frame or other.asks_frame,
        )


def conditions(match: Match, table: Table, version: Version = V4) -> list[Condition]:
    """The ways in which a match can hold, each a conjunction; several for a set of concatenations."""
    left = match.left
    if _is_dynamic(match.right, table):
        return [Condition(limits=(Limit.DYNAMIC_SET,))]
    if isinstance(left, Concat):
        if match.op == "!=" or not isinstance(match.right, SetLiteral | SetRef):
            return [Condition(limits=(Limit.NEGATED_CONCATENATION,))]
        return [
            found
            for element in _elements(match.right, table)
            for found in element_conditions(left, element, table, version)
        ]
    return [_single(match, table, version)]


def element_conditions(key: Expr, element: Element, table: Table, version: Version = V4) -> list[Condition]:
    """When the key of a set, a map or a verdict map is this element."""
    if isinstance(key, Concat):
        found = Condition()
        values = element.key.parts if isinstance(element.key, Concat) else (element.key,)
        for part, value in zip(key.parts, values, strict=True):
            found = found.also(_single(Match("==", part, value), table, version))  # type: ignore[arg-type]
        return [found]
    return [_single(Match("==", key, element.key), table, version)]


def _is_dynamic(value: Value, table: Table) -> bool:
    if not isinstance(value, SetRef):
        return False
    found = table.set(value.name)
    return found is None or "dynamic" in found.flags or "timeout" in found.flags


def _elements(value: SetLiteral | SetRef, table: Table) -> tuple[Element, ...]:
    if isinstance(value, SetLiteral):
        return value.elements
    found = table.set(value.name)
    return () if found is None else found.elements


def _single(match: Match, table: Table, version: Version) -> Condition:
    """A match on one field."""
    left = match.left
    masked = _unmasked(match, version)
    if masked is not None:
        match, left = masked, masked.left
    if isinstance(left, Payload):
        place = (left.protocol, left.field)
        if place in ((version.family, "saddr"), (version.family, "daddr")):
            intervals = _intervals(match, table, version.domain)
            if intervals is None:
                return Condition(limits=(Limit.HEADER_FIELD,))
            if left.field == "saddr":
                return Condition(sources=(intervals,))
            return Condition(targets=(intervals,))
        if left.protocol in PORTED and left.field in ("sport", "dport"):
            intervals = _intervals(match, table, PORTS)
            if intervals is None:
                return Condition(limits=(Limit.HEADER_FIELD,))
            odd = compile_match(match, table) if left.protocol == "th" else None
            return Condition(ports=(PortTest(PORTED[left.protocol], left.field, intervals, odd),))
    return _question(match, compile_match(match, table), version)


def _question(match: Match, test: Question, version: Version) -> Condition:
    """A match that is no interval: on the situation, on the service, or on a field that is left open."""
    left: Value = match.left
    while isinstance(left, BinOp):
        left = left.left
    if isinstance(left, Meta):
        if left.key in SITUATION_META:
            return Condition(situation=(test,), asks_mark=left.key == "mark")
        if left.key == "pkttype":
            return Condition(situation=(test,), asks_frame=True)
        if left.key == "l4proto":
            return Condition(service=(test,))
    if isinstance(left, Ct) and left.key in SITUATION_CT:
        return Condition(situation=(test,), asks_mark=left.key == "mark")
    if isinstance(left, Ct):
        return Condition(limits=(Limit.CONNECTION_FIELD,))
    if isinstance(left, Payload):
        if left.protocol in SITUATION_FRAME:
            return Condition(situation=(test,), asks_frame=True)
        if (left.protocol, left.field) in SERVICE_FIELDS:
            return Condition(service=(test,))
        if left.protocol in PORTED:  # a field of the header that is left open, of a protocol that must be there
            wanted = PORTED[left.protocol]
            return Condition(ports=(PortTest(wanted, "dport", (PORTS,)),), limits=(Limit.HEADER_FIELD,))
        if left.protocol in OF_A_VERSION - version.own:  # no packet of this version has it
            return Condition(service=(test,))
    return Condition(limits=(Limit.HEADER_FIELD,))


def _unmasked(match: Match, version: Version) -> Match | None:
    """`ip saddr & 255.255.255.0 == 10.0.0.0` is a prefix; None for what is none."""
    left = match.left
    if (
        not isinstance(left, BinOp)
        or left.op != "&"
        or match.op not in ("==", "!=")
        or not isinstance(match.right, str)
    ):
        return None
    kinds = expression_type(left)
    if (
        not kinds
        or kinds[0].name != version.datatype
        or not isinstance(left.left, Payload)
        or not isinstance(left.right, str)
    ):
        return None
    mask = kinds[0].number(left.right)
    length = mask.bit_count()
    if mask != ((1 << length) - 1) << kinds[0].bits - length:
        return None
    return replace(match, left=left.left, right=Prefix(match.right, length) if length < kinds[0].bits else match.right)


def _intervals(match: Match, table: Table, domain: tuple[int, int]) -> Intervals | None:
    """The numbers for which a match on an address or a port holds; None where they are no intervals."""
    if isinstance(match.left, BinOp):
        return None
    right = match.right
    if isinstance(right, SetLiteral | SetRef):
        kind = expression_type(match.left)[0]
        found = _clipped([interval(element.key, kind) for element in _elements(right, table)], domain)
        return complement(found, domain) if match.op in ("!=", "!") else found
    return _constant(match, domain)


@lru_cache(maxsize=4096)
def _constant(match: Match, domain: tuple[int, int]) -> Intervals | None:
    """The same without a set: rules ask the same things again and again."""
    kind, right = expression_type(match.left)[0], match.right
    if match.op in COMPARING:
        number = interval(right, kind)[0]
        low, high = {
            "<": (domain[0], number - 1),
            "<=": (domain[0], number),
            ">": (number + 1, domain[1]),
            ">=": (number, domain[1]),
        }[match.op]
        return _clipped([(low, high)], domain)
    if not isinstance(right, int | str | Range | Prefix | Flags):
        return None
    found = _clipped([interval(right, kind)], domain)
    return complement(found, domain) if match.op in ("!=", "!") else found


def _clipped(found: list[tuple[int, int]], domain: tuple[int, int]) -> Intervals:
    inside = [(max(low, domain[0]), min(high, domain[1])) for low, high in found]
    return tuple(sorted((low, high) for low, high in inside if low <= high))
