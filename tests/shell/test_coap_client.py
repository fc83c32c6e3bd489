"""coap-client against a thing on a simulated network, word for word as libcoap 4.3.1 answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from labs.engines.sim import SimEngine
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw

SECOND = 10**9
TEXT = """
scenario: coap-site
title: CoAP
module: m0-tests
level: 1
minutes: 10
story: A thing.
site:
  rooms: {hall: {temperature: {mean: 21, swing: 0}}}
  subnets: {lan: 192.168.10.0/24}
  devices:
    pc: {kind: host, at: {lan: .10}}
    thing:
      kind: sensor
      room: hall
      at: {lan: .11}
      services: {coap: {temperature: {quantity: temperature, every: 2 s}, relay: {value: "off", writable: true}}}
  links: [[pc, thing]]
checks:
  - {id: c, reach: {from: pc, to: thing, service: ping}}
faults: [{host-wrong-mask: {on: pc, length: 30}}]
solution: [{hands: wait 1 s}]
"""


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(draw(parse_scenario(TEXT, str(Path(__file__))), "0").healthy)
    return engine


def test_list_of_resources(engine: SimEngine) -> None:
    answer = engine.run("pc", "coap-client -m get coap://thing/.well-known/core")
    assert answer.text == '</temperature>;title="temperature";ct=0;obs,</relay>;title="relay";ct=0;obs\n'


def test_measurement_is_read(engine: SimEngine) -> None:
    assert float(engine.run("pc", "coap-client coap://thing/temperature").text) == pytest.approx(21, abs=0.4)


def test_value_that_is_put_is_kept_over_a_restart(engine: SimEngine) -> None:
    answer = engine.run("pc", "coap-client -m put -e on coap://thing/relay")
    assert (answer.text, answer.status) == ("", 0)
    assert engine.run("pc", "coap-client coap://thing/relay").text == "on\n"
    engine.run("thing", "systemctl restart coap")
    assert engine.run("pc", "coap-client -w coap://192.168.10.11/relay").text == "on\n"


@pytest.mark.parametrize(
    ("line", "said", "status"),
    [
        ("coap-client coap://thing/nope", "4.04 Not Found\n", 0),
        ("coap-client -m delete coap://thing/relay", "4.05 Method Not Allowed\n", 0),
        ("coap-client -m put -e 5 coap://thing/temperature", "4.05 Method Not Allowed\n", 0),
        ("coap-client foo", "ERR  invalid CoAP URI\n", 1),
        ("coap-client coap://nobody/x", "ERR  failed to resolve address\n", 1),
        (
            "coap-client -m fly coap://thing/x",
            "coap-client: the method fly is not simulated; use get, post, put, delete\n",
            1,
        ),
    ],
)
def test_what_cannot_be_done_is_told(engine: SimEngine, line: str, said: str, status: int) -> None:
    answer = engine.run("pc", line)
    assert (answer.text, answer.status) == (said, status)


def test_observing_shows_every_notification(engine: SimEngine) -> None:
    began = engine.now
    answer = engine.run("pc", "coap-client -w -s 7 coap://thing/temperature")
    assert 7 * SECOND <= engine.now - began < 8 * SECOND
    assert len(answer.text.split()) >= 4


def test_messages_are_shown_when_asked(engine: SimEngine) -> None:
    lines = engine.run("pc", "coap-client -v 6 coap://thing/relay").text.splitlines()
    assert lines[0].startswith("v:1 t:CON c:GET i:")
    assert lines[0].endswith("{01} [ Uri-Path:relay ]")
    assert lines[1].endswith(":: 'off'")
    assert " t:ACK c:2.05 " in lines[1]


def test_blocked_port_is_tried_again_after_3_6_12_seconds(engine: SimEngine) -> None:
    engine.run("thing", "nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'")
    engine.run("thing", "nft add rule inet f in udp dport 5683 drop")
    began = engine.now
    answer = engine.run("pc", "coap-client -v 6 -B 30 coap://thing/relay")
    assert answer.text.count("t:CON") == 4
    assert engine.now - began == 30 * SECOND


def test_frames_are_udp_5683(engine: SimEngine) -> None:
    engine.run("thing", "timeout 5 tcpdump -n -i eth0 -c 2 udp port 5683 > /tmp/seen &")
    engine.run("pc", "coap-client coap://thing/relay")
    assert ".5683: UDP" in engine.run("thing", "sleep 1; cat /tmp/seen").text
