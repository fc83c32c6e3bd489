"""Units of measurement: how one converts into another, and how a screen writes them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BASE_UNITS", "UnitError", "symbol", "to_unit"]


class UnitError(ValueError):
    """Two units that do not measure the same thing, or one that nobody knows."""


class _Scale(NamedTuple):
    """What a unit measures, and the line to the base unit: base = value * factor + shift."""

    dimension: str
    factor: float = 1.0
    shift: float = 0.0


# NIST SP 811, appendix B.8
SCALES = {
    "C": _Scale("temperature"),
    "F": _Scale("temperature", 5 / 9, -160 / 9),
    "K": _Scale("temperature", 1.0, -273.15),
    "%": _Scale("ratio"),
    "ppm": _Scale("concentration"),
    "lx": _Scale("illuminance"),
    "dB": _Scale("level"),
    "hPa": _Scale("pressure"),
    "Pa": _Scale("pressure", 0.01),
    "kPa": _Scale("pressure", 10.0),
    "bar": _Scale("pressure", 1000.0),
    "psi": _Scale("pressure", 68.94757),
    "W": _Scale("power"),
    "kW": _Scale("power", 1000.0),
    "Wh": _Scale("energy"),
    "kWh": _Scale("energy", 1000.0),
    "V": _Scale("voltage"),
    "mV": _Scale("voltage", 0.001),
    "A": _Scale("current"),
    "mA": _Scale("current", 0.001),
    "m": _Scale("length"),
    "cm": _Scale("length", 0.01),
    "mm": _Scale("length", 0.001),
    "m/s": _Scale("speed"),
    "km/h": _Scale("speed", 1 / 3.6),
}
SYMBOLS = {"C": "°C", "F": "°F"}
ALIASES = {"°C": "C", "°F": "F", "celsius": "C", "fahrenheit": "F", "percent": "%", "%RH": "%"}
# The unit in which the world knows a quantity.
BASE_UNITS = {
    "temperature": "C",
    "humidity": "%",
    "soil_moisture": "%",
    "co2": "ppm",
    "illuminance": "lx",
    "noise": "dB",
    "pressure": "hPa",
    "power": "W",
    "energy": "Wh",
    "wind": "m/s",
    "level": "m",
}


def _scale(unit: str) -> _Scale:
    try:
        return SCALES[ALIASES.get(unit, unit)]
    except KeyError:
        message = f'"{unit}" is not a unit; known are {", ".join(SCALES)}'
        raise UnitError(message) from None


def to_unit(value: float, unit: str, wanted: str) -> float:
    """Convert a value. A unit that is wanted as it is needs not be known. Raises UnitError.

    Examples
    --------
    >>> round(to_unit(100, "C", "F"), 6), round(to_unit(72, "F", "°C"), 1)
    (212.0, 22.2)
    """
    if unit == wanted:
        return float(value)
    given, target = _scale(unit), _scale(wanted)
    if given.dimension != target.dimension:
        message = f"{unit} measures {given.dimension}, {wanted} measures {target.dimension}"
        raise UnitError(message)
    return (value * given.factor + given.shift - target.shift) / target.factor


def symbol(unit: str) -> str:
    """How a screen writes a unit: `C` as °C."""
    return SYMBOLS.get(ALIASES.get(unit, unit), unit)
