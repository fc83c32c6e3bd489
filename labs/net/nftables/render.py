"""The ruleset as text, as `nft list` prints it.

Read first: the output of `nft list ruleset`, with -a, -s and -n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labs.net.nftables.datatypes import DATATYPES, Datatype, integer
from labs.net.nftables.elements import ordered
from labs.net.nftables.fields import META_PRINTED_BARE, expression_type
from labs.net.nftables.priorities import priority_text
from labs.net.nftables.state import EvaluationState
from labs.net.nftables.tree import (
    BinOp,
    Chain,
    Concat,
    Counter,
    Ct,
    Element,
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

__all__ = [
    "Style", "render_chain", "render_chains", "render_rule", "render_ruleset", "render_set", "render_sets",
    "render_table",
    "render_tables", "set_elements",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """The options of `nft list`: -a, -s, -n (also -p, -y), -S, -t."""

    handles: bool = False
    stateless: bool = False
    numeric_protocol: bool = False
    numeric_priority: bool = False
    numeric_symbols: bool = False
    services: bool = False
    terse: bool = False


PLAIN = Style()
_Kinds = tuple[Datatype, ...]


def render_ruleset(
    ruleset: Ruleset, state: EvaluationState | None = None, style: Style = PLAIN, family: str | None = None
) -> str:
    """All tables, or those of one family."""
    return "".join(render_table(table, state, style) for table in ruleset.of_family(family))


def render_table(table: Table, state: EvaluationState | None = None, style: Style = PLAIN) -> str:
    """One table with all that it holds."""
    blocks = [_set_block(table, entry, state, style) for entry in table.sets]
    blocks += [_chain_block(table, chain, state, style) for chain in table.chains]
    head = [f"\t{line}\n" for line in _table_options(table)]
    gap = "\n" if head and blocks else ""
    return (
        f"table {table.family} {table.name} {{{_handle(table.handle, style)}\n{''.join(head)}{gap}{_join(blocks)}}}\n"
    )


def _join(blocks: Sequence[str]) -> str:
    return "\n".join(blocks)


def _table_options(table: Table) -> list[str]:
    lines = [f"flags {','.join(table.flags)}"] if table.flags else []
    if table.comment is not None:
        lines.append(f'comment "{table.comment}"')
    return lines


def render_tables(ruleset: Ruleset, family: str | None = None) -> str:
    """`nft list tables`."""
    return "".join(f"table {table.family} {table.name}\n" for table in ruleset.of_family(family))


def render_chains(ruleset: Ruleset, style: Style = PLAIN, family: str | None = None) -> str:
    """`nft list chains`: the chains without their rules."""
    text = ""
    for table in ruleset.of_family(family):
        blocks = (_chain_head(table, chain, style) + "\t}\n" for chain in table.chains)
        text += f"table {table.family} {table.name} {{\n{''.join(blocks)}}}\n"
    return text


def render_sets(
    ruleset: Ruleset, kind: str, state: EvaluationState | None = None, style: Style = PLAIN, family: str | None = None,
    name: str | None = None,
) -> str:  # fmt: skip
    """`nft list sets` and `nft list maps`; `kind` is set or map, `name` a single table."""
    text = ""
    for table in ruleset.of_family(family):
        if name is None or table.name == name:
            blocks = (_set_block(table, entry, state, style) for entry in table.sets if entry.kind == kind)
            text += f"table {table.family} {table.name} {{\n{''.join(blocks)}}}\n"
    return text


def render_chain(table: Table, chain: Chain, state: EvaluationState | None = None, style: Style = PLAIN) -> str:
    """`nft list chain`."""
    return f"table {table.family} {table.name} {{\n{_chain_block(table, chain, state, style)}}}\n"


def render_set(table: Table, entry: Set, state: EvaluationState | None = None, style: Style = PLAIN) -> str:
    """`nft list set` and `nft list map`."""
    return f"table {table.family} {table.name} {{\n{_set_block(table, entry, state, style)}}}\n"


def _handle(handle: int, style: Style) -> str:
    return f" # handle {handle}" if style.handles else ""


# -- chains and rules -------------------------------------------------------------------------------------------------


def _chain_head(table: Table, chain: Chain, style: Style) -> str:
    text = f"\tchain {chain.name} {{{_handle(chain.handle, style)}\n"
    if chain.comment is not None:
        text += f'\t\tcomment "{chain.comment}"\n'
    if chain.hook is not None and chain.prio is not None:
        priority = str(chain.prio) if style.numeric_priority else priority_text(table.family, chain.hook, chain.prio)
        text += f"\t\ttype {chain.type} hook {chain.hook} priority {priority}; policy {chain.policy};\n"
    return text


def _chain_block(table: Table, chain: Chain, state: EvaluationState | None, style: Style) -> str:
    lines = (f"\t\t{render_rule(table, rule, state, style)}\n" for rule in chain.rules)
    return f"{_chain_head(table, chain, style)}{''.join(lines)}\t}}\n"


def render_rule(table: Table, rule: Rule, state: EvaluationState | None = None, style: Style = PLAIN) -> str:
    """One rule on one line."""
    printer = _Printer(table, style)
    words: list[str] = []
    for place, statement in enumerate(rule.expr):
        shown = statement
        if isinstance(statement, Counter) and state is not None:
            shown = state.counters.of((table.family, table.name, rule.handle, place), statement)
        words.append(printer.statement(shown, rule))
    comment = f' comment "{rule.comment}"' if rule.comment is not None else ""
    return " ".join(words) + comment + _handle(rule.handle, style)


class _Printer:
    """Statements and expressions of one table."""

    def __init__(self, table: Table, style: Style) -> None:
        self.table = table
        self.style = style

    def statement(self, statement: Statement, rule: Rule) -> str:
        """One statement."""
        match statement:
            case Match():
                return self._match(statement)
            case Verdict(kind, target):
                return kind if target is None else f"{kind} {target}"
            case Counter(packets, size):
                return "counter" if self.style.stateless else f"counter packets {packets} bytes {size}"
            case Limit():
                return limit_text(statement)
            case Log():
                return _log_text(statement)
            case Reject():
                return self._reject(statement, rule)
            case Nat():
                return self._nat(statement)
            case Mangle(key, value):
                return f"{self.expression(key)} set {self._computed(value, expression_type(key))}"
            case MssClamp(size):
                return f"tcp option maxseg size set {'rt mtu' if size is None else size}"
            case Vmap(key, data):
                return f"{self.expression(key)} vmap {self.data(data, expression_type(key), ())}"
            case Notrack():
                return "notrack"
            case SetUpdate(op, elem, name, timeout, stmt):
                extra = "".join(f" {limit_text(entry) if isinstance(entry, Limit) else 'counter'}" for entry in stmt)
                wait = "" if timeout is None else f" timeout {time_text(timeout)}"
                return f"{op} @{name} {{ {self.expression(elem)}{wait}{extra} }}"

    def expression(self, expr: Value) -> str:
        """A left side."""
        match expr:
            case Payload(protocol, field):
                return f"{protocol} {field}"
            case Meta(key):
                return key if key in META_PRINTED_BARE else f"meta {key}"
            case Ct(key, direction):
                name = f"ip {key}" if key in {"saddr", "daddr"} else key
                return f"ct {name}" if direction is None else f"ct {direction} {name}"
            case Concat(parts):
                return " . ".join(self.expression(part) for part in parts)
            case BinOp(op, left, right):
                kind = expression_type(left)[0]
                mask = right if not isinstance(right, Flags) else _bars(right)
                text = self.value(mask, kind)
                return f"{self.expression(left)} {op} {f'({text})' if isinstance(mask, BinOp) else text}"
            case MapExpr(key, data):
                return f"{self.expression(key)} map {self.data(data, expression_type(key), ())}"
            case _:
                return str(expr)

    def _match(self, match: Match) -> str:
        left, right = match.left, match.right
        kinds = expression_type(left)
        if isinstance(left, BinOp) and left.op == "&" and _is_flag_test(left.right, right, kinds):
            op = "" if match.op == "==" else f"{match.op} "
            return (
                f"{self.expression(left.left)} {op}{self.value(right, kinds[0])} / {self.value(left.right, kinds[0])}"
            )
        implicit = match.op == "in" or (match.op == "==" and not _needs_operator(left, right, kinds))
        op = "" if implicit else f"{match.op} "
        return f"{self.expression(left)} {op}{self.right(right, kinds)}"

    def right(self, value: Value, kinds: _Kinds) -> str:
        """A right side of any kind."""
        if isinstance(value, SetLiteral | SetRef):
            return self.data(value, kinds, ())
        return self.value(value, kinds[0])

    def value(self, value: Value, kind: Datatype) -> str:
        """One value."""
        match value:
            case Range(low, high):
                return "-".join(kind.text(end, numeric=True, services=self.style.services) for end in (low, high))
            case Prefix(addr, length):
                return f"{addr}/{length}"
            case Flags(names):
                return ",".join(self.value(name, kind) for name in names)
            case BinOp(op, left, right):
                return f"{self.value(left, kind)} {op} {self.value(right, kind)}"
            case _:
                numeric = self.style.numeric_symbols or (kind.name == "inet_proto" and self.style.numeric_protocol)
                return kind.text(value, numeric=numeric, services=self.style.services)

    def data(self, data: SetLiteral | SetRef, kinds: _Kinds, values: _Kinds) -> str:
        """An anonymous set or map, or a reference."""
        if isinstance(data, SetRef):
            return f"@{data.name}"
        return f"{{ {', '.join(self.element(entry, kinds, values) for entry in data.elements)} }}"

    def element(self, element: Element, kinds: _Kinds, values: _Kinds, expires_ms: int | None = None) -> str:
        """One element of a set or map."""
        text = self.parts(element.key, kinds)
        if element.counter is not None:
            text += (
                " counter"
                if self.style.stateless
                else f" counter packets {element.counter.packets} bytes {element.counter.bytes}"
            )
        if element.timeout_ms is not None:
            text += f" timeout {time_text(element.timeout_ms)}"
        if expires_ms is not None and not self.style.stateless:
            text += f" expires {time_text(expires_ms)}"
        if element.comment is not None:
            text += f' comment "{element.comment}"'
        if isinstance(element.data, Verdict):
            target = "" if element.data.target is None else f" {element.data.target}"
            text += f" : {element.data.kind}{target}"
        elif element.data is not None:
            text += f" : {self.parts(element.data, values)}"
        return text

    def parts(self, value: Value, kinds: _Kinds) -> str:
        """A value that may be a concatenation."""
        if isinstance(value, Concat):
            return " . ".join(self.value(part, kind) for part, kind in zip(value.parts, kinds, strict=False))
        return self.value(value, kinds[0])

    def _computed(self, value: Value, kinds: _Kinds) -> str:
        if isinstance(value, MapExpr):
            return f"{self.expression(value.key)} map {self.data(value.data, expression_type(value.key), kinds)}"
        if isinstance(value, Payload | Meta | Ct) or (isinstance(value, BinOp) and expression_type(value)):
            return self.expression(value)
        return self.value(value, kinds[0])

    def _reject(self, reject: Reject, rule: Rule) -> str:
        if reject.type == "tcp reset":
            return "reject with tcp reset"
        family = self.table.family
        default = {"ip": "icmp", "ip6": "icmpv6"}.get(family, "icmpx")
        if reject.type == default and reject.expr == "port-unreachable" and rule.expr:
            return "reject"
        return f"reject with {reject.type} {reject.expr}"

    def _nat(self, nat: Nat) -> str:
        text = nat.kind if nat.family is None else f"{nat.kind} {nat.family}"
        if nat.addr is not None or nat.port is not None:
            text += " to "
        if nat.addr is not None:
            kind = DATATYPES["ipv6_addr" if nat.family == "ip6" or self.table.family == "ip6" else "ipv4_addr"]
            address = self._computed(nat.addr, (kind, DATATYPES["inet_service"]))
            text += f"[{address}]" if kind.kind == "ipv6" and nat.port is not None else address
        if nat.port is not None:
            text += f":{self._computed(nat.port, (DATATYPES['inet_service'],))}"
        return f"{text} {','.join(nat.flags)}" if nat.flags else text


def _is_flag_test(mask: Value, value: Value, kinds: _Kinds) -> bool:
    """Whether `flags / mask` is printed; for one flag that is tested for itself it is not."""
    if not kinds[0].is_bitmask or isinstance(value, SetLiteral | SetRef):
        return False
    return isinstance(mask, Flags) or value != mask


def _bars(flags: Flags) -> Value:
    joined: Value = flags.names[0]
    for name in flags.names[1:]:
        joined = BinOp("|", joined, name)
    return joined


def _needs_operator(left: Value, right: Value, kinds: _Kinds) -> bool:
    """Whether == is printed: after a mask, and with flags, where nothing would mean something else."""
    if isinstance(left, BinOp):
        return True
    # several flags of ct lose their == in nft's listing, which then reads as another test
    return kinds[0].is_bitmask and len(kinds) == 1 and not isinstance(right, SetLiteral | SetRef | BinOp)


def limit_text(limit: Limit) -> str:
    """A limit as it is listed; the default burst is left out."""
    unit = "" if limit.rate_unit is None else f" {limit.rate_unit}"
    text = f"limit rate {'over ' if limit.inv else ''}{limit.rate}{unit}/{limit.per}"
    if limit.rate_unit is None:
        return text if limit.burst in {0, 5} else f"{text} burst {limit.burst} packets"
    return f"{text} burst {limit.burst} {limit.burst_unit}" if limit.burst else text


def _log_text(log: Log) -> str:
    text = "log"
    if log.prefix is not None:
        text += f' prefix "{log.prefix}"'
    for word, number in (("group", log.group), ("snaplen", log.snaplen), ("queue-threshold", log.queue_threshold)):
        if number is not None:
            text += f" {word} {number}"
    if log.level is not None:
        text += f" level {log.level}"
    tcp = [flag[4:] for flag in log.flags if flag.startswith("tcp ")]
    if tcp:
        text += f" flags tcp {','.join(tcp)}"
    return text + "".join(f" flags {flag}" for flag in log.flags if not flag.startswith("tcp "))


def time_text(milliseconds: int) -> str:
    """1d2h3m4s5ms."""
    text = ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


# -- sets -------------------------------------------------------------------------------------------------------------


def set_types(names: tuple[str, ...], typeof: Value | None) -> _Kinds:
    """The datatypes of a set's keys or of a map's values."""
    if typeof is not None:
        return expression_type(typeof)
    return tuple(DATATYPES.get(name) or integer(32) for name in names)


def set_elements(table: Table, entry: Set, state: EvaluationState | None) -> list[tuple[Element, int | None]]:
    """The elements as they are now, those that rules added among them; with the milliseconds left."""
    kinds = set_types(entry.type, entry.typeof)
    found: dict[Value, tuple[Element, int | None]] = {}
    for element in entry.elements:
        end = (
            None if state is None else state.ends.get((table.family, table.name, entry.name, entry.handle, element.key))
        )
        left = None if end is None or state is None else max(0, (end - state.now_ns) // 1_000_000)
        found[element.key] = (element, left or element.timeout_ms or entry.timeout_ms)
    for live in [] if state is None else state.live(table.family, table.name, entry.name):
        counter = None if live.counter is None else Counter(*live.counter)
        left = (
            None if live.expires_ns is None or state is None else max(0, (live.expires_ns - state.now_ns) // 1_000_000)
        )
        own = live.timeout_ms if live.timeout_ms != entry.timeout_ms else None
        key: Value = live.value  # type: ignore[assignment]
        found[key] = (Element(key, timeout_ms=own, counter=counter), left)
    order = ordered([element for element, _ in found.values()], kinds, merge=False, intervals="interval" in entry.flags)
    return [(element, found[element.key][1] if element.key in found else None) for element in order]


def _set_block(table: Table, entry: Set, state: EvaluationState | None, style: Style) -> str:
    text = f"\t{entry.kind} {entry.name} {{{_handle(entry.handle, style)}\n"
    printer = _Printer(table, style)
    key = f"type {' . '.join(entry.type)}" if entry.typeof is None else f"typeof {printer.expression(entry.typeof)}"
    if entry.map is not None:
        key += " : " + (" . ".join(entry.map) if entry.typeof_map is None else printer.expression(entry.typeof_map))
    lines = [key]
    if entry.policy == "memory":
        lines.append("policy memory")
    if entry.size is not None:
        lines.append(f"size {entry.size}")
    shown = [flag for flag in ("constant", "interval", "dynamic", "timeout") if flag in entry.flags]
    if "timeout" in shown and entry.timeout_ms is not None and "dynamic" not in shown:
        shown.remove("timeout")
    if shown:
        lines.append(f"flags {','.join(shown)}")
    if entry.timeout_ms is not None:
        lines.append(f"timeout {time_text(entry.timeout_ms)}")
    if entry.gc_interval_ms is not None:
        lines.append(f"gc-interval {time_text(entry.gc_interval_ms)}")
    if entry.auto_merge:
        lines.append("auto-merge")
    if entry.counter:
        lines.append("counter")
    if entry.comment is not None:
        lines.append(f'comment "{entry.comment}"')
    text += "".join(f"\t\t{line}\n" for line in lines)
    elements = [] if style.terse else set_elements(table, entry, state)
    if elements:
        text += f"\t\telements = {{ {_element_lines(printer, entry, elements)} }}\n"
    return text + "\t}\n"


def _element_lines(printer: _Printer, entry: Set, elements: Sequence[tuple[Element, int | None]]) -> str:
    kinds = set_types(entry.type, entry.typeof)
    values = () if entry.map is None or entry.map == ("verdict",) else set_types(entry.map, entry.typeof_map)
    per_line = kinds[0].per_line if len(kinds) == 1 else 1
    text = ""
    for place, (element, expires) in enumerate(elements):
        if place:
            text += ", " if place % per_line else ",\n\t\t\t     "
        text += printer.element(element, kinds, values, expires)
    return text
