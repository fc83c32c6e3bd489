"""Sensors, actuators, rules and dashboards as real processes do and say what the simulator's do and say."""

from __future__ import annotations

import json
import re

import pytest

from labs.engines.kernel import KernelEngine
from labs.lab import engine_named
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw
from tests.engines.kernel.kernel_site import needs_kernel

pytestmark = needs_kernel

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
UNITS = {"thermo": ("sensor",), "boiler": ("actuator",), "controller": ("rules", "dashboard")}
RACE = "cannot connect to"  # of units that start at once: who comes before the broker is chance
MOMENTS = frozenset({"since_ns", "published_ns", "changed_ns", "commanded_ns", "at_ns", "at_s", "errors", "history"})


def hall():
    """A sensor, a relay, and a server with broker, rules and dashboard: on a Saturday at 16:00 in Brussels."""
    return draw(find_scenario("heating-rule-bug"), "0").healthy


def said(engine, device: str, unit: str) -> list[str]:
    """The lines of a journal without time, host and number, each once, in order."""
    lines = engine.run(device, f"journalctl -u {unit} -o cat").text.splitlines()
    return list(dict.fromkeys(line for line in lines if RACE not in line))


def status(engine, device: str, unit: str):
    """A status file without its moments."""

    def without(value):
        if isinstance(value, dict):
            return {key: without(part) for key, part in value.items() if key not in MOMENTS}
        if isinstance(value, str):
            return re.sub(r"T\d\d:\d\d:\d\dZ", "", value)
        return round(value, 1) if isinstance(value, float) else value

    return without(json.loads(engine.run(device, f"cat /run/{unit}.json").text))


@pytest.fixture(scope="module")
def pair():
    """Both engines, ninety minutes after the trainee arrived: half an hour after the rules began to heat."""
    engines = [engine_named("sim"), KernelEngine()]
    try:
        for engine in engines:
            engine.start(hall())
            engine.wait(2 * SECOND)
            engine.elapse(90 * MINUTE)
        yield tuple(engines)
    finally:
        engines[1].stop()


@pytest.mark.parametrize(("device", "unit"), [(device, unit) for device, units in UNITS.items() for unit in units])
def test_ninety_minutes_pass_a_unit_says_the_same_on_both_engines(pair, device, unit):
    simulated, real = (said(engine, device, unit) for engine in pair)
    assert real == simulated
    assert len(real) >= 2


@pytest.mark.parametrize(("device", "unit"), [(device, unit) for device, units in UNITS.items() for unit in units])
def test_ninety_minutes_pass_the_status_file_says_the_same_on_both_engines(pair, device, unit):
    simulated, real = (status(engine, device, unit) for engine in pair)
    for counter in ("published", "waiting"):  # the sensor began some seconds earlier or later
        assert abs(real.pop(counter, 0) - simulated.pop(counter, 0)) <= 1
    assert real == simulated


def test_rule_says_on_the_relay_heats_the_world_at_the_same_minute_on_both_engines(pair):
    simulated, real = (engine.observe().world.acts for engine in pair)
    assert [(act.room, act.what, act.level, act.by) for act in real] == [("hall", "heater", 1.0, "boiler")]
    assert [(act.what, act.level) for act in simulated] == [("heater", 1.0)]
    assert abs(real[0].at_ns - simulated[0].at_ns) < 10 * SECOND


def test_relay_heats_the_sensor_of_another_device_feels_it_and_the_dashboard_shows_it(pair):
    simulated, real = (engine.run("controller", "dashboard") for engine in pair)
    tiles = [[line.split()[:2] for line in text.text.splitlines()[1:]] for text in (simulated, real)]
    assert tiles[0] == tiles[1]
    begun = real_reading(pair[1], "thermo")
    assert begun > 17  # 15.7 when the relay began to heat
    assert tiles[1][1] == ["Boiler", "on"]


def real_reading(engine, device: str) -> float:
    """What the sensor published last."""
    return json.loads(engine.run(device, "cat /run/sensor.json").text)["value"]


def test_rules_are_asked_the_tool_answers_the_same_on_both_engines(pair):
    simulated, real = (
        engine.run("controller", "rulesctl check; rulesctl test hall=15 day sat time 18:00") for engine in pair
    )
    assert real == simulated
    assert "boiler" in real.text


def test_foreign_client_commands_a_foreign_subscriber_hears_what_the_relay_reports(pair):
    heard = pair[1].run(
        "controller", "mosquitto_sub -h localhost -u board -P kijk-mee -t hall/boiler/state -C 1 -W 65 & "
        "sleep .3; mosquitto_pub -h localhost -u rules -P luc-is-trots -t hall/boiler/set -m 40%; wait",
    )  # fmt: skip
    assert json.loads(heard.text.splitlines()[-1])["state"] == "40%"
    assert pair[1].observe().world.acts[-1].level == 0.4


@pytest.fixture
def lab():
    engine = KernelEngine()
    engine.start(hall())
    yield engine
    engine.stop()


def test_relay_that_holds_loses_power_it_falls_back(lab):
    lab.run("controller", "mosquitto_pub -h localhost -u rules -P luc-is-trots -t hall/boiler/set -m on; sleep .3")
    assert lab.observe().world.acts[-1].level == 1.0
    lab.power("boiler", on=False)
    act = lab.observe().world.acts[-1]
    assert (act.what, act.level, act.by) == ("heater", 0.0, "boiler")


def test_broker_goes_and_comes_things_say_so_and_come_back(lab):
    lab.run("controller", "systemctl stop mosquitto")
    lab.run("boiler", "sleep .5")
    journal = lab.run("boiler", "journalctl -u actuator -o cat").text
    assert "connection to controller:1883 lost: the broker closed the connection\n" in journal
    lab.elapse(20 * SECOND)
    journal = lab.run("boiler", "journalctl -u actuator -o cat").text
    assert "cannot connect to controller:1883: Connection refused\n" in journal
    assert json.loads(lab.run("boiler", "cat /run/actuator.json").text)["state"] == "failed"
    lab.run("controller", "systemctl start mosquitto")
    lab.elapse(2 * MINUTE)
    assert json.loads(lab.run("boiler", "cat /run/actuator.json").text)["state"] == "connected"


def test_nobody_commands_any_more_the_fail_safe_comes_at_its_time(lab):
    lab.run("controller", "systemctl stop rules")
    lab.run("controller", "mosquitto_pub -h localhost -u rules -P luc-is-trots -t hall/boiler/set -m on; sleep .3")
    began = lab.now
    lab.elapse(20 * MINUTE)
    assert "no command for 600 s: fail-safe off\n" in lab.run("boiler", "journalctl -u actuator -o cat").text
    switched = lab.observe().world.acts[-1]
    assert switched.level == 0.0
    assert abs(switched.at_ns - began - 10 * MINUTE) < 5 * SECOND


def test_unit_is_stopped_it_takes_leave_and_its_status_file_with_it(lab):
    lab.run("boiler", "sensorctl set mqtt.password wrong; sleep .5")
    assert "not authorised" in lab.run("boiler", "sensorctl status").text
    assert lab.run("boiler", "systemctl stop actuator; ls /run/actuator.json").status != 0


def test_lead_is_out_the_thing_gives_its_broker_up_by_the_clock_of_the_lab_and_finds_it_again(lab):
    lab.run("hands", "unplug thermo:eth0")
    lab.elapse(3 * MINUTE)
    journal = lab.run("thermo", "journalctl -u sensor -o cat").text
    assert "connection to controller:1883 lost: the broker does not answer\n" in journal
    assert (
        json.loads(lab.run("controller", "cat /run/rules.json").text)["inputs"]["hall"]["at_ns"] < lab.now - 2 * MINUTE
    )
    lab.run("hands", "patch thermo:eth0 switch:p2")
    lab.elapse(2 * MINUTE)
    assert json.loads(lab.run("thermo", "cat /run/sensor.json").text)["state"] == "connected"


WALL = "nft 'add table inet wall; add chain inet wall in { type filter hook input priority 0; }'; "
SILENCES = {
    "a firewall drops": (WALL + "nft add rule inet wall in tcp dport 1883 drop", "nft flush ruleset", UNITS),
    "no such neighbour": ("ip link set eth0 down", "ip link set eth0 up", ("thermo", "boiler")),
}


@pytest.mark.parametrize("silence", SILENCES)
def test_broker_is_silent_things_give_up_and_try_again_by_the_clock_of_the_lab(silence):
    begin, end, deaf = SILENCES[silence]
    engines = [engine_named("sim"), KernelEngine()]
    errors, words = [], []
    try:
        for engine in engines:
            engine.start(hall())
            engine.run("controller", f"{begin}; systemctl restart mosquitto")
            engine.wait(SECOND)
            engine.elapse(90 * MINUTE)
            errors.append({unit: errors_of(engine, device, unit) for device in deaf for unit in UNITS[device]})
            words.append({device: said_of_broker(engine, device, UNITS[device][0]) for device in deaf})
            engine.run("controller", end)
            engine.elapse(5 * MINUTE)
            assert json.loads(engine.run("thermo", "cat /run/sensor.json").text)["state"] == "connected"
    finally:
        engines[1].stop()
    assert words[0] == words[1]
    simulated, real = errors
    assert all(count > 30 for count in simulated.values())
    for unit, count in simulated.items():  # the kernel's three questions for a neighbour take less time meanwhile
        assert count - 2 <= real[unit] <= 1.06 * count + 2


def errors_of(engine, device: str, unit: str) -> int:
    """How often a program of ours could not reach its broker."""
    return json.loads(engine.run(device, f"cat /run/{unit}.json").text)["errors"]


def said_of_broker(engine, device: str, unit: str) -> set[str]:
    """Why it could not reach its broker, in the last hour."""
    lines = engine.run(device, f"journalctl -u {unit} -o cat").text.splitlines()
    return {line for line in lines[-5:] if RACE in line}
