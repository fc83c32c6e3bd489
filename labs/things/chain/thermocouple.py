"""Thermocouples K and J by ITS-90: millivolts, cold junction, extension cable. Temperatures in °C.

Source: the coefficients of NIST Monograph 175 (ITS-90 thermocouple database), as IEC 60584-1 prints them.
"""

from __future__ import annotations

import math

__all__ = ["celsius_of", "line_millivolt", "millivolt"]

K_BELOW = (
    0.0, 3.94501280250e-2, 2.36223735980e-5, -3.28589067840e-7, -4.99048287770e-9, -6.75090591730e-11,
    -5.74103274280e-13, -3.10888728940e-15, -1.04516093650e-17, -1.98892668780e-20, -1.63226974860e-23,
)  # fmt: skip
K_ABOVE = (
    -1.76004136860e-2, 3.89212049750e-2, 1.85587700320e-5, -9.94575928740e-8, 3.18409457190e-10,
    -5.60728448890e-13, 5.60750590590e-16, -3.20207200030e-19, 9.71511471520e-23, -1.21047212750e-26,
)  # fmt: skip
K_BUMP = (0.1185976, -1.183432e-4, 126.9686)
J_BELOW_760 = (
    0.0, 5.0381187815e-2, 3.0475836930e-5, -8.5681065720e-8, 1.3228195295e-10, -1.7052958337e-13,
    2.0948090697e-16, -1.2538395336e-19, 1.5631725697e-23,
)  # fmt: skip
RANGES = {"K": (-270.0, 1372.0), "J": (-210.0, 760.0)}


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    total = 0.0
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def millivolt(celsius: float, kind: str = "K") -> float:
    """Voltage of a couple with its other end at 0 °C; beyond its range it is that of the end of the range."""
    low, high = RANGES[kind]
    t = min(max(celsius, low), high)
    if kind == "J":
        return _polynomial(J_BELOW_760, t)
    if t < 0:
        return _polynomial(K_BELOW, t)
    a0, a1, a2 = K_BUMP
    return _polynomial(K_ABOVE, t) + a0 * math.exp(a1 * (t - a2) ** 2)


def celsius_of(mv: float, kind: str = "K") -> float:
    """The temperature of a voltage; the curve rises all the way, so halving its range finds it."""
    low, high = RANGES[kind]
    for _ in range(50):
        middle = (low + high) / 2
        if millivolt(middle, kind) < mv:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def line_millivolt(
    hot: float, head: float, cold: float, *, compensating: bool = True, head_reversed: bool = False,
    line_reversed: bool = False,
) -> float:  # fmt: skip
    """What arrives at an input at temperature `cold` from a K couple at `hot` whose head is at `head`.

    Between head and input runs a cable of the same thermal voltage (`compensating`) or of copper, which adds none.
    `head_reversed` crosses couple and cable in the head, `line_reversed` the cable at the input.
    """
    couple = millivolt(hot) - millivolt(head)
    cable = millivolt(head) - millivolt(cold) if compensating else 0.0
    if head_reversed:
        couple = -couple
    total = couple + cable
    return -total if line_reversed else total
