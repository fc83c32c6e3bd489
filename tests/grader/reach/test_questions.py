"""The questions, and what must not change an answer: names, an order that does not matter, other words."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Limit, Packet, Reach
from labs.model.addresses import IPv4
from labs.model.services import Service
from tests.grader.reach.rulesets import MATCHES, RULESETS
from tests.grader.reach.small_site import V4, engine_of, small_site
from tests.sites import machine, site

FORWARD = """table inet filter {{
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    {}
  }}
}}
"""


def reach_of(*rules: str) -> Reach:
    return Reach(engine_of(small_site(FORWARD.format("\n    ".join(rules)))).observe())


SAME = [
    (["ip saddr { 10.0.1.10, 10.0.1.11 } accept"], ["ip saddr 10.0.1.10 accept", "ip saddr 10.0.1.11 accept"]),
    (["ip daddr 10.0.2.0/24 accept"], ["ip daddr 10.0.2.0/25 accept", "ip daddr 10.0.2.128-10.0.2.255 accept"]),
    (["tcp dport 20-25 accept"], ["tcp dport { 20-22, 23, 24, 25 } accept"]),
    (["tcp dport 22 accept", "udp dport 53 accept"], ["udp dport 53 accept", "tcp dport 22 accept"]),
    (["iifname lan accept"], ["iifname != { wan, dmz } accept"]),
    (["tcp dport 80 accept"], ["tcp dport vmap { 80 : accept, 81 : continue }"]),
    (["tcp dport 80 accept"], ["meta l4proto tcp th dport 80 accept"]),
    (["tcp dport 80 accept"], ["tcp dport != 80 return", "accept"]),
    (
        ["ip saddr 10.0.1.10 tcp dport 22 accept", "ip saddr 10.0.3.30 tcp dport 80 accept"],
        ["ip saddr . tcp dport { 10.0.1.10 . 22, 10.0.3.30 . 80 } accept"],
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_rules_in_other_words_differ_for_no_packet(one: list[str], other: list[str]) -> None:
    if "return" in str(other):  # nothing but TCP reaches the accept behind a return for other protocols
        other = ["meta l4proto != tcp drop", *other]
    assert reach_of(*one).difference(reach_of(*other)) == ()


@pytest.mark.parametrize(("one", "_"), SAME)
def test_one_port_more_is_found_with_its_packet(one: list[str], _: list[str]) -> None:
    found = reach_of(*one).difference(reach_of(*one, "ip daddr 10.0.3.30 udp dport 4711 accept"))
    assert found
    assert all(difference.there.startswith("reaches d") for difference in found)
    assert any(difference.packet.port == 4711 for difference in found)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULESETS[V4], MATCHES[V4], st.integers(0, 3))
def test_accept_rule_that_is_added_closes_nothing(text: str, match: str, place: int) -> None:
    marker = "type filter hook forward"
    head, _, tail = text.partition(marker)
    lines = tail.split("\n")
    lines.insert(1 + min(place, lines.index("  }") - 1), f"    {match} accept")  # among the rules of the chain
    opened = Reach(engine_of(small_site(head + marker + "\n".join(lines))).observe())
    for difference in Reach(engine_of(small_site(text)).observe()).difference(opened):
        assert difference.there.startswith("reaches"), str(difference.packet)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULESETS[V4])
def test_names_of_chains_and_sets_change_nothing(text: str) -> None:
    renamed = text
    for old, new in (
        ("friends", "vrienden"),
        ("open", "deuren"),
        ("chain one", "chain eerst"),
        ("chain two", "chain dan"),
    ):
        renamed = renamed.replace(old, new)
    renamed = (
        renamed.replace("jump one", "jump eerst").replace("goto one", "goto eerst").replace("jump two", "jump dan")
    )
    assert Reach(engine_of(small_site(text)).observe()).difference(engine_of(small_site(renamed)).observe()) == ()


def test_can_shows_the_way_there_and_back_and_where_it_ends() -> None:
    reach = reach_of("iifname lan oifname wan icmp type echo-request accept")
    yes, no = reach.can("a", "d", "ping"), reach.can("d", "a", "ping")
    assert yes.holds
    assert yes.proved
    assert yes.witness is not None
    assert any("/etc/nftables.conf:" in line for line in yes.witness.lines())
    assert any(step.back for step in yes.witness.steps)
    assert not no
    assert no.witness is not None
    assert "forward: drop" in " ".join(no.witness.lines())


def test_all_that_can_lists_ranges_of_ports_and_spare_addresses() -> None:
    found = {
        str(opening) for opening in reach_of("ip saddr 10.0.1.64/26 tcp dport 5000-5010 accept").all_that_can("a", "d")
    }
    assert found == {"tcp 10.0.1.64-10.0.1.127 -> 10.0.3.30 port 5000-5010"}


def test_rule_behind_one_that_takes_everything_is_shadowed_with_its_line() -> None:
    found = reach_of(
        "tcp dport 1-1024 accept", "ip saddr 10.0.1.10 tcp dport 80 accept", "udp dport 9 accept"
    ).shadowed()
    assert [(rule.device, rule.rule) for rule in found] == [("r", "ip saddr 10.0.1.10 tcp dport 80 accept")]
    assert found[0].where == "/etc/nftables.conf:6"


def test_row_of_routers_does_not_survive_a_lead_between_them_and_a_host_elsewhere_does() -> None:
    reach = reach_of("accept")
    flows = [("a", "d", Service("icmp")), ("a", "b", Service("icmp"))]
    lost = reach.survives("r:wan", flows)
    assert not lost.holds
    assert lost.witness is not None
    assert lost.witness.packet.target == IPv4.parse("10.0.3.30")
    assert reach.survives("c", flows).holds
    assert not reach.survives("sw", flows).holds


def test_two_owners_of_an_address_are_named_and_no_proof() -> None:
    twice = site(
        [
            machine("a", {"eth0": "10.0.0.1/24"}),
            machine("b", {"eth0": "10.0.0.2/24"}),
            machine("c", {"eth0": "10.0.0.2/24"}),
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2", "c:eth0 sw:p3"],
    )
    reach = Reach(engine_of(twice).observe())
    answer = reach.can("a", "b", "ping")
    assert not answer.proved
    assert {limit.limit for limit in answer.limits} == {Limit.DUPLICATE_ADDRESS}


def test_proxy_that_answers_for_a_network_leads_packets_there() -> None:
    made = site(
        [
            machine("a", {"eth0": "10.0.0.1/8"}),
            machine(
                "r",
                {"lan": "10.1.0.1/24", "far": "10.2.0.1/24"},
                forward=True,
                settings=["net.ipv4.conf.lan.proxy_arp = 1", "net.ipv4.conf.all.rp_filter = 0"],
                up=["ip route add 10.0.0.0/24 dev lan"],
            ),
            machine("d", {"eth0": "10.2.0.9/24"}, gateway="10.2.0.1"),
        ],
        ["a:eth0 r:lan", "r:far d:eth0"],
    )
    reach = Reach(engine_of(made).observe())
    assert reach.arrives(Packet("a", IPv4.parse("10.2.0.9")), "d")
    assert reach.can("a", "d", "ping").holds
