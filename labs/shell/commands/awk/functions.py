"""The functions that awk brings along. Before changing this file read POSIX.1-2017, awk, "Functions"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.shell.commands.awk.lexer import AwkError
from labs.shell.commands.awk.values import Strnum, Value, number, text

if TYPE_CHECKING:
    from labs.shell.commands.awk.interpreter import Interpreter
    from labs.shell.commands.awk.tree import Node

__all__ = ["call_builtin"]

RAND48 = (0x5DEECE66D, 0xB, 1 << 48)  # POSIX.1-2017, drand48()
MATHEMATICS: dict[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "int": math.trunc,
}


def call_builtin(awk: Interpreter, name: str, arguments: tuple[Node, ...]) -> Value:
    """Call one by its name. Raises AwkError."""
    if name == "length":
        return _length(awk, arguments)
    if name in SPECIAL:
        low, high, function = SPECIAL[name]
        _check(name, len(arguments), (low, high))
        return function(awk, name, *arguments)
    if name == "system":
        raise AwkError('"system()" is not simulated here')
    values = [awk.evaluate(argument) for argument in arguments]
    if name == "sprintf":
        return awk.sprintf(values, name)
    if name in MATHEMATICS:
        _check(name, len(values), (1, 1))
        try:
            return float(MATHEMATICS[name](number(values[0])))
        except ValueError:
            return -math.inf if name == "log" and number(values[0]) == 0 else math.copysign(math.nan, -1)
        except OverflowError:
            return number(values[0]) if name == "int" else math.inf
    return _other(awk, name, values)


def _check(name: str, count: int, allowed: tuple[int, int]) -> None:
    if count < allowed[0]:
        raise AwkError(f"not enough arguments in call to {name}")
    if count > allowed[1]:
        raise AwkError(f"too many arguments in call to {name}")


def _other(awk: Interpreter, name: str, values: list[Value]) -> Value:
    match name:
        case "substr":
            _check(name, len(values), (2, 3))
            return _substr(values)
        case "index":
            _check(name, len(values), (2, 2))
            return float(text(values[0]).find(text(values[1])) + 1)
        case "tolower" | "toupper":
            _check(name, len(values), (1, 1))
            return text(values[0]).lower() if name == "tolower" else text(values[0]).upper()
        case "atan2":
            _check(name, len(values), (2, 2))
            return math.atan2(number(values[0]), number(values[1]))
        case "rand":
            awk.drawn = (awk.drawn * RAND48[0] + RAND48[1]) % RAND48[2]
            return awk.drawn / RAND48[2]
        case "srand":
            before, awk.seed = awk.seed, number(values[0]) if values else awk.seconds
            awk.drawn = (int(awk.seed) << 16 | 0x330E) % RAND48[2]
            return before
        case "systime":
            return float(int(awk.seconds))
        case "close":
            return awk.close(text(values[0])) if values else -1.0
    return 0.0  # fflush: nothing is buffered


def _length(awk: Interpreter, arguments: tuple[Node, ...]) -> float:
    if not arguments:
        return float(len(text(awk.record)))
    if arguments[0][0] == "var":
        scope = awk.frames[-1] if awk.frames and arguments[0][1] in awk.frames[-1] else awk.globals
        value = scope.get(arguments[0][1])
        if isinstance(value, dict):
            return float(len(value))
    return float(len(text(awk.evaluate(arguments[0]))))


def _substr(values: list[Value]) -> str:
    """A start before the text makes the piece longer in mawk 1.3.4 20200120, against POSIX; Debian 12 has that one."""
    whole = text(values[0])
    start = int(max(-1e9, min(number(values[1]), 1e9)))
    length = len(whole) if len(values) < 3 else int(max(-1e9, min(number(values[2]), 1e9)))
    if start < 1:
        length, start = length - start, 1
    return whole[start - 1 : start - 1 + length] if length > 0 else ""


def _split(awk: Interpreter, _: str, what: Node, array: Node, separator: Node | None = None) -> float:
    whole = text(awk.evaluate(what))
    if array[0] != "var":
        raise AwkError("type error in arg(2) in call to split")
    if separator is None:
        divided = text(awk.plain("FS"))
    else:
        divided = separator[1] if separator[0] == "regex" else text(awk.evaluate(separator))
    pieces = awk.divided(whole, divided)
    target = awk.array(array[1])
    target.clear()
    target.update({str(index): Strnum(piece) for index, piece in enumerate(pieces, 1)})
    return float(len(pieces))


def _match(awk: Interpreter, _: str, what: Node, pattern: Node) -> float:
    found = awk.pattern(pattern).search(text(awk.evaluate(what)))
    awk.set_variable("RSTART", float(found.start() + 1) if found else 0.0)
    awk.set_variable("RLENGTH", float(found.end() - found.start()) if found else -1.0)
    return number(awk.plain("RSTART"))


def _substitute(awk: Interpreter, name: str, pattern: Node, replacement: Node, target: Node | None = None) -> float:
    regex = awk.pattern(pattern)
    into = text(awk.evaluate(replacement))
    place: Node = target if target is not None else ("field", ("number", 0.0))
    whole = text(awk.evaluate(place))
    count = 0

    def one(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return re.sub(r"\\\\|\\&|&", lambda sign: {"\\\\": "\\", "\\&": "&"}.get(sign[0], found[0]), into)

    changed = regex.sub(one, whole, count=0 if name == "gsub" else 1)
    if count:
        if place[0] not in ("var", "index", "field"):
            return float(count)
        awk.assign(place, changed)
    return float(count)


# What wants places and patterns instead of values: the number of arguments, and the function
SPECIAL: dict[str, tuple[int, int, Callable[..., float]]] = {
    "split": (2, 3, _split),
    "match": (2, 2, _match),
    "sub": (2, 3, _substitute),
    "gsub": (2, 3, _substitute),
}
