"""sort, uniq and wc (GNU coreutils): order and count lines."""

from __future__ import annotations

import re
from collections.abc import Callable

from labs.net.process import Process, Program, Routine
from labs.shell.commandline import Lines, begin, fail

__all__ = ["COMMANDS"]


WC = """wc [-lwcm] [FILE]...
  -l  lines    -w  words    -c  bytes    -m  characters"""


SORT = """sort [-bfnrucVh] [-k FIELD[,FIELD][n][r]] [-t CHAR] [FILE]...
  -n  by number      -h  by number with K, M, G     -V  by version
  -r  reverse        -u  each once                  -f  case does not matter
  -k  by fields      -t  field separator            -b  ignore leading blanks"""


UNIQ = """uniq [-cdui] [FILE]
  -c  count    -d  only repeated lines    -u  only single lines    -i  case does not matter"""


def wc(process: Process) -> Routine:
    """Count lines, words, bytes."""
    parsed = begin(process, "lwcmL", ["lines", "words", "bytes", "chars"], usage=WC)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    letters = {option.lstrip("-")[0] for option, _ in options} or {"l", "w", "c"}
    if "L" in letters:
        return fail(process, "-L is not simulated here")
    chosen = [letter for letter in "lwmc" if letter in letters]
    lines = Lines(process, names)
    rows: list[tuple[list[int], str]] = []
    total = 0
    while lines.open():
        text = "".join((yield from lines.rest()))
        values = {
            "l": text.count("\n"),
            "w": len(text.split()),
            "m": len(text),
            "c": len(text.encode()),
        }
        total += values["c"]
        rows.append(([values[letter] for letter in chosen], "" if lines.name == "-" and not names else lines.name))
    if len(names) > 1:
        rows.append(([sum(row[0][i] for row in rows) for i in range(len(chosen))], "total"))
    if len(names) <= 1 and len(chosen) == 1:
        width = 1
    elif not names or "-" in names:
        width = 7
    else:
        width = len(str(total))  # as wide as the sizes of all files together
    for numbers, name in rows:
        process.print(" ".join(f"{number:{width}d}" for number in numbers) + (f" {name}" if name else ""))
    return int(lines.failed)


def _leading_number(text: str) -> float:
    match = re.match(r"\s*(-?\d{1,300}(\.\d+)?|-?\.\d+)", text)
    return float(match[1]) if match else 0.0


def _human_number(text: str) -> float:
    match = re.match(r"\s*-?\d*\.?\d*([KMGTk]?)", text)
    return _leading_number(text) * {"": 1, "K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[1] if match else ""]


def _version(text: str) -> tuple[tuple[int, int | str], ...]:
    return tuple((1, int(part)) if part.isdecimal() else (0, part) for part in re.findall(r"\d{1,300}|\D+", text))


KEYS: dict[str, Callable[[str], object]] = {
    "n": _leading_number,
    "h": _human_number,
    "V": _version,
    "g": _leading_number,
}


def sort(process: Process) -> Routine:
    """Sort lines."""
    long = [
        "numeric-sort",
        "reverse",
        "unique",
        "ignore-case",
        "key=",
        "field-separator=",
        "human-numeric-sort",
        "version-sort",
    ]
    parsed = begin(process, "bfghnrucVsk:t:o:", long, usage=SORT, status=2)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    lines = Lines(process, names, missing="cannot read: {name}: {error}", directory="read failed: {name}: {error}")
    text: list[str] = []
    while lines.open():
        text.extend(line.rstrip("\n") for line in (yield from lines.rest()))
        if lines.failed:
            return 2
    if lines.failed:
        return 2
    abbreviations = {
        "--numeric-sort": "n",
        "--reverse": "r",
        "--unique": "u",
        "--ignore-case": "f",
        "--human-numeric-sort": "h",
        "--version-sort": "V",
    }
    flags = "".join(
        abbreviations.get(option, option[1:])
        for option, _ in options
        if option not in ("-k", "-t", "-o", "--key", "--field-separator")
    )
    separator = next((value for option, value in options if option in ("-t", "--field-separator")), None)
    keys = [value for option, value in options if option in ("-k", "--key")]
    fields: list[tuple[int, int | None, str]] = []
    for key in keys:
        match = re.fullmatch(r"(\d{1,6})(?:\.\d+)?([bfghnrV]*)(?:,(\d{1,6})(?:\.\d+)?([bfghnrV]*))?", key)
        if match is None or match[1] == "0":
            return fail(process, f"invalid number at field start: invalid count at start of ‘{key}’", 2)
        fields.append((int(match[1]), int(match[3]) if match[3] else None, match[2] + (match[4] or "")))
    ordered = _sorted(text, flags, separator, fields)
    if "c" in flags:
        wrong = next((i for i, (a, b) in enumerate(zip(text, ordered, strict=True)) if a != b), None)
        if wrong is not None:
            return fail(process, f"{names[0] if names else '-'}:{wrong + 2}: disorder: {text[wrong + 1]}")
        return 0
    out = "".join(line + "\n" for line in ordered)
    target = next((value for option, value in options if option == "-o"), None)
    if target is not None:
        process.node.files.write(process.node.files.resolve(target, process.directory), out)
    else:
        process.stdout.write(out)
    return 0


def _sorted(text: list[str], flags: str, separator: str | None, fields: list[tuple[int, int | None, str]]) -> list[str]:
    """Bytewise order as in the C locale; the last resort is the whole line."""

    def prepared(part: str, letters: str) -> object:
        chosen = next((letter for letter in "nhVg" if letter in letters), None)
        part = part.upper() if "f" in letters else part
        return KEYS[chosen](part) if chosen else part.lstrip() if "b" in letters else part

    def part_of(line: str, first: int, last: int | None) -> str:
        pieces = line.split(separator) if separator is not None else re.findall(r"\s*\S+", line)
        return (separator or "").join(pieces[first - 1 : last])

    ordered = text
    if "u" not in flags and "s" not in flags:
        ordered = sorted(ordered, reverse="r" in flags)
    for first, last, letters in reversed(fields):
        used = letters or flags
        ordered = sorted(ordered, key=lambda line: prepared(part_of(line, first, last), used), reverse="r" in used)  # type: ignore[arg-type,return-value]
    if not fields:
        ordered = sorted(ordered, key=lambda line: prepared(line, flags), reverse="r" in flags)  # type: ignore[arg-type,return-value]
    if "u" not in flags:
        return ordered
    out: list[str] = []
    seen: set[object] = set()
    for line in ordered:
        key = (
            tuple(prepared(part_of(line, a, b), c or flags) for a, b, c in fields) if fields else prepared(line, flags)
        )
        if key not in seen:
            seen.add(key)
            out.append(line)
    return out


def uniq(process: Process) -> Routine:
    """Neighbouring lines that are equal, once."""
    parsed = begin(process, "cdui", ["count", "repeated", "unique", "ignore-case"], usage=UNIQ)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] if option != "--repeated" else "d" for option, _ in options}
    lines = Lines(process, names[:1])
    count, held = 0, None

    def emit() -> None:
        if held is not None and not ("d" in flags and count == 1) and not ("u" in flags and count > 1):
            process.print(f"{count:7d} {held}" if "c" in flags else held)

    while line := (yield from lines.next()):
        text = line.rstrip("\n")
        same = held is not None and (text.lower() == held.lower() if "i" in flags else text == held)
        if same:
            count += 1
        else:
            emit()
            held, count = text, 1
    emit()
    return int(lines.failed)


COMMANDS: dict[str, Program] = {"sort": sort, "uniq": uniq, "wc": wc}
