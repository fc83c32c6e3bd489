"""Neighbouring header fields are compared at once; this is where nft lists them afterwards.

Read first: nftables, src/rule.c and src/evaluate.c, payload_try_merge. The meaning of the rule does not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from labs.net.nftables.fields import LAYER, OFFSETS, PROTOCOL_NUMBERS
from labs.net.nftables.tree import Match, Meta, Payload, Statement

__all__ = ["in_header_order"]

_WORD_BITS = 32  # what the kernel compares fastest
_REGISTER_BITS = 128


def in_header_order(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements with each later neighbour moved behind the field that it follows in the header."""
    fields = [
        (LAYER[s.left.protocol], s.left.protocol, OFFSETS[s.left.protocol, s.left.field], place)
        for place, s in enumerate(statements)
        if isinstance(s, Match) and s.op == "==" and isinstance(s.right, str | int) and isinstance(s.left, Payload)
        and (s.left.protocol, s.left.field) in OFFSETS
    ]  # fmt: skip
    fields.sort()
    moved: dict[int, list[int]] = {}
    last_head, last_bits = -1, 0
    for before, after in pairwise(fields):
        (offset, bits), (next_offset, next_bits) = before[2], after[2]
        bits = last_bits if last_head >= 0 else bits
        if before[1] == after[1] and offset + before[2][1] == next_offset and _worth_it(before[0], bits, next_bits):
            last_head = before[3] if last_head < 0 else last_head
            last_bits = bits + next_bits
            moved.setdefault(last_head, []).append(after[3])
        else:
            last_head, last_bits = -1, 0
    gone = {place: head for head, places in moved.items() for place in places}
    result: list[Statement] = []
    for place, statement in enumerate(statements):
        if place in gone:
            result += _left_behind(statements, place, gone[place])
            continue
        result.append(statement)
        result += [statements[other] for other in moved.get(place, ())]
    return tuple(result)


def _worth_it(layer: int, bits: int, more: int) -> bool:
    total = bits + more
    if total > _REGISTER_BITS:
        return False
    return total <= _WORD_BITS or layer == 2 or bits > _WORD_BITS or more > _WORD_BITS


def _left_behind(statements: Sequence[Statement], place: int, head: int) -> list[Statement]:
    """The test of the protocol stays where it was when the field moves across something that acts."""
    statement = statements[place]
    if head < place or all(isinstance(other, Match) for other in statements[place:head]):
        return []
    if (
        isinstance(statement, Match)
        and isinstance(statement.left, Payload)
        and statement.left.protocol in PROTOCOL_NUMBERS
    ):
        return [Match("==", Meta("l4proto"), statement.left.protocol)]
    return []
