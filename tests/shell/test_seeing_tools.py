"""mtr, conntrack and ethtool: the layouts of the real tools (mtr 0.95, conntrack 1.4.7, ethtool 6.1)."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from tests.sites import machine, site

NAT = """table ip n {
  chain p {
    type nat hook postrouting priority srcnat
    oifname "eth1" masquerade
  }
}
"""


@pytest.fixture
def engine() -> SimEngine:
    """a - b (a router that translates) - c."""
    a = machine("a", {"eth0": "192.168.77.1/24"}, gateway="192.168.77.2")
    b = machine("b", {"eth0": "192.168.77.2/24", "eth1": "192.168.78.1/24"}, forward=True, rules=NAT)
    c = machine("c", {"eth0": "192.168.78.2/24"}, gateway="192.168.78.1")
    found = SimEngine()
    found.start(site([a, b, c], ["a:eth0 b:eth0", "b:eth1 c:eth0"]))
    return found


def test_report_of_mtr_has_a_line_per_hop(engine: SimEngine) -> None:
    lines = engine.run("a", "mtr -r -c 3 -n 192.168.78.2").text.splitlines()
    assert re.fullmatch(r"Start: 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+0000", lines[0])
    assert lines[1:] == [
        "HOST: a                           Loss%   Snt   Last   Avg  Best  Wrst StDev",
        "  1.|-- 192.168.77.2               0.0%     3    0.0   0.0   0.0   0.0   0.0",
        "  2.|-- 192.168.78.2               0.0%     3    0.0   0.0   0.0   0.0   0.0",
    ]


def test_router_that_drops_what_it_forwards_hides_the_rest(engine: SimEngine) -> None:
    engine.run(
        "b", "nft add table inet f; nft 'add chain inet f w { type filter hook forward priority 0; policy drop; }'"
    )
    lines = engine.run("a", "mtr -r -c 2 -n 192.168.78.2").text.splitlines()
    assert lines[-1] == "  2.|-- ???                       100.0     2    0.0   0.0   0.0   0.0   0.0"


def test_mtr_without_report_says_that_it_is_not_simulated(engine: SimEngine) -> None:
    assert engine.run("a", "mtr 192.168.78.2").status == 1


def test_connections_are_listed_as_the_kernel_prints_them(engine: SimEngine) -> None:
    engine.run("a", "ping -c 1 192.168.78.2; echo hi | nc -u -w 1 192.168.78.2 9")
    text = engine.run("b", "conntrack -L").text
    assert re.search(
        r"^icmp     1 \d+ src=192.168.77.1 dst=192.168.78.2 type=8 code=0 id=\d+ "
        r"src=192.168.78.2 dst=192.168.78.1 type=0 code=0 id=\d+ mark=0 use=1$",
        text,
        re.MULTILINE,
    )
    assert re.search(r"^udp      17 \d+ src=\S+ dst=\S+ sport=\d+ dport=9 \[UNREPLIED\] src=\S+", text, re.MULTILINE)
    assert text.endswith("conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\n")
    assert engine.run("b", "conntrack -L -p icmp -s 192.168.77.1 2>/dev/null").text.count("\n") == 1
    assert engine.run("b", "conntrack -L -d 1.1.1.1 2>/dev/null").text == ""
    assert engine.run("b", "conntrack -C").text == "2\n"


def test_connection_that_is_deleted_is_gone(engine: SimEngine) -> None:
    engine.run("a", "ping -c 1 192.168.78.2")
    assert engine.run("b", "conntrack -D -p icmp").status == 0
    assert engine.run("b", "conntrack -D -p icmp") == (
        "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.\n",
        1,
    )


def test_refused_connection_is_not_remembered(engine: SimEngine) -> None:
    """A SYN that is answered by a reset alone leaves no entry (nf_conntrack_proto_tcp.c)."""
    engine.run("a", "nc -w 1 192.168.78.2 81")
    assert engine.run("b", "conntrack -C").text == "0\n"


def test_lead_that_is_pulled_shows_in_ethtool(engine: SimEngine) -> None:
    before = engine.run("a", "ethtool eth0").text
    assert "\tSpeed: 1000Mb/s\n" in before
    assert before.endswith("\tLink detected: yes\n")
    engine.run("hands", "unplug a:eth0")
    after = engine.run("a", "ethtool eth0").text
    assert "\tSpeed: Unknown!\n" in after
    assert after.endswith("\tLink detected: no\n")


def test_counters_of_a_port_are_its_statistics(engine: SimEngine) -> None:
    port = engine.node("a").interfaces["eth0"]
    assert f"     rx_packets: {port.rx.packets}\n" in engine.run("a", "ethtool -S eth0").text


@pytest.mark.parametrize("line", ["conntrack -E", "ethtool -k eth0", "ethtool -s eth0 wol d", "mtr x"])
def test_what_is_not_simulated_says_so(engine: SimEngine, line: str) -> None:
    output = engine.run("b", line)
    assert "is not simulated here" in output.text
    assert output.status != 0
