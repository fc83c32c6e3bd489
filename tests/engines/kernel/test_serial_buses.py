"""Serial buses on the real kernel: who answers, what is counted and what the meter says, with the same hands."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from labs.engines.base import EngineUnavailable
from labs.engines.kernel import KernelEngine
from tests.bus_site import bus_site, counters
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.same import Engines, engines, same

pytestmark = needs_kernel

SECOND = 1_000_000_000
HEALTHY = {unit: {"ok"} for unit in (1, 2, 3, 4)}
needs_mbpoll = pytest.mark.skipif(
    shutil.which("mbpoll") is None, reason="mbpoll is not installed: apt-get install mbpoll"
)


@pytest.fixture(scope="module")
def pair():
    """The healthy bus on both engines."""
    with engines(bus_site()) as both:
        yield both


def counted(pair: Engines, seconds: int = 60) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]]]:
    """What each gateway counts within a time, by unit."""
    before = [counters(engine) for engine in pair]
    for engine in pair:
        engine.elapse(seconds * SECOND)
    simulated, real = (
        {
            unit: {what: number - old[unit][what] for what, number in now.items()}
            for unit, now in counters(engine).items()
        }
        for engine, old in zip(pair, before, strict=True)
    )
    return simulated, real


def ended(found: dict[int, dict[str, int]]) -> dict[int, set[str]]:
    """How requests to each unit ended."""
    return {unit: {what for what, number in counts.items() if number} for unit, counts in found.items()}


def both(pair: Engines, place: str, line: str) -> None:
    """A line that both must take."""
    for output in pair.run(place, line):
        assert output.status == 0, output.text


def test_trainee_arrives_both_gateways_have_asked_as_often_and_lost_nothing(pair):
    same(pair, "gw", "gatewayctl stats", amount=5)
    simulated, real = (counters(engine) for engine in pair)
    assert ended(real) == ended(simulated) == HEALTHY
    assert all(0 <= real[unit]["ok"] - simulated[unit]["ok"] <= 2 for unit in real)
    simulated, real = counted(pair)
    assert ended(real) == ended(simulated) == HEALTHY
    assert all(abs(real[unit]["ok"] - simulated[unit]["ok"]) <= 1 for unit in real)
    same(pair, "gw", "gatewayctl poll s3")
    simulated, real = (engine.run("gw", "journalctl -u gateway -o cat").text for engine in pair)
    assert real == simulated
    assert same(pair, "s2", "journalctl -u modbus -o cat").startswith("Started modbus.service")


# What hands do, what they do to put it right, and how requests to the units end meanwhile.
HANDS = {
    "two wires": ("swap s1 a b", "swap s1 b a", {1: {"timeout"}}),
    "a speed": ("dip s2 speed 9600", "dip s2 speed 115200", {2: {"timeout"}}),
    "a parity": ("dip s4 parity even", "dip s4 parity none", {4: {"timeout"}}),
    "an address": ("dip s2 address 9", "dip s2 address 2", {2: {"timeout"}}),
    "a plug": ("power off s3", "power on s3", {3: {"timeout"}}),
}


@pytest.mark.parametrize("name", HANDS)
def test_hands_change_something_the_same_units_fall_silent_on_both_engines(pair, name):
    wrong, right, expected = HANDS[name]
    both(pair, "hands", wrong)
    simulated, real = counted(pair, 30)
    both(pair, "hands", right)
    assert ended(real) == ended(simulated) == {**HEALTHY, **expected}
    assert pair.kernel.observe().buses == pair.sim.observe().buses
    for engine in pair:
        engine.wait(2 * SECOND)  # who was switched on boots
    simulated, real = counted(pair, 30)
    assert ended(real) == ended(simulated) == HEALTHY


def test_two_units_have_one_address_their_answers_are_damaged_on_both_engines(pair):
    both(pair, "hands", "dip s4 address 1")
    simulated, real = counted(pair, 90)
    both(pair, "hands", "dip s4 address 4")
    for found in (simulated, real):
        assert found[1]["crc"] > found[1]["ok"]
        assert ended(found)[4] == {"timeout"}
        assert ended(found)[2] == ended(found)[3] == {"ok"}


def test_resistors_are_out_some_readings_of_every_unit_are_lost_on_both_engines(pair):
    for line in ("terminate field start off", "terminate field s4 off"):
        both(pair, "hands", line)
    lost = counted(pair, 300)
    assert same(pair, "hands", "meter s2 volt")
    both(pair, "hands", "power off gw")
    assert "Ω" in same(pair, "hands", "meter s2 ohm", amount=0.0, share=0.0)
    both(pair, "hands", "power on gw")
    for line in ("terminate field start on", "terminate field s4 on"):
        both(pair, "hands", line)
    same(pair, "hands", "look field")
    same(pair, "hands", "look s4")
    shares = [sum(c["ok"] for c in found.values()) / sum(sum(c.values()) for c in found.values()) for found in lost]
    assert all(0.2 < share < 0.6 for share in shares), shares
    assert abs(shares[0] - shares[1]) < 0.12
    assert all(counts["ok"] and counts["timeout"] and counts["crc"] for found in lost for counts in found.values())
    pair.wait(2)


@pytest.mark.parametrize(("patience_ms", "answers"), [(12, False), (13, True)])
def test_patience_is_a_millisecond_more_or_less_than_an_answer_takes_both_engines_decide_alike(patience_ms, answers):
    """At 9600 bit/s: 3.5 characters, 2 ms and 7 characters are 12.9 ms, whatever else the machine has to do."""
    with engines(bus_site(9600)) as pair:
        both(pair, "gw", f"gatewayctl set serial.timeout_ms {patience_ms}")
        pair.wait(1)
        simulated, real = map(ended, counted(pair, 20))
        assert real == simulated
        assert real[1] == real[4] == ({"ok"} if answers else {"timeout"})


@needs_mbpoll
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("-a 1 -t 3 -r 1 -P none", 0),
        ("-a 2 -t 3 -r 1 -P even", 1),
        ("-a 3 -t 4:float -B -r 7 -P none", 0),
        ("-a 3 -t 4 -r 90 -P none", 1),
        ("-a 9 -t 3 -r 1 -P none", 1),
    ],
)
def test_foreign_master_at_the_port_reads_what_the_simulator_says(pair, line, status):
    """Debian's mbpoll opens /dev/ttyS0, a pseudo-terminal; its parity is seen and its CRC judges our slaves.

    The daemon of the gateway rests meanwhile: on a real port it would be heard by whoever waits for another answer.
    """
    both(pair, "gw", "systemctl stop gateway")
    pair.wait(0.5)  # what was on its way has come
    simulated, real = pair.run("gw", f"mbpoll -m rtu -1 -b 115200 {line} /dev/ttyS0")
    both(pair, "gw", "systemctl start gateway")
    assert (real.status, simulated.status) == (status, status)
    said = [[w.strip() for w in out.text.splitlines() if w.startswith(("[", "Read"))] for out in (simulated, real)]
    assert said[0] == said[1] != []


@needs_mbpoll
def test_foreign_master_writes_the_slave_has_it(pair):
    both(pair, "gw", "systemctl stop gateway")
    pair.wait(0.5)  # what was on its way has come
    both(pair, "gw", "mbpoll -m rtu -b 115200 -P none -a 3 -t 4 -r 21 /dev/ttyS0 17")
    for engine in pair:
        assert "[21]: \t17" in engine.run("gw", "mbpoll -m rtu -1 -b 115200 -P none -a 3 -t 4 -r 21 /dev/ttyS0").text
    both(pair, "gw", "systemctl start gateway")


@needs_mbpoll
@pytest.mark.parametrize("unit", [2, 77])
def test_client_on_tcp_asks_a_unit_behind_the_gateway_both_engines_say_the_same(pair, unit):
    simulated, real = pair.run("pc", f"mbpoll -1 -t 3 -a {unit} -r 1 192.168.10.11")
    said = [[w.strip() for w in out.text.splitlines() if w.startswith(("[", "Read"))] for out in (simulated, real)]
    assert said[0] == said[1] != []
    assert real.status == simulated.status
    found = [engine.observe().devices["gw"].state.listeners for engine in pair]
    listeners = [[(one.protocol, one.port, one.program.rpartition("/")[2]) for one in every] for every in found]
    assert listeners[0] == listeners[1]


def test_slave_is_stopped_like_a_process_the_others_answer(pair):
    real = pair.kernel
    real.run("s1", "kill -STOP $(pidof modbusd || pgrep -x modbusd)")
    before = counters(real)
    real.wait(12 * SECOND)
    after = counters(real)
    real.run("s1", "kill -CONT $(pidof modbusd || pgrep -x modbusd)")
    assert after[1]["ok"] == before[1]["ok"]
    assert after[2]["ok"] > before[2]["ok"]


def test_serial_port_is_there_where_a_bus_is_and_nowhere_else(pair):
    assert pair.kernel.run("gw", "test -c /dev/ttyS0 && ls /dev/ttyS*").text == "/dev/ttyS0\n"
    assert pair.kernel.run("pc", "ls /dev | grep -c tty").text == "1\n"


def test_process_of_the_cable_is_killed_the_lab_ends():
    engine = KernelEngine()
    try:
        engine.start(bus_site())
        (lab,) = _children(engine.pid)
        (player,) = [
            pid for pid in _children(lab) if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith("cable-")
        ]
        os.kill(player, signal.SIGKILL)
        with pytest.raises(EngineUnavailable, match="the process of the bus field ended"):
            engine.wait(3 * SECOND)
    finally:
        engine.stop()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
