"""The ruleset as libnftables JSON and back.

Read first: libnftables-json(5); the output of `nft -j list ruleset`. Order of keys and objects is nft's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from labs.net.nftables.render import set_elements
from labs.net.nftables.state import EvaluationState
from labs.net.nftables.tree import (
    BinOp,
    Chain,
    Concat,
    Counter,
    Ct,
    Element,
    Expr,
    Flags,
    Limit,
    Log,
    Mangle,
    MapExpr,
    Match,
    Meta,
    MssClamp,
    Nat,
    Notrack,
    Payload,
    Prefix,
    Range,
    Reject,
    Rule,
    Ruleset,
    Set,
    SetLiteral,
    SetRef,
    SetUpdate,
    Statement,
    Table,
    Value,
    Verdict,
    Vmap,
)

__all__ = ["METAINFO", "chain_json", "document", "from_json", "rule_json", "set_json", "table_json", "to_json"]

METAINFO = {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
Json = dict[str, Any]
_VERDICTS = frozenset({"accept", "drop", "continue", "return", "jump", "goto"})
_BINARY = frozenset({"&", "|", "^", "<<", ">>"})


def document(objects: Iterable[Json]) -> Json:
    """The objects under the key nftables, after the metainfo."""
    return {"nftables": [METAINFO, *objects]}


def to_json(ruleset: Ruleset, state: EvaluationState | None = None, family: str | None = None) -> Json:
    """As `nft -j list ruleset`; `state` gives the counters and the elements that rules added."""
    objects: list[Json] = []
    for table in ruleset.of_family(family):
        objects.append({"table": table_json(table)})
        objects += [{entry.kind: set_json(table, entry, state)} for entry in table.sets]
        objects += [{"chain": chain_json(table, chain)} for chain in table.chains]
        objects += [{"rule": rule_json(table, chain, rule, state)} for chain in table.chains for rule in chain.rules]
    return document(objects)


def table_json(table: Table) -> Json:
    """A table object."""
    found: Json = {"family": table.family, "name": table.name, "handle": table.handle}
    if table.flags:
        found["flags"] = _one_or_list(table.flags)
    return found


def chain_json(table: Table, chain: Chain) -> Json:
    """A chain object."""
    found: Json = {"family": table.family, "table": table.name, "name": chain.name, "handle": chain.handle}
    if chain.is_base:
        found |= {"type": chain.type, "hook": chain.hook, "prio": chain.prio, "policy": chain.policy}
    return found


def rule_json(table: Table, chain: Chain, rule: Rule, state: EvaluationState | None = None) -> Json:
    """A rule object."""
    found: Json = {"family": table.family, "table": table.name, "chain": chain.name, "handle": rule.handle}
    if rule.comment is not None:
        found["comment"] = rule.comment
    expr: list[Json] = []
    for place, statement in enumerate(rule.expr):
        shown: Statement = statement
        if isinstance(statement, Counter) and state is not None:
            shown = state.counters.of((table.family, table.name, rule.handle, place), statement)
        expr.append(_statement(shown))
    found["expr"] = expr
    return found


def set_json(table: Table, entry: Set, state: EvaluationState | None = None) -> Json:
    """A set or map object."""
    kind: Any = entry.type[0] if len(entry.type) == 1 else list(entry.type)
    found: Json = {
        "family": table.family,
        "name": entry.name,
        "table": table.name,
        "type": kind,
        "handle": entry.handle,
    }
    if entry.comment is not None:
        found["comment"] = entry.comment
    if entry.map is not None:
        found["map"] = " . ".join(entry.map)
    if entry.policy == "memory":
        found["policy"] = "memory"
    if entry.size is not None:
        found["size"] = entry.size
    flags = [flag for flag in ("constant", "interval", "timeout") if flag in entry.flags]
    if entry.timeout_ms is not None and "timeout" not in flags:
        flags.append("timeout")
    if flags:
        found["flags"] = flags
    if entry.timeout_ms is not None:
        found["timeout"] = entry.timeout_ms // 1000
    if entry.gc_interval_ms is not None:
        found["gc-interval"] = entry.gc_interval_ms // 1000
    elements = set_elements(table, entry, state)
    if elements:
        found["elem"] = [_element(element, expires) for element, expires in elements]
    if entry.counter:
        found["stmt"] = [{"counter": None}]
    return found


def _one_or_list(items: Sequence[str]) -> str | list[str]:
    return items[0] if len(items) == 1 else list(items)


def _element(element: Element, expires_ms: int | None = None) -> Any:
    key = _value(element.key)
    extra: Json = {}
    if element.timeout_ms is not None:
        extra["timeout"] = element.timeout_ms // 1000
    if expires_ms is not None:
        extra["expires"] = expires_ms // 1000
    if element.comment is not None:
        extra["comment"] = element.comment
    if element.counter is not None:
        extra["counter"] = {"packets": element.counter.packets, "bytes": element.counter.bytes}
    if extra:
        key = {"elem": {"val": key, **extra}}
    return key if element.data is None else [key, _value(element.data)]


def _value(value: Value) -> Any:
    match value:
        case bool() | int() | str():
            return value
        case Prefix(addr, length):
            return {"prefix": {"addr": addr, "len": length}}
        case Range(low, high):
            return {"range": [_value(low), _value(high)]}
        case Flags(names):
            return list(names)
        case Concat(parts):
            return {"concat": [_value(part) for part in parts]}
        case BinOp(op, left, right):
            return {op: [_value(left), _value(right)]}
        case SetRef(name):
            return f"@{name}"
        case SetLiteral(elements):
            return {"set": [_element(element) for element in elements]}
        case MapExpr(key, data):
            return {"map": {"key": _value(key), "data": _value(data)}}
        case Payload(protocol, field):
            return {"payload": {"protocol": protocol, "field": field}}
        case Meta(key):
            return {"meta": {"key": key}}
        case Ct(key, direction):
            return {"ct": {"key": key} if direction is None else {"key": key, "dir": direction}}
        case Verdict(kind, target):
            return {kind: None if target is None else {"target": target}}


def _statement(statement: Statement) -> Json:
    match statement:
        case Match(op, left, right):
            return {"match": {"op": op, "left": _masked(left, right), "right": _value(right)}}
        case Verdict():
            return dict(_value(statement))
        case Counter(packets, size):
            return {"counter": {"packets": packets, "bytes": size}}
        case Limit():
            return {"limit": _limit(statement)}
        case Log():
            return {"log": _log(statement)}
        case Reject(kind, expr):
            return {"reject": {"type": kind} if expr is None else {"type": kind, "expr": expr}}
        case Nat():
            return {statement.kind: _nat(statement)}
        case Mangle(key, value):
            return {"mangle": {"key": _value(key), "value": _value(value)}}
        case MssClamp(size):
            option = {"tcp option": {"name": "maxseg", "field": "size"}}
            return {"mangle": {"key": option, "value": {"rt": {"key": "mtu"}} if size is None else size}}
        case Vmap(key, data):
            return {"vmap": {"key": _value(key), "data": _value(data)}}
        case Notrack():
            return {"notrack": None}
        case SetUpdate(op, elem, name, timeout, stmt):
            added: Any = _value(elem)
            if timeout is not None:
                added = {"elem": {"val": added, "timeout": timeout // 1000}}
            found: Json = {"op": op, "elem": added, "set": f"@{name}"}
            if stmt:
                found["stmt"] = [_statement(entry) if isinstance(entry, Limit) else {"counter": None} for entry in stmt]
            return {"set": found}


def _masked(left: Expr, right: Value) -> Any:
    """A mask of several flags is a list, but with bars when it is tested against a set."""
    if isinstance(left, BinOp) and isinstance(left.right, Flags) and isinstance(right, SetLiteral | SetRef):
        names: Any = left.right.names[0]
        for name in left.right.names[1:]:
            names = {"|": [names, name]}
        return {left.op: [_value(left.left), names]}
    return _value(left)


def _limit(limit: Limit) -> Json:
    found: Json = {"rate": limit.rate, "burst": limit.burst, "per": limit.per}
    if limit.inv:
        found["inv"] = True
    if limit.rate_unit is not None:
        found |= {"rate_unit": limit.rate_unit, "burst_unit": limit.burst_unit}
    return found


def _log(log: Log) -> Json | None:
    pairs = {
        "prefix": log.prefix, "group": log.group, "snaplen": log.snaplen, "queue-threshold": log.queue_threshold,
        "level": log.level, "flags": _one_or_list(log.flags) if log.flags else None,
    }  # fmt: skip
    return {key: value for key, value in pairs.items() if value is not None} or None


def _nat(nat: Nat) -> Json | None:
    found: Json = {}
    if nat.family is not None:
        found["family"] = nat.family
    if nat.addr is not None:
        found["addr"] = _value(nat.addr)
    if nat.port is not None:
        found["port"] = _value(nat.port)
    if nat.flags:
        found["flags"] = _one_or_list(nat.flags)
    return found or None


# -- and back ---------------------------------------------------------------------------------------------------------


def from_json(obj: Mapping[str, Any]) -> Ruleset:
    """The ruleset of `nft -j list ruleset`. Raises ValueError for an object that is not simulated."""
    tables: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in obj["nftables"]:
        ((kind, body),) = entry.items()
        if kind == "metainfo":
            continue
        place = (body["family"], body["name" if kind == "table" else "table"])
        if kind == "table":
            flags = _names(body.get("flags", ()))
            tables[place] = {"handle": body.get("handle", 0), "flags": flags, "sets": [], "chains": {}, "rules": {}}
        elif kind in {"set", "map"}:
            tables[place]["sets"].append(_read_set(body))
        elif kind == "chain":
            tables[place]["chains"][body["name"]] = Chain(
                body["name"],
                body.get("handle", 0),
                (),
                body.get("type"),
                body.get("hook"),
                body.get("prio"),
                body.get("policy"),
            )
        elif kind == "rule":
            rule = Rule(
                tuple(_read_statement(item) for item in body["expr"]), body.get("handle", 0), body.get("comment")
            )
            tables[place]["rules"].setdefault(body["chain"], []).append(rule)
        else:
            raise ValueError(f"{kind} is not simulated")
    return _assembled(tables)


def _assembled(tables: Mapping[tuple[str, str], dict[str, Any]]) -> Ruleset:
    result: list[Table] = []
    for (family, name), found in tables.items():
        chains = tuple(
            replace(chain, rules=tuple(found["rules"].get(chain.name, ()))) for chain in found["chains"].values()
        )
        sets = _marked_dynamic(found["sets"], chains)
        handles = [entry.handle for entry in sets] + [chain.handle for chain in chains]
        handles += [rule.handle for chain in chains for rule in chain.rules]
        last = max(handles, default=0)
        result.append(Table(family, name, found["handle"], found["flags"], None, sets, chains, last))
    return Ruleset(tuple(result), max((table.handle for table in result), default=0))


def _marked_dynamic(sets: Iterable[Set], chains: Iterable[Chain]) -> tuple[Set, ...]:
    """The sets of a table. nft 1.0.6 does not write the flag `dynamic`; a set that a rule adds to must have it."""
    updated = {
        statement.set
        for chain in chains
        for rule in chain.rules
        for statement in rule.expr
        if isinstance(statement, SetUpdate)
    }
    return tuple(
        replace(entry, flags=("dynamic", *entry.flags))
        if entry.name in updated and "dynamic" not in entry.flags
        else entry
        for entry in sets
    )


def _names(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)  # type: ignore[arg-type]


def _read_set(body: Mapping[str, Any]) -> Set:
    mapped = tuple(body["map"].split(" . ")) if "map" in body else None
    items = body.get("elem", ())
    elements = tuple(_read_element(item, mapped=mapped is not None) for item in items)
    timeout = body.get("timeout")
    gc_interval = body.get("gc-interval")
    return Set(
        body["name"], _names(body["type"]), body.get("handle", 0), mapped, flags=_names(body.get("flags", ())),
        elements=elements, timeout_ms=None if timeout is None else timeout * 1000,
        gc_interval_ms=None if gc_interval is None else gc_interval * 1000, size=body.get("size"),
        policy=body.get("policy"), counter=any("counter" in entry for entry in body.get("stmt", ())),
        comment=body.get("comment"),
    )  # fmt: skip


def _read_element(item: Any, *, mapped: bool) -> Element:
    data = None
    if mapped:
        item, value = item
        data = _read(value)
    if isinstance(item, dict) and "elem" in item:
        body = item["elem"]
        timeout = body.get("timeout")
        counter = Counter(**body["counter"]) if body.get("counter") else None
        return Element(
            _read(body["val"]), data, None if timeout is None else timeout * 1000, body.get("comment"), counter
        )
    return Element(_read(item), data)


def _read(item: Any) -> Value:
    if isinstance(item, list):
        return Flags(tuple(item))
    if isinstance(item, str):
        return SetRef(item[1:]) if item.startswith("@") else item
    if not isinstance(item, dict):
        return int(item) if not isinstance(item, bool) else item
    ((kind, body),) = item.items()
    match kind:
        case "prefix":
            return Prefix(body["addr"], body["len"])
        case "range":
            return Range(_read(body[0]), _read(body[1]))
        case "concat":
            return Concat(tuple(_read(part) for part in body))
        case "set":
            return SetLiteral(tuple(_read_element(part, mapped=_is_pair(part)) for part in body))
        case "map":
            return MapExpr(_expr(body["key"]), _data(body["data"]))
        case "payload":
            return Payload(body["protocol"], body["field"])
        case "meta":
            return Meta(body["key"])
        case "ct":
            return Ct(body["key"], body.get("dir"))
        case _ if kind in _VERDICTS:
            return Verdict(kind, body["target"] if body else None)
        case _ if kind in _BINARY:
            return _read_binary(kind, body)
    raise ValueError(f"{kind} is not simulated")


def _read_binary(op: str, body: Sequence[Any]) -> BinOp:
    left, right = _read(body[0]), _read(body[1])
    if op == "&" and isinstance(right, BinOp) and right.op == "|" and not isinstance(left, str):
        right = Flags(tuple(_bar_names(right)))
    return BinOp(op, left, right)


def _bar_names(value: Value) -> list[str]:
    if isinstance(value, BinOp):
        return [*_bar_names(value.left), *_bar_names(value.right)]
    return [str(value)]


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2


def _expr(item: Any) -> Expr:
    value = _read(item)
    if isinstance(value, Payload | Meta | Ct | BinOp | Concat | MapExpr):
        return value
    raise ValueError(f"{item!r} is not an expression")


def _data(item: Any) -> SetLiteral | SetRef:
    value = _read(item)
    if isinstance(value, SetLiteral | SetRef):
        return value
    raise ValueError(f"{item!r} is not a set")


def _read_statement(item: Mapping[str, Any]) -> Statement:
    ((kind, body),) = item.items()
    match kind:
        case "match":
            return Match(body["op"], _expr(body["left"]), _read(body["right"]))
        case "counter":
            return Counter(**(body or {}))
        case "limit":
            return Limit(
                body["rate"],
                body["per"],
                body.get("burst", 0),
                body.get("inv", False),
                body.get("rate_unit"),
                body.get("burst_unit"),
            )
        case "log":
            body = body or {}
            get = body.get
            threshold, flags = get("queue-threshold"), _names(get("flags", ()))
            return Log(get("prefix"), get("group"), get("snaplen"), threshold, get("level"), flags)
        case "reject":
            return Reject(body["type"], body.get("expr"))
        case "snat" | "dnat" | "masquerade" | "redirect":
            body = body or {}
            addr = _read(body["addr"]) if "addr" in body else None
            port = _read(body["port"]) if "port" in body else None
            return Nat(kind, body.get("family"), addr, port, _names(body.get("flags", ())))
        case "mangle" if "tcp option" in body["key"]:
            return MssClamp(body["value"] if isinstance(body["value"], int) else None)
        case "mangle":
            key = _read(body["key"])
            if isinstance(key, Meta | Ct):
                return Mangle(key, _read(body["value"]))
        case "vmap":
            return Vmap(_expr(body["key"]), _data(body["data"]))
        case "notrack":
            return Notrack()
        case "set":
            return _read_update(body)
        case _ if kind in _VERDICTS:
            return Verdict(kind, body["target"] if body else None)
    raise ValueError(f"{kind} is not simulated")


def _read_update(body: Mapping[str, Any]) -> SetUpdate:
    elem, timeout = body["elem"], None
    if "elem" in elem:
        elem, timeout = elem["elem"]["val"], elem["elem"].get("timeout")
    stmt = tuple(entry for entry in map(_read_statement, body.get("stmt", ())) if isinstance(entry, Limit | Counter))
    return SetUpdate(body["op"], _expr(elem), body["set"][1:], None if timeout is None else timeout * 1000, stmt)
