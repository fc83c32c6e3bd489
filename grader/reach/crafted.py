"""Packets made for rules that ask more than a proof follows: header fields filled in, sets that rules add to filled.

The proof takes such a rule to match whenever it might. What is found here goes through; that nothing is found proves
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product
from typing import TYPE_CHECKING

from grader.reach.predicates import conditions
from grader.reach.scope import Limit
from grader.reach.trace import CLIENT_PORT, Packet
from labs.model.addresses import Network
from labs.net.ipv4 import PROTO_TCP
from labs.net.nftables import Rule, Table, tree
from labs.net.nftables.elements import interval
from labs.net.nftables.fields import expression_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grader.reach.analysis import Analysis
    from grader.reach.program import ChainProgram
    from grader.reach.versions import Version

__all__ = ["variants"]

MAX_VARIANTS = 400
HOPS = 4  # routers that take one from what a packet has to live before a rule asks for it
LINK_LOCAL = Network.parse("fe80::/10")
LIVES = frozenset({("ip", "ttl"), ("ip6", "hoplimit")})


def variants(analysis: Analysis, packet: Packet) -> Iterator[Packet]:
    """Packets of the same service between the same ends that some rule may treat otherwise; at most `MAX_VARIANTS`."""
    return islice(_variants(analysis, packet), MAX_VARIANTS)


def _variants(analysis: Analysis, packet: Packet) -> Iterator[Packet]:
    programs = [(name, p) for name, survey in analysis.surveys.items() for p in survey.hooks.all_programs]
    knocks = tuple(dict.fromkeys(_knocks(analysis, programs, packet)))
    befores = [(), *((knock,) for knock in knocks), *([knocks * 2] if len(knocks) > 1 else [])]
    for one in _filled(programs, packet):
        for before in befores:  # the last: what opens a second door may need the first
            if one.fields or before:
                yield replace(one, after=before)


def _filled(programs: Iterable[tuple[str, ChainProgram]], packet: Packet) -> Iterator[Packet]:
    """The packet itself, and with every choice of values at the boundaries that rules draw."""
    values: dict[tuple[str, str], dict[int, None]] = {}
    for _, program in programs:
        for entry in program.entries:
            if Limit.HEADER_FIELD in entry.condition.limits:
                for place, found in _asked(entry.rule, program.table):
                    values.setdefault(place, {}).update(dict.fromkeys(found))
    for choice in product(*([None, *found] for found in values.values())):
        fields = tuple((*place, n) for place, n in zip(values, choice, strict=True) if n is not None)
        yield replace(packet, fields=fields)


def _asked(rule: Rule, table: Table) -> Iterator[tuple[tuple[str, str], list[int]]]:
    """The header fields that a rule asks for, with values in and beside what it asks."""
    for statement in rule.expr:
        if isinstance(statement, tree.Match):
            yield from _of_expression(statement.left, _keys(statement.right, table))
        elif isinstance(statement, tree.Vmap):
            yield from _of_expression(statement.key, _keys(statement.data, table))


def _keys(right: tree.Value, table: Table) -> list[tree.Value]:
    if isinstance(right, tree.SetRef):
        found = table.set(right.name)
        return [] if found is None else [element.key for element in found.elements]
    return [element.key for element in right.elements] if isinstance(right, tree.SetLiteral) else [right]


def _of_expression(left: tree.Value, keys: list[tree.Value]) -> Iterator[tuple[tuple[str, str], list[int]]]:
    if isinstance(left, tree.Concat):
        for index, part in enumerate(left.parts):
            parts = [key.parts[index] for key in keys if isinstance(key, tree.Concat)]
            yield from _of_expression(part, parts)
        return
    kinds = expression_type(left) if isinstance(left, tree.Payload | tree.Meta | tree.BinOp) else ()
    inner: tree.Value = left
    while isinstance(inner, tree.BinOp):
        inner = inner.left
    if isinstance(inner, tree.Payload):
        place = (inner.protocol, inner.field)
    elif isinstance(inner, tree.Meta) and inner.key == "length":
        place = ("meta", "length")
    else:
        return
    if not kinds or place[1] in ("saddr", "daddr", "sport", "dport"):  # the proof follows these
        return
    last = (1 << kinds[0].bits) - 1
    found: dict[int, None] = {}
    for key in keys:
        if not isinstance(key, int | str | tree.Range | tree.Prefix | tree.Flags):
            continue
        low, high = interval(key, kinds[0])
        more = range(low, low + HOPS + 1) if place in LIVES else (low, high, low - 1, high + 1)
        found.update(dict.fromkeys(number for number in more if 0 <= number <= last))
    yield place, list(found)


def _knocks(analysis: Analysis, programs: Iterable[tuple[str, ChainProgram]], packet: Packet) -> Iterator[Packet]:
    """Packets of the same sender that rules which add to sets may be about, rule by rule."""
    for device, program in programs:
        own = analysis.version.addresses(analysis.machines[device])
        targets = [packet.target, *(one for one in own if not one.is_loopback and one not in LINK_LOCAL)]
        for chain in program.table.chains:
            for rule in chain.rules:
                if any(isinstance(part, tree.SetUpdate) and part.op != "delete" for part in rule.expr):
                    for knock in _hits(rule, program.table, analysis.version, packet):
                        yield from (replace(knock, target=target) for target in dict.fromkeys(targets))


def _hits(rule: Rule, table: Table, version: Version, packet: Packet) -> Iterator[Packet]:
    """Packets with the ports that a rule asks for."""
    ways = [conditions(part, table, version) for part in rule.expr if isinstance(part, tree.Match)]
    for way in product(*ways):
        ports = [test for condition in way for test in condition.ports]
        if not ports:
            yield replace(packet, protocol="ping", port=0, source_port=CLIENT_PORT)
            yield packet
            continue
        for protocol in sorted({number for test in ports for number in test.protocols}):
            knock = replace(packet, protocol="tcp" if protocol == PROTO_TCP else "udp", source_port=CLIENT_PORT)
            for test in ports:
                if protocol in test.protocols and test.intervals:
                    low = test.intervals[0][0]
                    knock = replace(knock, port=low) if test.field == "dport" else replace(knock, source_port=low)
            yield knock
