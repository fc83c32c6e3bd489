"""Truth against reading: curves of what was, a picture that parses, the same in words, one line for every mistake."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import labs
from labs.lab import Lab
from labs.ui.style import Refusal
from labs.ui.truth import compare, plot_svg, plot_text

HOUR = 3600 * 10**9


@pytest.fixture
def lab() -> Lab:
    lab = labs.open("greenhouse-current-loop", seed=1)
    lab.wait("2 h")
    return lab


def test_wrong_scale_is_a_difference_that_grows(lab: Lab) -> None:
    found = compare(lab, "module:2", 2 * HOUR)
    assert (found.quantity, found.room, found.unit) == ("temperature", "greenhouse", "C")
    differences = [r - t for r, t in zip(found.reading, found.truth, strict=True) if r is not None]
    assert differences[-1] > differences[0] + 1
    assert found.worst == pytest.approx(max(differences))
    assert found.times[-1] - found.times[0] == pytest.approx(7200)


def test_truth_is_what_the_thermometer_on_the_wall_reads(lab: Lab) -> None:
    told = lab.run("hands", "look greenhouse").text
    assert f"reads {compare(lab, 'module:2', HOUR).truth[-1]:.1f} °C" in told


def test_repair_brings_the_lines_together(lab: Lab) -> None:
    for line in ("set input2.low -10", "set input2.high 60", "set input2.zero_ma 4"):
        lab.run("module", f"sensorctl {line}")
    worst = compare(lab, "module:2", 2 * HOUR).worst
    assert worst is not None
    assert worst < 0.8


def test_broken_line_is_a_gap(lab: Lab) -> None:
    found = compare(lab, "module:1", HOUR)
    assert set(found.reading) == {None}
    assert found.worst is None
    assert "tells nothing at all" in plot_text(found)
    assert plot_svg(found).count("<path") == plot_svg(compare(lab, "module:2", HOUR)).count("<path") - 1


@pytest.mark.parametrize("language", ["en", "nl"])
def test_picture_is_svg_with_a_title_and_a_sentence(lab: Lab, language: str) -> None:
    root = ET.fromstring(plot_svg(compare(lab, "module:3", 2 * HOUR), language))
    names = [child.tag.rpartition("}")[2] for child in root]
    assert names[:2] == ["title", "desc"]
    assert "%" in str(root[0].text)
    assert root[1].text


def test_sensor_is_compared_without_a_number() -> None:
    lab = labs.open("first-sensor-online", seed=1)
    found = compare(lab, "sensor", HOUR)
    assert found.unit == "F"
    assert found.worst is not None
    assert found.worst < 2


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("modul:2", 'there is no device "modul"; devices: switch, server'),
        ("module", "name an input that is in use: module:1, module:2, module:3"),
        ("module:7", "name an input that is in use"),
        ("laptop", "laptop measures nothing"),
        ("motor:1", "motor measures nothing"),
    ],
)
def test_mistake_is_told_in_one_line(lab: Lab, what: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        compare(lab, what, HOUR)


def test_looking_leaves_no_trace(lab: Lab) -> None:
    before = (len(lab.journal), lab.engine.now, lab.observe().world.acts)
    compare(lab, "module:2", 2 * HOUR)
    assert (len(lab.journal), lab.engine.now, lab.observe().world.acts) == before
