"""What changes while packets pass: counters, token buckets, elements that rules add to sets.

Kept apart from the ruleset, which never changes, so that a packet does not rebuild a tree.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from labs.net.nftables.tree import Counter, Limit, Ruleset, SetUpdate, Value

__all__ = ["Counters", "DynamicElement", "EvaluationState", "StatementKey"]

MAX_DYNAMIC_ELEMENTS = 65535  # nft's own default size for a set that grows by rules

StatementKey = tuple[str, str, int, int]
"""Family, table, rule handle, place of the statement within the rule."""


class Counters(dict[StatementKey, list[int]]):
    """Packets and bytes on top of what a counter started with."""

    def of(self, key: StatementKey, start: Counter) -> Counter:
        """What the counter shows now."""
        packets, size = self.get(key, (0, 0))
        return Counter(start.packets + packets, start.bytes + size)


@dataclass(slots=True)
class DynamicElement:
    """An element that a rule added; its own bucket and counter."""

    value: Hashable
    expires_ns: int | None = None
    timeout_ms: int | None = None
    bucket: list[int] | None = None
    counter: list[int] | None = None
    update: SetUpdate | None = None


@dataclass(slots=True)
class EvaluationState:
    """Owned by the host; survives a change of the ruleset, see `keep`."""

    counters: Counters = field(default_factory=Counters)
    buckets: dict[StatementKey, list[int]] = field(default_factory=dict)
    elements: dict[tuple[str, str, str], dict[Hashable, DynamicElement]] = field(default_factory=dict)
    ends: dict[tuple[str, str, str, int, Value], int] = field(default_factory=dict)
    """When elements that were written end: by family, table, set with its handle, and key."""
    now_ns: int = 0

    def keep(self, ruleset: Ruleset) -> None:
        """Forget what belongs to rules and sets that are gone."""
        rules = {(t.family, t.name, rule.handle) for t in ruleset.tables for chain in t.chains for rule in chain.rules}
        sets = {(t.family, t.name, entry.name) for t in ruleset.tables for entry in t.sets}
        for key in [key for key in self.counters if key[:3] not in rules]:
            del self.counters[key]
        for key in [key for key in self.buckets if key[:3] not in rules]:
            del self.buckets[key]
        for name in [name for name in self.elements if name not in sets]:
            del self.elements[name]

    def live(self, family: str, table: str, name: str) -> list[DynamicElement]:
        """The elements that rules added and that have not expired."""
        found = self.elements.get((family, table, name), {})
        return [entry for entry in found.values() if entry.expires_ns is None or entry.expires_ns > self.now_ns]


def bucket_size_ns(limit: Limit) -> tuple[int, int]:
    """Price of one packet (or, for a rate of bytes, of one byte times the rate) and the size of the bucket, in ns."""
    unit = UNIT_NS[limit.per]
    if limit.rate_unit is None:
        cost = unit // limit.rate
        return cost, cost * limit.burst
    rate, burst = limit.rate * SIZES[limit.rate_unit], limit.burst * SIZES[limit.burst_unit or "bytes"]
    return unit, unit * (rate + burst) // rate


UNIT_NS = {"second": 10**9, "minute": 60 * 10**9, "hour": 3600 * 10**9, "day": 86400 * 10**9, "week": 604800 * 10**9}
SIZES = {"bytes": 1, "kbytes": 1024, "mbytes": 1024 * 1024}
