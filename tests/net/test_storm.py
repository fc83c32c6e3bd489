"""A loop without a spanning tree: felt, counted, and bounded in the work it makes."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from tests.sites import end, machine, site, switch

SECOND = 1_000_000_000


def hall(*extra: str) -> SimEngine:
    """Two switches and two hosts, with more leads."""
    hosts = [machine("one", {"eth0": "10.0.0.1/24"}), machine("two", {"eth0": "10.0.0.2/24"})]
    leads = ["one:eth0 a:p1", "two:eth0 b:p1", "a:p2 b:p2", *extra]
    engine = SimEngine()
    engine.start(site([*hosts, switch("a", 8), switch("b", 8)], leads))
    return engine


def received(engine: SimEngine, text: str) -> int:
    return int(text.split(" received", maxsplit=1)[0].rsplit(maxsplit=1)[-1])


@pytest.mark.parametrize("extra", [("a:p3 b:p3",), ("a:p3 a:p4",), ("a:p3 b:p3", "a:p5 a:p6")])
def test_loop_is_a_storm_until_the_lead_is_pulled(extra: tuple[str, ...]) -> None:
    """One broadcast is enough; counters race; a few seconds after the repair everything works."""
    engine = hall(*extra)
    text = engine.run("one", "ping -c 10 -W 1 10.0.0.2").text
    assert received(engine, text) <= 3
    engine.wait(20 * SECOND)
    assert engine.node("a").interfaces["p1"].tx.packets > 1_000_000
    for lead in extra:
        engine.unplug(end(lead.split()[0]))
    engine.wait(5 * SECOND)
    assert received(engine, engine.run("one", "ping -c 5 -W 1 10.0.0.2").text) == 5


def test_storm_of_an_hour_is_bounded_work() -> None:
    """The storm is looked at every few seconds instead of being played."""
    engine = hall("a:p3 b:p3")
    engine.run("one", "ping -c 1 -W 1 10.0.0.2")
    engine.wait(3600 * SECOND)
    assert engine._clock.spent < 2_000_000


def test_spanning_tree_keeps_a_loop_from_being_one() -> None:
    engine = hall("a:p3 b:p3")
    for name in ("a", "b"):
        engine.run(name, "ip link set br0 type bridge stp_state 1")
    engine.wait(10 * SECOND)
    assert received(engine, engine.run("one", "ping -c 5 -W 1 10.0.0.2").text) == 5


def test_storm_is_seen_by_whoever_captures_and_in_the_counters_of_hosts() -> None:
    engine = hall("a:p3 b:p3")
    engine.run("one", "ping -c 1 -W 1 10.0.0.2")
    seen = engine.run("two", "timeout 10 tcpdump -n -i eth0 -c 20 arp").text
    assert "20 packets captured" in seen
    engine.wait(5 * SECOND)
    assert engine.node("two").interfaces["eth0"].rx.packets > 1_000_000


def test_bridge_that_hears_itself_says_so_in_the_journal_of_the_kernel() -> None:
    engine = hall("a:p3 b:p3")
    engine.run("a", "ip addr add 10.0.0.9/24 dev br0; ping -c 1 -W 1 10.0.0.8")
    engine.wait(5 * SECOND)
    assert "with own address as source address (addr:" in engine.run("a", "dmesg").text
