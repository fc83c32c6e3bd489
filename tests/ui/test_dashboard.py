"""The dashboard in the notebook: a table, plots with what was true, and one line for every mistake."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

import labs
from labs.lab import Lab
from labs.scenario.library import parse_scenario
from labs.ui.dashboard import Truth, dashboard_of
from labs.ui.style import Refusal, Screen
from tests.control_site import control


@pytest.fixture(scope="module")
def lab() -> Lab:
    opened = labs.open(parse_scenario(control("gap: {broker: server, topic: x, longest: 1 min}"), "c.yaml"), seed=1)
    opened.run("probe", "sensorctl set mqtt.port 1883")
    opened.run("hands", "wait 20 min")
    return opened


def test_dashboard_shows_values_and_a_plot_with_the_truth(lab: Lab) -> None:
    shown = dashboard_of(lab, "", [Truth("hall", "hall", "temperature")], Screen())
    assert shown.text.splitlines()[0] == "Hall · 2026-10-24 17:00 CEST"
    svg = shown.html[shown.html.index("<svg") : shown.html.index("</svg>") + 6]
    lines = [node for node in ET.fromstring(svg) if node.tag == "polyline"]
    assert len(lines) == 2
    assert "points between 16:4" in shown.text


def test_looking_leaves_no_trace_in_the_journal(lab: Lab) -> None:
    before = list(lab.journal)
    dashboard_of(lab, "server", [], Screen())
    assert list(lab.journal) == before


@pytest.mark.parametrize(
    ("device", "truths", "said"),
    [
        ("probe", [], "there are: server"),
        ("server", [Truth("hal", "hall", "temperature")], "there is no tile hal"),
        ("server", [Truth("hall", "attic", "temperature")], "nothing is known of attic:temperature"),
        ("server", [Truth("hall", "hall", "noise")], "nothing is known of hall:noise"),
    ],
)
def test_mistake_gets_one_line(lab: Lab, device: str, truths: list[Truth], said: str) -> None:
    with pytest.raises(Refusal) as caught:
        dashboard_of(lab, device, truths, Screen())
    assert said in str(caught.value)
