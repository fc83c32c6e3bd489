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


def lines_of(html: str) -> list[list[tuple[float, float]]]:
    """The polylines of the first picture."""
    svg = html[html.index("<svg") : html.index("</svg>") + 6]
    found = [str(node.get("points")) for node in ET.fromstring(svg) if node.tag == "polyline"]
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in found]


def test_screen_is_a_dashboard_of_one_tile_that_holds_what_it_showed() -> None:
    """The panel shows a kept message of last year, and goes on to: a level line, beside a truth that moves."""
    opened = labs.open("first-sensor-online", seed=7)
    opened.wait("20 min")
    shown = dashboard_of(opened, "", [Truth("screen", "garden", "temperature")], Screen())
    assert "72.0 °C" in shown.text
    assert "from 72 to 72" in shown.text
    true, panel = lines_of(shown.html)
    assert len({y for _, y in panel}) == 1
    assert len({y for _, y in true}) > 1
    assert panel[-1][0] == true[-1][0]


def test_screen_that_is_restarted_keeps_what_it_has_shown() -> None:
    opened = labs.open("first-sensor-online", seed=7)
    opened.wait("10 min")
    for line in ("set mqtt.host server", "set sensor.unit C"):
        opened.run("sensor", f"sensorctl {line}")
    opened.run("panel", "sed -i s/tuin/garden/ /etc/display.toml; systemctl restart display")
    opened.wait("10 min")
    shown = dashboard_of(opened, "panel", [], Screen())
    assert "to 72, " in shown.text
    assert len({round(y) for line in lines_of(shown.html) for _, y in line}) > 1


def test_screen_that_never_showed_anything_has_a_picture_of_the_truth_alone() -> None:
    """The clock of the thermostat is in 2020; the picture is not."""
    opened = labs.open("thermostat-wrong-time", seed=3)
    opened.wait("20 min")
    shown = dashboard_of(opened, "thermostat", [Truth("screen", "garden", "temperature")], Screen())
    assert "Outside, °C: nothing was shown between 13:49 and 14:10" in shown.text
    assert len(lines_of(shown.html)) == 1


def test_value_that_is_too_old_is_drawn_faintly(lab: Lab) -> None:
    lab.run("hands", "power off probe")
    lab.run("hands", "wait 30 min")
    shown = dashboard_of(lab, "", [Truth("hall", "hall", "temperature")], Screen())
    assert "too old" in shown.html
    assert 'stroke-opacity=".35"' in shown.html


def test_spoilt_memory_of_a_screen_begins_anew() -> None:
    opened = labs.open("first-sensor-online", seed=7)
    opened.run("panel", "echo '[1, 2' > /var/lib/display.json; systemctl restart display")
    opened.wait("5 min")
    assert "72.0 °C" in dashboard_of(opened, "panel", [], Screen()).text


def test_message_without_a_number_is_no_value_on_the_dashboard() -> None:
    """An input whose line is broken says so with null: two dashes and an alarm, not the text of a message."""
    opened = labs.open("greenhouse-current-loop", seed=7)
    opened.wait("5 min")
    told = opened.run("server", "dashboard").text
    line = next(line for line in told.splitlines() if line.startswith("Middle"))
    assert line.split() == ["Middle", "--", "58", "s", "ago", "!", "no", "value"]
