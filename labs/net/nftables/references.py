"""Who refers to whom: jumps to chains, uses of sets.

Read first: `tree`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labs.net.nftables.tree import Chain, SetLiteral, Statement, Table, Verdict, Vmap

__all__ = ["anonymous_sets", "jump_targets", "retargeted", "uses_set"]


def jump_targets(table: Table, besides: str) -> list[str]:
    """The chains that something other than the chain `besides` jumps to."""
    found = [
        target
        for chain in table.chains
        if chain.name != besides
        for rule in chain.rules
        for statement in rule.expr
        for target in _statement_targets(statement)
    ]
    found += [
        target
        for entry in table.sets
        for element in entry.elements
        if (target := getattr(element.data, "target", None))
    ]
    return found


def _statement_targets(statement: Statement) -> list[str]:
    target = getattr(statement, "target", None)
    if isinstance(target, str):
        return [target]
    if isinstance(statement, Vmap) and isinstance(statement.data, SetLiteral):
        return [name for element in statement.data.elements if (name := getattr(element.data, "target", None))]
    return []


def retargeted(chain: Chain, old: str, new: str) -> Chain:
    """The chain with its jumps to `old` leading to `new`."""
    if not any(old in _statement_targets(statement) for rule in chain.rules for statement in rule.expr):
        return chain
    return replace(
        chain, rules=tuple(replace(rule, expr=tuple(_renamed(s, old, new) for s in rule.expr)) for rule in chain.rules)
    )


def _renamed(statement: Statement, old: str, new: str) -> Statement:
    if isinstance(statement, Verdict) and statement.target == old:
        return replace(statement, target=new)
    if isinstance(statement, Vmap) and isinstance(statement.data, SetLiteral):
        elements = tuple(
            replace(e, data=replace(e.data, target=new)) if isinstance(e.data, Verdict) and e.data.target == old else e
            for e in statement.data.elements
        )
        return replace(statement, data=SetLiteral(elements))
    return statement


def anonymous_sets(expr: Sequence[Statement]) -> int:
    """How many handles the anonymous sets of a rule take."""
    return repr(expr).count("SetLiteral(")


def uses_set(statement: Statement, name: str) -> bool:
    """True when the statement looks into this named set."""
    if getattr(statement, "set", None) == name:
        return True
    return f"SetRef(name={name!r})" in repr(statement)
