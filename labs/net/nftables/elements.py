"""The elements of a set as the kernel keeps them: sorted, without doubles, intervals merged or refused.

Read first: nft(8), section "SETS"; the order is that of `nft list ruleset`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from labs.net.nftables.datatypes import Datatype
from labs.net.nftables.tree import BinOp, Concat, Element, Flags, Prefix, Range, Value

__all__ = ["interval", "is_interval", "ordered", "overlap", "sort_key"]


def is_interval(value: Value) -> bool:
    """True for a range, a prefix, a wildcard, or a concatenation that holds one."""
    if isinstance(value, Concat):
        return any(is_interval(part) for part in value.parts)
    return isinstance(value, Range | Prefix) or (isinstance(value, str) and value.endswith("*"))


def flag_bits(value: Value, kind: Datatype) -> int:
    """The bits of one flag or several."""
    if isinstance(value, Flags):
        return sum(kind.number(name) for name in value.names)
    if isinstance(value, BinOp):
        return flag_bits(value.left, kind) | flag_bits(value.right, kind)
    return kind.number(value)


def interval(value: Value, kind: Datatype) -> tuple[int, int]:
    """The lowest and the highest number of a value that is no concatenation."""
    if isinstance(value, Range):
        return kind.number(value.low), kind.number(value.high)
    if isinstance(value, Prefix):
        low = kind.number(value.addr)
        return low, low | (1 << kind.bits - value.len) - 1
    if kind.is_string and isinstance(value, str):
        raw = value.removesuffix("*").encode()
        low = int.from_bytes(raw.ljust(16, b"\0"), "big")
        return low, low | ((1 << 8 * (16 - len(raw))) - 1 if value.endswith("*") else 0)
    number = flag_bits(value, kind)
    return number, number


def sort_key(value: Value, kinds: Sequence[Datatype], *, intervals: bool = False) -> int:
    """Where nft lists the value: numbers by size, text and concatenations as the bytes in memory, last byte highest."""
    if isinstance(value, Concat):
        data = b""
        for part, kind in zip(value.parts, kinds, strict=False):
            low = interval(part, kind)[0]
            size = 16 if kind.is_string else (kind.bits + 7) // 8
            data += low.to_bytes(size, "little" if kind.name in {"mark", "uid", "gid"} else "big")
            data += b"\0" * (-size % 4) if intervals else b""
        return int.from_bytes(data, "little")
    kind = kinds[0]
    if kind.is_string and not intervals:
        return kind.number(value) if isinstance(value, str | int) else 0
    return interval(value, kind)[0]


def ordered(
    elements: Sequence[Element], kinds: Sequence[Datatype], *, merge: bool, intervals: bool
) -> tuple[Element, ...]:
    """The elements sorted, each key once; with `merge` intervals that touch become one."""
    unique: dict[Value, Element] = {}
    for element in elements:
        unique.setdefault(element.key, element)
    result = sorted(unique.values(), key=lambda element: sort_key(element.key, kinds, intervals=intervals))
    if not intervals or len(kinds) != 1:
        return tuple(result)
    if merge and all(element.data is None for element in result):
        return _merged(result, kinds[0])
    return tuple(Element(_shortest(e.key, kinds[0]), e.data, e.timeout_ms, e.comment, e.counter) for e in result)


def _merged(elements: Sequence[Element], kind: Datatype) -> tuple[Element, ...]:
    merged: list[tuple[int, int, Element]] = []
    for element in elements:
        low, high = interval(element.key, kind)
        if merged and low <= merged[-1][1] + 1 and not kind.is_string:
            first, last, _ = merged[-1]
            merged[-1] = (first, max(last, high), Element(_value(first, max(last, high), kind)))
        else:
            merged.append(
                (
                    low,
                    high,
                    Element(_shortest(element.key, kind), None, element.timeout_ms, element.comment, element.counter),
                )
            )
    return tuple(entry[2] for entry in merged)


def _shortest(value: Value, kind: Datatype) -> Value:
    if isinstance(value, Range) and not kind.is_string:
        return _value(*interval(value, kind), kind)
    return value


def _value(low: int, high: int, kind: Datatype) -> Value:
    """One number, a prefix where the type has them, else a range."""
    if low == high:
        return kind.from_number(low)
    size = high - low + 1
    if kind.has_prefix and size & size - 1 == 0 and low % size == 0:
        return Prefix(str(kind.from_number(low)), kind.bits - size.bit_length() + 1)
    return Range(kind.from_number(low), kind.from_number(high))


def overlap(elements: Sequence[Element], kind: Datatype) -> tuple[Element, Element] | None:
    """Two elements that share a number, the earlier one first."""
    spans = sorted(((*interval(element.key, kind), index) for index, element in enumerate(elements)))
    for before, after in pairwise(spans):
        if after[0] <= before[1] and elements[before[2]].key != elements[after[2]].key:
            first, second = sorted((before[2], after[2]))
            return elements[first], elements[second]
    return None
