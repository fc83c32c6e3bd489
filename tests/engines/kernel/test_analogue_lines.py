"""Analogue lines on the real kernel: the same readings, repairs and words as on the simulator, with the same hands."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from labs.faults import CATALOGUE
from labs.model.site import Site
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw
from tests.engines.kernel.kernel_site import needs_kernel
from tests.engines.kernel.same import Engines, engines, published, same

pytestmark = needs_kernel

WORKSHOP = Path(__file__).parents[2] / "faults" / "field_workshop.yaml"
BROKEN = {
    "loop-polarity-reversed": {"line": "loop"},
    "shunt-out-of-tolerance": {"line": "wet"},
    "moisture-in-junction-box": {"line": "pt"},
    "tc-copper-extension": {"line": "oven"},
    "probe-short": {"line": "ntc"},
    "pulse-s0-polarity": {"line": "pulse"},
    "sensor-bad-placement": {"on": "field"},
}
REPAIRS = (
    "rewire loop swap",
    "rewire wet shunt",
    "rewire pt dry",
    "rewire oven cable",
    "rewire ntc mend",
    "rewire pulse swap",
    "move field shade",
)


@cache
def workshop() -> Site:
    """Every kind of line; nothing is driven there."""
    text = WORKSHOP.read_text(encoding="utf-8").replace("every: 20 s", "every: 1 s")
    begin, end = text.index("    motor:"), text.index("  links:")
    text = (text[:begin] + text[end:]).replace("    - [sw, motor]\n", "")
    return draw(parse_scenario(text, str(WORKSHOP)), "0").healthy


def broken() -> Site:
    """A fault on every line, and a probe in a bad place."""
    site = workshop()
    for name, parameters in BROKEN.items():
        site = CATALOGUE[name].apply(site, parameters)
    return site


def readings(pair: Engines) -> str:
    """Every stage of every input."""
    return same(pair, "m1", "sensorctl read --raw") + same(pair, "m2", "sensorctl read --raw", amount=1.0)


def words(pair: Engines, device: str, unit: str) -> list[list[str]]:
    """What a unit wrote to the journal on each engine, without times."""
    return [
        [line.partition("]: ")[2] for line in output.text.splitlines() if "]: input" in line]
        for output in pair.run(device, f"journalctl -u {unit} --no-pager")
    ]


def test_broken_lines_are_repaired_both_engines_read_and_say_the_same():
    site = broken()
    with engines(site) as pair:
        text = readings(pair)
        assert "wire break" in text
        assert "under range" in text
        assert "wire break" in published(pair.kernel, "server", "f/loop", 1)[0]
        same(pair, "hands", "look m1")
        same(pair, "field", "sensorctl read", amount=0.5)
        for line in REPAIRS:
            assert not pair.kernel.run("hands", line).status
            pair.sim.run("hands", line)
        text = readings(pair)
        assert "wire break" not in text
        assert "range" not in text.replace("range 0", "")
        same(pair, "field", "sensorctl read", amount=0.5)
        assert pair.kernel.observe().loops == pair.sim.observe().loops == workshop().loops
        pair.wait(2)
        simulated, real = words(pair, "m1", "inputs")
        assert simulated == real
        assert "input 1 (loop): wire break, was good" in real
        assert "input 1 (loop): good, was wire break" in real


def test_far_end_changes_the_module_reads_it_at_once():
    with engines(workshop()) as pair:
        one = same(pair, "m1", "sensorctl read 1")
        pair.run("loop", "sensorctl set transmitter.high 100")
        two = same(pair, "m1", "sensorctl read 1")
        assert abs(float(one.split()[3]) - 2 * float(two.split()[3])) < 1
        pair.run("hands", "power off loop")
        assert "wire break" in same(pair, "m1", "sensorctl read 1")
        pair.run("hands", "power on loop")
        assert "good" in same(pair, "m1", "sensorctl read 1")
        same(pair, "hands", "rewire loop to m2:2")
        assert "not connected" in same(pair, "m1", "sensorctl read 1")
        pair.run("hands", "power cycle m1")
        assert "not connected" in same(pair, "m1", "sensorctl read 1")
        pair.run("hands", "rewire loop to m1:1")
        same(pair, "hands", "heat wet 80")
        same(pair, "hands", "move wet cabinet")
        same(pair, "m1", "sensorctl read --raw")
        simulated, real = (published(engine, "server", "f/wet", 1) for engine in pair)
        assert real[0].partition('"at"')[0] == simulated[0].partition('"at"')[0]
        assert pair.kernel.observe().devices["wet"].room == "cabinet"


def test_broker_is_listened_to_values_and_qualities_are_those_of_the_simulator():
    site = CATALOGUE["loop-shorted-transmitter"].apply(workshop(), {"line": "loop"})
    with engines(site) as pair:
        for topic in ("f/loop", "f/pt", "f/ntc"):
            simulated, real = (published(engine, "server", topic, 1)[0].split('"') for engine in pair)
            assert real[-2:] == simulated[-2:]  # the quality
            assert real[1] == "value"
        assert "overcurrent" in published(pair.kernel, "server", "f/loop", 1)[0]
