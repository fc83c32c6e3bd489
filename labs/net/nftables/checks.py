"""What the kernel refuses: hooks that do not fit, jumps in a circle, NAT in a filter chain.

Read first: nft(8), table "Supported chain types"; net/netfilter/nf_tables_api.c, nft_chain_validate.
"""

from __future__ import annotations

from collections.abc import Mapping

from labs.net.nftables.errors import NO_SPAN, NftError, Span
from labs.net.nftables.syntax import RawRule, RawVerdict, RawVmap
from labs.net.nftables.tree import (
    Chain,
    Nat,
    Reject,
    Rule,
    Ruleset,
    SetLiteral,
    SetRef,
    Statement,
    Table,
    Verdict,
    Vmap,
)

__all__ = ["check_hook", "check_jumps", "check_rule"]

_UNSUPPORTED = "Could not process rule: Operation not supported"
_MISSING = "Could not process rule: No such file or directory"
MAX_JUMPS = 16  # NFT_JUMP_STACK_SIZE

_INET_HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting"})
_NAT_HOOKS = frozenset({"prerouting", "input", "output", "postrouting"})
_HOOKS_OF_NAT: Mapping[str, frozenset[str]] = {
    "snat": frozenset({"postrouting", "input"}),
    "dnat": frozenset({"prerouting", "output"}),
    "masquerade": frozenset({"postrouting"}),
    "redirect": frozenset({"prerouting", "output"}),
}


def check_hook(family: str, kind: str, hook: str, prio: int) -> str | None:
    """Why the kernel refuses such a base chain, or None."""
    if family in {"arp", "bridge"}:
        if kind != "filter":
            return _MISSING
        return None if hook in (_INET_HOOKS if family == "bridge" else {"input", "output"}) else _UNSUPPORTED
    if kind == "route":
        return None if hook == "output" else _UNSUPPORTED
    if kind == "nat":
        # conntrack comes at -200: an address cannot be translated before
        return None if hook in _NAT_HOOKS and prio > -200 else _UNSUPPORTED
    return None


def check_rule(table: Table, chain: Chain, rule: Rule, raw: object) -> tuple[str, Span] | None:
    """Why the kernel refuses the rule, and where; NO_SPAN is the whole command."""
    for place, statement in enumerate(rule.expr):
        for target in _targets(table, statement):
            found = table.chain(target)
            span = _target_span(raw, target)
            if found is None:
                return _MISSING, span
            if found.is_base:
                return _UNSUPPORTED, span
        if isinstance(statement, Nat) and chain.is_base and not _nat_fits(chain, statement):
            return _UNSUPPORTED, NO_SPAN
        if isinstance(statement, Reject) and chain.is_base:
            hooks = (
                {"input", "forward", "output", "prerouting"} if table.family != "bridge" else {"prerouting", "input"}
            )
            if chain.hook not in hooks:
                return _UNSUPPORTED, NO_SPAN
        del place
    return None


def _nat_fits(chain: Chain, nat: Nat) -> bool:
    return chain.type == "nat" and chain.hook in _HOOKS_OF_NAT[nat.kind]


def _targets(table: Table, statement: Statement) -> list[str]:
    if isinstance(statement, Verdict):
        return [] if statement.target is None else [statement.target]
    if isinstance(statement, Vmap):
        elements = statement.data.elements if isinstance(statement.data, SetLiteral) else ()
        if isinstance(statement.data, SetRef):
            found = table.set(statement.data.name)
            elements = () if found is None else found.elements
        return [e.data.target for e in elements if isinstance(e.data, Verdict) and e.data.target is not None]
    return []


def _target_span(raw: object, target: str) -> Span:
    if isinstance(raw, RawRule):
        for statement in raw.statements:
            if isinstance(statement, RawVerdict) and statement.target == target:
                return statement.target_span
            if isinstance(statement, RawVmap):
                return statement.span
    return NO_SPAN


def check_jumps(ruleset: Ruleset, spans: Mapping[tuple[str, str, int], Span]) -> None:
    """Raises NftError when a base chain leads into a circle, too deep, or to NAT at the wrong hook."""
    for table in ruleset.tables:
        for base in table.chains:
            if base.is_base:
                _walk(table, base, base, (base.name,), spans, set())


def _walk(
    table: Table,
    base: Chain,
    chain: Chain,
    path: tuple[str, ...],
    spans: Mapping[tuple[str, str, int], Span],
    done: set[tuple[str, int]],
) -> None:
    if (chain.name, len(path)) in done:
        return
    done.add((chain.name, len(path)))
    for rule in chain.rules:
        span = spans.get((table.family, table.name, rule.handle), NO_SPAN)
        for statement in rule.expr:
            if isinstance(statement, Nat) and not _nat_fits(base, statement):
                raise NftError.at(_UNSUPPORTED, span)
            for target in _targets(table, statement):
                found = table.chain(target)
                if found is None:
                    continue
                if target in path or len(path) > MAX_JUMPS:
                    raise NftError.at("Could not process rule: Too many links", span)
                _walk(table, base, found, (*path, target), spans, done)
