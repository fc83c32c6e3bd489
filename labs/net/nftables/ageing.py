"""Elements that were written with a timeout, or into a set that has one, end: `timeout` of nft(8), sets and maps.

An element that stays keeps its end whatever else changes; one that is written anew begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labs.net.nftables.tree import Element, Ruleset, Set, Table, Value

if TYPE_CHECKING:
    from labs.net.nftables.state import EvaluationState

__all__ = ["aged", "next_end"]

MILLISECOND = 1_000_000


def aged(ruleset: Ruleset, state: EvaluationState, now_ns: int) -> Ruleset:
    """The ruleset without the elements whose time is over; itself where none is. `state` learns when each ends."""
    known = state.ends
    state.ends = {
        (*place, element.key): known.get((*place, element.key), now_ns + timeout * MILLISECOND)
        for place, element, timeout in _timed(ruleset)
    }
    over = {key for key, end in state.ends.items() if end <= now_ns}
    if not over:
        return ruleset
    for key in over:
        del state.ends[key]
    return replace(ruleset, tables=tuple(_without(table, over) for table in ruleset.tables))


def next_end(state: EvaluationState) -> int | None:
    """When the next element ends, in nanoseconds."""
    return min(state.ends.values(), default=None)


def _place(table: Table, entry: Set) -> tuple[str, str, str, int]:
    return table.family, table.name, entry.name, entry.handle


def _timed(ruleset: Ruleset) -> Iterator[tuple[tuple[str, str, str, int], Element, int]]:
    for table in ruleset.tables:
        for entry in table.sets:
            for element in entry.elements:
                timeout = element.timeout_ms or entry.timeout_ms
                if timeout:
                    yield _place(table, entry), element, timeout


def _without(table: Table, over: set[tuple[str, str, str, int, Value]]) -> Table:
    kept = tuple(
        replace(entry, elements=tuple(one for one in entry.elements if (*_place(table, entry), one.key) not in over))
        for entry in table.sets
    )
    return table if kept == table.sets else replace(table, sets=kept)
