"""Elements against printed tables: IEC 60751 for platinum, a data sheet for an NTC."""

from __future__ import annotations

import pytest

from labs.things.chain.resistance import (
    ntc_celsius,
    ntc_ohm,
    platinum_celsius,
    platinum_limit,
    platinum_ohm,
    seen_through_leads,
)

# Basic values of IEC 60751, as printed to two decimals.
PT100 = {
    -200: 18.52, -100: 60.26, -50: 80.31, -20: 92.16, 0: 100.00, 10: 103.90, 20: 107.79, 25: 109.73, 30: 111.67,
    50: 119.40, 80: 130.90, 100: 138.51, 150: 157.33, 200: 175.86, 300: 212.05, 400: 247.09, 500: 280.98, 600: 313.71,
    850: 390.48,
}  # fmt: skip


@pytest.mark.parametrize(("celsius", "ohm"), PT100.items())
def test_platinum_at_a_printed_temperature_has_the_printed_resistance(celsius: int, ohm: float) -> None:
    assert round(platinum_ohm(celsius), 2) == ohm
    assert round(platinum_ohm(celsius, 1000.0), 1) == pytest.approx(ohm * 10, abs=0.051)


@pytest.mark.parametrize(("celsius", "ohm"), PT100.items())
def test_printed_resistance_is_read_as_the_printed_temperature(celsius: int, ohm: float) -> None:
    """Half a unit of the last digit is 0.013 K."""
    assert platinum_celsius(ohm) == pytest.approx(celsius, abs=0.02)


@pytest.mark.parametrize("tenths", range(-2000, 8501, 173))
def test_platinum_back_and_forth_is_the_same_temperature(tenths: int) -> None:
    assert platinum_celsius(platinum_ohm(tenths / 10)) == pytest.approx(tenths / 10, abs=1e-6)


# IEC 60751, table of tolerances in K.
@pytest.mark.parametrize(
    ("quality", "at", "limit"),
    [
        ("A", -100, 0.35), ("A", 0, 0.15), ("A", 100, 0.35), ("A", 200, 0.55), ("A", 300, 0.75),
        ("B", -100, 0.8), ("B", 0, 0.3), ("B", 100, 0.8), ("B", 200, 1.3), ("B", 300, 1.8), ("AA", 100, 0.27),
    ],
)  # fmt: skip
def test_class_at_a_printed_temperature_has_the_printed_limit(quality: str, at: int, limit: float) -> None:
    assert platinum_limit(quality, at) == pytest.approx(limit)


# Resistance table of a common 10k part with B25/50 = 3950 (ratios of the beta formula, printed in ohm).
@pytest.mark.parametrize(
    ("celsius", "ohm"), [(-20, 105385), (0, 33621), (10, 20175), (20, 12535), (25, 10000), (50, 3588), (85, 1087)]
)
def test_ntc_at_a_printed_temperature_has_the_printed_resistance(celsius: int, ohm: int) -> None:
    assert ntc_ohm(celsius, 3950) == pytest.approx(ohm, rel=1e-3)
    assert ntc_celsius(ohm, 3950) == pytest.approx(celsius, abs=0.02)


@pytest.mark.parametrize(
    ("celsius", "ohm", "off"),
    [(0, 327240, 0.6), (10, 199990, 0.2), (20, 125245, 0.1), (30, 81000, 0.2), (50, 35900, 0.1)],
)
def test_ntc_of_a_printed_table_is_near_the_beta_formula(celsius: int, ohm: int, off: float) -> None:
    """R/T table of a 100k part with B25/50 = 3950, as printer firmware has it: the formula strays off 25 °C."""
    assert ntc_celsius(ohm, 3950, 100_000) == pytest.approx(celsius, abs=off)


def test_ntc_read_with_the_beta_of_another_part_is_off_away_from_25() -> None:
    """A 3950 part read with 3435: 0 °C shows -3.4, 10 shows 7.9, 40 shows 42.4, 60 shows 66.0."""
    shown = {t: round(ntc_celsius(ntc_ohm(t, 3950), 3435), 1) for t in (0, 10, 25, 40, 60)}
    assert shown == {0: -3.4, 10: 7.9, 25: 25.0, 40: 42.4, 60: 66.0}


@pytest.mark.parametrize(
    ("wires", "kelvin"),
    [(2, 3.6), (3, 0.0), (4, 0.0)],
)
def test_twenty_metres_of_thin_wire_shift_a_two_wire_reading(wires: int, kelvin: float) -> None:
    """20 m of 0.5 mm2 have 0.70 ohm each way: +3.6 K on a Pt100."""
    seen = seen_through_leads(platinum_ohm(20), wires=wires, lead_ohm=0.70)
    assert platinum_celsius(seen) - 20 == pytest.approx(kelvin, abs=0.05)


def test_unequal_leads_shift_a_three_wire_reading() -> None:
    """0.15 ohm between the current leads is 0.39 K."""
    seen = seen_through_leads(platinum_ohm(20), wires=3, lead_ohm=1, mismatch_ohm=0.15)
    assert platinum_celsius(seen) - 20 == pytest.approx(0.39, abs=0.01)


def test_moisture_beside_the_element_reads_low() -> None:
    assert platinum_celsius(seen_through_leads(platinum_ohm(20), wires=4, leak_ohm=10_000)) < 17.5
