"""A site that speaks both IP versions: it is healthy, its faults hurt over IPv6, and a technician's cure mends them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from grader.verdict import Verdict
from labs.engines.sim.engine import SimEngine
from labs.faults import CATALOGUE, ipv6
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import Workshop

WORKSHOP = Workshop("workshop6.yaml")
USES = {use.fault: use for use in WORKSHOP.uses}
SECOND = 1_000_000_000
HURTS = {
    "rogue-ra": {"out-over-six"},
    "router-silent-ra": {"out-over-six", "camera-out"},
    "ipv6-forwarding-off": {"out-over-six", "camera-out"},
}
CURES = {
    "rogue-ra": [("tv", "systemctl disable --now radvd"), ("pc", "ifdown eth0"), ("pc", "ifup eth0")],
    "router-silent-ra": [("gw", "systemctl enable --now radvd")],
    "ipv6-forwarding-off": [
        ("gw", "echo net.ipv6.conf.all.forwarding=1 >> /etc/sysctl.d/60-ipv6.conf"),
        ("gw", "sysctl -p /etc/sysctl.d/60-ipv6.conf"),
    ],
}


def started(name: str) -> SimEngine:
    """The broken site, a minute and a half after it was switched on."""
    return WORKSHOP.started(USES[name], wait_ns=90 * SECOND)


def verdicts(*uses: FaultUse) -> Mapping[str, Verdict]:
    return WORKSHOP.verdicts(WORKSHOP.site(*uses))


def test_site_with_both_versions_is_healthy() -> None:
    """Hosts make addresses from the router's prefix, the way out works over both, nothing comes in."""
    assert set(verdicts().values()) == {Verdict.PASS}


def test_every_fault_of_ipv6_is_tried() -> None:
    assert set(USES) == {fault.name for fault in ipv6.FAULTS} <= set(CATALOGUE)


@pytest.mark.parametrize("name", HURTS)
def test_fault_hurts_ipv6_and_leaves_ipv4(name: str) -> None:
    """What a person notices: some sites are slow or dead, while IPv4 is fine."""
    found = verdicts(USES[name])
    broken = {check for check, verdict in found.items() if verdict is Verdict.FAIL}
    assert broken == HURTS[name]
    assert found["out-over-four"] is Verdict.PASS


@pytest.mark.parametrize("name", CURES)
def test_cure_of_a_technician_mends_it(name: str) -> None:
    """The lines that the catalogue names as fix, typed on the broken site."""
    engine = started(name)
    for device, line in CURES[name]:
        assert engine.run(device, line).status == 0
    engine.wait(180 * SECOND)
    assert engine.run("pc", "ping -c 2 2001:db8:ffff::1").status == 0


def test_rogue_router_is_found_with_the_tools() -> None:
    """A second default route of high preference, and rdisc6 names the MAC address of who sends it."""
    engine = started("rogue-ra")
    routes = engine.run("pc", "ip -6 route show default").text.splitlines()
    assert len(routes) == 2
    assert any(line.rstrip().endswith("pref high") for line in routes)
    assert engine.run("pc", "ping -c 1 2001:db8:ffff::1").status == 1
    told = engine.run("pc", "rdisc6 eth0").text
    mac = str(WORKSHOP.healthy.devices["tv"].ports[0].mac).upper()
    assert "Router preference         :         high" in told
    assert f"Source link-layer address: {mac}" in told


def test_fault_that_does_not_fit_says_so() -> None:
    """A router cannot be a rogue of itself, and who has no IPv6 cannot advertise."""
    WORKSHOP.refuses("rogue-ra", {"on": "gw"}, "advertises itself already")
    WORKSHOP.refuses("rogue-ra", {"on": "sw"}, "does not speak IPv6")
