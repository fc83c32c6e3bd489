"""`why` about packets of IPv6: it says what a probe meets, and the site does not notice."""

from __future__ import annotations

from labs.engines.base import Disposition, Probe
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv6
from labs.net.foresight import Foresight, Question
from tests.engines.test_foresight import counters
from tests.grader.reach.small_site import V6, engine_of, small_site6

MINIMAL = """table inet filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname lan tcp dport { 22, 7 } accept
    ip6 saddr 2001:db8:1::10 icmpv6 type echo-request accept
    iifname dmz udp dport 9 reject
  }
}
"""
DEAF = """table ip6 own {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established accept
  }
}
"""


def told(engine: SimEngine, device: str, target: str, protocol: str = "ping", port: int = 0) -> Foresight:
    found = engine.foresee(device, Question(IPv6.parse(target), protocol, port))
    assert found is not None
    return found


def test_every_pair_is_told_what_a_probe_meets_and_nothing_changes() -> None:
    engine = engine_of(small_site6(MINIMAL))
    asked = [
        (a, target, protocol, port)
        for a in V6.hosts
        for target in (*V6.hosts.values(), "2001:db8:2::1", "2001:db8:66::9", "2001:db8:2::77")
        for protocol, port in (("ping", 0), ("tcp", 22), ("tcp", 23), ("udp", 9))
        if target != V6.hosts[a]
    ]
    before = counters(engine)
    endings = [told(engine, *question).ending for question in asked]
    assert counters(engine) == before
    seen = []
    for start in range(0, len(asked), 20):
        batch = [Probe(a, target, protocol, port) for a, target, protocol, port in asked[start : start + 20]]
        seen += engine.probe(batch)
    wrong = [
        (question, ending, str(probe.disposition))
        for question, ending, probe in zip(asked, endings, seen, strict=True)
        if ending != str(probe.disposition)
    ]
    assert wrong == []
    assert {Disposition.DELIVERED, Disposition.TIMED_OUT, Disposition.UNREACHABLE} <= {p.disposition for p in seen}


def test_packet_is_told_hop_by_hop_with_the_rule_that_lets_it_pass() -> None:
    found = told(engine_of(small_site6(MINIMAL)), "a", V6.hosts["d"])
    lines = [f"{step.device}: {step.what} {step.by}" for step in found.steps]
    assert f"a: icmpv6 {V6.hosts['a']} -> {V6.hosts['d']}, echo request " in lines
    assert any(line.startswith("r: forward: accept") and "ip6 saddr 2001:db8:1::10" in line for line in lines)
    assert any(line.startswith("s: is forwarded from wan to lan route 2001:db8:3::/64") for line in lines)
    assert found.answered


def test_firewall_that_drops_solicitations_is_named_with_its_line() -> None:
    found = told(engine_of(small_site6("", {"c": DEAF})), "a", V6.hosts["c"], "tcp", 22)
    death = "the neighbour solicitation for 2001:db8:2::20 dies"
    told_of = [step for step in found.steps if str(step.what).startswith(death)]
    assert [(step.device, step.by, step.where) for step in told_of] == [
        ("c", "ip6 own input: policy drop", "/etc/nftables.conf:3")
    ]
    assert any(
        step.device == "r" and "nobody answers neighbour solicitations" in str(step.what) for step in found.steps
    )


def test_address_of_a_link_is_reached_over_the_interface_that_is_named() -> None:
    engine = engine_of(small_site6(""))
    device = engine.observe().devices["b"].state
    assert device is not None
    own = next(str(known.address) for known in device.addresses() if str(known.address).startswith("fe80"))
    found = engine.foresee("a", Question(IPv6.parse(own), "ping", over="eth0"))
    assert found is not None
    assert found.answered
