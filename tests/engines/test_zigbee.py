"""Zigbee on a site: sensors that sleep, distance, Wi-Fi of one's own in the way, and what the bridge says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labs.engines.kernel.engine import media_of
from labs.engines.sim import SimEngine
from labs.scenario.library import load_scenario
from labs.scenario.variant import draw

MINUTE = 60 * 10**9
SITE = draw(load_scenario(Path(__file__).parent.parent / "faults" / "zigbee_workshop.yaml"), "0").healthy
PUB = "mosquitto_pub -h server -u all -P two -t zigbee2mqtt/bridge/request/"
SUB = "mosquitto_sub -h server -u all -P two -t zigbee2mqtt/"


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(SITE)
    return engine


def quality(engine: SimEngine, name: str = "t1") -> int:
    return int(json.loads(engine.run("server", f"{SUB}{name} -C 1 -W 120").text)["linkquality"])


def test_receiver_of_a_sleepy_device_is_off_between_two_reports(engine: SimEngine) -> None:
    assert engine.node("t1").zigbee.channel is None
    assert engine.node("hub").zigbee.channel == 15


def test_link_quality_falls_with_distance_until_nothing_comes(engine: SimEngine) -> None:
    near = quality(engine)
    engine.run("hands", "move t1 next-door")
    engine.wait(MINUTE)
    assert 0 < quality(engine) < near
    engine.run("hands", "move t1 shed")
    engine.wait(26 * MINUTE)
    assert engine.run("server", f"{SUB}t1/availability -C 1 -W 5").text == '{"state":"offline"}\n'
    assert json.loads(engine.run("t1", "cat /run/zigbee.json").text)["failed"] >= 25


def test_same_site_loses_the_same_frames() -> None:
    logs = []
    for _ in range(2):
        engine = SimEngine()
        engine.start(SITE)
        engine.run("hands", "move t1 shed")
        engine.wait(5 * MINUTE)
        logs.append(engine.run("t1", "journalctl -u zigbee").text)
    assert logs[0] == logs[1]
    assert logs[0].count("report not delivered") == 5


@pytest.mark.parametrize(
    ("request_", "payload", "answer"),
    [
        ("permit_join", '{"time": 60}', '{"data":{"time":60,"value":true},"status":"ok"}'),
        ("permit_join", "soon", '{"data":{},"error":"Invalid payload","status":"error"}'),
        ("permit_join", '{"time": 900}', '{"data":{},"error":"time must be from 0 to 254","status":"error"}'),
        ("device/remove", '{"id": "t1"}', '{"data":{"id":"t1"},"status":"ok"}'),
        ("device/remove", "nobody", '{"data":{},"error":"Device \'nobody\' does not exist","status":"error"}'),
        ("networkmap", "raw", '{"data":{},"error":"request networkmap is not simulated","status":"error"}'),
    ],
)
def test_request_is_answered(engine: SimEngine, request_: str, payload: str, answer: str) -> None:
    engine.run("server", f"({SUB}bridge/response/# -C 1 -W 20 > /tmp/answer) &")
    engine.run("server", f"{PUB}{request_} -m '{payload}'")
    engine.wait(MINUTE)
    assert engine.run("server", "cat /tmp/answer").text.splitlines()[0] == answer


def test_device_that_was_removed_is_heard_no_more(engine: SimEngine) -> None:
    engine.run("server", f"{PUB}device/remove -m t1")
    engine.wait(2 * MINUTE)
    assert "is not in the database" in engine.run("hub", "journalctl -u zigbee2mqtt").text
    assert engine.run("server", f"{SUB}t1 -R -C 1 -W 90").status == 27


def test_hands_say_what_has_a_pairing_button(engine: SimEngine) -> None:
    said = engine.run("hands", "pair server")
    assert (said.status, "devices with one: t1, t2, stranger" in said.text) == (2, True)


def test_kernel_engine_refuses_zigbee_by_name() -> None:
    assert "Zigbee" in media_of(SITE)
