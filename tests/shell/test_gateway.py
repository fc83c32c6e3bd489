"""A gateway: what passes through it, and its tool."""

from __future__ import annotations

import pytest

from labs.engines.sim import SimEngine
from tests.bus_site import counters, started


@pytest.fixture(scope="module")
def engine() -> SimEngine:
    return started(seconds=30)


def test_tcp_client_reads_a_unit_on_the_bus(engine: SimEngine) -> None:
    text = engine.run("pc", "mbpoll -1 -t 4:float -B -a 3 -r 7 gw").text
    assert "[7]: \t-2" in text


def test_silent_unit_is_exception_0b_and_an_impossible_one_0a(engine: SimEngine) -> None:
    assert "Target device failed to respond" in engine.run("pc", "mbpoll -1 -t 3 -a 99 gw").text
    assert "Gateway path unavailable" in engine.run("pc", "mbpoll -1 -t 3 -a 0 gw").text


def test_exception_of_a_unit_reaches_the_client(engine: SimEngine) -> None:
    assert "Illegal data address" in engine.run("pc", "mbpoll -1 -t 3 -a 1 -r 9 gw").text


def test_writing_reaches_the_unit(engine: SimEngine) -> None:
    assert engine.run("pc", "mbpoll -t 4 -a 3 -r 21 gw 12").status == 0
    assert "[21]: \t12" in engine.run("pc", "mbpoll -1 -t 4 -a 3 -r 21 gw").text
    assert engine.run("pc", "mbpoll -t 0 -a 3 -r 1 gw 1").status == 0
    assert "[1]: \t1" in engine.run("pc", "mbpoll -1 -t 0 -a 3 -r 1 gw").text


def test_status_shows_every_poll_with_its_value(engine: SimEngine) -> None:
    lines = engine.run("gw", "gatewayctl status").text.splitlines()
    assert lines[0] == "Bus        /dev/ttyS0, 115200 8N1, 4 polls"
    assert lines[1] == "Broker     server:1883 connected"
    assert [line.split()[:2] for line in lines[5:]] == [["s1", "1"], ["s2", "2"], ["s3", "3"], ["s4", "4"]]
    assert lines[6].split()[-1] == "plant/s2/temperature"


def test_poll_now_asks_beside_the_running_gateway(engine: SimEngine) -> None:
    before = counters(engine)
    answer = engine.run("gw", "gatewayctl poll s2")
    assert float(answer.text.removeprefix("s2 ").removesuffix(" °C\n")) == pytest.approx(-20, abs=0.5)
    engine.wait(30 * 10**9)
    assert all(now["crc"] == before[unit]["crc"] for unit, now in counters(engine).items())


def test_poll_of_a_unit_off_says_why() -> None:
    engine = started()
    engine.run("hands", "power off s2")
    answer = engine.run("gw", "gatewayctl poll s2")
    assert (answer.text, answer.status) == ("gatewayctl: unit 2: Connection timed out\n", 1)


def test_setting_is_read_back_and_a_wrong_one_changes_nothing() -> None:
    engine = started()
    assert engine.run("gw", "gatewayctl set poll.s1.interval_s 30").status == 0
    assert engine.run("gw", "gatewayctl get poll.s1.interval_s").text == "30\n"
    before = engine.run("gw", "gatewayctl config").text
    answer = engine.run("gw", "gatewayctl set poll.s1.unit 300")
    assert answer.status == 1
    assert answer.text == 'gatewayctl: "poll.s1.unit" is 300; it must be from 1 to 247; nothing was changed\n'
    assert engine.run("gw", "gatewayctl config").text == before


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        ("gw", "gatewayctl fly", 'unknown command "fly"; try: gatewayctl help'),
        ("gw", "gatewayctl poll", 'wrong number of words after "poll"; try: gatewayctl help'),
        ("gw", "gatewayctl poll s9", 'there is no poll "s9"; there are: s1, s2, s3, s4'),
        ("gw", "gatewayctl get poll.s9", "poll.s9 is not set"),
        ("gw", "gatewayctl log many", '"many" is not a number of lines'),
        ("pc", "gatewayctl", "this device is no gateway (it has no /etc/gateway.toml)"),
    ],
)
def test_mistyped_line_gets_one_clear_message(engine: SimEngine, place: str, line: str, said: str) -> None:
    answer = engine.run(place, line)
    assert answer.text == f"gatewayctl: {said}\n"
    assert answer.status


def test_broker_away_for_a_while_is_found_again() -> None:
    engine = started()
    engine.run("server", "systemctl stop mosquitto")
    engine.wait(20 * 10**9)
    assert "connected" not in engine.run("gw", "gatewayctl status").text.splitlines()[1]
    engine.run("server", "systemctl start mosquitto")
    engine.wait(60 * 10**9)
    heard = engine.run("server", "timeout 20 mosquitto_sub -h localhost -u all -P two -t plant/s1/temperature -C 1")
    assert heard.status == 0


def test_ports_are_seen_as_files(engine: SimEngine) -> None:
    assert engine.run("gw", "ls /dev/ttyS0").text == "/dev/ttyS0\n"
    assert engine.run("pc", "ls /dev/ttyS0").status
