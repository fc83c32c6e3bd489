"""A base chain as bitsets: which rule decides, for all services at once.

Each rule becomes one entry, or several where a set of concatenations or a verdict map branches. For a pair of address
atoms and a situation (interfaces, frame, state of the connection) the entries that can match are one integer; running
through it lowest bit first, with a mask of services that are still undecided, is first match for every packet of the
cell. Answers are remembered by that integer.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import xor
from typing import TYPE_CHECKING, NamedTuple

from grader.reach.atoms import common
from grader.reach.predicates import Condition, PortTest, conditions, element_conditions
from grader.reach.scope import Limit
from grader.reach.versions import V4, Version
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP
from labs.net.nftables import Chain, Context, Rule, Table, render_rule, tree
from labs.net.nftables.datatypes import DATATYPES
from labs.net.nftables.elements import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from grader.reach.atoms import AddressAtoms, Intervals, ServiceCells
    from labs.model.addresses import Address

__all__ = ["ChainProgram", "Decision", "Entry", "Translation"]

MAX_DEPTH = 16  # NFT_JUMP_STACK_SIZE


class Translation(NamedTuple):
    """What a NAT rule makes of a packet: None leaves a part as it is; `own` means an address of this device."""

    kind: str
    address: Address | None
    port: int | None
    own: bool = False

    @property
    def of_source(self) -> bool:
        """True for snat and masquerade."""
        return self.kind in ("snat", "masquerade")


@dataclass(slots=True, eq=False)
class Entry:
    """One way in which a rule can match, and what it then does."""

    rule: Rule
    condition: Condition
    action: str
    target: str = ""
    translation: Translation | None = None
    uncertain: bool = False


@dataclass(slots=True)
class Decision:
    """What a base chain makes of the services of one cell: sets may overlap where a rule is uncertain."""

    accepted: int
    dropped: int
    translated: tuple[tuple[Translation, int], ...] = ()


@dataclass(slots=True)
class _Tally:
    accepted: int = 0
    dropped: int = 0
    translated: list[tuple[Translation, int]] = field(default_factory=list)


class Answers(dict[int, int]):
    """The services that pass, by the entries that can match; what was never asked is worked out."""

    def __init__(self, decide: Callable[[int], int]) -> None:
        super().__init__()
        self._decide = decide

    def __missing__(self, candidates: int) -> int:
        found = self[candidates] = self._decide(candidates)
        return found


class ChainProgram:
    """A base chain with every chain that it can jump to."""

    def __init__(self, table: Table, chain: Chain, version: Version = V4) -> None:
        self.table, self.chain, self._version = table, chain, version
        self.entries: list[Entry] = []
        self.limits: list[tuple[Limit, str]] = []
        self.sets_mark = self.asks_mark = False
        self.aside: list[Condition] = []
        """What rules ask for that mark packets or leave them untracked: what is tried is cut there, too."""
        self._ranges: dict[str, int] = {}
        self._full = 0
        self.masks: list[int] = []
        """The services that each entry asks for."""
        self.by_source: list[int] = []
        """For each address atom the entries that ask for it as a source."""
        self.by_target: list[int] = []
        self.by_aside: list[int] = []
        """The same as `by_source` for `aside`."""
        self.answers = Answers(self._passing)
        self._known: dict[int, Decision] = {}
        self._policy_accepts = chain.policy != "drop"
        self.matched = 0
        """Entries that decided or were reached with some packet, over everything that was asked so far."""
        self._add(chain)
        self._asking = [(1 << n, e.condition.situation) for n, e in enumerate(self.entries) if e.condition.situation]
        self._unasked = (1 << len(self.entries)) - 1
        for bit, _ in self._asking:
            self._unasked ^= bit
        self._flat = all(e.action in ("accept", "drop") and not e.uncertain for e in self.entries)
        self._accepting = [entry.action == "accept" for entry in self.entries]

    # Reading the rules

    def _add(self, chain: Chain) -> None:
        if chain.name in self._ranges:
            return
        start = len(self.entries)
        self._ranges[chain.name] = 0
        for rule in chain.rules:
            self.entries += self._read(rule)
        self._ranges[chain.name] = (1 << len(self.entries)) - (1 << start)
        for entry in self.entries[start:]:
            if entry.action in ("jump", "goto"):
                target = self.table.chain(entry.target)
                if target is not None:
                    self._add(target)

    def _limit(self, rule: Rule, limit: Limit) -> None:
        self.limits.append((limit, render_rule(self.table, rule)))

    def _read(self, rule: Rule) -> Iterator[Entry]:
        ways = [Condition()]
        marks = False
        for statement in rule.expr:
            match statement:
                case tree.Match():
                    ways = [
                        way.also(found) for way in ways for found in conditions(statement, self.table, self._version)
                    ]
                case tree.Limit():
                    self._limit(rule, Limit.RATE)
                    ways = [replace(way, uncertain=True) for way in ways]  # it may pass, and it may not
                case tree.SetUpdate():
                    ways = [replace(way, uncertain=True) for way in ways]
                    self._limit(rule, Limit.DYNAMIC_SET)
                case tree.Mangle():
                    self.sets_mark = marks = True
                case tree.Notrack():
                    self._limit(rule, Limit.NOT_TRACKED)
                    marks = True
                case tree.Verdict(kind, target):
                    yield from self._entries(rule, ways, kind, target or "")
                    return
                case tree.Reject(kind):
                    if kind != ("icmp" if self._version.family == "ip6" else "icmpv6"):
                        yield from self._entries(rule, ways, "drop", "")
                    return
                case tree.Nat():
                    yield from self._translations(rule, ways, statement)
                    return
                case tree.Vmap():
                    yield from self._branches(rule, ways, statement)
                    return
                case _:
                    pass  # counters and log lines decide nothing
        if marks:
            self.aside += ways

    def _entries(
        self, rule: Rule, ways: list[Condition], action: str, target: str, translation: Translation | None = None
    ) -> Iterator[Entry]:
        if action == "continue":
            return
        for way in ways:
            for limit in way.limits:
                self._limit(rule, limit)
            self.asks_mark |= way.asks_mark
            yield Entry(rule, way, action, target, translation, way.uncertain or bool(way.limits))

    def _elements(self, data: tree.SetLiteral | tree.SetRef) -> tuple[tree.Element, ...]:
        if isinstance(data, tree.SetLiteral):
            return data.elements
        found = self.table.set(data.name)
        return () if found is None else found.elements

    def _branches(self, rule: Rule, ways: list[Condition], vmap: tree.Vmap) -> Iterator[Entry]:
        for element in self._elements(vmap.data):
            if isinstance(element.data, tree.Verdict):
                asked = element_conditions(vmap.key, element, self.table, self._version)
                here = [w.also(c) for w in ways for c in asked]
                yield from self._entries(rule, here, element.data.kind, element.data.target or "")

    def _translations(self, rule: Rule, ways: list[Condition], nat: tree.Nat) -> Iterator[Entry]:
        if not self._is_translated(nat):
            return
        if isinstance(nat.addr, tree.MapExpr):
            for element in self._elements(nat.addr.data):
                asked = element_conditions(nat.addr.key, element, self.table, self._version)
                here = [w.also(c) for w in ways for c in asked]
                made = self._constant(rule, nat, element.data)
                yield from self._entries(rule, here, "translate", "", made)
            return
        yield from self._entries(rule, ways, "translate", "", self._constant(rule, nat, nat.addr))

    def _is_translated(self, nat: tree.Nat) -> bool:
        """Whether a rule translates packets of this version; in a table of inet an address alone means IPv4."""
        if nat.family is not None:
            return nat.family == self._version.family
        return not (self.table.family == "inet" and nat.addr is not None and self._version.family == "ip6")

    def _constant(self, rule: Rule, nat: tree.Nat, address: tree.Value | None) -> Translation:
        """The translation with everything that is a constant; the rest is outside the scope."""
        port: tree.Value | None = nat.port
        if isinstance(address, tree.Concat) and len(address.parts) == 2:
            address, port = address.parts
        numbers: list[int | None] = []
        for value, kind in ((address, DATATYPES[self._version.datatype]), (port, DATATYPES["inet_service"])):
            if value is None:
                numbers.append(None)
            elif isinstance(value, int | str | tree.Range | tree.Prefix):
                low, high = interval(value, kind)
                if low != high:
                    self._limit(rule, Limit.NAT_RANGE)
                numbers.append(low)
            else:
                self._limit(rule, Limit.NAT_RANGE)
                numbers.append(None)
        own = address is None and nat.kind in ("masquerade", "redirect")
        return Translation(nat.kind, None if numbers[0] is None else self._version.kind(numbers[0]), numbers[1], own)

    # Cuts

    def address_intervals(self) -> Iterator[tuple[int, int]]:
        """Every interval of addresses that a rule asks for or translates to."""
        for condition in (*(entry.condition for entry in self.entries), *self.aside):
            for intervals in (*condition.sources, *condition.targets):
                yield from intervals
        for entry in self.entries:
            if entry.translation is not None and entry.translation.address is not None:
                yield int(entry.translation.address), int(entry.translation.address)

    def port_predicates(self) -> Iterator[PortTest]:
        """Every test of a port; a port that is translated to is one too."""
        for condition in self.aside:
            yield from condition.ports
        for entry in self.entries:
            yield from entry.condition.ports
            made = entry.translation
            if made is not None and made.port is not None:
                name = "sport" if made.of_source else "dport"
                yield PortTest((PROTO_TCP, PROTO_UDP), name, ((made.port, made.port),))

    # Bitsets

    def bound(self, addresses: AddressAtoms, services: ServiceCells, *, recut: bool = True) -> ChainProgram:
        """The same rules as bitsets over the atoms of a site; `recut` where its addresses are cut in another way."""
        found = copy(self)
        found._full = services.full  # noqa: SLF001 - a copy of itself
        found.masks = [_service_mask(entry.condition, services, self._version) for entry in self.entries]
        if recut:
            found._cut(addresses)  # noqa: SLF001
        found._known = {}  # noqa: SLF001
        found.answers = Answers(found._first_match if self._flat else found._passing)  # noqa: SLF001
        return found

    def _cut(self, addresses: AddressAtoms) -> None:
        self.by_source = _columns([entry.condition.sources for entry in self.entries], addresses)
        self.by_target = _columns([entry.condition.targets for entry in self.entries], addresses)
        self.by_aside = _columns([condition.sources for condition in self.aside], addresses)

    def situation(self, context: Context) -> int:
        """The entries whose questions about interfaces, frame and connection are answered with yes."""
        found = self._unasked
        for bit, questions in self._asking:
            for question in questions:
                if not question(context):
                    break
            else:
                found |= bit
        return found

    @property
    def asks(self) -> bool:
        """Some entry has a question about the situation."""
        return bool(self._asking)

    def forget(self) -> None:
        """Decide everything anew."""
        self._known.clear()
        self.answers.clear()

    def chain_of(self, entry: Entry) -> str:
        """The chain in which an entry stands."""
        number = self.entries.index(entry)
        return next(name for name, mask in self._ranges.items() if mask >> number & 1)

    def _passing(self, candidates: int) -> int:
        """The services that pass, when these entries can match: what `answers` remembers."""
        return self.decide(candidates).accepted

    def _first_match(self, candidates: int) -> int:
        """The same, where every entry accepts or drops."""
        masks, accepting = self.masks, self._accepting
        rest, found = self._full, 0
        while candidates:
            low = candidates & -candidates
            candidates ^= low
            number = low.bit_length() - 1
            hit = rest & masks[number]
            if hit:
                if accepting[number]:
                    found |= hit
                rest ^= hit
                if not rest:
                    return found
        return found | rest if self._policy_accepts else found

    def decide(self, candidates: int) -> Decision:
        """What becomes of every service, when these entries can match."""
        known = self._known.get(candidates)
        if known is None:
            tally = _Tally()
            rest = self._walk(self._ranges[self.chain.name], candidates, self._full, tally, 0)
            if self._policy_accepts:
                tally.accepted |= rest
            else:
                tally.dropped |= rest
            known = self._known[candidates] = Decision(tally.accepted, tally.dropped, tuple(tally.translated))
        return known

    def _walk(self, chain: int, candidates: int, open_: int, tally: _Tally, depth: int) -> int:
        """Run through one chain; returns the services that come out at its end."""
        entries, masks = self.entries, self.masks
        left = candidates & chain
        rest, returned = open_, 0
        while left and rest:
            low = left & -left
            left ^= low
            number = low.bit_length() - 1
            hit = rest & masks[number]
            if not hit:
                continue
            entry = entries[number]
            self.matched |= low
            if not entry.uncertain:
                rest ^= hit
            action = entry.action
            if action == "accept":
                tally.accepted |= hit
            elif action == "drop":
                tally.dropped |= hit
            elif action == "translate":
                assert entry.translation is not None
                tally.translated.append((entry.translation, hit))
            elif action == "return":
                returned |= hit
            else:
                target = self._ranges.get(entry.target)
                if target is None or depth >= MAX_DEPTH:
                    tally.dropped |= hit
                    continue
                out = self._walk(target, candidates, hit, tally, depth + 1)
                if action == "goto":
                    returned |= out
                else:
                    rest |= out
        return rest | returned


def _columns(asked: list[tuple[Intervals, ...]], atoms: AddressAtoms) -> list[int]:
    """For each atom the entries that ask for it, a bit each; an entry that asks for nothing has all."""
    flips = [0] * (len(atoms) + 1)
    for number, alternatives in enumerate(asked):
        bit = 1 << number
        if not alternatives:
            flips[0] ^= bit
            continue
        for low, high in common(alternatives):
            inside = atoms.within(low, high)
            flips[inside.start] ^= bit
            flips[inside.stop] ^= bit
    return list(accumulate(flips[:-1], xor))


def _service_mask(condition: Condition, services: ServiceCells, version: Version) -> int:
    mask = services.full
    samples = {protocol: Context(version.family, "", packet=packet) for protocol, packet in version.samples.items()}
    for test in condition.ports:
        here = 0
        for protocol in test.protocols:
            here |= services.mask(protocol, test.field, test.intervals)
        if test.icmp is not None and test.icmp(samples[version.icmp]):
            here |= services.icmp
        mask &= here
    for question in condition.service:
        here = 0
        for protocol, sample in samples.items():
            if question(sample):
                here |= services.of_protocol(protocol)
        mask &= here
    return mask
