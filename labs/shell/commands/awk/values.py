"""Values of awk: numbers, strings, and text from outside that looks like a number."""

from __future__ import annotations

import math
import re

__all__ = ["Strnum", "compare", "formatted", "number", "text", "truth"]

MAX_INTEGER = 2147483647  # mawk: Max_Int; beyond, a whole number is printed by CONVFMT
_NUMBER = re.compile(r"\s*([+-]?(?:0[xX][0-9A-Fa-f]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))")
_WHOLE = re.compile(_NUMBER.pattern + r"\s*\Z")
_FORMAT = re.compile(r"%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]*([a-zA-Z%])")
MAX_WIDTH = 4096


class Strnum(str):
    """A field, or what a variable was given on the command line: a number if it looks like one."""

    __slots__ = ()


Value = float | str


def number(value: Value) -> float:
    """The number at the beginning of a text."""
    if isinstance(value, float):
        return value
    found = _NUMBER.match(value)
    if found is None:
        return 0.0
    digits = found[1]
    if "x" in digits or "X" in digits:
        return float(int(digits, 16))
    return float(digits)


def text(value: Value, form: str = "%.6g") -> str:
    """A value as it is printed."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "-nan" if math.copysign(1, value) < 0 else "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) <= MAX_INTEGER:
        return str(int(value))
    return formatted(form, [value])


def looks_numeric(value: Value) -> bool:
    """True for a number, and for text from outside that is one."""
    return isinstance(value, float) or (isinstance(value, Strnum) and _WHOLE.match(value) is not None)


def truth(value: Value) -> bool:
    """A number that is not 0, or a text that is not empty."""
    if isinstance(value, float):
        return value != 0
    return number(value) != 0 if looks_numeric(value) else value != ""


def compare(left: Value, right: Value) -> int:
    """Numbers where both are, else texts."""
    if looks_numeric(left) and looks_numeric(right):
        a, b = number(left), number(right)
        return (a > b) - (a < b)
    x, y = text(left), text(right)
    return (x > y) - (x < y)


def formatted(form: str, arguments: list[Value]) -> str:
    """Printf. Raises IndexError where there are too few arguments, ValueError for a conversion nobody knows."""
    left = iter(arguments)

    def take() -> Value:
        for value in left:
            return value
        raise IndexError

    def one(found: re.Match[str]) -> str:
        flags, width, precision, letter = found[1], found[2] or "", found[3], found[4]
        if letter == "%":
            return "%"
        if width == "*":
            width = str(int(number(take())))
        if precision == "*":
            precision = str(int(number(take())))
        if int(width or 0) > MAX_WIDTH or int(precision or 0) > MAX_WIDTH:
            raise ValueError(found[0])
        head = f"%{flags}{width}" + ("" if "." not in found[0] else f".{precision or 0}")
        value = take()
        if letter in "di":
            whole = number(value)
            return text(whole) if not math.isfinite(whole) else (head + "d") % int(whole)
        if letter in "oxXu":
            whole = number(value)
            return (head + ("d" if letter == "u" else letter)) % (
                int(whole) if whole >= 0 else int(whole) & (1 << 64) - 1
            )
        if letter in "eEfFgG":
            return (head + letter) % number(value)
        if letter == "c":
            shown = chr(int(value) & 0xFF) if isinstance(value, float) else value[:1]
            return (f"%{flags}{width}s") % shown
        if letter == "s":
            return (head + "s") % text(value)
        raise ValueError(found[0])

    return _FORMAT.sub(one, form)
