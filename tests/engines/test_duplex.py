"""Speed and duplex of a lead: what `ethtool -s` sets, what both ends make of it, and what a mismatch does to frames."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from labs.engines.sim.wire import Wire
from labs.model.site import Endpoint, Link
from labs.net.actions import DropReason
from labs.net.interface import Counters
from labs.net.phy import LinkMode
from labs.testing import connect, device, run
from tests.sites import machine, site

MEGABIT = 1_000_000
FORCE = "ethtool -s eth0 speed {} duplex {} autoneg off"


def pair(*, far_lines: str = "") -> SimEngine:
    near, far = machine("a", {"eth0": "10.0.0.1/24"}), machine("b", {"eth0": "10.0.0.2/24"})
    path = "/etc/network/interfaces"
    engine = SimEngine()
    engine.start(site([near, far.with_file(path, far.files[path] + far_lines)], ["a:eth0 b:eth0"]))
    return engine


@pytest.fixture
def engine() -> SimEngine:
    return pair()


def mode(engine: SimEngine, place: str) -> str:
    text = engine.run(place, "ethtool eth0").text
    return " ".join(re.findall(r"\t(?:Speed|Duplex|Auto-negotiation): (\S+)", text))


def send_file(engine: SimEngine, source: str, target: str, address: str) -> int:
    """How many bytes of 100 kB get through within two seconds."""
    engine.run(target, "nc -l -p 9000 > /root/got &")
    engine.run(source, f"seq 1 20000 > /root/file; nc -q 1 -w 1 {address} 9000 < /root/file")
    return len(engine.node(target).files.get("/root/got"))


def errors(engine: SimEngine, place: str) -> dict[str, int]:
    text = engine.run(place, "ethtool -S eth0").text
    return {name: int(value) for name, value in re.findall(r"(\w+): (\d+)", text)}


def test_forced_port_against_a_negotiating_one_is_a_duplex_mismatch(engine: SimEngine) -> None:
    engine.run("a", FORCE.format(100, "full"))
    assert mode(engine, "a") == "100Mb/s Full off"
    assert mode(engine, "b") == "100Mb/s Half on"


def test_mismatch_lets_a_ping_through_and_not_a_file(engine: SimEngine) -> None:
    """The end with full duplex does not listen and talks into what the other sends."""
    engine.run("a", FORCE.format(10, "full"))
    assert "3 received, 0% packet loss" in engine.run("a", "ping -c 3 10.0.0.2").text
    assert send_file(engine, "a", "b", "10.0.0.2") < 50_000
    assert errors(engine, "b")["collisions"] > 0
    assert errors(engine, "a")["collisions"] == 0
    columns = engine.run("b", "ip -s link show eth0").text.splitlines()
    assert int(columns[-1].split()[5]) == errors(engine, "b")["collisions"]


def test_late_collision_is_an_error_at_both_ends(engine: SimEngine) -> None:
    engine.run("a", FORCE.format(10, "full"))
    engine.run("a", "ping -c 400 -i 0.0037 -s 1400 10.0.0.2 > /dev/null &")
    engine.run("b", "ping -c 200 -i 0.0061 -s 1400 10.0.0.1 > /dev/null")
    engine.wait(2 * 10**9)
    near, far = errors(engine, "a"), errors(engine, "b")
    assert far["tx_abort_late_coll"] == far["tx_errors"] == near["rx_crc_errors"] == near["rx_errors"] > 0
    lines = engine.run("b", "ip -s -s link show eth0").text.splitlines()
    assert lines[-1].split()[2] == str(far["tx_abort_late_coll"])


def test_the_same_setting_on_both_sides_carries_everything(engine: SimEngine) -> None:
    for place in "ab":
        engine.run(place, FORCE.format(10, "full"))
    assert mode(engine, "b") == "10Mb/s Full off"
    assert send_file(engine, "a", "b", "10.0.0.2") > 100_000
    assert not any(errors(engine, place)["collisions"] for place in "ab")


def test_half_duplex_on_both_sides_takes_turns(engine: SimEngine) -> None:
    engine.run("a", FORCE.format(10, "half"))
    assert mode(engine, "b") == "10Mb/s Half on"
    assert send_file(engine, "a", "b", "10.0.0.2") > 100_000


def test_different_forced_speeds_are_no_link(engine: SimEngine) -> None:
    engine.run("a", FORCE.format(100, "full"))
    engine.run("b", FORCE.format(10, "full"))
    assert "NO-CARRIER" in engine.run("a", "ip link show eth0").text
    assert mode(engine, "a") == "Unknown! Unknown! off"
    engine.run("b", "ethtool -s eth0 speed 100")
    assert mode(engine, "b") == "100Mb/s Full off"
    assert "LOWER_UP" in engine.run("a", "ip link show eth0").text


def test_speed_of_the_lead_follows_the_ports(engine: SimEngine) -> None:
    def round_trip() -> float:
        text = engine.run("a", "ping -c 2 -s 1400 10.0.0.2").text
        return float(re.findall(r"time=([0-9.]+)", text)[1])

    fast = round_trip()
    engine.run("b", "ethtool -s eth0 speed 10")  # negotiates, with 10 Mb/s alone on offer
    assert mode(engine, "a") == "10Mb/s Full on"
    # 1442 bytes and 24 of overhead, twice, at 10 Mb/s: 2.35 ms
    assert 2.2 < round_trip() - fast < 2.5


def test_change_in_one_line_is_seen_by_the_next_command(engine: SimEngine) -> None:
    output = engine.run("a", "ethtool -s eth0 speed 100 duplex half && ethtool eth0 | grep -e Speed -e Duplex")
    assert output.text == "\tSpeed: 100Mb/s\n\tDuplex: Half\n"


def test_setting_is_gone_after_a_restart_and_the_file_stays() -> None:
    engine = pair(far_lines="    link-speed 100\n    link-duplex full\n    ethernet-autoneg off\n")
    assert mode(engine, "b") == "100Mb/s Full off"
    assert mode(engine, "a") == "100Mb/s Half on"
    engine.run("b", "ethtool -s eth0 autoneg on")
    assert mode(engine, "a") == "1000Mb/s Full on"
    engine.run("b", "reboot")
    engine.wait(30 * 10**9)
    assert mode(engine, "a") == "100Mb/s Half on"


def test_up_line_of_the_file_sets_the_port() -> None:
    engine = pair(far_lines="    up ethtool -s $IFACE speed 10 duplex half autoneg off\n")
    assert mode(engine, "a") == "10Mb/s Half on"


# ethtool 6.1 on a tap and a veth device
@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("ethtool -s eth0 speed abc", "ethtool (-s): invalid value 'abc' for parameter 'speed'\n", 1),
        ("ethtool -s eth0 speed -5", "ethtool (-s): invalid value '-5' for parameter 'speed'\n", 1),
        ("ethtool -s eth0 speed", "ethtool (-s): no value for parameter 'speed'\n", 1),
        ("ethtool -s eth0 duplex quarter", "ethtool (-s): invalid value 'quarter' for parameter 'duplex'\n", 1),
        ("ethtool -s eth0 autoneg maybe", "ethtool (-s): invalid value 'maybe' for parameter 'autoneg'\n", 1),
        ("ethtool -s eth0 foo 3", "ethtool (-s): unknown parameter 'foo'\n", 1),
        ("ethtool -s eth0", "", 0),
        ("ethtool -s", "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n", 1),
        (
            "ethtool -s nope speed 100",
            "netlink error: no device matches name (offset 24)\nnetlink error: No such device\n",
            75,
        ),
        ("ethtool -s lo speed 100", "netlink error: Operation not supported\n", 75),
        ("ethtool -s eth0 speed 123", "netlink error: Invalid argument\n", 75),
        ("ethtool -s eth0 speed 1000 duplex half autoneg off", "netlink error: Invalid argument\n", 75),
    ],
)
def test_what_ethtool_refuses_it_refuses_in_its_words(engine: SimEngine, line: str, text: str, status: int) -> None:
    output = engine.run("a", line)
    assert (output.text, output.status) == (text, status)
    assert mode(engine, "a") == "1000Mb/s Full on"


def test_bench_leads_negotiate_too() -> None:
    near, far = device("near", ports=["eth0"]), device("far", ports=["eth0"])
    connect(near, "eth0", far, "eth0")
    for end in (near, far):
        run(end, "ip link set eth0 up")
    run(near, "ethtool -s eth0 speed 100 duplex full autoneg off")
    assert "Duplex: Half" in run(far, "ethtool eth0").text
    run(far, "ethtool -s eth0 speed 10 duplex full autoneg off")
    assert "Link detected: no" in run(near, "ethtool eth0").text


# The lead alone: end a does not listen, end b does. A frame of 1,226 bytes takes 100 µs at 100 Mb/s.

A, B = Endpoint("a", "eth0"), Endpoint("b", "eth0")


def lead() -> tuple[Wire, Counters]:
    """The lead, and what the listening end counts."""
    wire = Wire(Link(A, B, delay_ns=1000), 1000 * MEGABIT, "0")
    ends = {end: device(end.device, ports=[end.port]) for end in (A, B)}
    for end in (A, B):
        wire.lanes[end].node, wire.lanes[end].port = ends[wire.far[end]], "eth0"
    wire.tune((LinkMode(100 * MEGABIT, full=True), LinkMode(100 * MEGABIT, full=False)))
    return wire, ends[B].interfaces["eth0"].tx


def test_half_duplex_end_waits_until_the_lead_is_silent() -> None:
    wire, counted = lead()
    assert wire.send(A, 1226, 0) == 101_000
    assert wire.send(B, 1226, 50_000) == 201_000
    assert not counted.collisions


def test_talking_into_a_frame_spoils_both() -> None:
    wire, counted = lead()
    assert wire.send(B, 1226, 0) == 101_000
    assert wire.send(A, 1226, 50_000) is DropReason.COLLISION
    assert wire.lanes[B].spoiled == {101_000: False}
    assert (counted.collisions, counted.late_collisions, counted.errors) == (1, 1, 1)


def test_collision_within_the_slot_is_repeated() -> None:
    wire, counted = lead()
    wire.send(B, 1226, 0)
    assert wire.send(A, 1226, 5_119) is DropReason.COLLISION
    assert wire.lanes[B].spoiled == {101_000: True}
    assert (counted.collisions, counted.late_collisions, counted.errors) == (1, 0, 0)


def test_frame_that_waits_its_turn_does_not_collide() -> None:
    """It was to begin after the frame that is under way; another one comes first, and it waits on."""
    wire, counted = lead()
    wire.send(A, 1226, 0)
    assert wire.send(B, 1226, 10_000) == 201_000
    wire.lanes[A].free = 90_000
    assert wire.send(A, 1226, 20_000) == 191_000
    assert wire.lanes[B].spoiled == {201_000: True}
    assert not counted.collisions
