"""The texts of `echo` and `printf` (POSIX.1-2017, XCU echo and printf, with bash's -e and %q)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

__all__ = ["echo", "printf"]

MAX_WIDTH = 10_000
ESCAPES = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
ESCAPE = re.compile(r"\\(?:(c)|([abeEfnrtv\\])|0([0-7]{0,3})|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(\")|(.|\Z))", re.DOTALL)
DIRECTIVE = re.compile(r"%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d*))?([a-zA-Z%])?")


def unescape(text: str, *, plain_octal: bool) -> tuple[str, bool]:
    r"""Replace backslash sequences; True where `\c` asked to stop. `plain_octal` allows `\101` beside `\0101`."""
    stopped = False
    out: list[str] = []
    position = 0
    for match in ESCAPE.finditer(text):
        out.append(text[position : match.start()])
        position = match.end()
        stop, letter, zero, octal, hexadecimal, quote, _ = match.groups()
        if stop:
            stopped = True
            position = len(text)
            break
        if letter:
            out.append(ESCAPES[letter])
        elif zero is not None or (octal and plain_octal):
            digits = zero if zero is not None else octal
            out.append(chr(int(digits or "0", 8) & 0xFF))
        elif hexadecimal:
            out.append(chr(int(hexadecimal, 16)))
        elif quote and plain_octal:
            out.append('"')
        else:
            out.append(match[0])
    out.append(text[position:])
    return "".join(out), stopped


def echo(arguments: Sequence[str]) -> str:
    """What `echo` prints: -n, -e and -E as in bash."""
    newline, escapes = True, False
    rest = list(arguments)
    while rest and re.fullmatch(r"-[neE]+", rest[0]):
        for letter in rest.pop(0)[1:]:
            newline = newline and letter != "n"
            escapes = letter == "e" or (escapes and letter != "E")
    text = " ".join(rest)
    if escapes:
        text, stopped = unescape(text, plain_octal=False)
        newline = newline and not stopped
    return text + ("\n" if newline else "")


def printf(form: str, arguments: Sequence[str]) -> tuple[str, list[str], int]:
    """The text, complaints and status of `printf form arguments`; the form is used again while arguments are left."""
    complaints: list[str] = []
    out: list[str] = []
    values = list(arguments)
    for _ in range(10_000):
        before = len(values)
        text, stop = _once(form, values, complaints)
        out.append(text)
        if stop or not values or len(values) == before:
            break
    return "".join(out), complaints, int(bool(complaints))


def _once(form: str, values: list[str], complaints: list[str]) -> tuple[str, bool]:
    out: list[str] = []
    position = 0
    for match in DIRECTIVE.finditer(form):
        if match.start() < position:
            continue
        text, stop = unescape(form[position : match.start()], plain_octal=True)
        out.append(text)
        if stop:
            return "".join(out), True
        position = match.end()
        flags, width, precision, letter = match.groups()
        if letter == "%":
            out.append("%")
            continue
        if letter is None or letter not in "sbqdiouxXcfeEgG":
            wrong = f"`{letter}': invalid format character" if letter else f"`{match[0]}': missing format character"
            complaints.append(wrong)
            return "".join(out), True
        numbers = [
            _number(_next(values), complaints) if w == "*" else int(w) if w else None for w in (width, precision)
        ]
        if precision == "":
            numbers[1] = 0
        piece, stop = _convert(letter, flags, numbers, values, complaints)
        out.append(piece)
        if stop:
            return "".join(out), True
    text, stop = unescape(form[position:], plain_octal=True)
    out.append(text)
    return "".join(out), stop


def _next(values: list[str]) -> str:
    return values.pop(0) if values else ""


def _number(text: str, complaints: list[str]) -> int:
    text = text.strip()
    if not text:
        return 0
    if text[0] in "'\"":
        return ord(text[1]) if len(text) > 1 else 0
    match = re.match(r"[-+]?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d{0,30})", text)
    if match is None:
        complaints.append(f"{text}: invalid number")
        return 0
    if match.end() < len(text):
        complaints.append(f"{text}: invalid number")
    digits = match[1]
    value = int(digits, 16 if digits[:2].lower() == "0x" else 8 if digits.startswith("0") else 10)
    return -value if text[0] == "-" else value


def _real(text: str, complaints: list[str]) -> float:
    try:
        return float(text or "0")
    except ValueError:
        complaints.append(f"{text}: invalid number")
        return 0.0


def _convert(
    letter: str, flags: str, numbers: list[int | None], values: list[str], complaints: list[str]
) -> tuple[str, bool]:
    width, precision = numbers
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    width = min(width or 0, MAX_WIDTH)
    precision = None if precision is None or precision < 0 else min(precision, MAX_WIDTH)
    stop = False
    if letter in "sbqc":
        text = _next(values)
        if letter == "b":
            text, stop = unescape(text, plain_octal=True)
        elif letter == "q":
            text = shlex.quote(text)
        elif letter == "c":
            text = text[:1]
        text = text[:precision] if precision is not None and letter != "c" else text
        return (text.ljust(width) if "-" in flags else text.rjust(width)), stop
    form = "%" + "".join(dict.fromkeys(flags)) + (str(width) if width else "")
    form += f".{precision}" if precision is not None else ""
    if letter in "feEgG":
        return (form + letter) % _real(_next(values), complaints), False
    value = _number(_next(values), complaints)
    if letter in "ouxX" and value < 0:
        value += 1 << 64
    return _c_style((form + ("d" if letter in "iu" else letter)) % value, letter), False


def _c_style(text: str, letter: str) -> str:
    """Python writes 0o17 where C writes 017."""
    return text.replace("0o", "0") if letter == "o" else text
