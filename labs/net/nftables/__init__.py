"""The nftables language and its evaluation, without I/O, clock or random.

Read `tree` first, then `parser`, `semantics`, `apply`, `evaluate`. What is not simulated: docs/what-is-simulated.md.
"""

from labs.net.nftables.errors import NftError, NotSimulatedError
from labs.net.nftables.evaluate import Outcome, VerdictCode, base_chains, icmp_code, icmpv6_code, run_chain
from labs.net.nftables.json_schema import from_json, to_json
from labs.net.nftables.packet import Connection, Context, Ends, LogEntry, Nat, Step
from labs.net.nftables.render import Style, render_rule, render_ruleset
from labs.net.nftables.state import Counters, EvaluationState
from labs.net.nftables.tree import Chain, Reject, Rule, Ruleset, Table

__all__ = [
    "Chain",
    "Connection",
    "Context",
    "Counters",
    "Ends",
    "EvaluationState",
    "LogEntry",
    "Nat",
    "NftError",
    "NotSimulatedError",
    "Outcome",
    "Reject",
    "Rule",
    "Ruleset",
    "Step",
    "Style",
    "Table",
    "VerdictCode",
    "base_chains",
    "from_json",
    "icmp_code",
    "icmpv6_code",
    "render_rule",
    "render_ruleset",
    "run_chain",
    "to_json",
]
