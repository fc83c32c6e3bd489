"""Right sides: what was written becomes a value of the type that the left side asks for.

Read first: nft(8), section "DATA TYPES".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from labs.net.nftables.datatypes import DATATYPES, Datatype, ValueRejectedError
from labs.net.nftables.elements import flag_bits
from labs.net.nftables.errors import NftError, Span
from labs.net.nftables.protocols import ProtocolContext
from labs.net.nftables.syntax import (
    RawBinary,
    RawConcat,
    RawElement,
    RawExpr,
    RawList,
    RawPrefix,
    RawRange,
    RawRef,
    RawSet,
    RawVerdict,
    RawWord,
)
from labs.net.nftables.tree import BinOp, Concat, Element, Flags, Prefix, Range, Set, SetRef, Value, Verdict

__all__ = ["Scope", "build_elements", "reference", "value", "with_bars"]


@dataclass(slots=True)
class Scope:
    """What names can mean here: the family, the sets of the table, the interfaces (None: any name will do)."""

    family: str
    find_set: Callable[[str, Span], Set]
    interfaces: frozenset[str] | None = None
    protocols: ProtocolContext = field(init=False)

    def __post_init__(self) -> None:
        self.protocols = ProtocolContext(self.family)


def value(raw: RawExpr, kind: Datatype, scope: Scope, *, mask: bool = False) -> Value:
    """The value of a right side for this datatype. Raises NftError."""
    match raw:
        case RawWord():
            return _word(raw, kind, scope)
        case RawPrefix(base, length, span):
            return _prefix(base, length, span, kind, scope)
        case RawRange(low, high, span):
            ends = value(low, kind, scope), value(high, kind, scope)
            if kind.number(ends[0]) > kind.number(ends[1]):
                raise NftError.at("Range has zero or negative size", span)
            return Range(*ends)
        case RawList(items):
            if not kind.is_bitmask:
                raise NftError.at(f"Basetype of type {kind.description} is not bitmask", items[0].span)
            return _flags(sum({flag_bits(value(item, kind, scope), kind) for item in items}), kind)
        case RawBinary(operator, left, right):
            return _folded(operator, left, right, kind, scope, mask=mask)
        case RawRef(name, span):
            return reference(name, span, (kind,), scope)
        case RawConcat():
            raise NftError.at("unexpected concat component, expecting one value", raw.span)
        case _:
            raise NftError.at(f"syntax error, unexpected value for {kind.description}", raw.span)


def _folded(operator: str, left: RawExpr, right: RawExpr, kind: Datatype, scope: Scope, *, mask: bool) -> Value:
    one, two = (flag_bits(value(side, kind, scope), kind) for side in (left, right))
    number = {"|": one | two, "&": one & two, "^": one ^ two, "<<": one << min(two, 64), ">>": one >> min(two, 64)}[
        operator
    ]
    return _flags(number, kind) if kind.is_bitmask or mask else kind.from_number(number)


def _word(raw: RawWord, kind: Datatype, scope: Scope) -> Value:
    if raw.kind == "wild" and kind.name != "ifname":
        raise NftError.at("syntax error, unexpected string with a trailing asterisk", raw.span)
    if kind.is_string and not raw.text:
        raise NftError.at("Empty string is not allowed", raw.span)
    if kind.name == "ifname" and raw.text == "*":
        raise NftError.at("All-wildcard strings are not supported", raw.span)
    try:
        found = kind.read(raw.text, is_number=raw.kind == "number")
    except ValueRejectedError as error:
        raise NftError.at(str(error), raw.span) from None
    if kind.name == "iface_index" and scope.interfaces is not None and found not in scope.interfaces:
        raise NftError.at("Interface does not exist", raw.span)
    if kind.is_bitmask and isinstance(found, int):
        return _flags(found, kind)
    return found


def _flags(number: int, kind: Datatype) -> Value:
    """Flag names in the order of their bits; a number when a bit has no name or none is set."""
    names = tuple(name for name, bit in sorted(kind.symbols.items(), key=lambda item: item[1]) if number & bit)
    if not names or sum(kind.symbols[name] for name in names) != number:
        return number
    return names[0] if len(names) == 1 else Flags(names)


def _prefix(base: RawExpr, length: int, span: Span, kind: Datatype, scope: Scope) -> Value:
    address = value(base, kind, scope)
    if length > kind.bits:
        raise NftError.at(f"Prefix length {length} is invalid for type of {kind.bits} bits width", span)
    if kind.is_string or isinstance(address, Prefix | Range):
        raise NftError.at("syntax error, unexpected /", span)
    number = kind.number(address) >> kind.bits - length << kind.bits - length
    if length == kind.bits:
        return kind.from_number(number)
    if not kind.has_prefix:
        return Range(kind.from_number(number), kind.from_number(number | (1 << kind.bits - length) - 1))
    return Prefix(str(kind.from_number(number)), length)


def reference(name: str, span: Span, kinds: tuple[Datatype, ...], scope: Scope, left: Span | None = None) -> SetRef:
    """`@name`, when its elements are of these types. Raises NftError."""
    found = scope.find_set(name, span)
    expected = tuple(kind.name for kind in kinds)
    if found.type != expected and not _alike(found.type, kinds):
        have = " . ".join(DATATYPES[kind].description if kind in DATATYPES else kind for kind in found.type)
        want = " . ".join(kind.description for kind in kinds)
        first = "concatenation of (" + have.replace(" . ", ", ") + ")" if len(found.type) > 1 else have
        second = "concatenation of (" + want.replace(" . ", ", ") + ")" if len(kinds) > 1 else want
        raise NftError.at(f"datatype mismatch, expected {second}, expression has type {first}", span, left)
    return SetRef(name)


def _alike(names: tuple[str, ...], kinds: tuple[Datatype, ...]) -> bool:
    """A set made with typeof of a plain number has the type integer."""
    return len(names) == len(kinds) and all(
        name in {kind.name, "integer"} for name, kind in zip(names, kinds, strict=True)
    )


def build_elements(
    raw: RawSet, kinds: tuple[Datatype, ...], data: tuple[Datatype, ...] | str | None, scope: Scope
) -> list[Element]:
    """The elements as written, sets within sets opened; `data` is the type of a map's values, or "verdict"."""
    result: list[Element] = []
    for item in raw.items:
        if isinstance(item.key, RawSet):
            result += build_elements(item.key, kinds, data, scope)
        else:
            result.append(_element(item, kinds, data, scope))
    return result


def _element(
    item: RawElement, kinds: tuple[Datatype, ...], data: tuple[Datatype, ...] | str | None, scope: Scope
) -> Element:
    key = _concat_value(item.key, kinds, scope)
    mapped: Value | None = None
    if item.data is not None:
        if data is None:
            raise NftError.at("mapping outside of map context", item.key.span)
        if isinstance(item.data, RawVerdict):
            mapped = Verdict(item.data.kind, item.data.target)
        elif data == "verdict" or isinstance(data, str):
            raise NftError.at("Could not parse verdict", item.data.span)
        else:
            mapped = _concat_value(item.data, data, scope)
            if isinstance(mapped, Concat) and any(isinstance(part, Range | Prefix) for part in mapped.parts):
                raise NftError.at("Value must be a singleton", item.data.span)
    elif data is not None:
        raise NftError.at("Could not process rule: Invalid argument", item.key.span)
    return Element(key, mapped, item.timeout_ms, item.comment, item.counter)


def _concat_value(raw: RawExpr, kinds: tuple[Datatype, ...], scope: Scope) -> Value:
    parts = raw.parts if isinstance(raw, RawConcat) else (raw,)
    if len(parts) != len(kinds):
        if len(kinds) == 1:
            raise NftError.at("Can't parse symbolic invalid expressions", parts[0].span)
        raise NftError.at(
            f"invalid data type, expected concatenation of ({', '.join(kind.description for kind in kinds)})", raw.span
        )
    if len(parts) == 1:
        return with_bars(value(parts[0], kinds[0], scope))
    return Concat(tuple(with_bars(value(part, kind, scope)) for part, kind in zip(parts, kinds, strict=True)))


def with_bars(found: Value) -> Value:
    """Within a set flags are joined with a bar instead of a comma."""
    if not isinstance(found, Flags):
        return found
    joined: Value = found.names[0]
    for name in found.names[1:]:
        joined = BinOp("|", joined, name)
    return joined
