"""The electrical side of an RS-485 bus: what a meter reads on it, and how well one drop hears another.

Before changing this file read TIA-485-A and TI AN-1057. The reflections are a model of ours: a signal runs some metres
per nanosecond, and what an open end sends back has to die out within a bit. Its one figure, 160 m free at 115.2 kbit/s,
is the estimate of DSL (https://www.dsl-ltd.co.uk/applications/rs-485-termination-and-biasing).
"""

from __future__ import annotations

from typing import NamedTuple

from labs.model.bus import Bus, Drop

__all__ = ["Hearing", "LineState", "hearing", "line_state"]

TERMINATOR_OHM = 120.0  # TIA-485-A: the characteristic impedance of the cable
UNIT_LOAD_OHM = 12_000.0
MAX_UNIT_LOADS = 32
BIAS_OHM = 560.0  # to the supply, and as much to ground
SUPPLY_V = 5.0
THRESHOLD_V = 0.2  # a receiver need not see less
OPEN_IDLE_V = 0.03  # nothing holds the wires apart
FREE_LENGTH_M = 160.0
FREE_STUB_M = 5.0  # ours: a stub of a tenth of the rise time of a transceiver that is made for this speed
REFERENCE_BPS = 115_200
SILENT = 1.0
NOISE_PER_BYTE = 0.02  # ours: characters that an undefined idle line adds or spoils
RING_PER_BYTE = 0.03  # ours, per time that the free length is exceeded
MOST_PER_BYTE = 0.25


class LineState(NamedTuple):
    """What a meter shows on a piece of the bus: ohms between the wires without power, volts while it is idle."""

    resistance_ohm: float
    idle_v: float
    terminators: int


class Hearing(NamedTuple):
    """How one drop hears another: whether at all, with exchanged wires, and the chance that a byte is spoilt."""

    connected: bool
    inverted: bool = False
    byte_errors: float = 0.0


def _parallel(*values: float) -> float:
    return 1 / sum(1 / value for value in values)


def line_state(piece: tuple[Drop, ...]) -> LineState:
    """What a meter reads between the wires of a piece of the bus."""
    terminators = sum(drop.terminated for drop in piece)
    biased = [drop for drop in piece if drop.biased]
    loads = [UNIT_LOAD_OHM] * len(piece) + [TERMINATOR_OHM] * terminators
    between = _parallel(*loads)
    if not biased:
        return LineState(between, OPEN_IDLE_V, terminators)
    bias = BIAS_OHM / len(biased)
    idle = SUPPLY_V * between / (between + 2 * bias)
    return LineState(_parallel(between, 2 * bias), idle, terminators)


def _ends(piece: tuple[Drop, ...]) -> int:
    """How many ends of a piece have no resistor."""
    return (not piece[0].terminated) + (not piece[-1].terminated)


def byte_errors(piece: tuple[Drop, ...], speed_bps: int) -> float:
    """The chance that a byte is spoilt on a piece of the bus."""
    factor = speed_bps / REFERENCE_BPS
    length = piece[-1].at_m - piece[0].at_m
    spoilt = 0.0
    if _ends(piece):
        spoilt += RING_PER_BYTE * _ends(piece) * max(0.0, length * factor / FREE_LENGTH_M - 1)
    longest = max(drop.stub_m for drop in piece)
    spoilt += RING_PER_BYTE * max(0.0, longest * factor / FREE_STUB_M - 1)
    if abs(line_state(piece).idle_v) < THRESHOLD_V:
        spoilt += NOISE_PER_BYTE
    if len(piece) > MAX_UNIT_LOADS:
        spoilt += NOISE_PER_BYTE * (len(piece) - MAX_UNIT_LOADS)
    return min(spoilt, MOST_PER_BYTE)


def hearing(bus: Bus, sender: str, receiver: str, speed_bps: int) -> Hearing:
    """How a drop hears another at a speed. Raises KeyError for devices that are not on the bus."""
    a, b = bus.drop(sender), bus.drop(receiver)
    for piece in bus.pieces():
        if a in piece and b in piece:
            return Hearing(connected=True, inverted=a.swapped != b.swapped, byte_errors=byte_errors(piece, speed_bps))
    return Hearing(connected=False)
