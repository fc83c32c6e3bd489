"""Readings over HTTP: posted, refused, collected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw
from labs.things.push import parse_collector, parse_push, read_report
from labs.things.thing_config import ThingConfigError

SECOND = 10**9
TEXT = """
scenario: push-site
title: Push
module: m0-tests
level: 1
minutes: 10
story: A thing.
site:
  rooms: {hall: {temperature: {mean: 21, swing: 0}}}
  subnets: {lan: 192.168.10.0/24}
  devices:
    server: {kind: server, at: {lan: .10}, services: {collector: {port: 8080, token: t0ken}}}
    thing:
      kind: sensor
      room: hall
      at: {lan: .11}
      services: {push: {to: "http://server:8080/hall", token: t0ken, quantity: temperature, every: 10 s}}
  links: [[server, thing]]
checks:
  - {id: c, reach: {from: thing, to: server, service: tcp/8080}}
faults: [{host-wrong-mask: {on: thing, length: 30}}]
solution: [{hands: wait 1 s}]
"""


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(draw(parse_scenario(TEXT, str(Path(__file__))), "0").healthy)
    return engine


def kept(engine: SimEngine) -> list[dict[str, object]]:
    return [json.loads(line) for line in engine.run("server", "cat /var/lib/collector.jsonl").text.splitlines()]


def test_readings_arrive_at_their_interval(engine: SimEngine) -> None:
    before = len(kept(engine))
    engine.wait(60 * SECOND)
    reports = kept(engine)
    assert len(reports) - before == 6
    assert reports[-1]["path"] == "/hall"
    assert reports[-1]["value"] == pytest.approx(21, abs=0.4)


def test_last_reading_is_got_with_the_token_alone(engine: SimEngine) -> None:
    answer = engine.run("thing", "curl -s -H 'Authorization: Bearer t0ken' http://server:8080/")
    assert json.loads(answer.text)["unit"] == "C"
    assert "401" in engine.run("thing", "curl -s -i http://server:8080/").text


def test_wrong_token_is_told_once_in_the_journal(engine: SimEngine) -> None:
    engine.run("thing", "sed -i s/t0ken/other/ /etc/push.toml; systemctl restart push")
    before = len(kept(engine))
    engine.wait(60 * SECOND)
    assert len(kept(engine)) == before
    assert engine.run("thing", "journalctl -u push").text.count("401 Unauthorized") == 1


def test_server_away_and_back_is_told_and_posting_goes_on(engine: SimEngine) -> None:
    engine.run("server", "systemctl stop collector")
    engine.wait(30 * SECOND)
    assert "Connection refused" in engine.run("thing", "journalctl -u push").text or "Failed to connect" in (
        engine.run("thing", "journalctl -u push").text
    )
    before = len(kept(engine))
    engine.run("server", "systemctl start collector")
    engine.wait(30 * SECOND)
    assert len(kept(engine)) > before


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"{", "not JSON"), (b"[1]", "not an object"), (b'{"value": "x"}', "not a number"), (b"x" * 5000, "at most 4096")],
)
def test_report_that_is_none_is_refused_in_words(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_report(body)


def test_mistakes_in_the_files_are_one_line() -> None:
    with pytest.raises(ThingConfigError, match="must begin with http"):
        parse_push('[push]\nurl = "server"\nquantity = "temperature"\n')
    with pytest.raises(ThingConfigError, match=r"collector\.port"):
        parse_collector("[collector]\nport = 0\n")


def test_one_client_too_many_is_turned_away_and_all_end_with_the_unit(engine: SimEngine) -> None:
    engine.run("thing", "systemctl stop push; for i in $(seq 34); do sleep 50 | nc server 8080 & done; sleep 1")
    assert engine.run("server", "ss -tnH state established | wc -l").text.strip() == "32"
    assert engine.run("server", "ps ax | grep -c collectord$").text.strip() == "33"
    engine.run("server", "systemctl stop collector")
    assert engine.run("server", "ps ax | grep -c collectord$").text.strip() == "0"
