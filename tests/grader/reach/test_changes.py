"""Questions about a site that changes: what fails, what was edited, and rules that are for nothing."""

from __future__ import annotations

import pytest

from grader.reach import Limit, Packet, Reach
from labs.model.addresses import IPv4
from labs.model.services import Service
from labs.model.site import Endpoint, Site
from tests.grader.reach.small_site import engine_of, small_site
from tests.sites import machine, site

PING = Service("icmp")
ACROSS, BESIDE = ("a", "d", PING), ("a", "b", PING)
RULES = """table inet filter {{
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    {rules}
  }}
}}
"""


def ruled(*rules: str, policy: str = "drop") -> Site:
    return small_site(RULES.format(policy=policy, rules="\n    ".join(rules)))


def reach_of(made: Site) -> Reach:
    return Reach(engine_of(made).observe())


@pytest.fixture(scope="module")
def open_site() -> Reach:
    return reach_of(ruled("accept"))


# survives


@pytest.mark.parametrize(("device", "holds"), [("r", False), ("s", False), ("c", True), ("sw", False)])
def test_site_survives_the_devices_that_no_flow_needs(open_site: Reach, device: str, holds: bool) -> None:
    assert open_site.survives(device, [ACROSS]).holds is holds


def test_flows_of_the_device_that_is_gone_do_not_count(open_site: Reach) -> None:
    assert open_site.survives("d", [ACROSS, BESIDE]).holds
    assert open_site.survives("d", [ACROSS]).classes == 1


@pytest.mark.parametrize("how", ["name", "end", "link"])
def test_lead_is_named_by_itself_or_by_one_of_its_ends(open_site: Reach, how: str) -> None:
    link = open_site.site.link_at(Endpoint("s", "wan"))
    assert link is not None
    what = {"name": "s:wan", "end": Endpoint("s", "wan"), "link": link}[how]
    lost = open_site.survives(what, [ACROSS])
    assert not lost.holds
    assert lost.witness is not None
    assert lost.witness.packet == Packet("a", IPv4.parse("10.0.3.30"))
    assert open_site.survives(what, [BESIDE]).holds


def test_flow_that_does_not_work_anyhow_is_not_asked_for() -> None:
    shut = reach_of(ruled())
    assert shut.survives("s", [ACROSS]).holds
    assert shut.survives("s", [ACROSS]).classes == 0


def test_without_flows_everything_that_works_now_is_asked(open_site: Reach) -> None:
    assert not open_site.survives("r:dmz").holds
    assert not open_site.survives("r").holds


def test_lead_that_carries_other_flows_is_survived_and_one_of_the_way_back_is_not() -> None:
    """Two leads between two routers, a host route over each, and the way back over the first."""
    made = site(
        [
            machine("a", {"eth0": "10.0.1.10/24"}, gateway="10.0.1.1"),
            machine(
                "r",
                {"lan": "10.0.1.1/24", "up1": "10.0.8.1/30", "up2": "10.0.9.1/30"},
                up=["ip route add 10.0.3.30/32 via 10.0.8.2", "ip route add 10.0.3.31/32 via 10.0.9.2"],
                forward=True,
            ),
            machine(
                "s",
                {"up1": "10.0.8.2/30", "up2": "10.0.9.2/30", "lan": "10.0.3.1/24"},
                up=["ip route add 10.0.1.0/24 via 10.0.8.1 metric 1", "ip route add 10.0.1.0/24 via 10.0.9.1 metric 2"],
                forward=True,
            ),
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
            machine("d", {"eth0": "10.0.3.30/24"}, gateway="10.0.3.1"),
            machine("e", {"eth0": "10.0.3.31/24"}, gateway="10.0.3.1"),
        ],
        ["a:eth0 r:lan", "r:up1 s:up1", "r:up2 s:up2", "s:lan sw:p1", "sw:p2 d:eth0", "sw:p3 e:eth0"],
    )
    reach = reach_of(made)
    first, second = ("a", "d", PING), ("a", "e", PING)
    assert reach.survives("r:up2", [first]).holds
    assert not reach.survives("r:up2", [second]).holds
    assert not reach.survives("r:up1", [first]).holds
    assert not reach.survives("r:up1", [second]).holds, "a route over a port without a link stays, and is preferred"


def test_spanning_tree_would_choose_anew_and_is_named() -> None:
    made = site(
        [
            machine("a", {"eth0": "10.0.0.1/24"}),
            machine("b", {"eth0": "10.0.0.2/24"}),
            machine("sw", {"p1": "", "p2": ""}, bridge=True),
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2"],
    )
    engine = engine_of(made)
    assert Reach(engine.observe()).survives("a", [("a", "b", PING)]).proved
    engine.run("sw", "ip link set br0 type bridge stp_state 1")
    engine.wait(60_000_000_000)
    answer = Reach(engine.observe()).survives("sw:p2", [("a", "b", PING)])
    assert not answer.proved
    assert Limit.SPANNING_TREE in {limit.limit for limit in answer.limits}


@pytest.mark.parametrize(
    ("what", "said"), [("nobody", 'there is no device "nobody"'), ("s:eth9", "s:eth9 has no lead")]
)
def test_what_is_not_there_is_refused_in_one_line(open_site: Reach, what: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_site.survives(what, [ACROSS])


# shadowed


@pytest.mark.parametrize(
    ("rules", "idle"),
    [
        (("accept", "tcp dport 22 drop"), ["tcp dport 22 drop"]),
        (("tcp dport 22 accept", "tcp dport 22 drop", "udp dport 22 drop"), ["tcp dport 22 drop"]),
        (
            ("ip saddr 10.0.1.0/25 accept", "ip saddr 10.0.1.128/25 accept", "ip saddr 10.0.1.0/24 drop"),
            ["ip saddr 10.0.1.0/24 drop"],
        ),
        (("tcp dport 1-100 accept", "tcp dport 50-150 accept", "tcp dport 120 drop"), ["tcp dport 120 drop"]),
        (
            ("iifname lan accept", "iifname lan tcp dport 80 drop", "iifname dmz accept"),
            ["iifname lan tcp dport 80 drop"],
        ),
        (
            ("tcp dport { 22, 80 } accept", "tcp dport 80 accept", "tcp dport { 80, 81 } accept"),
            ["tcp dport 80 accept"],
        ),
        (("counter", "tcp dport 80 counter accept", "udp dport 9 accept"), []),
        (("ip saddr 10.0.1.10 accept", "ip saddr != 10.0.1.10 accept", "drop"), ["drop"]),
    ],
)
def test_rule_that_decides_about_no_packet_is_named(rules: tuple[str, ...], idle: list[str]) -> None:
    found = reach_of(ruled(*rules)).shadowed()
    assert [(one.device, one.chain, one.rule.replace('"', "")) for one in found] == [
        ("r", "inet filter forward", rule) for rule in idle
    ]


def test_rule_behind_a_jump_that_decides_everything_is_named_with_its_chain_and_line() -> None:
    text = """table inet filter {
  chain known {
    ip saddr 10.0.1.0/24 accept
    drop
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    jump known
    tcp dport 80 accept
  }
}
"""
    (found,) = reach_of(small_site(text)).shadowed()
    assert (found.chain, found.rule) == ("inet filter forward", "tcp dport 80 accept")
    line = int(found.where.rpartition(":")[2])
    assert text.split("\n")[line - 1].strip() == "tcp dport 80 accept"


# path


def test_path_tells_every_hop_with_its_route_and_ends_in_a_word(open_site: Reach) -> None:
    told = open_site.path(Packet("a", IPv4.parse("10.0.3.30")))
    assert told.ending == "delivered"
    lines = list(told.lines())
    assert [line.partition(":")[0] for line in lines if "is forwarded" in line] == ["r", "s"]
    assert any("route 10.0.3.0/24 via 10.0.9.2" in line for line in lines)
    assert len(list(told.lines(back=True))) > len(lines)


@pytest.mark.parametrize(
    ("target", "rules", "words"),
    [
        ("10.0.3.30", (), "forward: drop"),
        ("192.0.2.7", ("accept",), "dies"),
        ("10.0.3.99", ("accept",), "nobody answers ARP for 10.0.3.99"),
        ("203.0.113.1", ("accept",), "no route covers 203.0.113.1"),
    ],
)
def test_path_that_ends_early_tells_what_decided(target: str, rules: tuple[str, ...], words: str) -> None:
    told = reach_of(ruled(*rules)).path(Packet("a", IPv4.parse(target)))
    assert told.ending != "delivered"
    assert words in "\n".join(told.lines())


def test_path_of_a_device_without_power_says_so() -> None:
    engine = engine_of(ruled("accept"))
    engine.power("a", on=False)
    told = Reach(engine.observe()).path(Packet("a", IPv4.parse("10.0.3.30")))
    assert (told.steps, told.ending) == ((), "the sender has no power")


# difference


def changed(site_: Site, *lines: tuple[str, str]) -> Site:
    engine = engine_of(site_)
    for place, line in lines:
        engine.run(place, line)
    return engine.observe()


def told(found: tuple[object, ...]) -> set[tuple[str, str, str]]:
    return {(d.packet.device, str(d.packet.target), d.there) for d in found}  # type: ignore[attr-defined]


def test_changes_of_two_devices_are_each_found_with_their_packets() -> None:
    made = ruled("tcp dport 80 accept", "ct state established accept")
    reach = reach_of(made)
    both = changed(
        made,
        ("r", "nft add rule inet filter forward ip saddr 10.0.2.20 udp dport 53 accept"),
        ("s", "ip route del 10.0.1.0/24 2> /dev/null; ip route add blackhole 10.0.1.0/24"),
    )
    found = told(reach.difference(both))
    assert ("c", "10.0.3.30", "reaches d") in found, "the rule opens"
    assert ("d", "10.0.1.10", "does not reach a") in found, "the route closes"
    alone = told(
        reach.difference(
            changed(made, ("r", "nft add rule inet filter forward ip saddr 10.0.2.20 udp dport 53 accept"))
        )
    )
    assert ("d", "10.0.1.10", "does not reach a") not in alone


def test_changes_that_make_up_for_each_other_are_no_difference() -> None:
    made = ruled("tcp dport 80 accept")
    reach = reach_of(made)
    moved = changed(
        made,
        ("r", "nft flush chain inet filter forward"),
        ("r", "nft add chain inet filter web"),
        ("r", "nft add rule inet filter web tcp dport 80 accept"),
        ("r", "nft add rule inet filter forward jump web"),
        ("r", "ip route del 10.0.3.0/24"),
        ("r", "ip route add 10.0.3.0/25 via 10.0.9.2"),
        ("r", "ip route add 10.0.3.128/25 via 10.0.9.2"),
    )
    assert reach.difference(moved) == ()


def test_one_of_two_halves_of_a_route_is_found_by_an_address_of_that_half() -> None:
    made = ruled("accept")
    half = changed(made, ("r", "ip route del 10.0.3.0/24"), ("r", "ip route add 10.0.3.0/28 via 10.0.9.2"))
    found = reach_of(made).difference(half, devices=["a"])
    assert {(str(d.packet.target), d.here, d.there) for d in found} == {("10.0.3.30", "reaches d", "does not reach d")}


def test_difference_is_the_same_from_both_sides_with_here_and_there_exchanged() -> None:
    made = ruled("tcp dport 80 accept")
    other = changed(made, ("r", "nft add rule inet filter forward tcp dport 81 accept"), ("c", "ip link set eth0 down"))
    here, there = reach_of(made), Reach(other)
    names = ["a", "b", "d"]
    one = {(str(d.packet.target), d.here, d.there) for d in here.difference(there, names)}
    two = {(str(d.packet.target), d.there, d.here) for d in there.difference(here, names)}
    assert one == two
    assert one
