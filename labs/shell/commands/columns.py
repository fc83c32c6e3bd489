"""cut, paste, column and tr: characters and columns of lines (GNU coreutils, bsdextrautils)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from labs.net.process import Process, Program, Routine
from labs.shell.bash.printing import unescape
from labs.shell.commandline import Lines, begin, fail

__all__ = ["COMMANDS"]


CUT = """cut (-f LIST [-d CHAR] [-s] | -c LIST | -b LIST) [--output-delimiter=TEXT] [FILE]...
  LIST is N, N-M, N- or -M, joined by commas"""


TR = """tr [-cds] SET1 [SET2]
  -c  everything but SET1    -d  delete    -s  squeeze repeats
  sets know a-z, [:upper:] and the like, and \\n \\t \\\\"""


PASTE = """paste [-d LIST] [-s] [FILE]...
  -d  separators    -s  one file after the other, each on one line"""


COLUMN = """column -t [-s SEPARATORS] [-o TEXT] [FILE]...
  -t  make a table    -s  what divides the input    -o  what divides the output"""


def _ranges(text: str) -> list[tuple[int, int]] | None:
    out = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{0,9})(-?)(\d{0,9})", part)
        if match is None or not (match[1] or match[3]) or match[1] == "0" or (match[2] and match[3] == "0"):
            return None
        first = int(match[1] or 1)
        out.append((first, int(match[3]) if match[3] else first if not match[2] else 1 << 30))
    return out


def cut(process: Process) -> Routine:
    """Columns of each line."""
    parsed = begin(
        process,
        "f:c:b:d:sn",
        ["fields=", "characters=", "bytes=", "delimiter=", "only-delimited", "output-delimiter=", "complement"],
        usage=CUT,
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    chosen = {"-f": "f", "--fields": "f", "-c": "c", "--characters": "c", "-b": "c", "--bytes": "c"}
    lists = [(chosen[option], value) for option, value in options if option in chosen]
    values = dict(options)
    delimiter = values.get("-d", values.get("--delimiter", "\t"))
    tip = "Try 'cut --help' for more information."
    if len(lists) != 1:
        fail(
            process,
            "only one list may be specified" if lists else "you must specify a list of bytes, characters, or fields",
        )
        process.error(tip)
        return 1
    if len(delimiter) != 1:
        fail(process, "the delimiter must be a single character")
        process.error(tip)
        return 1
    mode, text = lists[0]
    ranges = _ranges(text)
    if ranges is None:
        what = "field" if mode == "f" else "byte/character position"
        zero = re.search(r"(^|,)0|-0", text)
        fail(
            process,
            f"{'fields' if mode == 'f' else 'byte/character positions'} are numbered from 1"
            if zero
            else f"invalid {what} value ‘{text}’"
            if mode == "f"
            else f"invalid {what} ‘{text}’",
        )
        process.error(tip)
        return 1
    joiner = values.get("--output-delimiter", delimiter if mode == "f" else "")
    only = "-s" in values or "--only-delimited" in values
    complement = "--complement" in values
    lines = Lines(process, names)
    while line := (yield from lines.next()):
        body = line.rstrip("\n")
        if mode == "f" and delimiter not in body:
            if not only:
                process.print(body)
            continue
        pieces = body.split(delimiter) if mode == "f" else list(body)
        kept = [p for i, p in enumerate(pieces, 1) if any(a <= i <= b for a, b in ranges) != complement]
        process.print(joiner.join(kept))
    return int(lines.failed)


NAMED_SETS = {
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "digit": "0123456789",
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "alnum": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "space": "\t\n\v\f\r ",
    "blank": "\t ",
    "punct": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
}


def _set(text: str) -> str:
    text, _ = unescape(text, plain_octal=True)
    out: list[str] = []
    position = 0
    while position < len(text):
        named = re.match(r"\[:(\w+):\]", text[position:])
        if named and named[1] in NAMED_SETS:
            out.append(NAMED_SETS[named[1]])
            position += named.end()
        elif (
            text[position + 1 : position + 2] == "-"
            and position + 2 < len(text)
            and text[position + 2] >= text[position]
        ):
            out.append("".join(map(chr, range(ord(text[position]), ord(text[position + 2]) + 1))))
            position += 3
        else:
            out.append(text[position])
            position += 1
    return "".join(out)


def tr(process: Process) -> Routine:
    """Translate, delete or squeeze characters."""
    parsed = begin(process, "cCdst", ["complement", "delete", "squeeze-repeats"], usage=TR, intermixed=False)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    flags = {
        {"--complement": "c", "--delete": "d", "--squeeze-repeats": "s"}.get(option, option[1:].lower())
        for option, _ in options
    }
    wanted = 1 if "d" in flags and "s" not in flags else 2
    if not operands or (len(operands) < 2 and not flags & {"d", "s"}):
        fail(process, "missing operand" if not operands else f"missing operand after ‘{operands[0]}’")
        if operands:
            process.error("Two strings must be given when translating.")
        process.error("Try 'tr --help' for more information.")
        return 1
    if len(operands) > wanted:
        fail(process, f"extra operand ‘{operands[wanted]}’")
        process.error("Try 'tr --help' for more information.")
        return 1
    first, second = _set(operands[0]), _set(operands[1]) if len(operands) > 1 else ""
    change = _translation(first, second, flags)
    squeezed = set(second or first) if "s" in flags else set()
    if "s" in flags and "c" in flags and not second:
        squeezed = set()
    inverse = "s" in flags and "c" in flags and not second
    last = ""
    while line := (yield from process.stdin.read_line()):
        text = change(line)
        if "s" in flags:
            out: list[str] = []
            for char in text:
                if char == last and (char in squeezed or (inverse and char not in first)):
                    continue
                out.append(char)
                last = char
            text = "".join(out)
        process.stdout.write(text)
    return 0


def _translation(first: str, second: str, flags: set[str]) -> Callable[[str], str]:
    inside = set(first)
    if "d" in flags:
        return lambda text: "".join(char for char in text if (char in inside) == ("c" in flags))
    if not second:
        return lambda text: text
    if "c" in flags:
        return lambda text: "".join(char if char in inside else second[-1] for char in text)
    table = {}
    for index, char in enumerate(first):
        table[ord(char)] = second[min(index, len(second) - 1)]
    return lambda text: text.translate(table)


def paste(process: Process) -> Routine:
    """Lines of files side by side."""
    parsed = begin(process, "d:s", ["delimiters=", "serial"], usage=PASTE)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    values = dict(options)
    separators = unescape(values.get("-d", values.get("--delimiters", "\t")), plain_octal=True)[0] or "\0"
    columns: list[list[str]] = []
    lines = Lines(process, names)
    while lines.open():
        columns.append([line.rstrip("\n") for line in (yield from lines.rest())])
    if lines.failed:
        return 1

    def joined(parts: list[str]) -> str:
        out = parts[:1]
        for index, part in enumerate(parts[1:]):
            out.append(separators[index % len(separators)].replace("\0", "") + part)
        return "".join(out)

    if "-s" in values or "--serial" in values:
        process.print(*[joined(column) for column in columns])
    else:
        for row in range(max(map(len, columns), default=0)):
            process.print(joined([column[row] if row < len(column) else "" for column in columns]))
    return 0


def column(process: Process) -> Routine:
    """A table."""
    parsed = begin(process, "ts:o:", ["table", "separator=", "output-separator="], usage=COLUMN)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    values = dict(options)
    if "-t" not in values and "--table" not in values:
        return fail(process, "only tables (-t) are simulated here")
    separators = values.get("-s", values.get("--separator"))
    gap = values.get("-o", values.get("--output-separator", "  "))
    rows: list[list[str]] = []
    lines = Lines(process, names, missing="cannot open {name}: {error}")
    while line := (yield from lines.next()):
        text = line.rstrip("\n")
        if text.strip():
            rows.append(re.split(f"[{re.escape(separators)}]", text) if separators else text.split())
    widths = Counter[int]()
    for row in rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], len(cell))
    for row in rows:
        last = len(row) - 1
        process.print(gap.join(cell if index == last else cell.ljust(widths[index]) for index, cell in enumerate(row)))
    return int(lines.failed)


COMMANDS: dict[str, Program] = {"column": column, "cut": cut, "paste": paste, "tr": tr}
