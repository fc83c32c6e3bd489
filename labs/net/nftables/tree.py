"""The ruleset as values, in the terms of libnftables-json(5).

Read first: libnftables-json(5), nft(8). A value in the tree is what the JSON form holds: a symbol or an address is
text, everything else a number. Nothing here changes: `apply` makes a new ruleset that shares what stayed the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "BinOp",
    "Chain",
    "Concat",
    "Counter",
    "Ct",
    "Element",
    "Expr",
    "Flags",
    "Limit",
    "Log",
    "Mangle",
    "MapExpr",
    "Match",
    "Meta",
    "MssClamp",
    "Nat",
    "Notrack",
    "Payload",
    "Prefix",
    "Range",
    "Reject",
    "Rule",
    "Ruleset",
    "Set",
    "SetLiteral",
    "SetRef",
    "SetUpdate",
    "Statement",
    "Table",
    "Value",
    "Verdict",
    "Vmap",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Payload:
    """A header field: `tcp dport` is `Payload("tcp", "dport")`."""

    protocol: str
    field: str


@dataclass(frozen=True, slots=True)
class Meta:
    """A fact about the packet that is not in its headers."""

    key: str


@dataclass(frozen=True, slots=True)
class Ct:
    """A fact about the connection; `dir` is original or reply for keys that have one."""

    key: str
    dir: str | None = None


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address prefix."""

    addr: str
    len: int


@dataclass(frozen=True, slots=True)
class Range:
    """Both ends included."""

    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class Flags:
    """Several flags with commas, as in `ct state established,related`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Concat:
    """Values or expressions joined with dots."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class BinOp:
    """`left op right`, where op is one of & | ^ << >>."""

    op: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class SetRef:
    """`@name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a set; `data` is the right side of a mapping, a verdict or a value. Times in milliseconds."""

    key: Value
    data: Value | None = None
    timeout_ms: int | None = None
    comment: str | None = None
    counter: Counter | None = None


@dataclass(frozen=True, slots=True)
class SetLiteral:
    """An anonymous set or map, its elements in the order of the kernel."""

    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class MapExpr:
    """`key map data`."""

    key: Expr
    data: SetLiteral | SetRef


@dataclass(frozen=True, slots=True)
class Verdict:
    """accept, drop, continue, return, jump or goto."""

    kind: str
    target: str | None = None


Expr = Payload | Meta | Ct | BinOp | Concat | MapExpr
Value = (
    int
    | str
    | bool
    | Prefix
    | Range
    | Flags
    | Concat
    | BinOp
    | SetRef
    | SetLiteral
    | MapExpr
    | Payload
    | Meta
    | Ct
    | Verdict
)


@dataclass(frozen=True, slots=True)
class Match:
    """Go on with the rule when `left op right` holds; op `in` is the implicit test of flags, `!` its opposite."""

    op: str
    left: Expr
    right: Value


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts packets; the numbers are those it starts with (see `evaluate.Counters`)."""

    packets: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """Write to the kernel log."""

    prefix: str | None = None
    group: int | None = None
    snaplen: int | None = None
    queue_threshold: int | None = None
    level: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """Match until the rate is reached, or with `inv` from then on. Units None means packets."""

    rate: int
    per: str
    burst: int
    inv: bool = False
    rate_unit: str | None = None
    burst_unit: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Drop and tell the sender: type is icmp, icmpx, icmpv6 or tcp reset."""

    type: str
    expr: str | int | None = None


@dataclass(frozen=True, slots=True)
class Nat:
    """snat, dnat, masquerade or redirect."""

    kind: str
    family: str | None = None
    addr: Value | None = None
    port: Value | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mangle:
    """`key set value`."""

    key: Meta | Ct
    value: Value


@dataclass(frozen=True, slots=True)
class MssClamp:
    """`tcp option maxseg size set`: the MSS that a SYN offers is lowered to `size`, None for what the route takes."""

    size: int | None


@dataclass(frozen=True, slots=True)
class Vmap:
    """Look the verdict up."""

    key: Expr
    data: SetLiteral | SetRef


@dataclass(frozen=True, slots=True)
class Notrack:
    """Do not track the connection."""


@dataclass(frozen=True, slots=True)
class SetUpdate:
    """Put a key of this packet into a named set: op is add, update or delete."""

    op: str
    elem: Expr
    set: str
    timeout_ms: int | None = None
    stmt: tuple[Limit | Counter, ...] = ()


Statement = (
    Match | Verdict | Counter | Log | Limit | Reject | Nat | Mangle | MssClamp | Vmap | Notrack | SetUpdate
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """Statements from left to right; the first match that fails ends the rule."""

    expr: tuple[Statement, ...]
    handle: int = 0
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules from top to bottom; a base chain has type, hook, prio and policy."""

    name: str
    handle: int = 0
    rules: tuple[Rule, ...] = ()
    type: str | None = None
    hook: str | None = None
    prio: int | None = None
    policy: str | None = None
    comment: str | None = None

    @property
    def is_base(self) -> bool:
        """True when the chain hangs on a hook."""
        return self.hook is not None


@dataclass(frozen=True, slots=True)
class Set:
    """A named set, or a map when `map` names the type of its values; `typeof` keeps what it was written with."""

    name: str
    type: tuple[str, ...]
    handle: int = 0
    map: tuple[str, ...] | None = None
    typeof: Expr | None = None
    typeof_map: Expr | None = None
    flags: tuple[str, ...] = ()
    elements: tuple[Element, ...] = ()
    timeout_ms: int | None = None
    gc_interval_ms: int | None = None
    size: int | None = None
    policy: str | None = None
    auto_merge: bool = False
    counter: bool = False
    comment: str | None = None

    @property
    def kind(self) -> str:
        """Set or map."""
        return "set" if self.map is None else "map"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family; `last_handle` is the newest handle given out within it."""

    family: str
    name: str
    handle: int = 0
    flags: tuple[str, ...] = ()
    comment: str | None = None
    sets: tuple[Set, ...] = ()
    chains: tuple[Chain, ...] = ()
    last_handle: int = 0

    def chain(self, name: str) -> Chain | None:
        """The chain of this name."""
        return next((chain for chain in self.chains if chain.name == name), None)

    def set(self, name: str) -> Set | None:
        """The set or map of this name."""
        return next((entry for entry in self.sets if entry.name == name), None)


@dataclass(frozen=True, slots=True, eq=True)
class Ruleset:
    """All tables in the order they were made; `last_handle` is the newest table handle."""

    tables: tuple[Table, ...] = ()
    last_handle: int = 0

    def table(self, family: str, name: str) -> Table | None:
        """The table of this family and name."""
        return next((table for table in self.tables if table.family == family and table.name == name), None)

    def of_family(self, family: str | None) -> Iterator[Table]:
        """The tables of one family, or all."""
        return (table for table in self.tables if family is None or table.family == family)
