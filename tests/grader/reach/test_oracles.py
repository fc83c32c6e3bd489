"""Judges that share no line with the analysis: BDDs, a SAT solver and z3 are given the rules as they were drawn.

Bounded by default; `pytest --oracle-examples 2000 tests/grader/reach/test_oracles.py` is the long run.
"""

from __future__ import annotations

from importlib import import_module
from itertools import permutations
from random import Random

import pytest

from benchmarks.row.instance import Row, Rule, whole_subnets
from benchmarks.row.solvers import BddSolver, SatSolver, SmtSolver, Solver
from grader.reach import Packet, Reach
from labs.model.addresses import Network

EXAMPLES = 8
SMT_SHARE = 8  # z3 is slow: it judges one row of so many


def rows(config: pytest.Config, kind: str) -> list[Row]:
    """Small rows of routers, drawn so that rules overlap; some have several sources."""
    count = config.getoption("--oracle-examples") or EXAMPLES
    found = []
    for number in range(count):
        random = Random(f"{kind}/{number}")
        routers, each = random.choice(((1, 4), (2, 3), (3, 2), (4, 1)))
        row = whole_subnets(routers, each, random.randrange(1, 25), f"/{kind}/{number}")
        found.append(Row(tuple(_wider(rules, random) for rules in row.rules), row.hosts))
    return found


def _wider(rules: tuple[Rule, ...], random: Random) -> tuple[Rule, ...]:
    found = list(rules)
    for number, rule in enumerate(found):
        if random.random() < 0.3:
            other = random.choice(rules)
            sources = tuple(_apart([*rule.sources, *other.sources]))
            found[number] = Rule(rule.permit, sources, rule.targets, rule.protocol, other.ports, rule.sports)
    return tuple(found)


def _apart(networks: list[Network]) -> list[Network]:
    """Without those that lie in another one: nft refuses sets that overlap."""
    return [n for n in dict.fromkeys(networks) if not any(o.length < n.length and n.address in o for o in networks)]


def solver_of(name: str, row: Row) -> Solver:
    """A judge. Skips where it is not installed."""
    pytest.importorskip({"bdd": "dd.autoref", "sat": "pysat.solvers", "smt": "z3"}[name], reason="extra `oracles`")
    if name == "bdd":
        try:
            library = import_module("dd.cudd")
        except ImportError:
            library = import_module("dd.autoref")
        return BddSolver(row, library)
    return SatSolver(row) if name == "sat" else SmtSolver(row)


@pytest.mark.oracles
@pytest.mark.parametrize("name", ["bdd", "sat", "smt"])
def test_row_of_routers_every_pair_judges_and_analysis_agree(name: str, request: pytest.FixtureRequest) -> None:
    for row in rows(request.config, name)[:: SMT_SHARE if name == "smt" else 1]:
        reach, solver = Reach(row.site()), solver_of(name, row)
        ported = reach.analysis.services.full & ~reach.analysis.services.icmp
        for (a, b), found in matrix_of(reach, row).items():
            assert solver.passes(a, b) == bool(found & ported), (row.name(a), row.name(b), row.rules)


def matrix_of(reach: Reach, row: Row) -> dict[tuple[int, int], int]:
    services = list(reach.matrix(row.names))
    return {(a, b): services[a][b] for a, b in permutations(range(len(row.hosts)), 2)}


def decides(row: Row, packet: Packet, a: int, b: int) -> bool:
    """Rule by rule, with nothing but comparisons."""
    protocol = {"tcp": 6, "udp": 17}[packet.protocol]
    assert packet.source is not None

    def first(rules: tuple[Rule, ...]) -> bool:
        for rule in rules:
            if (
                rule.protocol == protocol
                and any(packet.source in network for network in rule.sources)
                and any(packet.target in network for network in rule.targets)
                and rule.ports[0] <= packet.port <= rule.ports[1]
                and rule.sports[0] <= packet.source_port <= rule.sports[1]
            ):
                return rule.permit
        return False

    return all(first(row.rules[number]) for number in row.path(a, b))


def test_packet_through_is_let_through_by_every_rule_and_none_means_none(request: pytest.FixtureRequest) -> None:
    witnessed = 0
    for row in rows(request.config, "witness"):
        reach = Reach(row.site())
        for (a, b), found in matrix_of(reach, row).items():
            packet = reach.packet_through(row.name(a), row.name(b))
            assert (packet is None) == (not found)
            if packet is not None:
                witnessed += 1
                assert decides(row, packet, a, b), str(packet)
                assert reach.tracer.converse(packet).arrived_at(row.name(b)), str(packet)
    assert witnessed


def test_random_packet_is_claimed_just_where_the_rules_let_it_through(request: pytest.FixtureRequest) -> None:
    for number, row in enumerate(rows(request.config, "packet")):
        reach, random = Reach(row.site()), Random(f"packets/{number}")
        for _ in range(40):
            a, b = random.sample(range(len(row.hosts)), 2)
            rule = random.choice(random.choice(row.rules))
            own = list(reach.addresses_of(row.name(a)))
            near = [type(own[0])(row.base(a) + octet) for octet in random.sample(range(2, 255), 3)]
            packet = Packet(
                row.name(a),
                random.choice(reach.addresses_of(row.name(b))),
                "tcp" if rule.protocol == 6 else "udp",
                random.choice((*rule.ports, rule.ports[1] + 1, rule.ports[0] - 1)),
                random.choice((*own, *near)),
                max(1, random.choice((*rule.sports, rule.sports[0] - 1))),
            )
            assert reach.arrives(packet, row.name(b)) == decides(row, packet, a, b), str(packet)
