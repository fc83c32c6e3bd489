"""Checks on data: a healthy site passes, the fault fails, and a dead site earns nothing."""

from __future__ import annotations

import pytest

from grader.grade import judge
from grader.verdict import Result, Verdict
from labs.journal import Header
from labs.scenario.library import parse_scenario
from labs.scenario.scenario import ScenarioError
from labs.scenario.variant import draw

SITE = """
scenario: data-one
title: Data
module: m3-sensors
level: 1
minutes: 10
story: Data.
site:
  start: 2026-05-02 07:00
  rooms: {garden: {temperature: {mean: 13, swing: 6, peak: 15, wander: 0.8}}}
  subnets: {home: 192.168.1.0/24}
  devices:
    sw: {kind: switch, ports: 6}
    server:
      kind: server
      at: {home: .10}
      services:
        broker:
          users: {garden: tomaat-kaas, panel: koffie-om-negen, boss: sleutel-onder-de-mat}
          acl: |
            user garden
            topic write home/garden/#
            topic read cmd/garden
            user panel
            topic read home/#
            user boss
            topic readwrite #
    sensor:
      kind: sensor
      at: {home: .20}
      room: garden
      services:
        sensor:
          {quantity: temperature, broker: server, topic: home/garden/temperature, user: garden, password: tomaat-kaas}
    panel:
      kind: display
      at: {home: .21}
      services: {display: {broker: server, topic: home/garden/temperature, user: panel, password: koffie-om-negen}}
    laptop: {kind: host, at: {home: .30}}
  links: [[sw, server], [sw, sensor], [sw, panel], [sw, laptop]]
faults: [mqtt-wrong-port: {on: sensor}]
solution: []
checks:
  - {id: it, %s}
"""
LOGIN = "broker: server, user: boss, password: sleutel-onder-de-mat"
TOPIC = f"{LOGIN}, topic: home/garden/temperature"
CHECKS = {
    "reading": f"reading: {{{TOPIC}, room: garden, quantity: temperature}}",
    "range": f"range: {{{TOPIC}, low: -20, high: 50}}",
    "unit": f"unit: {{{TOPIC}, unit: °C}}",
    "gap": f"gap: {{{TOPIC}, longest: 35 s}}",
    "topic": f"topic: {{{LOGIN}, only: home/garden/+}}",
    "duplicate": f"duplicate: {{{TOPIC}}}",
    "monotonic": f"monotonic: {{{TOPIC}}}",
    "no_plaintext": f"no_plaintext: {{{TOPIC}, from: sensor}}",
    "authenticated": "authenticated: {broker: server, from: laptop, user: panel, password: koffie-om-negen}",
    "authorised": (
        "authorised: {broker: server, user: boss, password: sleutel-onder-de-mat, client: garden, "
        "client_password: tomaat-kaas, publish: home/garden/#, subscribe: cmd/garden}"
    ),
}


def judged(check: str, *lines: tuple[str, str], site: str = SITE) -> Result:
    scenario = parse_scenario(site % CHECKS.get(check, check), "data.yaml")
    variant = draw(scenario, "0")
    return judge(variant, Header(scenario.id, scenario.digest, "0"), site=variant.healthy, lines=lines).results[0]


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "no_plaintext"])
def test_healthy_site_passes(check: str) -> None:
    result = judged(check)
    assert result.verdict is Verdict.PASS, str(result.rationale)


def over_tls() -> str:
    text = SITE.replace("        broker:\n", "        broker:\n          tls: true\n")
    return text.replace("password: tomaat-kaas}", "password: tomaat-kaas, tls: true}").replace(
        "koffie-om-negen}}", "koffie-om-negen, tls: true}}"
    )


@pytest.mark.parametrize("check", ["reading", "gap", "topic", "no_plaintext", "authorised"])
def test_healthy_site_with_tls_passes(check: str) -> None:
    result = judged(check, site=over_tls())
    assert result.verdict is Verdict.PASS, str(result.rationale)


def test_broker_that_takes_tls_alone_is_asked_over_tls() -> None:
    check = (
        "authenticated: {broker: server, from: laptop, user: panel, password: koffie-om-negen, port: 8883, "
        "cafile: /etc/ssl/certs/site-ca.crt}"
    )
    result = judged(check, site=over_tls())
    assert result.verdict is Verdict.PASS, str(result.rationale)


def test_plain_listener_beside_tls_is_no_plaintext_until_somebody_uses_it() -> None:
    open_door = ("server", "sed -i 's/ 127.0.0.1//' /etc/mosquitto/mosquitto.conf; systemctl restart mosquitto")
    assert judged("no_plaintext", open_door, site=over_tls()).verdict is Verdict.PASS
    step_back = "sed -i -e 's/8883/1883/' -e 's/tls = true/tls = false/' /etc/sensor.toml; systemctl restart sensor"
    result = judged("no_plaintext", open_door, ("sensor", step_back), site=over_tls())
    assert result.verdict is Verdict.FAIL


PUB = "mosquitto_pub -h localhost -u boss -P sleutel-onder-de-mat -t home/garden/temperature"
AGAIN = f'while true; do {PUB} -m \'{{"value": 13.0, "unit": "C", "at": "%s"}}\'; sleep 30; done > /dev/null &'
WRONG = [
    ("reading", "sensor", "sensorctl set sensor.offset 2", "was"),
    ("reading", "sensor", "sensorctl set sensor.unit F", "is in °F"),
    ("reading", "sensor", "sensorctl set mqtt.topic home/garden/temp", "nothing is published"),
    ("range", "sensor", "sensorctl set sensor.scale 10", "must lie between"),
    ("unit", "sensor", "sensorctl set sensor.unit K", "is in K"),
    ("gap", "sensor", "sensorctl set sensor.interval_s 60", "is silent for"),
    (
        "topic",
        "laptop",
        f"{PUB.replace('localhost', 'server').replace('home/g', 'thuis/g')} -r -m 1",
        "there is data on",
    ),
    ("duplicate", "server", AGAIN % "2026-05-02T07:00:00Z", "comes twice"),
    ("monotonic", "server", AGAIN % "2025-01-01T07:00:00Z", "goes back"),
    ("no_plaintext", "sensor", "true", "can be read on the wire"),
    (
        "authenticated",
        "server",
        "sed -i 's/anonymous false/anonymous true/' /etc/mosquitto/mosquitto.conf; systemctl restart mosquitto",
        "the broker lets anybody without a name in",
    ),
    (
        "authorised",
        "server",
        "sed -i 's#^topic write home.*#topic write \\##' /etc/mosquitto/acl; systemctl reload mosquitto",
        "can publish on",
    ),
    (
        "authorised",
        "server",
        "sed -i 's#^topic write home.*#topic write home/tuin/\\##' /etc/mosquitto/acl; systemctl reload mosquitto",
        "cannot publish on home/garden/temperature",
    ),
    (
        "authorised",
        "server",
        "sed -i 's#^topic read cmd.*#topic read \\##' /etc/mosquitto/acl; systemctl reload mosquitto",
        "can read home/garden/temperature",
    ),
]


@pytest.mark.parametrize(("check", "place", "line", "said"), WRONG, ids=[f"{w[0]}-{w[3]}" for w in WRONG])
def test_fault_fails_in_words_of_a_technician(check: str, place: str, line: str, said: str) -> None:
    result = judged(check, (place, line))
    assert result.verdict is Verdict.FAIL, str(result.rationale)
    assert said in str(result.rationale)


DEAD = [(check, "power off server") for check in CHECKS]
DEAD += [
    (check, line)
    for check in CHECKS
    if check not in ("authenticated", "authorised")  # a broker can be judged without its sensor
    for line in ("unplug sensor:eth0", "power off sensor")
]


@pytest.mark.parametrize(("check", "line"), DEAD)
def test_dead_site_earns_nothing(check: str, line: str) -> None:
    result = judged(check, ("hands", line))
    assert result.verdict in (Verdict.FAIL, Verdict.BLOCKED), str(result.rationale)


def test_message_without_a_time_cannot_be_told_from_the_next() -> None:
    line = f"while true; do {PUB} -m 13.0; sleep 30; done > /dev/null &"
    assert judged("duplicate", ("hands", "power off sensor"), ("server", line)).verdict is Verdict.FAIL


def test_fewer_topics_than_things_is_a_gap() -> None:
    result = judged(f"gap: {{{LOGIN}, topic: home/+/temperature, longest: 2 min, topics: 2}}")
    assert result.verdict is Verdict.FAIL
    assert "1 of 2 topics" in str(result.rationale)


def test_hours_are_heard() -> None:
    result = judged(f"gap: {{{TOPIC}, longest: 35 s, during: 12 h}}")
    assert result.verdict is Verdict.PASS
    assert "12 h" in str(result.rationale)


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (f"reading: {{{TOPIC}, room: cellar, quantity: temperature}}", '"cellar" is not a room'),
        (f"reading: {{{TOPIC}, room: garden, quantity: co2}}", '"co2" is not a quantity of that room'),
        ("unit: {broker: sensor, topic: x, unit: C}", "sensor runs no broker"),
        (f"no_plaintext: {{{TOPIC}, from: sensr}}", '"sensr" is not a device'),
        (f"gap: {{{TOPIC}, longest: soon}}", "a duration"),
    ],
)
def test_mistake_in_a_check_is_told(check: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(SITE % check, "data.yaml")


EVERY_20_S = SITE.replace("quantity: temperature, broker", "quantity: temperature, every: 20 s, broker")


def test_gap_over_half_a_day_sees_no_silence_that_was_not_there() -> None:
    """More is said than a person is shown of one line: the recording goes on all the same."""
    result = judged(f"gap: {{{TOPIC}, longest: 25 s, during: 12 h}}", site=EVERY_20_S)
    assert result.verdict is Verdict.PASS, str(result.rationale)
    assert "12 h" in str(result.rationale)


@pytest.mark.parametrize("limit", ["MOST_MESSAGES", "MOST_OUTPUT"])
def test_more_messages_than_can_be_recorded_are_an_error_not_a_failure(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"grader.checks.hearing.{limit}", 20)
    for check in ("gap", "duplicate", "reading"):
        result = judged(check)
        assert result.verdict is Verdict.ERROR
        assert "too many messages on server to judge" in str(result.rationale)


def test_window_that_cannot_be_listened_to_is_refused() -> None:
    with pytest.raises(ScenarioError, match='expected a duration from 1 s to 1 day, found "48 h"'):
        judged(f"gap: {{{TOPIC}, longest: 35 s, during: 48 h}}")


def test_capture_that_ended_before_the_listening_is_an_error_and_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is said after the last frame that was kept might be readable."""
    monkeypatch.setattr("grader.checks.wiretap.MOST_FRAMES", 3)
    result = judged("no_plaintext", site=over_tls())
    assert result.verdict is Verdict.ERROR
    assert "more frames than can be searched" in str(result.rationale)
