"""Statements to closures: what a rule does once its tests held.

Read first: net/netfilter/nft_limit.c, nft_dynset.c, nft_nat.c, nft_reject.c. An action answers None to go on, `BREAK`
to end the rule, or a verdict with its detail.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.nftables import getters, tree
from labs.net.nftables.datatypes import DATATYPES, Datatype
from labs.net.nftables.elements import interval
from labs.net.nftables.fields import expression_type
from labs.net.nftables.packet import Context, LogEntry, Nat, Step
from labs.net.nftables.state import (
    MAX_DYNAMIC_ELEMENTS,
    SIZES,
    DynamicElement,
    EvaluationState,
    StatementKey,
    bucket_size_ns,
)
from labs.net.nftables.tree import Chain, Reject, Table
from labs.net.tcp import HEADERS6_BYTES, HEADERS_BYTES, TcpSegment

__all__ = ["BREAK", "Action", "CompiledRule", "compile_match", "compile_rule"]

_NEXT = None  # the statement held: go on
BREAK = ("break", None)
Action = tuple[str, object]
_Run = Callable[[Context, EvaluationState, list[LogEntry]], Action | None]


class CompiledRule:
    """A rule as closures: `tests` only read the packet, `actions` may do more."""

    __slots__ = ("actions", "handle", "step", "tests")

    def __init__(
        self, handle: int, step: Step, tests: tuple[Callable[[Context], bool], ...], actions: tuple[_Run, ...]
    ) -> None:
        self.handle = handle
        self.step = step
        self.tests = tests
        self.actions = actions


def compile_rule(table: Table, chain: Chain, rule: tree.Rule) -> CompiledRule:
    """Tests first; from the first statement that acts, everything in its order."""
    tests: list[Callable[[Context], bool]] = []
    actions: list[_Run] = []
    step = Step(table.name, chain.name, rule.handle)
    for place, statement in enumerate(rule.expr):
        if isinstance(statement, tree.Match) and not _is_dynamic(statement.right, table):
            test = compile_match(statement, table)
            if actions:
                actions.append(_as_action(test))
            else:
                tests.append(test)
        else:
            actions.append(_action(statement, table, step, (table.family, table.name, rule.handle, place)))
    return CompiledRule(rule.handle, step, tuple(tests), tuple(actions))


def _as_action(test: Callable[[Context], bool]) -> _Run:
    return lambda ctx, _state, _log: _NEXT if test(ctx) else BREAK


def _is_dynamic(value: tree.Value, table: Table) -> bool:
    if not isinstance(value, tree.SetRef):
        return False
    found = table.set(value.name)
    return found is None or "dynamic" in found.flags or "timeout" in found.flags


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def compile_match(match: tree.Match, table: Table) -> Callable[[Context], bool]:
    """The test of one match against a constant or a set that rules do not add to."""
    get = getters.getter(match.left, table)
    kinds = expression_type(match.left)
    kind, right, op = kinds[0], match.right, match.op
    if isinstance(right, tree.SetLiteral | tree.SetRef):
        find = getters.lookup(getters.set_kinds(table, right, kinds), kinds)
        if op == "!=":
            return lambda ctx: (value := get(ctx)) is not None and find(value) is None
        return lambda ctx: (value := get(ctx)) is not None and find(value) is not None
    if op in {"in", "!"}:
        bits = getters.bits_of(right, kind)
        if op == "in":
            return lambda ctx: ((get(ctx) or 0) & bits) != 0  # type: ignore[operator]
        return lambda ctx: (value := get(ctx)) is not None and (value & bits) == 0  # type: ignore[operator]
    if op in _COMPARE:
        compare, number = _COMPARE[op], getters.kernel_key(right, kind)
        return lambda ctx: (value := get(ctx)) is not None and compare(value, number)
    if isinstance(right, tree.Range | tree.Prefix) or kind.is_string:
        same = getters.value_test(right, kind)
        if op == "!=":
            return lambda ctx: (value := get(ctx)) is not None and not same(value)  # type: ignore[arg-type]
        return lambda ctx: (value := get(ctx)) is not None and same(value)  # type: ignore[arg-type]
    wanted = getters.bits_of(right, kind)
    if op == "!=":
        return lambda ctx: (value := get(ctx)) is not None and value != wanted
    return lambda ctx: get(ctx) == wanted


def _action(statement: tree.Statement, table: Table, step: Step, key: StatementKey) -> _Run:
    match statement:
        case tree.Match():
            return _dynamic_match(statement, table)
        case tree.Verdict(kind, target):
            verdict = (kind, target)
            return lambda _ctx, _state, _log: verdict
        case tree.Counter():
            return _counter(key)
        case tree.Limit():
            return _limit(statement, key)
        case tree.Log():
            prefix, level = statement.prefix or "", statement.level or "warn"
            entry = LogEntry(prefix, level, statement.group, step.table, step.chain, step.handle)
            return lambda _ctx, _state, log: log.append(entry)
        case tree.Reject():
            return _reject(statement)
        case tree.Nat():
            return _nat(statement, table)
        case tree.Mangle():
            return _mangle(statement, table)
        case tree.MssClamp(size):
            return _clamp(size)
        case tree.Vmap():
            return _vmap(statement, table)
        case tree.Notrack():
            return _notrack
        case tree.SetUpdate():
            return _set_update(statement, table)


def _counter(key: StatementKey) -> _Run:
    def run(ctx: Context, state: EvaluationState, _log: list[LogEntry]) -> None:
        cell = state.counters.get(key)
        if cell is None:
            cell = state.counters[key] = [0, 0]
        cell[0] += 1
        cell[1] += _bytes(ctx)

    return run


def _bytes(ctx: Context) -> int:
    return 0 if ctx.packet is None else ctx.packet.length


def _spend(limit: tree.Limit, bucket: list[int], ctx: Context) -> bool:
    """Take the price of this packet from the bucket; False when it holds less (nft_limit.c, nft_limit_eval)."""
    cost, size = bucket_size_ns(limit)
    if limit.rate_unit is not None:
        cost = cost * _bytes(ctx) // (limit.rate * SIZES[limit.rate_unit])
    tokens = min(bucket[0] + ctx.now_ns - bucket[1], size)
    bucket[1] = ctx.now_ns
    enough = tokens >= cost
    bucket[0] = tokens - cost if enough else tokens
    return enough


def _limit(limit: tree.Limit, key: StatementKey) -> _Run:
    size = bucket_size_ns(limit)[1]

    def run(ctx: Context, state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        bucket = state.buckets.get(key)
        if bucket is None:
            bucket = state.buckets[key] = [size, ctx.now_ns]
        return _NEXT if _spend(limit, bucket, ctx) != limit.inv else BREAK

    return run


def _reject(statement: Reject) -> _Run:
    action: Action = ("reject", statement)
    if statement.type not in {"icmp", "icmpv6"}:
        return lambda _ctx, _state, _log: action
    family = "ip" if statement.type == "icmp" else "ip6"

    def run(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        return action if ctx.family in {family, "bridge"} else BREAK

    return run


def _mangle(statement: tree.Mangle, table: Table) -> _Run:
    read = _computed(statement.value, (DATATYPES["mark"],), table)
    to_connection = isinstance(statement.key, tree.Ct)

    def run(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        value = read(ctx)
        if not isinstance(value, int):
            return BREAK
        if not to_connection:
            ctx.mark = value
        elif ctx.ct is not None:
            ctx.ct.mark = value
        return _NEXT

    return run


def _clamp(size: int | None) -> _Run:
    """Only ever lowers what a SYN offers (nft_exthdr_tcp_set_eval); `rt mtu` is the narrower of both ways."""

    def run(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        packet = ctx.packet
        segment = packet.payload if isinstance(packet, Ipv4Packet | Ipv6Packet) else None
        if not isinstance(segment, TcpSegment) or not segment.mss or packet is None:
            return BREAK
        headers = HEADERS_BYTES if isinstance(packet, Ipv4Packet) else HEADERS6_BYTES
        room = size if size is not None else ctx.mtu - headers
        if 0 < room < segment.mss:
            ctx.packet = packet._replace(payload=segment._replace(mss=room))  # type: ignore[call-arg]
        return _NEXT

    return run


def _computed(value: tree.Value, kinds: tuple[Datatype, ...], table: Table) -> getters.Getter:
    if getters.is_expression(value):
        return getters.getter(value, table)
    constant = getters.plain(value, kinds)
    return lambda _ctx: constant


def _vmap(statement: tree.Vmap, table: Table) -> _Run:
    get = getters.getter(statement.key, table)
    kinds = expression_type(statement.key)
    find = getters.lookup(getters.set_kinds(table, statement.data, kinds), kinds)

    def run(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        value = get(ctx)
        element = None if value is None else find(value)
        if element is None or not isinstance(element.data, tree.Verdict):
            return BREAK
        return element.data.kind, element.data.target

    return run


def _notrack(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> None:
    if ctx.ct is None:
        ctx.notrack = True


def _dynamic_match(match: tree.Match, table: Table) -> _Run:
    """A test against a set that rules may add to."""
    if not isinstance(match.right, tree.SetRef):
        raise TypeError(match)
    get = getters.getter(match.left, table)
    kinds = expression_type(match.left)
    find = getters.lookup(getters.set_kinds(table, match.right, kinds), kinds)
    place = (table.family, table.name, match.right.name)
    inverted = match.op == "!="

    def run(ctx: Context, state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        value = get(ctx)
        if value is None:
            return BREAK
        live = state.elements.get(place, {}).get(value)
        held = find(value) is not None or (
            live is not None and (live.expires_ns is None or live.expires_ns > ctx.now_ns)
        )
        return _NEXT if held != inverted else BREAK

    return run


def _set_update(statement: tree.SetUpdate, table: Table) -> _Run:
    get = getters.getter(statement.elem, table)
    kinds = expression_type(statement.elem)
    entry = table.set(statement.set)
    timeout = statement.timeout_ms if statement.timeout_ms is not None else None if entry is None else entry.timeout_ms
    size = entry.size if entry is not None and entry.size is not None else MAX_DYNAMIC_ELEMENTS
    place = (table.family, table.name, statement.set)
    find = getters.lookup(() if entry is None else entry.elements, kinds)
    op = statement.op

    def run(ctx: Context, state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        value = get(ctx)
        if value is None:
            return BREAK
        found = state.elements.setdefault(place, {})
        live = found.get(value)
        if live is not None and live.expires_ns is not None and live.expires_ns <= ctx.now_ns:
            del found[value]
            live = None
        if op == "delete":
            return _NEXT if found.pop(value, None) is not None else BREAK
        if live is None:
            if len(found) >= size:
                return BREAK
            if find(value) is not None and not statement.stmt:
                return _NEXT
            live = found[value] = _new_element(_written(value, kinds), statement, ctx, timeout)
        elif op == "update" and timeout is not None:
            live.expires_ns = ctx.now_ns + timeout * 1_000_000
        return _element_statements(statement, live, ctx)

    return run


def _new_element(value: tree.Value, statement: tree.SetUpdate, ctx: Context, timeout: int | None) -> DynamicElement:
    expires = None if timeout is None else ctx.now_ns + timeout * 1_000_000
    bucket = next(
        ([bucket_size_ns(entry)[1], ctx.now_ns] for entry in statement.stmt if isinstance(entry, tree.Limit)), None
    )
    counter = [0, 0] if any(isinstance(entry, tree.Counter) for entry in statement.stmt) else None
    return DynamicElement(value, expires, timeout, bucket, counter, statement)


def _written(value: getters.Key, kinds: Sequence[Datatype]) -> tree.Value:
    """The loaded key as it stands in a listing."""
    if isinstance(value, tuple):
        return tree.Concat(tuple(_written(part, kinds[i : i + 1]) for i, part in enumerate(value)))
    return value if isinstance(value, str) else kinds[0].from_number(value)


def _element_statements(statement: tree.SetUpdate, live: DynamicElement, ctx: Context) -> Action | None:
    for entry in statement.stmt:
        if isinstance(entry, tree.Limit) and live.bucket is not None:
            if _spend(entry, live.bucket, ctx) == entry.inv:
                return BREAK
        elif live.counter is not None:
            live.counter[0] += 1
            live.counter[1] += _bytes(ctx)
    return _NEXT


def _nat(statement: tree.Nat, table: Table) -> _Run:
    kind = DATATYPES["ipv6_addr" if statement.family == "ip6" or table.family == "ip6" else "ipv4_addr"]
    service = DATATYPES["inet_service"]
    addr = None if statement.addr is None else _nat_range(statement.addr, kind, table)
    port = None if statement.port is None else _nat_range(statement.port, service, table)
    needed = statement.family or ("ip" if table.family == "inet" and statement.addr is not None else None)

    def run(ctx: Context, _state: EvaluationState, _log: list[LogEntry]) -> Action | None:
        if needed is not None and ctx.family != needed:
            return BREAK
        low, high, low_port, high_port = None, None, None, None
        if addr is not None:
            ends = addr(ctx)
            if ends is None:
                return BREAK
            low, high, low_port, high_port = ends
        if port is not None:
            ends = port(ctx)
            if ends is None:
                return BREAK
            low_port, high_port = ends[0], ends[1]
        return "accept", Nat(statement.kind, statement.family, low, high, low_port, high_port, statement.flags)

    return run


_Ends = tuple[int | None, int | None, int | None, int | None]


def _nat_range(value: tree.Value, kind: Datatype, table: Table) -> Callable[[Context], _Ends | None]:
    if not getters.is_expression(value):
        low, high = interval(value, kind)
        return lambda _ctx: (low, high, None, None)
    get = getters.getter(value, table)

    def ends(ctx: Context) -> _Ends | None:
        found = get(ctx)
        if isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], int) and isinstance(found[1], int):
            return found[0], found[0], found[1], found[1]
        return (found, found, None, None) if isinstance(found, int) else None

    return ends
