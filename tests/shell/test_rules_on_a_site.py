"""Actuator, rules and dashboard on a running site, through the tools of a technician."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw
from tests.control_site import RULES, control
from tests.things_site import SECOND, journal

MINUTE = 60 * SECOND
PUB = "mosquitto_pub -h server -u thing -P geheim-woord"


def lab(rules: str = RULES) -> SimEngine:
    scenario = parse_scenario(control("gap: {broker: server, topic: x, longest: 1 min}", rules), "control.yaml")
    engine = SimEngine()
    engine.start(draw(scenario, "0").healthy)
    return engine


def level(engine: SimEngine) -> float:
    return engine.world.level("hall", "heater", engine.now)


def test_heater_goes_on_in_its_window_and_the_hall_warms() -> None:
    engine = lab()
    assert level(engine) == 0
    engine.wait(30 * MINUTE)  # from 16:40 in Brussels
    assert level(engine) == 1
    before = engine.world.value("hall", "temperature", engine.now)
    engine.wait(20 * MINUTE)
    assert engine.world.value("hall", "temperature", engine.now) > before
    assert any('rule "warm" is active' in line for line in journal(engine, "server", "rules"))


def test_broker_that_falls_silent_brings_the_fail_safe() -> None:
    engine = lab()
    engine.wait(30 * MINUTE)
    engine.run("hands", "power off server")
    engine.wait(7 * MINUTE)
    assert level(engine) == 0
    assert any("fail-safe off" in line for line in journal(engine, "boiler", "actuator"))


def test_silent_sensor_brings_the_safe_value() -> None:
    engine = lab()
    engine.wait(30 * MINUTE)
    engine.run("hands", "power off probe")
    engine.wait(7 * MINUTE)
    assert level(engine) == 0
    assert "hall unknown or stale: fail-safe" in engine.run("server", "rulesctl status").text


def test_relay_falls_off_with_its_power() -> None:
    engine = lab()
    engine.wait(30 * MINUTE)
    engine.run("hands", "power off boiler")
    assert level(engine) == 0


@pytest.mark.parametrize(
    ("payload", "wanted"), [("on", 1.0), ("40%", 0.4), ('{"state": "on"}', 1.0), ("0,25", 0.25), ("off", 0.0)]
)
def test_command_is_understood(payload: str, wanted: float) -> None:
    engine = lab()
    engine.run("server", "systemctl stop rules")
    engine.run("server", f"{PUB} -t hall/heater/set -m '{payload}'")
    engine.wait(SECOND)
    assert level(engine) == wanted


@pytest.mark.parametrize("payload", ["loud", "2", "", '{"colour": "red"}', "[1]", '{"level": [1]}', "nan"])
def test_what_is_no_command_is_told_and_changes_nothing(payload: str) -> None:
    engine = lab()
    engine.run(
        "server", f"systemctl stop rules; {PUB} -t hall/heater/set -m on; {PUB} -t hall/heater/set -m '{payload}'"
    )
    engine.wait(SECOND)
    assert level(engine) == 1
    assert any("no command" in line for line in journal(engine, "boiler", "actuator"))


def test_inverted_output_does_the_opposite() -> None:
    engine = lab()
    engine.run("boiler", "sensorctl set actuator.inverted true")
    engine.wait(2 * SECOND)
    engine.run("server", f"systemctl stop rules; {PUB} -t hall/heater/set -m on; {PUB} -t hall/heater/set -m off")
    engine.wait(SECOND)
    assert level(engine) == 1
    assert "State      off" in engine.run("boiler", "sensorctl status").text


def test_rulesctl_explains_and_tries() -> None:
    engine = lab()
    engine.wait(MINUTE)
    text = engine.run("server", "rulesctl explain warm").text
    assert "Sat 2026-10-24 16:4" in text
    assert "time 17:00-23:00: false" in text
    assert "hall < 19: true   (hall is " in text
    output = engine.run("server", "rulesctl test hall=18 time 18:30 day sun")
    assert output.status == 0
    assert output.text.splitlines()[0] == "Sun 18:30 local time"
    assert 'heater on: rule "warm" is active' in output.text
    assert "heater off: hall unknown or stale" in engine.run("server", "rulesctl test time 18:30 day sun").text
    assert engine.run("server", "rulesctl check").text.startswith("/etc/rules.conf: 1 inputs, 1 outputs, 1 rules")
    assert "rules, time zone" in engine.run("server", "rulesctl log").text


@pytest.mark.parametrize(
    ("line", "said", "status"),
    [
        ("rulesctl dance", 'rulesctl: unknown command "dance"; try: rulesctl help', 2),
        ("rulesctl test hal=3", '"hal=3" is not NAME=VALUE with one of: hall=…', 2),
        ("rulesctl test hall=warm", '"warm" is not a number', 2),
        ("rulesctl test time 25:00", "is not a time of day", 2),
        ("rulesctl test day someday", "is not a day", 2),
        ("rulesctl explain cold", 'there is no rule "cold"; rules: warm', 1),
        ("rulesctl log many", "is not a number of lines", 2),
        ("dashboard loud", 'dashboard: unknown word "loud"', 2),
    ],
)
def test_mistyped_word_gets_one_clear_line(line: str, said: str, status: int) -> None:
    output = lab().run("server", line)
    assert said in output.text
    assert output.status == status
    assert len(output.text.splitlines()) == 1


def test_bad_line_in_the_rules_stops_the_service_with_its_place() -> None:
    engine = lab()
    engine.run("server", "sed -i 's/hall < 19/hal < 19/' /etc/rules.conf; systemctl restart rules")
    assert engine.run("server", "systemctl is-active rules").text == "failed\n"
    assert (
        '/etc/rules.conf: line 5: "hal" is not an input; did you mean "hall"?' in journal(engine, "server", "rules")[-1]
    )
    output = engine.run("server", "rulesctl status")
    assert output.text == 'rulesctl: /etc/rules.conf: line 5: "hal" is not an input; did you mean "hall"?\n'


def test_dashboard_shows_values_ages_and_alarms() -> None:
    engine = lab()
    engine.wait(2 * MINUTE)
    lines = engine.run("server", "dashboard").text.splitlines()
    assert lines[0] == "Hall   2026-10-24 16:42 CEST   broker connected"
    assert lines[1].split()[:1] == ["hall"]
    assert "°C" in lines[1]
    assert "!" not in lines[1]
    assert lines[2].split()[:2] == ["heater", "off"]
    engine.run("hands", "heat probe 40")
    engine.wait(2 * MINUTE)
    assert engine.run("server", "dashboard").text.splitlines()[1].endswith("! above 24")
    engine.run("hands", "power off probe")
    engine.wait(6 * MINUTE)
    assert "! older than 300 s" in engine.run("server", "dashboard").text
    engine.run("server", "systemctl stop dashboard")
    assert "broker not running" in engine.run("server", "dashboard").text


@pytest.mark.parametrize(
    ("device", "unit", "path", "line", "said"),
    [
        ("server", "dashboard", "/etc/dashboard.toml", "s/°C/C/;s/^low.*/lwo = 3/", 'unknown key "tile.hall.lwo"'),
        ("server", "dashboard", "/etc/dashboard.toml", "s/Brussels/Brusels/", "is not a time zone"),
        (
            "boiler",
            "actuator",
            "/etc/actuator.toml",
            's/fail_safe = .*/fail_safe = "maybe"/',
            "it must be off, on, hold",
        ),
        ("server", "rules", "/etc/rules.toml", "s/^port.*/port = 0/", "it must be from 1 to 65535"),
    ],
)
def test_bad_key_stops_the_service_with_one_line(device: str, unit: str, path: str, line: str, said: str) -> None:
    engine = lab()
    engine.run(device, f"sed -i '{line}' {path}; systemctl restart {unit}")
    assert engine.run(device, f"systemctl is-active {unit}").text == "failed\n"
    assert said in journal(engine, device, unit)[-1]
