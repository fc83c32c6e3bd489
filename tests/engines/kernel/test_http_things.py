"""Things that post over HTTP, who takes it, and a CoAP server: real sockets, and the words of the simulator."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labs.engines.kernel.capability import lacking
from labs.lab import engine_named
from labs.model.world import DayCycle, Room, World
from tests.engines.kernel.kernel_site import device, needs_kernel, running, site

pytestmark = needs_kernel

SECOND = 1_000_000_000
PUSH = '[push]\nurl = "http://server:8080/cell"\ntoken = "t0ken"\nquantity = "temperature"\ninterval_s = 30\n'
COLLECTOR = '[collector]\nport = 8080\ntoken = "t0ken"\n'
COAP = '[resource.temperature]\nquantity = "temperature"\n[resource.limit]\nvalue = "21"\nwritable = true\n'
GET = "\\x40\\x01\\x12\\x34\\xbbtemperature"  # RFC 7252 §3: CON, GET, message 0x1234, Uri-Path of 11 letters
HOSTS = "10.0.0.2 server\n127.0.0.1 localhost\n"


def plant(push: str = PUSH):
    """A meter that posts to a server and answers over CoAP, and somebody who asks both."""
    files = {"/etc/push.toml": push, "/etc/coap.toml": COAP, "/etc/hosts": HOSTS}
    meter = device("meter", "sensor", {"eth0": "10.0.0.1/24"}, files, units=("push", "coap"))
    server = device("server", "server", {"p1": "10.0.0.2/24"}, {"/etc/collector.toml": COLLECTOR}, units=("collector",))
    made = site([replace(meter, room="cell"), server], ["meter:eth0 server:p1"])
    return replace(made, world=World({"cell": Room("cell", {"temperature": DayCycle(4.0)})}), seed="x")


@pytest.fixture(scope="module")
def pair():
    """Both engines, five minutes after somebody came."""
    simulated = engine_named("sim")
    simulated.start(plant())
    simulated.elapse(5 * 60 * SECOND)
    with running(plant()) as real:
        real.elapse(5 * 60 * SECOND)
        yield simulated, real


@pytest.mark.parametrize(("name", "unit"), [("meter", "push"), ("server", "collector"), ("meter", "coap")])
def test_five_minutes_pass_units_say_the_same_on_both_engines(pair, name, unit):
    simulated, real = (engine.run(name, f"journalctl -u {unit} -o cat").text.splitlines() for engine in pair)
    assert [line for line in real if "Failed to connect" not in line] == simulated  # who starts first is chance
    assert len(simulated) >= 2


def test_five_minutes_pass_the_collector_has_ten_reports_and_the_last_is_the_truth(pair):
    simulated, real = (engine.run("server", "cat /var/lib/collector.jsonl").text.splitlines() for engine in pair)
    assert abs(len(real) - len(simulated)) <= 1
    assert len(real) >= 10
    last = [json.loads(lines[-1]) for lines in (simulated, real)]
    assert last[0]["value"] == last[1]["value"]
    assert last[1]["path"] == "/cell"


def test_collector_is_asked_without_its_token_and_with_it_curl_gets_the_same_answer(pair):
    for line in (
        "curl -s -o /dev/null -w '%{http_code}' http://10.0.0.2:8080/",
        "curl -s -H 'Authorization: Bearer t0ken' -X DELETE -o /dev/null -w '%{http_code}' http://10.0.0.2:8080/",
        "curl -s -H 'Authorization: Bearer t0ken' -d nonsense http://10.0.0.2:8080/x",
    ):
        simulated, real = (engine.run("meter", line) for engine in pair)
        assert real == simulated, line


def test_coap_server_is_asked_it_measures(pair):
    text = pair[1].run("server", f"printf '{GET}' | nc -u -w 1 10.0.0.1 5683 | xxd -p").text
    answer = bytes.fromhex(text.strip())
    assert answer[:4] == b"\x60\x45\x12\x34"  # ACK, 2.05, the same message
    value = float(answer.partition(b"\xff")[2])
    assert abs(value - 4.0) < 1.0


def test_thing_that_posts_over_tls_the_site_is_refused():
    assert "no TLS" in lacking(plant(PUSH.replace("http:", "https:")))
