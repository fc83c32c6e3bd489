"""sensorctl on sensors with a model, transmitters, modules and motors: status, raw readings, updates, batteries."""

from __future__ import annotations

import json

import pytest

from labs.engines.sim import SimEngine
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw
from labs.things.firmware import image_text
from labs.things.library import MODELS

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
TEXT = """
scenario: bench
title: Bench
module: m0-tests
level: 1
minutes: 5
story: Bench.
site:
  rooms:
    street: {temperature: {mean: 5}, humidity: {mean: 80}}
    hall:
      climate: {outside: street, volume: 100, insulation: good, inertia: 2 h, start: 20, window: 20}
  subnets: {lan: 192.168.1.0/24}
  devices:
    sw: {kind: switch, ports: 6}
    broker: {kind: server, at: {lan: .2}, services: {broker: {anonymous: true}}}
    field:
      kind: sensor
      at: {lan: .3}
      room: hall
      services:
        sensor: {model: em300-th, quantity: temperature, also: humidity, broker: broker, topic: s/field, every: 10 min}
    node:
      kind: sensor
      at: {lan: .4}
      room: hall
      services:
        sensor: {model: ntc-node, quantity: temperature, broker: broker, topic: s/node, every: 1 min, sample: 20 s}
    module:
      kind: gateway
      at: {lan: .5}
      services: {inputs: {broker: broker, channels: {1: {name: head, range: [0, 50], topic: f/head}}}}
    motor:
      kind: actuator
      at: {lan: .6}
      room: hall
      services: {actuator: {model: window-motor, broker: broker, topic: w/set, state: w/state, after: 0 s}}
    head:
      kind: sensor
      room: hall
      services: {transmitter: {model: pt100-transmitter, quantity: temperature, range: [0, 50]}}
  links: [[sw, broker], [sw, field], [sw, node], [sw, module], [sw, motor]]
  loops:
    head: {from: head, to: "module:1", length: 100, section: 0.5}
checks:
  - {id: on, reach: {from: field, to: broker, service: mqtt}}
faults: [host-wrong-mask: {on: field}]
solution: []
"""
SITE = draw(parse_scenario(TEXT, "bench.yaml"), "0").healthy


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(SITE)
    return engine


def run(engine: SimEngine, place: str, line: str) -> str:
    return engine.run(place, line).text


def heard(engine: SimEngine, topic: str) -> dict[str, object]:
    found = json.loads(run(engine, "broker", f"mosquitto_sub -h localhost -t {topic} -C 1 -W 700"))
    assert isinstance(found, dict)
    return found


def test_message_of_a_model_carries_its_other_quantities_and_its_battery(engine: SimEngine) -> None:
    message = heard(engine, "s/field")
    assert set(message) == {"value", "unit", "at", "humidity", "battery"}
    truth = engine.world.value("hall", "temperature", engine.now)
    assert message["value"] == pytest.approx(truth, abs=0.8)
    assert message["battery"] == 100


def test_status_of_a_battery_sensor_tells_model_firmware_charge_and_life(engine: SimEngine) -> None:
    text = run(engine, "field", "sensorctl status")
    assert "Model      em300-th" in text
    assert "Firmware   1.31\n" in text
    assert "Battery    100% (good)" in text
    assert "Life       15.0 years from a new 2 x ER18505" in text
    run(engine, "field", "sensorctl set interval_s 60")
    assert "Life       4." in run(engine, "field", "sensorctl status")


def test_battery_runs_down_as_its_life_says_and_a_new_one_is_full(engine: SimEngine) -> None:
    run(engine, "field", "sensorctl set interval_s 60")
    engine.wait(6 * 24 * HOUR)
    told = run(engine, "field", "sensorctl status")
    assert "Battery    100%" in told or "Battery    99%" in told
    assert "A new battery is in field" in run(engine, "hands", "replace battery field")


def test_raw_reading_of_an_ntc_walks_through_its_chain(engine: SimEngine) -> None:
    lines = run(engine, "node", "sensorctl read --raw").splitlines()
    assert [line.split()[0] for line in lines[1:8]] == [
        "probe", "element", "element", "divider", "converter", "converter", "formula",
    ]  # fmt: skip
    counts = float(lines[5].split()[1])
    ohm = float(lines[6].split()[1])
    assert ohm == pytest.approx(10_000 * counts / (4095 - counts), rel=1e-4)
    assert counts == int(counts)


def test_sample_interval_holds_the_value_between_samples(engine: SimEngine) -> None:
    engine.run("hands", "heat node 60")
    engine.wait(21 * SECOND - engine.now % (20 * SECOND))
    first = run(engine, "node", "sensorctl read")
    engine.wait(15 * SECOND)
    assert run(engine, "node", "sensorctl read") == first
    engine.wait(10 * SECOND)
    assert run(engine, "node", "sensorctl read") != first


def test_module_sees_the_current_that_the_transmitter_sends(engine: SimEngine) -> None:
    sent = float(run(engine, "head", "sensorctl read --raw").split("sends ")[1].split()[0])
    seen = float(run(engine, "module", "sensorctl read --raw 1").split("current")[1].split()[0])
    assert seen == pytest.approx(sent, abs=0.01)
    assert run(engine, "module", "sensorctl read 2").endswith("input 2 is off; in use: 1\n")


def test_transmitter_without_power_is_a_wire_break(engine: SimEngine) -> None:
    engine.run("hands", "power off head")
    assert "(wire break)" in run(engine, "module", "sensorctl read 1")
    message = heard(engine, "f/head")
    assert (message["value"], message["quality"]) == (None, "wire break")
    assert "input 1 (head): wire break, was good" in run(engine, "module", "sensorctl log")


def test_motor_travels_and_the_world_follows(engine: SimEngine) -> None:
    run(engine, "broker", "mosquitto_pub -h localhost -t w/set -m 100%")
    engine.wait(60 * SECOND)
    assert "on its way" in run(engine, "motor", "sensorctl status")
    assert 0.3 < engine.world.level("hall", "window", engine.now) < 0.7
    engine.wait(120 * SECOND)
    assert engine.world.level("hall", "window", engine.now) == 1.0
    engine.run("hands", "power off motor")
    assert engine.world.level("hall", "window", engine.now) == 1.0


def test_signed_image_is_installed_and_others_are_not(engine: SimEngine) -> None:
    field = engine.node("field")
    model = MODELS["em300-th"]
    field.files.write("/root/new.img", image_text(model, "1.40"))
    field.files.write("/root/old.img", image_text(model, "1.24"))
    field.files.write("/root/other.img", image_text(MODELS["pir"], "2.0"))
    field.files.write("/root/changed.img", image_text(model, "1.41").replace("body: ", "body: 00"))
    assert "the image is for pir, this is a em300-th; nothing was changed" in run(
        engine, "field", "sensorctl update other.img"
    )
    assert "signature of the image is not that of the maker" in run(engine, "field", "sensorctl update changed.img")
    assert "1.24 is not newer than 1.31" in run(engine, "field", "sensorctl update old.img")
    assert "No such file" in run(engine, "field", "sensorctl update nothing.img")
    assert run(engine, "field", "sensorctl update new.img") == "em300-th: firmware 1.40 installed\n"
    assert "Firmware   1.40" in run(engine, "field", "sensorctl status")
    run(engine, "field", "sensorctl set device.verify_updates false")
    assert "firmware 1.41 installed" in run(engine, "field", "sensorctl update changed.img")


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        (
            "field",
            "sensorctl set interval_s 5",
            '"sensor.interval_s" of em300-th is from 60 to 64800; nothing was changed',
        ),
        ("field", "sensorctl set quantity rain", '"sensor.quantity" of em300-th is temperature, humidity, not "rain"'),
        ("field", "sensorctl set also wind", 'em300-th does not measure "wind"'),
        ("field", "sensorctl set firmware 9.9", "firmware comes from an image"),
        ("field", "sensorctl read 3", "only a module has numbered inputs"),
        ("head", "sensorctl set high -5", '"transmitter.low" is 0; it must be below "transmitter.high" (-5)'),
        ("head", "sensorctl set fault middle", '"transmitter.fault" is "middle"; it must be low or high'),
        ("module", "sensorctl set input1.type 4-20", '"input1.type" is "4-20"; it must be one of off, 4-20mA'),
        ("module", "sensorctl set input5.type pt100", '"input5": analogue-input-4 has 4 inputs'),
        ("module", "sensorctl set low 3", 'unknown key "low"; keys are: module.name'),
        ("motor", "sensorctl set model lamb", '"actuator.model" is not an actuator of the library: "lamb"'),
        ("motor", "sensorctl read", "this thing measures nothing"),
    ],
)
def test_mistake_is_told_in_one_line(engine: SimEngine, place: str, line: str, said: str) -> None:
    output = engine.run(place, line)
    assert said in output.text
    assert output.status
    assert len(output.text.splitlines()) == 1


@pytest.mark.parametrize("thing", ["module", "head", "motor", "field"])
def test_reset_goes_back_to_the_factory(engine: SimEngine, thing: str) -> None:
    assert run(engine, thing, "sensorctl reset") == ""
    config = run(engine, thing, "sensorctl config")
    assert "broker" not in config or "broker.example" in config
    assert "192.168" not in config
