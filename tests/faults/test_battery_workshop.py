"""Every fault of batteries shortens a life, on either kind of sensor, and the tool of a technician shows why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from grader.verdict import Verdict
from labs.engines.sim import SimEngine
from labs.faults import power
from labs.scenario.scenario import FaultUse
from labs.things.toml_edit import set_toml_key
from tests.faults.workshop import MINUTE_NS, Workshop, name_of

WORKSHOP = Workshop("battery_workshop.yaml")

# The checks that break, the line of a technician, and a pattern in its answer that a healthy site does not give.
SHOWN = {
    "interval-too-short": ({"t1"}, "t1: sensorctl status", r"Life +0\.\d years"),
    "sleep-disabled": ({"t2"}, "t2: sensorctl status", r"Sleep +never"),
    "weak-signal-retries": ({"t2"}, "t2: sensorctl status", r"[5-8] tries for the last message, SF9"),
    "firmware-leak": ({"t1"}, "t1: sensorctl status", r"Firmware +2\.0\.3; 2\.1\.0 is out"),
}


def test_batteries_without_a_fault_last() -> None:
    assert set(WORKSHOP.verdicts(WORKSHOP.healthy).values()) == {Verdict.PASS}


def test_every_fault_of_batteries_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in power.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_shortens_the_life_of_its_device_alone(use: FaultUse) -> None:
    found = WORKSHOP.verdicts(WORKSHOP.site(use))
    assert {name for name, verdict in found.items() if verdict is Verdict.FAIL} == SHOWN[use.fault][0]


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_is_shown_by_a_tool_and_not_without_it(use: FaultUse) -> None:
    _, line, pattern = SHOWN[use.fault]
    place, _, words = line.partition(": ")
    answers = []
    for site in (WORKSHOP.healthy, WORKSHOP.site(use)):
        engine = SimEngine()
        engine.start(site)
        engine.wait(25 * MINUTE_NS)
        answers.append(engine.run(place, words).text)
    assert re.search(pattern, answers[1]), answers[1]
    assert not re.search(pattern, answers[0]), answers[0]


@pytest.mark.parametrize(("device", "path"), [("field", "/etc/sensor.toml"), ("t1", "/etc/lorawan.toml")])
@pytest.mark.parametrize(
    ("key", "value"),
    [("sensor.interval_s", 60), ("device.stay_awake", True)],
)
def test_settings_of_either_kind_cost_years(device: str, path: str, key: str, value: int) -> None:
    own = WORKSHOP.healthy.devices[device]
    text = set_toml_key(own.files[path], key, value)
    assert WORKSHOP.verdicts(WORKSHOP.healthy.with_device(own.with_file(path, text)), device) == {device: Verdict.FAIL}


def test_device_that_is_dead_saves_no_battery() -> None:
    for change in ({"powered": False}, {"charge": 0.0}):
        for name in ("field", "t1"):
            site = WORKSHOP.healthy.with_device(replace(WORKSHOP.healthy.devices[name], **change))
            assert WORKSHOP.verdicts(site, name) == {name: Verdict.FAIL}


def test_interval_too_long_to_be_watched_is_no_life() -> None:
    own = WORKSHOP.healthy.devices["t1"]
    text = set_toml_key(own.files["/etc/lorawan.toml"], "sensor.interval_s", 86_400)
    assert WORKSHOP.verdicts(WORKSHOP.healthy.with_device(own.with_file("/etc/lorawan.toml", text)), "t1") == {
        "t1": Verdict.FAIL
    }


def test_battery_of_another_model_in_the_file_does_not_count() -> None:
    own = WORKSHOP.healthy.devices["t1"]
    text = set_toml_key(own.files["/etc/lorawan.toml"], "sensor.interval_s", 60)
    text = set_toml_key(text, "sensor.model", "em300-th")
    assert WORKSHOP.verdicts(WORKSHOP.healthy.with_device(own.with_file("/etc/lorawan.toml", text)), "t1") == {
        "t1": Verdict.FAIL
    }


def test_update_ends_the_leak() -> None:
    engine = SimEngine()
    engine.start(WORKSHOP.site(next(use for use in WORKSHOP.uses if use.fault == "firmware-leak")))
    assert "Life       1." in engine.run("t1", "sensorctl status").text
    answer = engine.run("t1", "sensorctl update /var/lib/firmware/climate-logger-2.1.0.img").text
    assert answer == "climate-logger: firmware 2.1.0 installed\n"
    assert "Life       10.0" in engine.run("t1", "sensorctl status").text
    assert "try: sensorctl update IMAGE" in engine.run("t1", "lorawanctl set device.firmware 9").text


def test_battery_goes_where_its_sensor_is_carried() -> None:
    """An empty battery is not full in another room."""
    engine = SimEngine()
    engine.start(WORKSHOP.healthy.with_device(replace(WORKSHOP.healthy.devices["t1"], charge=0.0)))
    assert "Battery    0% (empty)" in engine.run("t1", "sensorctl status").text
    engine.run("hands", "move t1 tower")
    assert "Battery    0% (empty)" in engine.run("t1", "sensorctl status").text
    engine.run("hands", "replace battery t1")
    assert "Battery    100% (good)" in engine.run("t1", "sensorctl status").text


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("interval-too-short", {"on": "lgw"}, "lgw has no /etc/sensor.toml: the fault needs a sensor with a model"),
        ("firmware-leak", {"on": "field"}, "no version of em300-th is known to leak"),
        ("weak-signal-retries", {"on": "t1", "room": "cellar"}, "the fault needs a LoRaWAN gateway"),
        ("weak-signal-retries", {"on": "lgw", "room": "hall"}, "with lgw in hall no sensor has to repeat"),
        ("weak-signal-retries", {"on": "lgw", "room": "moon"}, 'there is no room "moon"'),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(name, parameters, said)
