"""A bus in operation: what a gateway counts when wires, resistors or switches are wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE
from tests.bus_site import bus_site, counters, started

MINUTE = 60 * 10**9
NAMES = {1: "s1", 2: "s2", 3: "s3", 4: "s4"}


def after(engine: SimEngine, line: str) -> dict[int, dict[str, int]]:
    """What is counted in the two minutes after hands did something."""
    answer = engine.run("hands", line)
    assert answer.status == 0, answer.text
    before = counters(engine)
    engine.wait(2 * MINUTE)
    return {unit: {k: v - before[unit][k] for k, v in now.items()} for unit, now in counters(engine).items()}


def silent(counted: dict[int, dict[str, int]]) -> set[int]:
    return {unit for unit, count in counted.items() if not count["ok"]}


@pytest.fixture
def engine() -> SimEngine:
    return started()


def test_healthy_bus_loses_nothing(engine: SimEngine) -> None:
    engine.wait(5 * MINUTE)
    assert all(count["timeout"] == count["crc"] == 0 and count["ok"] > 50 for count in counters(engine).values())


def test_reading_of_a_room_travels_to_the_broker(engine: SimEngine) -> None:
    heard = engine.run("server", "mosquitto_sub -h localhost -u all -P two -t plant/s3/meter -C 1")
    assert json.loads(heard.text)["value"] == pytest.approx(-20, abs=0.5)


def test_swapped_wires_silence_one_unit_and_swapping_back_heals(engine: SimEngine) -> None:
    assert engine.run("hands", "meter s2 volt").text.startswith("s2, A to B, idle: +0.2")
    assert silent(after(engine, "swap s2 a b")) == {2}
    assert engine.run("hands", "meter s2 volt").text.startswith("s2, A to B, idle: -0.2")
    assert not silent(after(engine, "swap s2 b a"))


def test_other_speed_silences_one_unit(engine: SimEngine) -> None:
    assert silent(after(engine, "dip s4 speed 9600")) == {4}
    assert not silent(after(engine, "dip s4 speed 115200"))


def test_other_parity_silences_one_unit(engine: SimEngine) -> None:
    assert silent(after(engine, "dip s1 parity even")) == {1}


def test_other_number_of_stop_bits_does_no_harm(engine: SimEngine) -> None:
    assert not silent(after(engine, "dip s1 stop 2"))


def test_two_units_with_one_address_spoil_each_other(engine: SimEngine) -> None:
    counted = after(engine, "dip s2 address 1")
    assert silent(counted) == {1, 2}
    assert counted[1]["crc"] > 10
    assert counted[2]["timeout"] > 10
    assert not counted[4]["timeout"] + counted[4]["crc"]
    engine.run("hands", "power off s2")
    assert silent(after(engine, "wait 1 s")) == {2}


def test_missing_resistor_hurts_every_unit_now_and_then(engine: SimEngine) -> None:
    counted = after(engine, "terminate field end off")
    assert not silent(counted)
    assert all(count["timeout"] + count["crc"] for count in counted.values())
    assert engine.run("hands", "meter gw volt").text.startswith("gw, A to B, idle: +0.4")


def test_missing_resistor_at_low_speed_does_no_harm() -> None:
    counted = after(started(bus_site(9600)), "terminate field end off")
    assert not any(count["timeout"] + count["crc"] for count in counted.values())


def test_broken_wire_silences_what_lies_behind() -> None:
    site = CATALOGUE["bus-wire-broken"].apply(bus_site(), {"bus": "field", "after": "s2"})
    engine = started(site, 60)
    assert silent(counters(engine)) == {3, 4}


def test_meter_in_ohms_wants_the_bus_without_power(engine: SimEngine) -> None:
    answer = engine.run("hands", "meter s1 ohm")
    assert (answer.status, answer.text) == (1, "hands: a meter in ohms wants the bus without power: switch off gw\n")
    engine.run("hands", "power off gw")
    assert 52 < float(engine.run("hands", "meter s1 ohm").text.split()[-2]) < 60


def test_look_shows_wires_and_switches(engine: SimEngine) -> None:
    engine.run("hands", "swap s2 a b")
    text = engine.run("hands", "look s2").text
    assert "the blue wire sits on A, the white on B" in text
    assert "address 2, speed 115200, parity none, stop 1" in text
    assert "150 m  s2" in engine.run("hands", "look field").text


def test_what_hands_did_is_observed_and_survives_a_new_start(engine: SimEngine) -> None:
    engine.run("hands", "swap s2 a b")
    engine.run("hands", "dip s4 address 9")
    seen = engine.observe()
    assert seen.bus("field").drop("s2").swapped
    again = started(replace(seen), 60)
    assert silent(counters(again)) == {2, 4}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("terminate fold end", 'there is no bus "fold"; there are: field'),
        ("terminate field pc", "pc is not on field; say start, end, or one of: gw, s1, s2, s3, s4"),
        ("terminate field", "usage: terminate BUS"),
        ("swap pc a b", '"pc" is not on a bus; on a bus are: gw, s1, s2, s3, s4'),
        ("swap s1 a c", "usage: swap"),
        ("dip s1 address 300", "s1: address is 300; it must be from 1 to 247"),
        ("dip s1 speed fast", '"fast" is not a whole number'),
        ("dip s1 parity strange", 's1: parity is "strange"; it must be one of none, even, odd'),
        ("dip pc address 3", "pc has no switches"),
        ("dip s9 address 3", 'there is no device "s9"'),
        ("meter s1 amp", "usage: meter"),
    ],
)
def test_mistyped_line_gets_one_clear_message(engine: SimEngine, line: str, said: str) -> None:
    answer = engine.run("hands", line)
    assert answer.status
    assert said in answer.text
    assert answer.text.startswith("hands: ")
    assert answer.text.count("\n") == 1


def test_same_site_twice_counts_the_same() -> None:
    site = CATALOGUE["terminator-missing"].apply(bus_site(), {"bus": "field"})
    first, second = (started(site, 300) for _ in range(2))
    assert counters(first) == counters(second)
    assert first.run("gw", "journalctl -u gateway").text == second.run("gw", "journalctl -u gateway").text
