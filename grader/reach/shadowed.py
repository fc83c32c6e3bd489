"""Rules that decide nothing: whatever matches them, a rule before has decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.net.nftables import render_rule
from labs.net.origin import rule_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.reach.analysis import Analysis
    from grader.reach.hooks import Hooks
    from grader.reach.program import ChainProgram, Entry
    from labs.net.linux.node import LinuxNode

__all__ = ["Shadowed", "shadowed_rules"]


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A rule that decides about no packet: device, chain, the rule as nft lists it, and its line in the file."""

    device: str
    chain: str
    rule: str
    where: str = ""


def shadowed_rules(analyses: Sequence[Analysis]) -> tuple[Shadowed, ...]:
    """Every rule of a site that decides nothing, over none of the versions of IP that `analyses` are about.

    Every source and destination and every pair of interfaces is tried, whether or not a packet can come that way.
    """
    found = []
    for name, node in analyses[0].machines.items():
        idle: dict[int, tuple[ChainProgram, Entry]] = {}
        deciding: set[int] = set()
        for analysis in analyses:
            hooks = analysis.hooks[name]
            for program in hooks.all_programs:
                _judge(hooks, program, idle, deciding)
        found += [_place(node, name, *idle[rule]) for rule in idle if rule not in deciding]
    return tuple(found)


def _place(node: LinuxNode, name: str, program: ChainProgram, entry: Entry) -> Shadowed:
    chain = program.chain_of(entry)
    where = rule_line(node.files, node.netfilter.ruleset, program.table, chain, entry.rule)
    place = f"{program.table.family} {program.table.name} {chain}"
    return Shadowed(name, place, render_rule(program.table, entry.rule), where)


def _judge(
    hooks: Hooks, program: ChainProgram, idle: dict[int, tuple[ChainProgram, Entry]], deciding: set[int]
) -> None:
    """Sort the rules of a chain; those that only the other version, an answer or a frame can meet stay out."""
    asked = {source & target for source in set(program.by_source) for target in set(program.by_target)}
    before, program.matched = program.matched, 0
    program.forget()
    for situation in hooks.every_situation(program):
        for candidates in {pair & situation for pair in asked}:
            program.decide(candidates)
    matched, program.matched = program.matched, before | program.matched
    rules: dict[int, list[tuple[int, Entry]]] = {}
    for number, entry in enumerate(program.entries):
        rules.setdefault(id(entry.rule), []).append((number, entry))
    masks = program.masks
    for rule, entries in rules.items():
        if any(matched >> number & 1 for number, _ in entries):
            deciding.add(rule)
        elif not any(not masks[number] or entry.condition.asks_frame for number, entry in entries):
            idle.setdefault(rule, (program, entries[0][1]))
