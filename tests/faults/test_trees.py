"""Faults of spanning trees: what the tools of a technician show, and what cures them."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE
from labs.faults.fault import FaultError
from labs.model.site import Endpoint, Site
from tests.sites import machine, site, switch

FILE = "/etc/network/interfaces"
SECOND = 10**9


def triangle(priority: str = "4096") -> Site:
    """core, left and right in a ring, pc at left, server at the core; core has the best priority."""
    devices = []
    for name in ("core", "left", "right"):
        made = switch(name, 3)
        options = "    bridge_stp on\n" + (f"    bridge_bridgeprio {priority}\n" if name == "core" else "")
        text = made.files[FILE]
        assert "bridge_ports" in text
        lines = [line + "\n" + (options if "bridge_ports" in line else "") for line in text.splitlines()]
        devices.append(made.with_file(FILE, "".join(lines)))
    ends = [machine("pc", {"eth0": "10.0.0.1/24"}), machine("server", {"eth0": "10.0.0.2/24"})]
    leads = ["core:p1 left:p1", "core:p2 right:p1", "left:p2 right:p2", "pc:eth0 left:p3", "server:eth0 core:p3"]
    return site([*devices, *ends], leads)


def started(made: Site) -> SimEngine:
    engine = SimEngine()
    engine.start(made)
    return engine


def passed_right(engine: SimEngine) -> int:
    """How many packets of a ping from pc to server go through the switch that is not on the short way."""
    engine.run("pc", "ping -c 1 10.0.0.2")  # until everybody has been heard once, frames are flooded
    port = engine.node("right").interfaces["p2"]
    before = port.rx.bytes
    assert "4 received" in engine.run("pc", "ping -c 4 -i 0.2 -s 1400 10.0.0.2").text
    return (port.rx.bytes - before) // 1400


def test_healthy_ring_takes_the_short_way() -> None:
    assert passed_right(started(triangle())) == 0


def test_wrong_root_makes_the_short_lead_idle_and_priority_cures_it() -> None:
    engine = started(CATALOGUE["stp-root-wrong"].apply(triangle(), {"on": "right"}))
    assert "state blocking" in engine.run("core", "bridge link").text + engine.run("left", "bridge link").text
    assert passed_right(engine) >= 4
    engine.run("right", "ip link set br0 type bridge priority 61440")
    engine.wait(40 * SECOND)
    assert passed_right(engine) == 0


def test_guarded_port_to_a_switch_is_off_and_says_so() -> None:
    broken = CATALOGUE["bpduguard-errdisabled"].apply(triangle(), {"port": Endpoint("core", "p1")})
    engine = started(broken)
    assert "state disabled" in next(
        line for line in engine.run("core", "bridge link").text.splitlines() if " p1" in line
    )
    assert "BPDU received on blocked port" in engine.run("core", "journalctl -k").text
    assert passed_right(engine) >= 4
    engine.run("core", "bridge link set dev p1 guard off; ip link set p1 down; ip link set p1 up")
    engine.wait(40 * SECOND)
    assert passed_right(engine) == 0


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("stp-root-wrong", {"on": "pc"}, "pc is not a switch that speaks the spanning tree protocol"),
        ("bpduguard-errdisabled", {"port": Endpoint("left", "p3")}, "pc is not a switch"),
        ("bpduguard-errdisabled", {"port": Endpoint("right", "p3")}, "there is no lead in right:p3"),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], complaint: str) -> None:
    with pytest.raises(FaultError, match=complaint):
        CATALOGUE[name].apply(triangle(), parameters)


def test_switch_with_the_best_priority_cannot_become_it() -> None:
    with pytest.raises(FaultError, match="best priority already"):
        CATALOGUE["stp-root-wrong"].apply(triangle("0"), {"on": "core"})
