"""Switches that speak the spanning tree protocol with each other, and what their commands say of it."""

from __future__ import annotations

from labs.net.linux.node import LinuxNode
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device, pass_time, run

SECOND = 1_000_000_000
PORTS = ("p1", "p2", "p3")


def switch(name: str, *, stp: str = "on", priority: int = 32768) -> LinuxNode:
    lines = f"auto br0\niface br0 inet manual\n    bridge_ports {' '.join(PORTS)}\n"
    lines += f"    bridge_stp {stp}\n    bridge_bridgeprio {priority}\n"
    files = {
        "/etc/network/interfaces": lines,
        "/etc/systemd/system/multi-user.target.wants/networking.service": "",
    }
    return device(name, ports=PORTS, files=files, boot=boot, units=UNITS)


def host(name: str, address: str) -> LinuxNode:
    node = device(name)
    run(node, f"ip addr add {address} dev eth0; ip link set eth0 up")
    return node


def ring(**options: object) -> list[LinuxNode]:
    """Three switches in a ring; p3 of each is free."""
    switches = [switch(name, **options) for name in ("alfa", "bravo", "carlo")]  # type: ignore[arg-type]
    for one, two in ((0, 1), (1, 2), (2, 0)):
        connect(switches[one], "p1", switches[two], "p2")
    return switches


def states(node: LinuxNode) -> list[str]:
    return [line.split("state ")[1].split()[0] for line in run(node, "bridge link").text.splitlines()]


def test_ring_of_switches_blocks_one_port_and_carries() -> None:
    """The tree stands, pings pass, and a pulled lead is replaced."""
    switches = ring()
    one, two = host("one", "10.0.0.1/24"), host("two", "10.0.0.2/24")
    connect(switches[1], "p3", one, "eth0")
    connect(switches[2], "p3", two, "eth0")
    pass_time(switches[0], 5 * SECOND)
    assert sum(states(node).count("blocking") for node in switches) == 1
    assert run(one, "ping -c2 -W1 10.0.0.2").status == 0
    run(switches[0], "ip link set p1 down")
    pass_time(switches[0], SECOND)
    assert sum(states(node).count("blocking") for node in switches) == 0
    assert run(one, "ping -c2 -W1 10.0.0.2").status == 0


def test_bridge_with_the_lowest_priority_is_the_root_of_all() -> None:
    switches = ring()
    run(switches[2], "ip link set br0 type bridge priority 4096")
    pass_time(switches[0], 5 * SECOND)
    root = f"1000.{switches[2].interfaces['br0'].mac}"
    for node in switches:
        assert f"designated_root {root} " in run(node, "ip -d link show br0").text
    assert "root_port 0 root_path_cost 0 " in run(switches[2], "ip -d link show br0").text
    assert "\tyes\t" in run(switches[2], "brctl show").text


def test_guarded_port_goes_down_when_a_switch_is_plugged_in_and_says_so() -> None:
    """It comes back when it is switched off and on without the other switch."""
    core, small = switch("core"), switch("small")
    run(core, "bridge link set dev p3 guard on")
    connect(core, "p3", small, "p1")
    pass_time(core, 3 * SECOND)
    assert "state disabled" in run(core, "bridge link show dev p3").text
    assert "br0: BPDU received on blocked port 3(p3)" in run(core, "journalctl -k").text
    run(small, "ip link set p1 down")
    run(core, "ip link set p3 down; ip link set p3 up")
    assert run(core, "bridge link set dev p3 state 3") == ("RTNETLINK answers: Device or resource busy\n", 255)


def test_bpdu_passes_through_a_bridge_without_the_protocol() -> None:
    """A switch between two others that does not take part floods what it does not understand."""
    one, middle, two = switch("one", priority=4096), switch("middle", stp="off"), switch("two")
    connect(one, "p1", middle, "p1")
    connect(middle, "p2", two, "p1")
    pass_time(one, 5 * SECOND)
    assert f"designated_root 1000.{one.interfaces['br0'].mac} " in run(two, "ip -d link show br0").text
    assert states(middle)[:2] == ["forwarding", "forwarding"]
