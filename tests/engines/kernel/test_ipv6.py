"""A site with both IP versions on the real kernel: addresses, routes, answers and verdicts as on the simulator."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.base import Disposition, Probe
from labs.engines.sim.engine import SimEngine
from labs.journal import Header
from labs.net.actions import DropReason
from labs.version import version
from tests.conformance.deviations import UNGRADED_FAULTS
from tests.engines.kernel.kernel_site import needs_kernel, running, two_networks
from tests.faults.workshop import Workshop
from tests.kernel_lab import lasting

pytestmark = needs_kernel

SECOND = 1_000_000_000
OUTSIDE = "2001:db8:ffff::1"
LIFETIME = re.compile(
    r"expires \d+sec|valid_lft \d+sec preferred_lft \d+sec|link-netnsid \d+|@\w+|^\d+: (?=eth|lo)", re.MULTILINE
)
WORKSHOP = Workshop("workshop6.yaml")
USES = {use.fault: use for use in WORKSHOP.uses}


@pytest.fixture(scope="module")
def lab():
    with running(WORKSHOP.site()) as engine:
        yield engine


@pytest.fixture(scope="module")
def sim():
    engine = SimEngine()
    engine.start(WORKSHOP.site())
    engine.wait(30 * SECOND)
    return engine


def told(engine, place: str, line: str) -> list[str]:
    """What a line prints, without lifetimes and what only veth has."""
    return [
        words
        for words in (LIFETIME.sub("", text).strip() for text in engine.run(place, line).text.splitlines())
        if words
    ]


@pytest.mark.parametrize("place", ["gw", "pc", "server", "camera", "internet", "sw"])
def test_routes_and_addresses_read_alike(lab, sim, place):
    for line in ("ip -6 route", "ip -6 -o addr show scope global", "ip -6 -o addr show scope link"):
        assert told(lab, place, line) == told(sim, place, line)


def test_observed_state_is_that_of_the_simulator(lab, sim):
    real, simulated = lab.observe().devices, sim.observe().devices
    for name in real:
        mine, theirs = real[name].state, simulated[name].state
        assert [i.addresses for i in mine.interfaces] == [i.addresses for i in theirs.interfaces]
        assert routes(mine) == routes(theirs)
        assert mine.dynamic_addresses == theirs.dynamic_addresses
        assert servers(mine) == servers(theirs)
        assert six(mine) == six(theirs)


def routes(state):
    """Routes with whether they expire: when depends on the moment."""
    return [replace(route, expires_ns=None if route.expires_ns is None else 0) for route in state.routes]


def servers(state):
    return {(s.protocol, str(s.address), s.port) for s in state.listeners if s.port in (80, 443)}


def six(state):
    return {name: value for name, value in state.sysctls.items() if "ipv6" in name}


@pytest.mark.parametrize("uses", [(), *((name,) for name in USES)], ids=str)
def test_verdicts_are_those_of_the_simulator(uses):
    site = WORKSHOP.site(*(USES[name] for name in uses))

    def verdicts(engine: str) -> dict[str, Verdict]:
        header = Header(WORKSHOP.scenario.id, WORKSHOP.scenario.digest, "0", engine, version())
        return {result.id: result.verdict for result in judge(WORKSHOP.variant, header, site=site).results}

    wanted = verdicts("sim")
    chance = {check for fault, check in UNGRADED_FAULTS if fault in uses}
    assert chance <= wanted.keys()

    def look(patience: int) -> dict[str, Verdict]:
        del patience  # a judge waits as long as it waits
        told = verdicts("kernel")
        return {name: told[name] for name in wanted if name not in chance and told[name] is not wanted[name]}

    assert lasting(look) == {}


def test_packet_over_ipv6_is_seen_at_every_device(lab):
    (seen,) = lab.probe([Probe("pc", OUTSIDE, "tcp", 443)])
    assert seen.disposition is Disposition.DELIVERED
    assert [hop.device for hop in seen.hops][:3] == ["pc", "gw", "internet"]


def test_closed_port_is_refused_by_its_device(lab):
    for protocol in ("tcp", "udp"):
        (seen,) = lab.probe([Probe("pc", OUTSIDE, protocol, 4711)])
        assert (seen.disposition, seen.death.device) == (Disposition.REFUSED, "internet")
        assert seen.death.note.reason is DropReason.NO_LISTENER


def test_rule_of_ip6_that_dropped_a_packet_is_named(lab):
    rule = "tcp dport 443 drop"
    lab.run(
        "gw",
        "nft add table ip6 t; nft 'add chain ip6 t f { type filter hook forward priority 0; }';"
        f"nft add rule ip6 t f {rule}",
    )
    try:
        seen, other = lab.probe([Probe("pc", OUTSIDE, "tcp", 443), Probe("pc", OUTSIDE, "ping")])
    finally:
        lab.run("gw", "nft delete table ip6 t")
    assert (seen.disposition, seen.death.device) == (Disposition.TIMED_OUT, "gw")
    assert rule in seen.death.note.by
    assert other.disposition is Disposition.DELIVERED


def test_no_route_and_nobody_there_are_told(lab):
    lost, silent = lab.probe(
        [Probe("internet", "2001:db8:77::1", "ping"), Probe("gw", "2001:db8:20::99", "ping", timeout_ns=8 * SECOND)]
    )
    assert (lost.disposition, lost.death.device) == (Disposition.NO_ROUTE, "internet")
    assert (silent.disposition, silent.death.device) == (Disposition.UNREACHABLE, "gw")


def test_ifdown_and_ifup_bring_the_addresses_back(lab):
    before = told(lab, "server", "ip -6 -o addr show scope global")
    lab.run("server", "ifdown eth0")
    assert not told(lab, "server", "ip -6 -o addr show dev eth0")
    lab.run("server", "ifup eth0; sleep 3")
    assert told(lab, "server", "ip -6 -o addr show scope global") == before


def test_site_without_ipv6_speaks_none():
    with running(two_networks()) as engine:
        assert engine.run("pc", "ip -6 addr; ip -6 route; cat /proc/net/if_inet6").text == ""
        assert engine.run("gw", "cat /proc/sys/net/ipv6/conf/lan/disable_ipv6").text == "1\n"
