"""A packet through a chain: verdicts, counters, limits, NAT decisions.

Read first: net/netfilter/nf_tables_core.c, nft_do_chain; nft(8), sections "VERDICT STATEMENT", "NAT STATEMENTS".

    for chain in base_chains(ruleset, "ip", "input"):
        outcome = run_chain(ruleset, chain, context, state)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from labs.net.nftables import symbols
from labs.net.nftables.actions import BREAK, Action, CompiledRule, compile_rule
from labs.net.nftables.packet import Connection, Context, Ends, LogEntry, Nat, Step
from labs.net.nftables.state import Counters, EvaluationState
from labs.net.nftables.tree import Chain, Reject, Ruleset, Table

__all__ = [
    "Connection", "Context", "Counters", "Ends", "EvaluationState", "LogEntry", "Nat", "Outcome", "Reject", "Step",
    "VerdictCode", "base_chains", "icmp_code", "icmpv6_code", "run_chain",
]  # fmt: skip

MAX_JUMPS = 16  # NFT_JUMP_STACK_SIZE
# net/netfilter/nft_reject.c, icmp_code_v4
_ICMPX_AS_ICMPV6 = {"no-route": 0, "port-unreachable": 4, "host-unreachable": 3, "admin-prohibited": 1}
_ICMPX_AS_ICMP = {"no-route": 0, "port-unreachable": 3, "host-unreachable": 1, "admin-prohibited": 13}


class VerdictCode(Enum):
    """How a base chain ends; CONTINUE: a nat chain that decided nothing."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    CONTINUE = "continue"


@dataclass(slots=True)
class Outcome:
    """The end of one base chain, and how it came to it. `policy` is True when no rule decided."""

    verdict: VerdictCode
    table: str
    chain: str
    rule_handle: int | None = None
    policy: bool = False
    reject: Reject | None = None
    nat: Nat | None = None
    log: list[LogEntry] = field(default_factory=list)
    path: list[Step] = field(default_factory=list)


class _Program:
    """All chains of a ruleset, compiled when first used."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.tables = {id(chain): table for table in ruleset.tables for chain in table.chains}
        self._rules: dict[tuple[str, str, str], tuple[CompiledRule, ...]] = {}
        self.hooks: dict[tuple[str, str], list[Chain]] = {}

    def rules(self, table: Table, chain: Chain) -> tuple[CompiledRule, ...]:
        """The compiled rules of a chain."""
        key = (table.family, table.name, chain.name)
        found = self._rules.get(key)
        if found is None:
            found = self._rules[key] = tuple(compile_rule(table, chain, rule) for rule in chain.rules)
        return found


_PROGRAMS: dict[int, tuple[Ruleset, _Program]] = {}
_MAX_PROGRAMS = 256


def _program(ruleset: Ruleset) -> _Program:
    found = _PROGRAMS.get(id(ruleset))
    if found is not None and found[0] is ruleset:
        return found[1]
    if len(_PROGRAMS) >= _MAX_PROGRAMS:
        del _PROGRAMS[next(iter(_PROGRAMS))]
    program = _Program(ruleset)
    _PROGRAMS[id(ruleset)] = (ruleset, program)
    return program


def base_chains(ruleset: Ruleset, family: str, hook: str) -> list[Chain]:
    """The base chains of a hook, lowest priority number first; those of inet count for ip and ip6."""
    hooks = _program(ruleset).hooks
    found = hooks.get((family, hook))
    if found is None:
        families = {family, "inet"} if family in {"ip", "ip6"} else {family}
        chains = [
            chain
            for table in ruleset.tables
            if table.family in families and "dormant" not in table.flags
            for chain in table.chains
            if chain.hook == hook
        ]
        found = hooks[family, hook] = sorted(chains, key=lambda chain: chain.prio or 0)
    return found


def run_chain(ruleset: Ruleset, chain: Chain, ctx: Context, state: EvaluationState) -> Outcome:
    """Run one base chain of this ruleset."""
    program = _program(ruleset)
    owner = program.tables[id(chain)]
    state.now_ns = max(state.now_ns, ctx.now_ns)
    outcome = Outcome(VerdictCode.CONTINUE, owner.name, chain.name)
    decided = _Walk(program, ctx, state, outcome).walk(owner, chain, 0)
    if decided is None or decided[0] == "return":
        outcome.policy = True
        outcome.table, outcome.chain = owner.name, chain.name
        if chain.policy == "drop":
            outcome.verdict = VerdictCode.DROP
        elif chain.type != "nat":
            outcome.verdict = VerdictCode.ACCEPT
        return outcome
    kind, detail = decided
    if kind == "reject" and isinstance(detail, Reject):
        outcome.verdict, outcome.reject = VerdictCode.REJECT, detail
    elif kind == "drop":
        outcome.verdict = VerdictCode.DROP
    else:
        outcome.verdict = VerdictCode.ACCEPT
        if isinstance(detail, Nat):
            outcome.nat = detail
    return outcome


@dataclass(slots=True)
class _Walk:
    """One packet on its way through one base chain and the chains it jumps to."""

    program: _Program
    ctx: Context
    state: EvaluationState
    outcome: Outcome

    def walk(self, table: Table, chain: Chain, depth: int) -> Action | None:
        """The deciding action, or None at the end of the chain."""
        program, ctx, state, outcome = self.program, self.ctx, self.state, self.outcome
        log = outcome.log
        for rule in program.rules(table, chain):
            for test in rule.tests:
                if not test(ctx):
                    break
            else:
                action: Action | None = None
                for run in rule.actions:
                    action = run(ctx, state, log)
                    if action is not None:
                        break
                if action is BREAK:
                    continue
                outcome.path.append(rule.step)
                if action is None or action[0] == "continue":
                    continue
                kind, detail = action
                if kind in {"jump", "goto"}:
                    target = table.chain(str(detail))
                    if target is None or depth >= MAX_JUMPS:
                        action = ("drop", None)
                    else:
                        deeper = self.walk(table, target, depth + 1)
                        if deeper is not None and deeper[0] != "return":
                            return deeper
                        if kind == "goto":
                            return None
                        continue
                outcome.table, outcome.chain, outcome.rule_handle = table.name, chain.name, rule.handle
                if action[0] == "return":
                    outcome.rule_handle = None
                return action
        return None


def icmp_code(reject: Reject) -> int:
    """The code of the ICMP destination-unreachable message for IPv4. Raises ValueError for a TCP reset."""
    if reject.type == "tcp reset":
        raise ValueError(reject)
    if isinstance(reject.expr, int):
        return reject.expr
    table = _ICMPX_AS_ICMP if reject.type == "icmpx" else symbols.ICMP_CODE
    return table[str(reject.expr)]


def icmpv6_code(reject: Reject) -> int:
    """The code of the ICMPv6 destination-unreachable message. Raises ValueError for a TCP reset."""
    if reject.type == "tcp reset":
        raise ValueError(reject)
    if isinstance(reject.expr, int):
        return reject.expr
    table = _ICMPX_AS_ICMPV6 if reject.type == "icmpx" else symbols.ICMPV6_CODE
    return table[str(reject.expr)]
