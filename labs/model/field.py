"""Field wiring: the lines between transmitters, probes and the inputs that read them. Values only.

A line is what a technician finds on the terminals: two to four conductors, a signal, and whatever is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["COPPER_OHM_MM2_PER_M", "SUPPLY_V", "Extension", "Loop", "Signal", "conductor_ohm"]

SUPPLY_V = 24.0
COPPER_OHM_MM2_PER_M = 0.0175  # at 20 °C; pure copper is 0.0172 (IEC 60228 conductors)
MAX_OHM = 1e7


class Signal(StrEnum):
    """What a line carries."""

    CURRENT = "4-20mA"
    VOLTAGE = "0-10V"
    PT100 = "pt100"
    PT1000 = "pt1000"
    NTC = "ntc"
    THERMOCOUPLE_K = "thermocouple-k"
    PULSE = "pulse"


class Extension(StrEnum):
    """What the cable between a thermocouple and its input is made of."""

    COMPENSATING = "compensating"
    COPPER = "copper"


def conductor_ohm(length_m: float, area_mm2: float) -> float:
    """Resistance of one copper conductor at 20 °C, in ohm: rho * length / section."""
    return COPPER_OHM_MM2_PER_M * length_m / area_mm2


@dataclass(frozen=True, slots=True)
class Loop:
    """A line from a transmitter or probe (`source`) to input number `input` of a module (`target`).

    `lead_ohm` is the resistance of one conductor there or back, `mismatch_ohm` what one of the two current leads of a
    three-wire line has more than the other, `shunt_ohm` the resistor across a current input. `leak_ohm` is a path
    between the conductors (moisture); 0 is none. A thermocouple has `head_reversed` where its own leads are crossed,
    `polarity_reversed` where the line is crossed at the input. Raises ValueError for a line that cannot be.
    """

    name: str
    source: str
    target: str
    input: int
    signal: Signal = Signal.CURRENT
    wires: int = 2
    lead_ohm: float = 0.0
    mismatch_ohm: float = 0.0
    shunt_ohm: float = 250.0
    leak_ohm: float = 0.0
    supply_v: float = SUPPLY_V
    polarity_reversed: bool = False
    head_reversed: bool = False
    broken: bool = False
    shorted: bool = False
    extension: Extension = Extension.COMPENSATING

    def __post_init__(self) -> None:
        if self.wires not in (2, 3, 4):
            message = f"a line has 2, 3 or 4 wires, not {self.wires}"
            raise ValueError(message)
        if self.input < 1:
            message = f"inputs are numbered from 1, not {self.input}"
            raise ValueError(message)
        for what in ("lead_ohm", "mismatch_ohm", "shunt_ohm", "leak_ohm", "supply_v"):
            if not 0 <= getattr(self, what) <= MAX_OHM:
                message = f"{what} is {getattr(self, what)}; it must be from 0 to {MAX_OHM:g}"
                raise ValueError(message)

    def __str__(self) -> str:
        return f"{self.name}: {self.source} -- {self.target}:{self.input}"
