"""Thermocouples against the printed reference tables of IEC 60584-1 / NIST Monograph 175."""

from __future__ import annotations

import pytest

from labs.things.chain.thermocouple import celsius_of, line_millivolt, millivolt

K = {
    -200: -5.891, -100: -3.554, -50: -1.889, -20: -0.778, 0: 0.0, 20: 0.798, 25: 1.000, 50: 2.023, 100: 4.096,
    150: 6.138, 200: 8.138, 300: 12.209, 400: 16.397, 500: 20.644, 600: 24.905, 800: 33.275, 1000: 41.276, 1372: 54.886,
}  # fmt: skip
J = {-210: -8.095, -100: -4.633, 0: 0.0, 25: 1.277, 100: 5.269, 200: 10.779, 500: 27.393, 760: 42.919}


@pytest.mark.parametrize(("celsius", "mv"), K.items())
def test_type_k_at_a_printed_temperature_has_the_printed_voltage(celsius: int, mv: float) -> None:
    assert round(millivolt(celsius), 3) == pytest.approx(mv)
    assert celsius_of(mv) == pytest.approx(celsius, abs=0.05)


@pytest.mark.parametrize(("celsius", "mv"), J.items())
def test_type_j_at_a_printed_temperature_has_the_printed_voltage(celsius: int, mv: float) -> None:
    assert round(millivolt(celsius, "J"), 3) == pytest.approx(mv)


def shown(mv: float, cold: float, kind: str = "K") -> float:
    return round(celsius_of(mv + millivolt(cold, kind), kind), 1)


def test_line_that_is_right_reads_the_hot_end() -> None:
    assert shown(line_millivolt(200, 45, 22), 22) == 200.0


@pytest.mark.parametrize(
    ("wrong", "reads"),
    [
        ({"compensating": False}, 176.5),
        ({"head_reversed": True, "line_reversed": True}, 153.1),
    ],
)
def test_line_that_is_wrong_reads_as_worked_out(wrong: dict[str, bool], reads: float) -> None:
    """True 200 °C, head at 45 °C, cabinet at 22 °C."""
    assert shown(line_millivolt(200, 45, 22, **wrong), 22) == pytest.approx(reads, abs=0.15)


def test_couple_crossed_at_the_instrument_falls_when_it_heats() -> None:
    assert shown(line_millivolt(80, 25, 25, line_reversed=True), 25) == pytest.approx(-32.9, abs=0.1)


def test_couple_without_cold_junction_reads_low_by_the_cabinet() -> None:
    assert round(celsius_of(line_millivolt(200, 25, 25)), 1) == 174.9


def test_type_k_read_as_type_j_reads_low() -> None:
    assert shown(line_millivolt(200, 25, 25), 25, "J") == pytest.approx(157.3, abs=0.1)
