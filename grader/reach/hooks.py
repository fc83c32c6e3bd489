"""The netfilter hooks of one device, for whole sets of packets that begin a conversation.

The order of chains, connection tracking and translation in a hook is `Netfilter.path`'s; what a chain decides is its
`ChainProgram`'s.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from grader.reach.program import ChainProgram
from grader.reach.scope import Limit, OutOfScope
from grader.reach.versions import V4, Version
from labs.model.addresses import Mac
from labs.net.ethernet import Frame
from labs.net.ipv4 import PROTO_UDP
from labs.net.netfilter import Core
from labs.net.nftables import Chain, Context, base_chains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.reach.atoms import AddressAtoms, ServiceCells
    from labs.net.linux.node import LinuxNode

__all__ = ["HOOKS", "Hooks", "Situation", "Stage"]

HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
ENTERING = frozenset({"prerouting", "output"})


class Situation(NamedTuple):
    """Everything a rule can ask that is no header field: interfaces, hardware addresses, what was translated before."""

    hook: str
    incoming: str | None = None
    outgoing: str | None = None
    source_mac: Mac | None = None
    status: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What connection tracking says of the first packet of a conversation."""

    state: str = "new"
    status: frozenset[str] = frozenset()
    direction: str = "original"
    mark: int = 0


STATES = (
    _Beginning(),
    _Beginning(status=frozenset({"dnat"})),
    _Beginning(status=frozenset({"snat"})),
    _Beginning("established", frozenset({"seen-reply", "assured", "confirmed"}), "reply"),
    _Beginning("established", frozenset({"seen-reply", "assured", "confirmed"})),
    _Beginning("related", frozenset({"confirmed"})),
    _Beginning("invalid"),
    _Beginning("untracked"),
    None,
)


class Stage(NamedTuple):
    """One part of a hook: a chain that filters, or (`nat`) all that translate, each with the entries that can match."""

    nat: bool
    chains: tuple[tuple[ChainProgram, int], ...]


class Hooks:
    """The rules of a device, compiled."""

    def __init__(self, node: LinuxNode, version: Version = V4) -> None:
        self._node, self._version = node, version
        ruleset = node.netfilter.ruleset
        tables = {id(chain): table for table in ruleset.tables for chain in table.chains}
        self.programs: dict[str, list[ChainProgram]] = {}
        self._of: dict[int, ChainProgram] = {}
        for hook in HOOKS if node.netfilter.active else ():
            self.programs[hook] = []
            for chain in base_chains(ruleset, version.family, hook):
                program = self._of[id(chain)] = ChainProgram(tables[id(chain)], chain, version)
                self.programs[hook].append(program)
        self.near = self._near()
        """What judges the questions that neighbours ask each other: by ARP nothing does."""
        self._stages: dict[Situation, tuple[Stage, ...]] = {}
        self._addresses: AddressAtoms | None = None
        self._services: ServiceCells | None = None
        self._asking = {hook for hook, programs in self.programs.items() if any(program.asks for program in programs)}

    def _near(self) -> tuple[object, ...]:
        if self._version.family != "ip6" or not self._node.netfilter.active:
            return ()
        judging = {id(p.table): p.table for hook in HOOKS if hook != "forward" for p in self.programs[hook]}
        return tuple(
            replace(table, chains=tuple(chain for chain in table.chains if chain.hook != "forward"), last_handle=0)
            for table in judging.values()
        )

    @property
    def all_programs(self) -> list[ChainProgram]:
        """Every base chain, hook by hook."""
        return [program for hook in HOOKS for program in self.programs.get(hook, ())]

    @property
    def asks(self) -> bool:
        """Some rule asks for more than addresses and services."""
        return bool(self._asking)

    @property
    def translates(self) -> bool:
        """Some rule translates addresses or ports."""
        return any(entry.translation is not None for program in self.all_programs for entry in program.entries)

    def limits(self) -> Iterator[OutOfScope]:
        """What the analysis cannot decide here."""
        name = self._node.name
        for program in self.all_programs:
            for limit, rule in program.limits:
                yield OutOfScope(name, limit, rule)
        if any(p.sets_mark for p in self.all_programs) and any(p.asks_mark for p in self.all_programs):
            yield OutOfScope(name, Limit.MARK)
        for table in self._node.netfilter.ruleset.tables:
            if table.family == "bridge" and any(chain.hook and chain.rules for chain in table.chains):
                yield OutOfScope(name, Limit.BRIDGE_RULES, f"table bridge {table.name}")

    def bound(self, addresses: AddressAtoms, services: ServiceCells) -> Hooks:
        """The same rules over the atoms of a site; these themselves, with all they know, where they are already."""
        if self._addresses is addresses and self._services is services:
            return self
        found = copy(self)
        found._addresses, found._services, found._stages = addresses, services, {}  # noqa: SLF001 - a copy of itself
        made = {
            id(old): old.bound(addresses, services, recut=addresses is not self._addresses) for old in self.all_programs
        }
        found.programs = {hook: [made[id(old)] for old in programs] for hook, programs in self.programs.items()}
        found._of = {chain: made[id(old)] for chain, old in self._of.items()}  # noqa: SLF001
        return found

    def stages(self, situation: Situation) -> tuple[Stage, ...]:
        """The parts of a hook in their order; those without a rule that could do anything are left out."""
        if situation.hook not in self._asking:
            situation = Situation(situation.hook)
        known = self._stages.get(situation)
        if known is None:
            known = self._stages[situation] = tuple(self._build(situation))
        return known

    def _build(self, situation: Situation) -> Iterator[Stage]:
        hook = situation.hook
        if not self.programs.get(hook):
            return
        tracked = hook not in ENTERING
        before, after = self._context(situation, tracked=False), self._context(situation, tracked=True)
        for part in self._node.netfilter.path(hook, self._version.family):
            if part is Core.CONNTRACK:
                tracked = True
            elif part is Core.NAT:
                chains = [p for p in self.programs[hook] if p.chain.type == "nat"]
                if chains:
                    yield Stage(nat=True, chains=tuple((program, program.situation(after)) for program in chains))
            elif isinstance(part, Chain):
                program = self._of[id(part)]
                if program.entries or part.policy == "drop":
                    context = after if tracked else before
                    yield Stage(nat=False, chains=((program, program.situation(context)),))

    def every_situation(self, program: ChainProgram) -> set[int]:
        """The entries that can match together, for every pair of interfaces and every state of a connection."""
        hook = str(program.chain.hook)
        names = [name for name, interface in self._node.interfaces.items() if interface.master is None]
        incoming = names if hook in ("prerouting", "input", "forward") else [None]
        outgoing = names if hook in ("forward", "output", "postrouting") else [None]
        found = set()
        for one in incoming:
            for other in outgoing:
                for state in STATES:
                    context = self._context(Situation(hook, one, other), tracked=True)
                    context.ct = state  # type: ignore[assignment]
                    found.add(program.situation(context))
        return found

    def _context(self, situation: Situation, *, tracked: bool) -> Context:
        frame, sample = None, self._version.samples[PROTO_UDP]
        if situation.source_mac is not None and situation.incoming is not None:
            own = self._node.interfaces[situation.incoming].mac
            frame = Frame(own, situation.source_mac, self._version.ethertype, sample)
        return Context(
            self._version.family,
            situation.hook,
            situation.incoming,
            situation.outgoing,
            frame,
            sample,
            _Beginning(status=situation.status) if tracked else None,  # type: ignore[arg-type]
        )
