"""Hands put analogue lines right: every repair undoes its fault, a sound line is told to be sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE
from labs.scenario.library import load_scenario
from labs.scenario.variant import draw

SITE = draw(load_scenario(Path(__file__).parent.parent / "faults" / "field_workshop.yaml"), "0").healthy

REPAIRS = [
    ("loop-polarity-reversed", {"line": "loop"}, "rewire loop swap", "brown on +, white on -"),
    ("wire-break", {"line": "pt"}, "rewire pt mend", "come loose under its terminal"),
    ("loop-shorted-transmitter", {"line": "loop"}, "rewire loop mend", "touched each other"),
    ("probe-short", {"line": "ntc"}, "rewire ntc mend", "touched each other"),
    ("loop-compliance-too-low", {"line": "wet"}, "rewire wet supply 24", "fed with 24 V"),
    ("shunt-out-of-tolerance", {"line": "wet"}, "rewire wet shunt", "250 ohm"),
    ("moisture-in-junction-box", {"line": "pt"}, "rewire pt dry", "water in the junction box"),
    ("pt100-two-wire-lead-error", {"line": "pt"}, "rewire pt wires 3", "3 wires"),
    ("pt100-mismatched-leads", {"line": "pt"}, "rewire pt terminals", "was corroded"),
    ("tc-reversed-polarity", {"line": "oven"}, "rewire oven swap", "brown on +"),
    ("tc-copper-extension", {"line": "oven"}, "rewire oven cable", "A new cable"),
]


@pytest.mark.parametrize(("fault", "parameters", "line", "told"), REPAIRS, ids=lambda value: str(value)[:30])
def test_repair_undoes_its_fault(fault: str, parameters: dict[str, str], line: str, told: str) -> None:
    engine = SimEngine()
    engine.start(CATALOGUE[fault].apply(SITE, parameters))
    assert engine.site.loops != SITE.loops
    assert told in engine.run("hands", line).text
    assert engine.observe().loops == SITE.loops


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(SITE)
    return engine


def test_double_reversal_needs_both_swaps() -> None:
    engine = SimEngine()
    engine.start(CATALOGUE["tc-double-reversal"].apply(SITE, {"line": "oven"}))
    engine.run("hands", "rewire oven swap")
    engine.run("hands", "rewire oven swap-head")
    assert engine.site.loops == SITE.loops


def test_swapped_lines_are_put_back_over_a_free_input() -> None:
    engine = SimEngine()
    engine.start(CATALOGUE["app-swapped-sensors"].apply(SITE, {"line": "loop", "other": "wet"}))
    assert "is on m1:1 already" in engine.run("hands", "rewire loop to m1:1").text
    for line in ("rewire loop to m2:2", "rewire wet to m1:2", "rewire loop to m1:1"):
        assert not engine.run("hands", line).status
    assert engine.site.loops == SITE.loops


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rewire loop mend", "neither broken nor shorted"),
        ("rewire loop dry", "is dry"),
        ("rewire pt terminals", "are clean and tight"),
    ],
)
def test_sound_line_is_told_to_be_sound(engine: SimEngine, line: str, told: str) -> None:
    assert told in engine.run("hands", line).text
    assert engine.site.loops == SITE.loops


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("rewire", "usage: rewire LINE swap"),
        ("rewire tank swap", 'there is no line "tank"; lines: loop, wet'),
        ("rewire loop paint", "usage: rewire"),
        ("rewire loop swap now", "usage: rewire"),
        ("rewire loop wires 3", "loop carries 4-20mA: more wires change nothing"),
        ("rewire pt shunt", "no current loop"),
        ("rewire pt swap-head", "no thermocouple"),
        ("rewire loop supply 400", "0 to 30 V"),
        ("rewire loop to server:1", '"server" has no analogue inputs'),
        ("move node", "usage: move DEVICE shade|sun|heater|draught"),
        ("move stove sun", 'there is no device "stove"'),
        ("replace node", "usage: replace battery DEVICE"),
    ],
)
def test_line_that_cannot_be_done_is_told_and_changes_nothing(engine: SimEngine, line: str, told: str) -> None:
    output = engine.run("hands", line)
    assert told in output.text
    assert output.status
    assert engine.site.loops == SITE.loops


@pytest.mark.parametrize("spot", ["sun", "heater", "draught"])
def test_probe_in_a_bad_place_is_off_and_in_the_shade_it_is_right(engine: SimEngine, spot: str) -> None:
    world = engine.node("node").world
    right = world.sense("temperature", engine.now)
    assert engine.run("hands", f"move node {spot}").text.startswith("node hangs")
    assert abs(world.sense("temperature", engine.now) - right) > 2
    assert "it hangs" in engine.run("hands", "look node").text
    engine.run("hands", "move node shade")
    assert world.sense("temperature", engine.now) == right


def test_transmitter_is_carried_into_another_room_its_module_reads_that_room(engine: SimEngine) -> None:
    before = engine.run("m1", "sensorctl read 1").text
    assert engine.run("hands", "move loop oven").text == "loop is in oven now.\n"
    assert "(good)" in before
    assert "(over range)" in engine.run("m1", "sensorctl read 1").text
