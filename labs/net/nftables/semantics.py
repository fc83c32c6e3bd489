"""From what was written to what is meant: names become values, protocols are followed, nonsense is refused.

Read first: nft(8), sections "EXPRESSIONS" and "DATA TYPES". nft calls this step the evaluation of a command; its errors
come before the kernel is asked.
"""

from __future__ import annotations

from labs.net.nftables.datatypes import DATATYPES, Datatype, ValueRejectedError
from labs.net.nftables.elements import flag_bits, is_interval, ordered, overlap
from labs.net.nftables.errors import NftError, NotSimulatedError, Span
from labs.net.nftables.fields import as_expr, expression_type
from labs.net.nftables.reduction import in_header_order
from labs.net.nftables.syntax import (
    RawBinary,
    RawConcat,
    RawExpr,
    RawKey,
    RawMap,
    RawMask,
    RawMatch,
    RawNat,
    RawPlain,
    RawRef,
    RawReject,
    RawRule,
    RawSet,
    RawSetOperation,
    RawStatement,
    RawUpdate,
    RawVerdict,
    RawVmap,
)
from labs.net.nftables.tree import (
    BinOp,
    Concat,
    Ct,
    Element,
    Expr,
    Flags,
    Log,
    Mangle,
    MapExpr,
    Match,
    Meta,
    Nat,
    Payload,
    Prefix,
    Range,
    Reject,
    SetLiteral,
    SetRef,
    SetUpdate,
    Statement,
    Value,
    Verdict,
    Vmap,
)
from labs.net.nftables.values import Scope, build_elements, reference, value, with_bars

__all__ = ["Scope", "build_elements", "build_expression", "build_rule"]


def build_rule(raw: RawRule, scope: Scope) -> tuple[Statement, ...]:
    """The statements of the rule. Raises NftError."""
    result: list[Statement] = []
    terminal: Span | None = None
    for statement in raw.statements:
        if terminal is not None:
            raise NftError.at("Statement after terminal statement has no effect", statement.span, terminal)
        built = _statement(statement, scope)
        scope.protocols.settle(result, built)
        if (isinstance(built, Verdict) and built.kind != "continue") or isinstance(built, Reject | Nat):
            terminal = statement.span
    return in_header_order(scope.protocols.finish(result))


def _statement(raw: RawStatement, scope: Scope) -> Statement:
    match raw:
        case RawMatch():
            return _match(raw, scope)
        case RawVerdict():
            return Verdict(raw.kind, raw.target)
        case RawPlain(statement, span, problem):
            if problem is not None:
                raise NftError.at(*problem)
            if scope.family == "arp" and isinstance(statement, Log) and statement.flags:
                raise NotSimulatedError.of("log flags in the arp family", span)
            return statement
        case RawVmap():
            key = build_expression(raw.key, scope)
            kinds = expression_type(key)
            return Vmap(key, _mapping(raw.data, kinds, None, scope, raw.key.span))
        case RawSetOperation():
            return _mangle(raw, scope)
        case RawReject():
            return _reject(raw, scope)
        case RawNat():
            return _nat(raw, scope)
        case RawUpdate():
            return _update(raw, scope)


# -- expressions ------------------------------------------------------------------------------------------------------


def build_expression(raw: RawExpr, scope: Scope) -> Expr:
    """The tree of a left side; follows the protocols it implies."""
    match raw:
        case RawKey("meta", _, key):
            if key == "nfproto" and scope.family != "inet":
                raise NftError.at("meta nfproto is only useful in the inet family", raw.span)
            return Meta(key)
        case RawKey("ct", direction, key, span):
            return _ct(key, direction, span, scope)
        case RawKey(_, protocol, key, span):
            payload = Payload(str(protocol), key)
            scope.protocols.require(payload, span)
            return payload
        case RawBinary(operator, left, right):
            expr = build_expression(left, scope)
            kind = expression_type(expr)[0]
            if kind.is_string:
                raise NftError.at(f"Binary operation ({operator}) is undefined for {kind.description} types", raw.span)
            return BinOp(operator, expr, value(right, kind, scope, mask=True))
        case RawConcat(parts):
            return Concat(tuple(build_expression(part, scope) for part in parts))
        case _:
            raise NftError.at("No symbol type information", raw.span)


def _ct(key: str, direction: str | None, span: Span, scope: Scope) -> Ct:
    if scope.family in {"arp", "bridge"}:
        if scope.family == "bridge":
            raise NotSimulatedError.of("ct in the bridge family", span)
        raise NftError.at("Could not process rule: Protocol error", span)
    if key in {"saddr", "daddr"}:
        family = scope.protocols.network
        if family not in {"ip", "ip6"}:
            raise NftError.at('cannot determine ip protocol version, use "ip saddr" or "ip6 saddr" instead', span)
        scope.protocols.use_network()
        return Ct(key if family == "ip" else f"ip6 {key}", direction)
    if key in {"l3proto", "protocol"}:
        return Ct(key)
    return Ct(key, direction)


# -- sets -------------------------------------------------------------------------------------------------------------


def _literal(elements: list[Element], kinds: tuple[Datatype, ...]) -> SetLiteral:
    intervals = any(is_interval(element.key) for element in elements)
    return SetLiteral(ordered(elements, kinds, merge=True, intervals=intervals))


def _refuse_clashes(elements: list[Element], raw: RawSet, kinds: tuple[Datatype, ...]) -> None:
    """A map cannot answer two things for one key."""
    if len(elements) != len(raw.items):
        return
    spans = [item.key.span for item in raw.items]
    first: dict[Value, Element] = {}
    for element, span in zip(elements, spans, strict=True):
        if first.setdefault(element.key, element).data != element.data:
            raise NftError.at("Could not process rule: File exists", span)
    if len(kinds) == 1 and any(is_interval(element.key) for element in elements):
        clash = overlap(elements, kinds[0])
        if clash is not None:
            before, after = (spans[elements.index(element)] for element in clash)
            raise NftError.at("conflicting intervals specified", after, before)


def _mapping(
    raw: RawSet | RawRef, kinds: tuple[Datatype, ...], data: tuple[Datatype, ...] | None, scope: Scope, key_span: Span
) -> SetLiteral | SetRef:
    if isinstance(raw, RawSet):
        elements = build_elements(raw, kinds, "verdict" if data is None else data, scope)
        _refuse_clashes(elements, raw, kinds)
        return _literal(elements, kinds)
    found = scope.find_set(raw.name, raw.span)
    if found.map is None:
        raise NftError.at("Expression is not a map", raw.span)
    return reference(raw.name, raw.span, kinds, scope, key_span)


# -- statements -------------------------------------------------------------------------------------------------------


def _match(raw: RawMatch, scope: Scope) -> Match:
    right, op = raw.right, raw.op
    untyped = NftError.at("Can't parse symbolic invalid expressions", right.span)
    try:
        left = build_expression(raw.left, scope)
    except NftError as error:
        if error.message.startswith("cannot determine ip protocol version"):
            raise error.with_others((untyped,)) from None
        raise
    if isinstance(left, Ct) and left.key.startswith("proto-") and not scope.protocols.has_ports:
        raise untyped
    kinds = expression_type(left)
    if op == "!":
        if isinstance(left, BinOp):
            raise NftError.at("cannot combine negation with binary expression", raw.left.span)
        if not kinds[0].is_bitmask or isinstance(right, RawSet | RawRef):
            raise NftError.at("negation can only be used with singleton bitmask values", raw.left.span)
    if isinstance(right, RawRef):
        return Match(op or "==", left, reference(right.name, right.span, kinds, scope, raw.left.span))
    if isinstance(right, RawSet):
        return _set_match(left, op, right, kinds, scope)
    if len(kinds) > 1:
        raise NftError.at("Use concatenations with sets and maps, not singleton values", raw.left.span, right.span)
    return _value_match(left, op, right, kinds[0], scope)


def _set_match(left: Expr, op: str, right: RawSet, kinds: tuple[Datatype, ...], scope: Scope) -> Match:
    elements = build_elements(right, kinds, None, scope)
    literal = _literal(elements, kinds)
    if len(elements) == 1 and len(kinds) == 1 and not isinstance(left, BinOp):
        only = elements[0].key
        implicit = kinds[0].is_bitmask and op == ""
        return Match("in" if implicit else op or "==", left, only)
    match = Match(op or "==", left, literal)
    scope.protocols.learn(match)
    return match


def _value_match(left: Expr, op: str, right: RawExpr, kind: Datatype, scope: Scope) -> Match:
    if isinstance(right, RawMask):
        masked = BinOp("&", left, value(right.mask, kind, scope))
        return Match(op or "==", masked, value(right.value, kind, scope))
    found = value(right, kind, scope)
    if op in {"<", ">", "<=", ">="} and isinstance(found, Range | Prefix):
        raise NftError.at("Relational expression (<) is undefined for range types".replace("<", op), right.span)
    if isinstance(left, BinOp) and left.op == "&":
        match = _masked_match(left, op or "==", found, kind)
    elif kind.is_bitmask:
        match = Match(op or "in", left, found if op in {"", "in", "!"} else _plain_flags(found, op, left))
    else:
        match = Match(op or "==", left, found)
    scope.protocols.learn(match)
    return match


def _plain_flags(found: Value, op: str, left: Expr) -> Value:
    """With == and != nft lists several flags of ct as names with bars, those of tcp as a number."""
    if not isinstance(found, Flags):
        return found
    kind = expression_type(left)[0]
    return flag_bits(found, kind) if kind.name == "tcp_flag" else with_bars(found)


def _masked_match(left: BinOp, op: str, found: Value, kind: Datatype) -> Match:
    if kind.is_bitmask and flag_bits(found, kind) == 0 and op in {"==", "!="}:
        return Match("!" if op == "==" else "in", as_expr(left.left), left.right)
    if kind.has_prefix and op in {"==", "!="} and not isinstance(found, Prefix | Range):
        bits = kind.number(left.right)
        inverse = bits ^ (1 << kind.bits) - 1
        if inverse & inverse + 1 == 0 and kind.number(found) & inverse == 0 and kind.kind != "ether":
            length = kind.bits - inverse.bit_length()
            return Match(op, as_expr(left.left), Prefix(str(found), length) if length < kind.bits else found)
    return Match(op, left, found)


def _mangle(raw: RawSetOperation, scope: Scope) -> Mangle:
    key = build_expression(raw.key, scope)
    if not isinstance(key, Meta | Ct) or key not in {Meta("mark"), Ct("mark")}:
        raise NotSimulatedError.of(f"{raw.key.family} {raw.key.key} set", raw.key.span)
    return Mangle(key, _computed(raw.value, (DATATYPES["mark"],), scope))


def _computed(raw: RawExpr, kinds: tuple[Datatype, ...], scope: Scope) -> Value:
    """A value that may be read from the packet or looked up in a map."""
    if isinstance(raw, RawMap):
        key = build_expression(raw.key, scope)
        return MapExpr(key, _mapping(raw.data, expression_type(key), kinds, scope, raw.key.span))
    if isinstance(raw, RawKey) or (isinstance(raw, RawBinary) and _has_key(raw)):
        return build_expression(raw, scope)
    return value(raw, kinds[0], scope)


def _has_key(raw: RawExpr) -> bool:
    return isinstance(raw, RawKey) or (isinstance(raw, RawBinary) and _has_key(raw.left))


_REJECT_CODES = {"icmp": "icmp_code", "icmpx": "icmpx_code", "icmpv6": "icmpv6_code"}


def _reject(raw: RawReject, scope: Scope) -> Reject:
    protocols = scope.protocols
    if scope.family == "arp":
        raise NftError.at("cannot use reject with arp", raw.span)
    if raw.type == "tcp reset":
        if protocols.transport is not None and protocols.transport != "tcp":
            raise NftError.at("you cannot use tcp reset with this protocol", raw.span, protocols.transport_span)
        protocols.imply_tcp()
        return Reject("tcp reset")
    if raw.type is None or raw.code is None:
        network = protocols.network
        kind = {"ip": "icmp", "ip6": "icmpv6"}.get(network or "", "icmpx")
        return Reject(kind, "port-unreachable")
    code = DATATYPES[_REJECT_CODES[raw.type]]
    try:
        found = code.read(raw.code.text, is_number=raw.code.kind == "number")
    except ValueRejectedError:
        raise NftError.at(f"Could not parse {raw.type} code", raw.code.span) from None
    if scope.family in {"ip", "ip6"} and raw.type == "icmpx":
        raise NftError.at("abstracted ICMP unreachable not supported", raw.type_span, raw.span)
    network = protocols.network
    wanted = {"icmp": "ip", "icmpv6": "ip6"}.get(raw.type)
    if wanted and network in {"ip", "ip6"} and network != wanted:
        related = protocols.network_span if protocols.network_span.line else raw.span
        raise NftError.at("conflicting protocols specified: ip vs ip6", raw.type_span, related)
    return Reject(raw.type, found)


def _nat(raw: RawNat, scope: Scope) -> Nat:
    family = raw.family
    if scope.family not in {"ip", "ip6", "inet"}:
        raise NftError.at(f"NAT is only supported for IPv4/IPv6, not for {scope.family}", raw.span)
    addr: Value | None = None
    if raw.addr is not None:
        inferred = family or (scope.protocols.network if scope.protocols.network in {"ip", "ip6"} else None)
        if scope.family == "inet" and inferred is None:
            raise NftError.at("ip or ip6 must be specified with address for inet tables.", raw.span)
        kind = DATATYPES["ipv6_addr" if inferred == "ip6" else "ipv4_addr"]
        kinds: tuple[Datatype, ...] = (kind,)
        if isinstance(raw.addr, RawMap) and _maps_to_two(raw.addr, scope):
            kinds = (kind, DATATYPES["inet_service"])
        addr = _computed(raw.addr, kinds, scope)
        family = inferred if scope.family == "inet" or len(kinds) > 1 else None
    port: Value | None = None
    if raw.port is not None:
        if not scope.protocols.has_ports:
            raise NftError.at(
                "transport protocol mapping is only valid after transport protocol match", raw.port.span, raw.span
            )
        port = _computed(raw.port, (DATATYPES["inet_service"],), scope)
    return Nat(raw.kind, family, addr, port, raw.flags)


def _maps_to_two(raw: RawMap, scope: Scope) -> bool:
    if isinstance(raw.data, RawRef):
        found = scope.find_set(raw.data.name, raw.data.span)
        return found.map is not None and len(found.map) == 2
    return any(isinstance(item.data, RawConcat) for item in raw.data.items)


def _update(raw: RawUpdate, scope: Scope) -> SetUpdate:
    key = build_expression(raw.key, scope)
    reference(raw.set.name, raw.set.span, expression_type(key), scope, raw.key.span)
    return SetUpdate(raw.op, key, raw.set.name, raw.timeout_ms, raw.stmt)
