"""4-20 mA and 0-10 V: what a transmitter sends and what arrives at an input.

Sources: IEC 60381-1 (4-20 mA), IEC 60381-2 (0-10 V), NAMUR NE 43 (limits: a measurement from 3.8 to 20.5 mA, a failure
at 3.6 mA and below or 21 mA and above).
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "FAULT_HIGH_MA",
    "FAULT_LOW_MA",
    "Ne43",
    "current_of",
    "judge_current",
    "loop_current",
    "value_of",
    "voltage_of",
]

ZERO_MA, FULL_MA, SPAN_MA = 4.0, 20.0, 16.0
LOW_LIMIT_MA, HIGH_LIMIT_MA = 3.8, 20.5
FAILED_LOW_MA, FAILED_HIGH_MA = 3.6, 21.0
FAULT_LOW_MA, FAULT_HIGH_MA = 3.5, 21.5  # what transmitters send where NE 43 only draws the line
SHORT_LIMIT_MA = 50.0  # what the protection of an input lets through


class Ne43(StrEnum):
    """What a current says of the line, by NAMUR NE 43."""

    NONE = "no current"
    FAILED_LOW = "failure (low)"
    UNDER = "under range"
    GOOD = "good"
    OVER = "over range"
    FAILED_HIGH = "failure (high)"


def judge_current(milliampere: float) -> Ne43:
    """The verdict of NE 43; below 0.5 mA nothing flows at all."""
    if milliampere < 0.5:
        return Ne43.NONE
    if milliampere <= FAILED_LOW_MA:
        return Ne43.FAILED_LOW
    if milliampere < LOW_LIMIT_MA:
        return Ne43.UNDER
    if milliampere <= HIGH_LIMIT_MA:
        return Ne43.GOOD
    return Ne43.OVER if milliampere < FAILED_HIGH_MA else Ne43.FAILED_HIGH


def current_of(value: float, low: float, high: float) -> float:
    """The current of a transmitter with a range, held between the limits of NE 43."""
    wanted = ZERO_MA + SPAN_MA * (value - low) / (high - low)
    return min(max(wanted, LOW_LIMIT_MA), HIGH_LIMIT_MA)


def value_of(milliampere: float, low: float, high: float, zero_ma: float = ZERO_MA) -> float:
    """The value that a current stands for in a range; `zero_ma` 0 is the dead old 0-20 mA."""
    return low + (high - low) * (milliampere - zero_ma) / (FULL_MA - zero_ma)


def voltage_of(value: float, low: float, high: float) -> float:
    """The 0-10 V of a transmitter with a range."""
    return min(max(10.0 * (value - low) / (high - low), 0.0), 10.0)


def loop_current(
    wanted_ma: float,
    *,
    supply_v: float,
    minimum_v: float,
    loop_ohm: float,
    shorted: bool = False,
    leak_ohm: float = 0.0,
) -> float:
    """The current that flows where a transmitter wants one: never more than its supply drives through the loop.

    `minimum_v` is what the transmitter needs across itself, `loop_ohm` leads and shunt together, `leak_ohm` a path
    beside the transmitter (0 is none).
    """
    if shorted:
        return min(supply_v / max(loop_ohm, 1.0) * 1000, SHORT_LIMIT_MA)
    most = max(supply_v - minimum_v, 0.0) / max(loop_ohm, 1.0) * 1000
    if supply_v < minimum_v:
        return 0.0
    current = min(wanted_ma, most)
    if leak_ohm:
        current = (current + supply_v / leak_ohm * 1000) / (1 + loop_ohm / leak_ohm)
    return current
