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


# Over a bus

MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def store() -> Lab:
    lab = labs.open("cold-store-bus", seed=7)
    lab.wait("20 min")
    return lab


def test_unit_on_a_bus_reads_its_room_in_steps_of_its_register(store: Lab) -> None:
    found = compare(store, "s6", 20 * MINUTE)
    assert (found.quantity, found.room, found.unit) == ("temperature", "cell-3", "C")
    assert found.worst is not None
    assert found.worst < 0.4
    assert all(reading is not None and round(reading, 1) == pytest.approx(reading) for reading in found.reading)


def test_poll_of_an_address_that_two_units_share_tells_sometimes_of_the_other_cell(store: Lab) -> None:
    """s7 answers to address 6 as well: both at once is damage, unless one question is spoilt."""
    found = compare(store, "gateway:s6", 20 * MINUTE)
    told = {round(reading) for reading in found.reading if reading is not None}
    assert told == {-18, -24}
    assert None in found.reading


def test_poll_of_an_address_that_nobody_has_tells_nothing(store: Lab) -> None:
    found = compare(store, "gateway:s7", 20 * MINUTE)
    assert (found.room, found.worst) == ("cell-4", None)


def test_repaired_cable_brings_the_reading_of_the_gateway_to_that_of_the_unit() -> None:
    lab = labs.open("cold-store-bus", seed=7)
    for line in ("terminate store end", "swap s4 a b", "dip s7 address 7"):
        lab.run("hands", line)
    for name in ("s4", "s6", "s7"):
        assert compare(lab, f"gateway:{name}", HOUR).reading == compare(lab, name, HOUR).reading


def test_unit_without_power_tells_nothing() -> None:
    lab = labs.open("cold-store-bus", seed=7)
    lab.run("hands", "terminate store end")
    assert compare(lab, "gateway:s1", MINUTE).worst is not None
    lab.run("hands", "power off s1")
    assert compare(lab, "gateway:s1", MINUTE).worst is None


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("gateway", "name a poll of gateway: gateway:s1, gateway:s2"),
        ("gateway:s11", "name a poll of gateway"),
        ("s1:humidity", "name a register that measures something: s1:temperature"),
    ],
)
def test_mistake_about_a_bus_is_told_in_one_line(store: Lab, what: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        compare(store, what, HOUR)


def test_a_reading_that_stands_alone_is_a_dot(store: Lab) -> None:
    assert "h.1" in plot_svg(compare(store, "gateway:s6", 20 * MINUTE))
