"""Every fault of analogue lines and of measuring hurts where it is meant to, and the tool of a technician shows it."""

from __future__ import annotations

import re

import pytest

from labs.engines.sim import SimEngine
from labs.faults import measuring, wiring
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import Workshop, name_of

WORKSHOP = Workshop("field_workshop.yaml")

# The checks that break, the lines of a technician, and a pattern in the last answer.
SHOWN = {
    "loop-polarity-reversed": ("loop", "hands: look m1", r"line loop to loop: brown on -"),
    "pulse-s0-polarity": ("pulse", "m2: sensorctl read --raw 4", r"input 4 pulse 0"),
    "wire-break": ("pt", "m1: sensorctl read --raw 3", r"over range: open"),
    "loop-shorted-transmitter": ("loop", "m1: sensorctl read --raw 1", r"overcurrent"),
    "loop-compliance-too-low": ("wet", "m1: sensorctl read --raw 2", r"wire break|current +[0-9.]+ mA"),
    "shunt-out-of-tolerance": ("wet", "m1: sensorctl read --raw 2", r"value +7\d\.\d+ %"),
    "moisture-in-junction-box": ("pt", "m1: sensorctl read --raw 3", r"terminals +11\d\.\d+ Ω"),
    "pt100-two-wire-lead-error": ("pt", "m1: sensorctl read --raw 3", r"terminals +116\.\d+ Ω"),
    "pt100-mismatched-leads": ("pt", "m1: sensorctl read --raw 3", r"terminals +11[56]\.\d+ Ω"),
    "probe-short": ("ntc", "m2: sensorctl read --raw 1", r"terminals +0\.\d+ Ω"),
    "tc-reversed-polarity": ("oven", "m1: sensorctl read --raw 4", r"terminals +-\d\.\d+ mV"),
    "tc-double-reversal": ("oven", "m1: sensorctl read 4", r"oven 17\d|oven 18[0-6]"),
    "tc-copper-extension": ("oven", "m1: sensorctl read 4", r"oven 18[0-6]"),
    "app-swapped-sensors": ("loop wet", "hands: look m1", r"input 2 +line loop"),
    "input-scaling-wrong": ("loop", "m1: sensorctl status", r"4-20mA, 0 to 100 °C"),
    "app-020-instead-of-420": ("loop", "m1: sensorctl get input1.zero_ma", r"^0\.0$"),
    "wrong-sensor-type": ("pt", "m1: sensorctl read --raw 3", r"terminals +11[45]\.\d+ Ω"),
    "input-mode-voltage-instead-of-current": ("loop", "m1: sensorctl read --raw 1", r"terminals +14\.000 V"),
    "tc-type-mismatch": ("oven", "m1: sensorctl get input4.couple", r"^J$"),
    "tc-cjc-disabled": ("oven", "m1: sensorctl read --raw 4", r"cold junction +0\.000 mV"),
    "ntc-wrong-beta": ("ntc", "m2: sensorctl get input1.beta", r"^3435"),
    "app-filter-too-heavy": ("loop", "m1: sensorctl get input1.filter_s", r"^20000"),
    "app-offset": ("loop", "loop: sensorctl get offset", r"^3\.0$"),
    "app-range-mismatch-420": ("loop", "loop: sensorctl status", r"0 to 80 °C are 4 and 20 mA"),
    "loop-saturated-high": ("loop", "m1: sensorctl read --raw 1", r"current +20\.5"),
    "ct-reversed": ("grid", "grid: sensorctl read", r"-\d+"),
    "sensor-bad-placement": ("field", "hands: look field", r"it hangs in the sun"),
    "self-heating": ("node", "node: sensorctl status", r"every 2 s"),
    "app-sampling-too-slow": ("node", "node: sensorctl status", r"every 14400 s"),
    "battery-depleted": ("field", "field: sensorctl status", r"Battery +0% \(empty\)"),
    "sec-default-credentials": ("", "field: sensorctl status", r"still with the password of the factory"),
    "sec-outdated-firmware": ("", "field: sensorctl status", r"1\.24; 1\.31 is out"),
    "sec-unsigned-updates": ("", "field: sensorctl status", r"signatures are not checked"),
}


def test_field_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_lines_and_measuring_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {f.name for f in (*wiring.FAULTS, *measuring.FAULTS)} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_breaks_its_checks_and_no_other(use: FaultUse) -> None:
    assert WORKSHOP.broken_by(use) == set(SHOWN[use.fault][0].split())


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_is_shown_by_a_tool_and_not_without_it(use: FaultUse) -> None:
    _, line, pattern = SHOWN[use.fault]
    place, _, words = line.partition(": ")
    answers = []
    for site in (WORKSHOP.healthy, WORKSHOP.site(use)):
        engine = SimEngine()
        engine.start(site)
        answers.append(engine.run(place, words).text)
    assert re.search(pattern, answers[1], re.MULTILINE), answers[1]
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("wire-break", {"line": "tank"}, 'there is no line "tank"; lines: loop, wet'),
        ("tc-copper-extension", {"line": "pt"}, "pt carries pt100; the fault needs thermocouple-k"),
        ("pt100-two-wire-lead-error", {"line": "loop"}, "loop carries 4-20mA"),
        ("app-swapped-sensors", {"line": "pt", "other": "pt"}, "with itself"),
        ("tc-cjc-disabled", {"on": "m2", "input": 3}, "input 3 of m2 is off"),
        ("tc-cjc-disabled", {"on": "node", "input": 3}, "the fault needs an input module"),
        ("battery-depleted", {"on": "node"}, "node has no battery"),
        ("sensor-bad-placement", {"on": "node", "spot": "shade"}, "not a bad place"),
        ("self-heating", {"on": "server"}, "server has no model of the library"),
        ("sec-outdated-firmware", {"on": "motor2"}, 'there is no device "motor2"'),
    ],
)
def test_fault_that_does_not_fit_says_why(fault: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(fault, parameters, said)
