"""Every fault of buses hurts where it is meant to, and the tool of a technician shows it."""

from __future__ import annotations

import pytest

from labs.faults import buses
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import Workshop, name_of

WORKSHOP = Workshop("bus_workshop.yaml")
ALL = {"never-lost", "s1", "s2", "s3", "s4"}
NOISE = {"never-lost"}

# The checks that break, the line of a technician, and a word of its answer.
SHOWN = {
    "terminator-missing": (NOISE, "hands", "meter gw volt", "+0.4"),
    "terminator-extra": (NOISE, "hands", "meter gw volt", "+0.1"),
    "bias-missing": (NOISE, "hands", "meter gw volt", "+0.03"),
    "a-b-swapped": ({"s2"}, "hands", "look s2", "blue wire sits on A"),
    "stub-too-long": (NOISE, "hands", "look s3", "30 m of stub"),
    "bus-wire-broken": ({"s3", "s4"}, "gw", "gatewayctl stats", "Connection timed out"),
    "duplicate-bus-address": ({"s1", "s2"}, "gw", "gatewayctl stats", "Invalid CRC"),
    "wrong-unit-id": ({"s4"}, "gw", "mbpoll -1 -m rtu -b 115200 -P none -a 40 -t 3 /dev/ttyS0", "[1]: \t2"),
    "speed-mismatch": ({"s1"}, "gw", "mbpoll -1 -m rtu -b 9600 -P none -a 1 -t 3 /dev/ttyS0", "[1]: \t2"),
    "parity-mismatch": ({"s2"}, "gw", "mbpoll -1 -m rtu -b 115200 -P even -a 2 -t 3 /dev/ttyS0", "[1]: \t65"),
    "poll-too-fast": ({"s4"}, "gw", "mbpoll -1 -m rtu -b 115200 -P none -a 4 -t 3 /dev/ttyS0", "[1]: \t2"),
    "register-off-by-one": ({"s3"}, "gw", "gatewayctl stats", "Illegal data address"),
    "word-order-wrong": ({"s3"}, "gw", "mbpoll -1 -m rtu -b 115200 -P none -a 3 -t 3:float -B -r 7 /dev/ttyS0", "\t-"),
    "unsigned-negative": ({"s2"}, "gw", "gatewayctl status", " 65"),
    "register-scale": ({"s1"}, "gw", "gatewayctl status", " 21"),
    "wrong-function": ({"s1"}, "gw", "gatewayctl stats", "Illegal data address"),
    "units-exchanged": ({"s1", "s2"}, "gw", "gatewayctl status", "plant/s2/temperature"),
}


def test_bus_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_buses_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in buses.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to_and_is_seen(use: FaultUse) -> None:
    hurt, place, line, word = SHOWN[use.fault]
    assert WORKSHOP.broken_by(use) >= hurt
    engine = WORKSHOP.started(use, wait_ns=30 * 10**9)
    assert word in engine.run(place, line).text


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("terminator-missing", {"bus": "fold"}, 'there is no bus "fold"; buses: field'),
        ("terminator-missing", {"bus": "field", "at": "s2"}, "s2 is already like that on field"),
        ("terminator-extra", {"on": "s4"}, "s4 is at an end of field"),
        ("a-b-swapped", {"on": "server"}, "server is not on a bus"),
        ("bus-wire-broken", {"bus": "field", "after": "s4"}, "s4 has no cable behind it"),
        ("wrong-unit-id", {"on": "s1", "unit": 300}, "300 is no address of a unit"),
        ("speed-mismatch", {"on": "s1", "speed": 9601}, '"serial.speed" is 9601'),
        ("parity-mismatch", {"on": "s1", "parity": "strange"}, "must be one of none, even, odd"),
        ("word-order-wrong", {"on": "gw", "poll": "s1"}, "s1 is one register"),
        ("register-scale", {"on": "gw", "poll": "s9"}, 'gw has no poll "s9"; polls: s1, s2, s3, s4'),
        (
            "register-scale",
            {"on": "server", "poll": "s1"},
            "server has no /etc/gateway.toml: the fault needs a gateway",
        ),
    ],
)
def test_fault_that_does_not_fit_says_why(name: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(name, parameters, said)
