"""Sensing elements that are resistors: platinum and NTC, and what class and leads make of them. Temperatures in °C.

Sources: IEC 60751 (Callendar-Van Dusen coefficients, classes); the beta formula is that of NTC data sheets, with
T in kelvin and 298.15 K as its reference.
"""

from __future__ import annotations

import math

__all__ = [
    "PLATINUM_CLASSES",
    "ntc_celsius",
    "ntc_ohm",
    "platinum_celsius",
    "platinum_limit",
    "platinum_ohm",
    "seen_through_leads",
]

# IEC 60751: R(t) = R0 (1 + A t + B t2 + C (t - 100) t3), C only below 0 °C
A = 3.9083e-3
B = -5.775e-7
C = -4.183e-12
# IEC 60751, largest error in K: (constant, per degree of |t|)
PLATINUM_CLASSES = {"AA": (0.10, 0.0017), "A": (0.15, 0.002), "B": (0.30, 0.005), "C": (0.60, 0.01)}
KELVIN = 273.15
REFERENCE_K = 298.15
OPEN_OHM = 1e9


def platinum_ohm(celsius: float, r0: float = 100.0) -> float:
    """Resistance of a platinum element with `r0` ohm at 0 °C."""
    ratio = 1 + A * celsius + B * celsius * celsius
    if celsius < 0:
        ratio += C * (celsius - 100) * celsius**3
    return r0 * ratio


def platinum_celsius(ohm: float, r0: float = 100.0) -> float:
    """The temperature at which a platinum element has a resistance, from about -250 to 890 °C."""
    ratio = ohm / r0
    inside = A * A - 4 * B * (1 - ratio)
    celsius = (-A + math.sqrt(max(inside, 0.0))) / (2 * B)
    if celsius >= 0:
        return celsius
    for _ in range(4):  # Newton from the parabola; three rounds reach 1e-9 K down to -200 °C
        slope = A + 2 * B * celsius + C * celsius * celsius * (4 * celsius - 300)
        celsius -= (platinum_ohm(celsius, 1.0) - ratio) / slope
    return celsius


def platinum_limit(quality: str, celsius: float) -> float:
    """The largest error of a class (AA, A, B, C) at a temperature, in K."""
    constant, relative = PLATINUM_CLASSES[quality]
    return constant + relative * abs(celsius)


def ntc_ohm(celsius: float, beta: float, r25: float = 10_000.0) -> float:
    """Resistance of an NTC: R25 exp(B (1/T - 1/298.15))."""
    return r25 * math.exp(beta * (1 / (celsius + KELVIN) - 1 / REFERENCE_K))


def ntc_celsius(ohm: float, beta: float, r25: float = 10_000.0) -> float:
    """The temperature at which an NTC has a resistance."""
    return 1 / (1 / REFERENCE_K + math.log(max(ohm, 1e-3) / r25) / beta) - KELVIN


def seen_through_leads(
    ohm: float, *, wires: int, lead_ohm: float = 0.0, mismatch_ohm: float = 0.0, leak_ohm: float = 0.0
) -> float:
    """What an input measures of a resistor at the far end of 2, 3 or 4 wires of `lead_ohm` each.

    Two wires add both leads; three take out what the leads have in common; four take out everything. `leak_ohm` is a
    path beside the resistor (moisture), 0 is none.
    """
    if leak_ohm:
        ohm = ohm * leak_ohm / (ohm + leak_ohm)
    if wires == 2:
        return ohm + 2 * lead_ohm + mismatch_ohm
    return ohm + mismatch_ohm if wires == 3 else ohm
