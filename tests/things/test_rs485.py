"""What a meter reads on a bus, against published figures, and who hears whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.model.bus import Bus, Drop
from labs.things.rs485 import byte_errors, hearing, line_state


def bus(drops: int = 4, length_m: float = 300.0, *, terminated: tuple[int, ...] = (0, -1), biased: bool = True) -> Bus:
    step = length_m / (drops - 1)
    ends = {index % drops for index in terminated}
    return Bus(
        "b",
        tuple(
            Drop(f"d{index}", index * step, terminated=index in ends, biased=biased and index == 0)
            for index in range(drops)
        ),
    )


# Verifying end-to-end continuity of RS-485 (infoneva.com): one 120 Ω reads 120, two 60, three 40, four 30.
@pytest.mark.parametrize(("count", "ohm"), [(1, 120), (2, 60), (3, 40), (4, 30)])
def test_terminators_in_parallel_read_as_published(count: int, ohm: float) -> None:
    state = line_state(bus(terminated=tuple(range(count)), biased=False).drops)
    assert state.resistance_ohm == pytest.approx(ohm, rel=0.04)  # four receivers of 12 kΩ hang there too


# RS-485 line bias and termination health check (automatedacademy.com): healthy +0.2 to +0.5 V, +2 to +5 V without any
# terminator, within ±0.2 V with too many or without bias.
@pytest.mark.parametrize(
    ("terminated", "biased", "low", "high"),
    [((0, -1), True, 0.2, 0.5), ((), True, 2.0, 5.0), ((0, 1, -1), True, 0.0, 0.2), ((0, -1), False, -0.2, 0.2)],
)
def test_idle_voltage_lies_where_technicians_read_it(
    terminated: tuple[int, ...], biased: bool, low: float, high: float
) -> None:
    assert low < line_state(bus(terminated=terminated, biased=biased).drops).idle_v < high


def test_missing_terminator_hurts_long_and_fast_buses_alone() -> None:
    open_ended = bus(terminated=(0,)).drops
    assert byte_errors(open_ended, 115_200) > 0
    assert byte_errors(open_ended, 9600) == 0
    assert byte_errors(bus(length_m=150, terminated=(0,)).drops, 115_200) == 0
    assert byte_errors(bus().drops, 115_200) == 0


def test_stub_hurts_at_high_speed_alone() -> None:
    healthy = bus()
    drops = healthy.with_drop(replace(healthy.drop("d2"), stub_m=30)).drops
    assert byte_errors(drops, 115_200) > 0
    assert byte_errors(drops, 9600) == 0


def test_no_bias_hurts_at_every_speed() -> None:
    assert byte_errors(bus(biased=False).drops, 1200) > 0


def test_swapped_drop_hears_the_others_upside_down_and_another_swapped_one_upright() -> None:
    wrong = bus()
    for name in ("d1", "d2"):
        wrong = wrong.with_drop(replace(wrong.drop(name), swapped=True))
    assert hearing(wrong, "d0", "d1", 9600).inverted
    assert hearing(wrong, "d1", "d0", 9600).inverted
    assert not hearing(wrong, "d1", "d2", 9600).inverted
    assert not hearing(wrong, "d0", "d3", 9600).inverted


def test_broken_wire_parts_the_bus() -> None:
    broken = replace(bus(), broken_at_m=150.0)
    assert hearing(broken, "d0", "d1", 9600).connected
    assert not hearing(broken, "d0", "d2", 9600).connected
    assert hearing(broken, "d2", "d3", 9600).connected
    assert [len(piece) for piece in broken.pieces()] == [2, 2]
    assert line_state(next(iter(broken.pieces()))).resistance_ohm > 100
