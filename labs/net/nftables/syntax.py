"""What the parser hands on: commands and rules as written, nothing looked up, every part with its place.

`semantics` turns rules and elements into the tree, `apply` carries the commands out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from labs.net.nftables.errors import NO_SPAN, Span
from labs.net.nftables.tree import Counter, Limit, Log, MssClamp, Notrack

__all__ = [
    "ChainSpec", "Command", "Expression", "RawBinary", "RawConcat", "RawElement", "RawExpr", "RawKey", "RawList",
    "RawMap",
    "RawMask", "RawMatch", "RawNat", "RawPlain", "RawPrefix", "RawRange", "RawRef", "RawReject", "RawRule", "RawSet",
    "RawSetOperation",
    "RawStatement", "RawUpdate", "RawVerdict", "RawVmap", "RawWord", "SetSpec", "TableSpec",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawWord:
    """A word, number, quoted text or wildcard name."""

    kind: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class RawKey:
    """A left side: family is payload, meta or ct; name the protocol or direction; key the field."""

    family: str
    name: str | None
    key: str
    span: Span


@dataclass(frozen=True, slots=True)
class RawPrefix:
    """`base/length`."""

    base: RawExpr
    length: int
    span: Span


@dataclass(frozen=True, slots=True)
class RawRange:
    """`low-high`."""

    low: RawExpr
    high: RawExpr
    span: Span


@dataclass(frozen=True, slots=True)
class RawList:
    """Flags with commas."""

    items: tuple[RawExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawMask:
    """`flags / mask`."""

    value: RawExpr
    mask: RawExpr
    span: Span


@dataclass(frozen=True, slots=True)
class RawBinary:
    """`left op right`."""

    op: str
    left: RawExpr
    right: RawExpr
    span: Span


@dataclass(frozen=True, slots=True)
class RawConcat:
    """Parts with dots."""

    parts: tuple[RawExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawVerdict:
    """A verdict; `target` is the chain of jump and goto."""

    kind: str
    target: str | None
    span: Span
    target_span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class RawElement:
    """One element of a set."""

    key: RawExpr
    data: RawExpr | None
    timeout_ms: int | None
    comment: str | None
    counter: Counter | None
    span: Span


@dataclass(frozen=True, slots=True)
class RawSet:
    """`{ ... }`."""

    items: tuple[RawElement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawRef:
    """`@name`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class RawMap:
    """`key map { ... }`."""

    key: RawExpr
    data: RawSet | RawRef
    span: Span


RawExpr = (
    RawWord | RawKey | RawPrefix | RawRange | RawList | RawMask | RawBinary | RawConcat | RawVerdict | RawSet | RawRef
    | RawMap
)  # fmt: skip
Expression = RawKey | RawBinary | RawConcat


@dataclass(frozen=True, slots=True)
class RawMatch:
    """`left [op] right`; op "" is the implicit one."""

    left: RawExpr
    op: str
    right: RawExpr
    span: Span


@dataclass(frozen=True, slots=True)
class RawVmap:
    """`key vmap data`."""

    key: RawExpr
    data: RawSet | RawRef
    span: Span


@dataclass(frozen=True, slots=True)
class RawSetOperation:
    """`key set value`."""

    key: RawKey
    value: RawExpr
    span: Span


@dataclass(frozen=True, slots=True)
class RawReject:
    """`reject [with type code]`; the keyword's own place is `span`."""

    type: str | None
    code: RawWord | None
    span: Span
    type_span: Span


@dataclass(frozen=True, slots=True)
class RawNat:
    """A NAT statement; the keyword's own place is `span`."""

    kind: str
    family: str | None
    prefix: bool
    addr: RawExpr | None
    port: RawExpr | None
    flags: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawUpdate:
    """`add @set { key ... }`."""

    op: str
    set: RawRef
    key: RawExpr
    timeout_ms: int | None
    stmt: tuple[Limit | Counter, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class RawPlain:
    """A statement without expressions, complete as it is; `problem` is an error found in its words."""

    statement: Counter | Log | Limit | MssClamp | Notrack
    span: Span
    problem: tuple[str, Span] | None = None


RawStatement = RawMatch | RawVmap | RawSetOperation | RawReject | RawNat | RawUpdate | RawPlain | RawVerdict


@dataclass(frozen=True, slots=True)
class RawRule:
    """A rule as written."""

    statements: tuple[RawStatement, ...]
    comment: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """The part of a chain between its braces; spans by the word they belong to."""

    type: str | None = None
    hook: str | None = None
    priority: tuple[str | int, int] | None = None
    policy: str | None = None
    comment: str | None = None
    device: bool = False
    spans: dict[str, Span] = field(default_factory=dict)
    rules: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class SetSpec:
    """The part of a set or map between its braces."""

    key: tuple[RawWord, ...] | RawExpr | None = None
    data: tuple[RawWord, ...] | RawExpr | None = None
    is_map: bool = False
    flags: tuple[str, ...] = ()
    timeout_ms: int | None = None
    gc_interval_ms: int | None = None
    size: int | None = None
    policy: str | None = None
    auto_merge: bool = False
    counter: bool = False
    comment: str | None = None
    elements: RawSet | None = None
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The part of a table between its braces."""

    flags: tuple[str, ...] = ()
    comment: str | None = None
    chains: tuple[Command, ...] = ()
    sets: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """One command: verb add, create, insert, replace, delete, flush, list, reset, rename or get, and its object."""

    verb: str
    object: str
    family: str | None = None
    table: str | None = None
    name: str | None = None
    body: TableSpec | ChainSpec | SetSpec | RawRule | RawSet | None = None
    handle: int | None = None
    index: int | None = None
    position: int | None = None
    new_name: str | None = None
    span: Span = NO_SPAN
    table_span: Span = NO_SPAN
    name_span: Span = NO_SPAN
    handle_span: Span = NO_SPAN
