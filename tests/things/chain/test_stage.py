"""Stages: each does one thing, a chain tells every step, a lag follows its exponential."""

from __future__ import annotations

import math

import pytest

from labs.things.chain.stage import (
    Chain,
    Stage,
    calibrated,
    class_error,
    clipped,
    lagged,
    noise,
    quantised,
    rounded,
    share_of,
)  # fmt: skip

SECOND = 10**9


def test_chain_tells_every_step_in_its_unit() -> None:
    chain = Chain([Stage("loop", "mA", lambda v, _: 4 + v / 100 * 16), quantised(0.5, 0, 21), calibrated(2, 1)])
    assert [tuple(step) for step in chain.steps(30.5, 0, "%")] == [
        ("loop", pytest.approx(8.88), "mA"), ("converter", 9.0, "mA"), ("calibration", 19.0, "mA"),
    ]  # fmt: skip
    assert chain.value(30.5, 0) == 19.0


def test_class_error_is_the_same_for_ever_and_stays_within_the_class() -> None:
    found = [class_error(lambda _: 0.5, f"unit {n}").apply(20, 0) - 20 for n in range(200)]
    assert max(map(abs, found)) <= 0.5
    assert max(found) > 0.4
    assert min(found) < -0.4
    assert share_of("unit 3") == share_of("unit 3")


def test_noise_is_seeded_and_bounded_and_has_no_drift() -> None:
    stage = noise(0.1, "unit")
    found = [stage.apply(0.0, n * SECOND) for n in range(500)]
    assert found == [stage.apply(0.0, n * SECOND) for n in range(500)]
    assert max(map(abs, found)) <= 0.1
    assert abs(sum(found) / 500) < 0.01
    assert len(set(found)) > 100


@pytest.mark.parametrize(("bits", "volts", "step"), [(10, 5, 4.88), (12, 3.3, 0.806), (12, 10, 2.44), (16, 10, 0.153)])
def test_converter_has_the_printed_step(bits: int, volts: float, step: float) -> None:
    lsb = volts / 2**bits
    stage = quantised(lsb, 0, volts - lsb)
    values = sorted({stage.apply(volts / 2 + n * lsb / 10, 0) for n in range(100)})
    assert (values[1] - values[0]) * 1000 == pytest.approx(step, rel=0.003)
    assert stage.apply(volts * 2, 0) == volts - lsb


def test_clipped_and_rounded() -> None:
    assert clipped(0, 10).apply(12, 0) == 10
    assert str(rounded(1).apply(-0.04, 0)) == "0.0"


@pytest.mark.parametrize("tau", [5, 30, 600])
def test_jump_through_a_lag_is_an_exponential(tau: int) -> None:
    """20 °C, then a hair dryer of 60 °C at 100 s: 63.2 % after one time constant."""
    jump = [(100 * SECOND, 20.0, 60.0)]

    def truth(now: int) -> float:
        return 60.0 if now >= 100 * SECOND else 20.0

    at = 100 + 2 * tau
    assert lagged(truth, at * SECOND, tau, jumps=jump) == pytest.approx(60 - 40 * math.exp(-2))


def test_slow_ramp_through_a_lag_is_late_by_the_time_constant() -> None:
    for tau in (20, 600):
        assert lagged(lambda now: now / 3.6e12, 36000 * SECOND, tau) * 3600 == pytest.approx(
            36000 - tau, abs=tau * 0.06
        )


def test_lag_of_nothing_is_the_truth() -> None:
    assert lagged(lambda now: now * 2.0, 7, 0) == 14.0
