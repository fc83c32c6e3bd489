"""The rivals: a BDD library, a SAT solver and an SMT solver, each given the problem in the form that suits it.

Each class reads the rules once when it is made; `passes` answers about one pair of subnets. They share nothing with
`grader.reach` but the rules as they were drawn, so the tests use them as judges.
"""

from __future__ import annotations

from functools import cache
from types import TracebackType
from typing import Any, Protocol, Self

from benchmarks.row.instance import NOBODY, Row, Rule
from labs.model.addresses import Network

__all__ = ["BddSolver", "SatSolver", "SmtSolver", "Solver"]

WIDTHS = {"s": 32, "d": 32, "p": 16, "q": 16}  # source, destination, destination port, source port


class Solver(Protocol):
    """Whoever can say whether any packet passes."""

    def passes(self, a: int, b: int) -> bool:
        """Whether any packet gets from one subnet to another."""


class BddSolver:
    """A BDD for each router, one for each way, restricted by sender and target. `library` is dd.cudd or dd.autoref."""

    def __init__(self, row: Row, library: Any) -> None:
        self._row = row
        self._bdd = bdd = library.BDD()
        bdd.declare(*(f"{letter}{i}" for letter, width in WIDTHS.items() for i in range(width)), "udp")
        self._routers = [self._router(rules) for rules in row.rules]
        low = [bdd.cube({f"s{24 + i}": bool(value >> 7 - i & 1) for i in range(8)}) for value in NOBODY]
        zero = [bdd.cube({f"{letter}{i}": False for i in range(16)}) for letter in "pq"]
        free = ~(low[0] | low[1] | low[2]) & ~zero[0] & ~zero[1]
        subnets = range(len(row.hosts))
        self._sources = [self._cube("s", row.base(subnet) >> 8, 24) & free for subnet in subnets]
        self._targets = [self._any("d", [(address, 32) for address in row.addresses(subnet)]) for subnet in subnets]
        self._way = cache(self._make_way)
        self._sent = cache(self._make_sent)

    def _cube(self, letter: str, value: int, length: int) -> Any:
        return self._bdd.cube({f"{letter}{i}": bool(value >> length - 1 - i & 1) for i in range(length)})

    def _any(self, letter: str, cubes: list[tuple[int, int]]) -> Any:
        found = self._bdd.false
        for value, length in cubes:
            found |= self._cube(letter, value, length)
        return found

    def _at_least(self, letter: str, low: int) -> Any:
        found = self._bdd.true
        for i in range(15, -1, -1):
            bit = self._bdd.var(f"{letter}{i}")
            found = bit & found if low >> 15 - i & 1 else bit | found
        return found

    def _between(self, letter: str, ends: tuple[int, int]) -> Any:
        found = self._at_least(letter, ends[0])
        return found & ~self._at_least(letter, ends[1] + 1) if ends[1] < 65535 else found

    def _router(self, rules: tuple[Rule, ...]) -> Any:
        udp = self._bdd.var("udp")
        allowed = self._bdd.false
        for rule in reversed(rules):
            match = self._any("s", _prefixes(rule.sources)) & self._any("d", _prefixes(rule.targets))
            match &= self._between("p", rule.ports) & self._between("q", rule.sports)
            match &= udp if rule.protocol == 17 else ~udp
            allowed = allowed | match if rule.permit else allowed & ~match
        return allowed

    def _make_way(self, first: int, last: int) -> Any:
        found = self._bdd.true
        for number in range(min(first, last), max(first, last) + 1):
            found &= self._routers[number]
        return found

    def _make_sent(self, a: int, last: int) -> Any:
        return self._way(self._row.place(a)[0], last) & self._sources[a]

    def passes(self, a: int, b: int) -> bool:
        """Whether any packet gets from one subnet to another."""
        return bool((self._sent(a, self._row.place(b)[0]) & self._targets[b]) != self._bdd.false)


def _prefixes(networks: tuple[Network, ...]) -> list[tuple[int, int]]:
    return [(int(network.address) >> 32 - network.length, network.length) for network in networks]


class SatSolver:
    """An incremental SAT solver: routers and hosts as clauses once, each pair as assumptions.

    What rules have in common (prefixes, comparisons of ports) is encoded once, unless `sharing` is off: then every rule
    has gates of its own, as the textbook's translation makes them, and there are some twenty times as many variables.
    """

    def __init__(self, row: Row, name: str = "cadical153", *, sharing: bool = True) -> None:
        from pysat.solvers import Solver as Sat

        self._row = row
        self._sharing = sharing
        self._solver = Sat(name=name)
        self._udp = 1
        self._top = 1
        self._bits = {letter: [self._fresh() for _ in range(width)] for letter, width in WIDTHS.items()}
        self._made: dict[tuple[int, ...], int] = {}
        self._routers = [self._router(rules) for rules in row.rules]
        for value in NOBODY:
            bits = self._bits["s"][24:]
            self._solver.add_clause([-bit if value >> 7 - i & 1 else bit for i, bit in enumerate(bits)])
        for letter in "pq":
            self._solver.add_clause(list(self._bits[letter]))
        self._hosts = [
            self._any("d", [(address, 32) for address in row.addresses(subnet)]) for subnet in range(len(row.hosts))
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._solver.delete()

    def _fresh(self) -> int:
        self._top += 1
        return self._top

    def _all(self, literals: list[int]) -> int:
        """A literal for a conjunction; with sharing the same for the same one."""
        key = tuple(sorted(literals))
        if len(key) == 1:
            return key[0]
        made = self._made.get(key) if self._sharing else None
        if made is None:
            made = self._made[key] = self._fresh()
            for literal in literals:
                self._solver.add_clause([-made, literal])
            self._solver.add_clause([made, *(-literal for literal in literals)])
        return made

    def _either(self, literals: list[int]) -> int:
        return -self._all([-literal for literal in literals])

    def _fixed(self, letter: str, value: int, length: int) -> list[int]:
        return [bit if value >> length - 1 - i & 1 else -bit for i, bit in enumerate(self._bits[letter][:length])]

    def _any(self, letter: str, cubes: list[tuple[int, int]]) -> int:
        return self._either([self._all(self._fixed(letter, value, length)) for value, length in cubes])

    def _at_least(self, letter: str, low: int) -> int:
        found = self._all([])
        for i in range(15, -1, -1):
            join = self._all if low >> 15 - i & 1 else self._either
            found = join([self._bits[letter][i], found])
        return found

    def _router(self, rules: tuple[Rule, ...]) -> int:
        allowed = -self._all([])
        for rule in reversed(rules):
            literals = [self._udp if rule.protocol == 17 else -self._udp]
            for letter, networks in (("s", rule.sources), ("d", rule.targets)):
                cubes = _prefixes(networks)
                literals += self._fixed(letter, *cubes[0]) if len(cubes) == 1 else [self._any(letter, cubes)]
            for letter, (low, high) in (("p", rule.ports), ("q", rule.sports)):
                literals += [self._at_least(letter, low)] if low else []
                literals += [-self._at_least(letter, high + 1)] if high < 65535 else []
            match = self._all(literals)
            allowed = self._either([allowed, match]) if rule.permit else self._all([allowed, -match])
        return allowed

    def passes(self, a: int, b: int) -> bool:
        """Whether any packet gets from one subnet to another."""
        row = self._row
        asked = [*self._fixed("s", row.base(a) >> 8, 24), *self._fixed("d", row.base(b) >> 8, 24), self._hosts[b]]
        return bool(self._solver.solve(assumptions=[*asked, *(self._routers[number] for number in row.path(a, b))]))


class SmtSolver:
    """z3 over bit vectors, with a scope for each pair."""

    def __init__(self, row: Row) -> None:
        import z3

        self._z3, self._row = z3, row
        self._source, self._target, self._port, self._sport = (z3.BitVec(name, w) for name, w in WIDTHS.items())
        self._udp = z3.Bool("u")
        self._solver = z3.Solver()
        self._routers = [z3.Bool(f"r{number}") for number in range(row.routers)]
        for name, rules in zip(self._routers, row.rules, strict=True):
            self._solver.add(name == self._router(rules))
        low = z3.Extract(7, 0, self._source)
        self._solver.add(*(low != value for value in NOBODY), self._port != 0, self._sport != 0)

    def _any(self, variable: Any, networks: tuple[Network, ...]) -> Any:
        return self._z3.Or(
            *(
                self._z3.Extract(31, 32 - length, variable) == value if length else self._z3.BoolVal(val=True)
                for value, length in _prefixes(networks)
            )
        )

    def _router(self, rules: tuple[Rule, ...]) -> Any:
        z3 = self._z3
        allowed: Any = z3.BoolVal(val=False)
        for rule in reversed(rules):
            match = z3.And(
                self._any(self._source, rule.sources),
                self._any(self._target, rule.targets),
                *(z3.ULE(rule.ports[0], self._port), z3.ULE(self._port, rule.ports[1])),
                *(z3.ULE(rule.sports[0], self._sport), z3.ULE(self._sport, rule.sports[1])),
                self._udp == (rule.protocol == 17),
            )
            allowed = z3.If(match, rule.permit, allowed)
        return allowed

    def passes(self, a: int, b: int) -> bool:
        """Whether any packet gets from one subnet to another."""
        row, z3 = self._row, self._z3
        self._solver.push()
        self._solver.add(z3.Extract(31, 8, self._source) == row.base(a) >> 8)
        self._solver.add(z3.Or(*(self._target == address for address in row.addresses(b))))
        self._solver.add(*(self._routers[number] for number in row.path(a, b)))
        found = self._solver.check() == z3.sat
        self._solver.pop()
        return bool(found)
