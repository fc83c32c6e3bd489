"""The judges that share no line with the analysis, asked about IPv6: the same rows, written in addresses of IPv6."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from benchmarks.row.instance import Row
from grader.reach import Packet, Reach
from grader.reach.side import Side
from tests.grader.reach.mirrored import mirrored, narrow, wide
from tests.grader.reach.test_oracles import SMT_SHARE, decides, rows, solver_of

ENDS = (255,)  # no machine of the row has it, and with IPv6 one could


def side_of(row: Row) -> Side:
    found = Reach(mirrored(row.site(), ENDS)).six
    assert found is not None
    return found


@pytest.mark.oracles
@pytest.mark.parametrize("name", ["bdd", "sat", "smt"])
def test_row_of_routers_of_ipv6_every_pair_judges_and_analysis_agree(name: str, request: pytest.FixtureRequest) -> None:
    for row in rows(request.config, f"{name}6")[:: SMT_SHARE if name == "smt" else 1]:
        side, solver = side_of(row), solver_of(name, row)
        ported = side.analysis.services.full & ~side.analysis.services.icmp
        services = list(side.matrix(row.names))
        for a in range(len(row.hosts)):
            for b in range(len(row.hosts)):
                if a != b:
                    claimed = bool(services[a][b] & ported)
                    assert solver.passes(a, b) == claimed, (row.name(a), row.name(b), row.rules)


def test_packet_of_ipv6_that_is_through_is_let_through_by_every_rule_and_none_means_none(
    request: pytest.FixtureRequest,
) -> None:
    witnessed = 0
    for row in rows(request.config, "witness6"):
        side = side_of(row)
        services = list(side.matrix(row.names))
        for a, name in enumerate(row.names):
            for b, other in enumerate(row.names):
                packet = side.packet_through(name, other) if a != b else None
                assert (packet is None) == (not services[a][b])
                if packet is not None and packet.source is not None:
                    witnessed += 1
                    old = replace(packet, source=narrow(packet.source), target=narrow(packet.target))
                    assert decides(row, old, a, b), str(packet)
                    assert side.tracer.converse(packet).arrived_at(other), str(packet)
    assert witnessed


def test_random_packet_of_ipv6_is_claimed_just_where_the_rules_let_it_through(request: pytest.FixtureRequest) -> None:
    for number, row in enumerate(rows(request.config, "packet6")):
        side, random = side_of(row), Random(f"packets6/{number}")
        for _ in range(40):
            a, b = random.sample(range(len(row.hosts)), 2)
            rule = random.choice(random.choice(row.rules))
            sources = [
                wide(type(rule.targets[0].address)(row.base(a) + octet)) for octet in random.sample(range(2, 255), 3)
            ]
            packet = Packet(
                row.name(a),
                random.choice([address for address in side.addresses_of(row.name(b)) if int(address) >> 118 != 0x3FA]),
                "tcp" if rule.protocol == 6 else "udp",
                random.choice((*rule.ports, rule.ports[1] + 1, rule.ports[0] - 1)),
                random.choice(sources),
                max(1, random.choice((*rule.sports, rule.sports[0] - 1))),
            )
            assert packet.source is not None
            old = replace(packet, source=narrow(packet.source), target=narrow(packet.target))
            assert side.arrives(packet, row.name(b)) == decides(row, old, a, b), str(packet)
