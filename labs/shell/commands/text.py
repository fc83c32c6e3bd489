"""Small text tools (GNU coreutils and bsdextrautils): lines in, lines out. They stream: what comes in goes on at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Signal, Wait
from labs.shell.bash.printing import unescape
from labs.shell.commandline import Lines, begin, fail, split_lines

__all__ = ["COMMANDS"]

READER_PATIENCE_NS = 60 * 1_000_000_000  # how long `head` is trusted to get its next line

CAT = """cat [-nbsE] [FILE]...
  -n  number all lines        -b  number lines that are not empty
  -s  squeeze empty lines     -E  show $ at the end of each line"""
HEAD = """head [-n [-]N] [-c N] [-q] [FILE]...
  -n N  the first N lines (10); -N: all but the last N
  -c N  the first N characters
  -q    no headers"""
TAIL = """tail [-n [+]N] [-c N] [-fFq] [FILE]...
  -n N  the last N lines (10); +N: from line N on
  -c N  the last N characters
  -f    go on as the file grows      -F  also when it is made later
  -q    no headers"""
WC = """wc [-lwcm] [FILE]...
  -l  lines    -w  words    -c  bytes    -m  characters"""
SORT = """sort [-bfnrucVh] [-k FIELD[,FIELD][n][r]] [-t CHAR] [FILE]...
  -n  by number      -h  by number with K, M, G     -V  by version
  -r  reverse        -u  each once                  -f  case does not matter
  -k  by fields      -t  field separator            -b  ignore leading blanks"""
UNIQ = """uniq [-cdui] [FILE]
  -c  count    -d  only repeated lines    -u  only single lines    -i  case does not matter"""
CUT = """cut (-f LIST [-d CHAR] [-s] | -c LIST | -b LIST) [--output-delimiter=TEXT] [FILE]...
  LIST is N, N-M, N- or -M, joined by commas"""
TR = """tr [-cds] SET1 [SET2]
  -c  everything but SET1    -d  delete    -s  squeeze repeats
  sets know a-z, [:upper:] and the like, and \\n \\t \\\\"""
TEE = """tee [-a] [FILE]...
  -a  append"""
NL = """nl [-b a|t] [FILE]...
  -b a  number all lines"""
PASTE = """paste [-d LIST] [-s] [FILE]...
  -d  separators    -s  one file after the other, each on one line"""
COLUMN = """column -t [-s SEPARATORS] [-o TEXT] [FILE]...
  -t  make a table    -s  what divides the input    -o  what divides the output"""


# cat, tac, rev, nl


def cat(process: Process) -> Routine:
    """Concatenate."""
    parsed = begin(process, "nbsEAuv", ["number"], usage=CAT)
    if isinstance(parsed, int):
        return parsed
    flags = "".join(option[-1] if len(option) == 2 else "n" for option, _ in parsed[0])
    lines = Lines(process, parsed[1])
    number, empty_before, unfinished = 0, False, False
    while line := (yield from lines.next()):
        text, newline = (line[:-1], "\n") if line.endswith("\n") else (line, "")
        if "s" in flags and not text and empty_before:
            continue
        empty_before = not text
        prefix = ""
        if ("b" in flags and text) or ("n" in flags and "b" not in flags):
            number += not unfinished
            prefix = "" if unfinished else f"{number:6d}\t"
        unfinished = not newline
        ending = "$" if newline and ("E" in flags or "A" in flags) else ""
        text = text.replace("\t", "^I") if "A" in flags else text
        process.stdout.write(f"{prefix}{text}{ending}{newline}")
    return int(lines.failed)


def tac(process: Process) -> Routine:
    """Lines in reverse order."""
    parsed = begin(process, "", usage="tac [FILE]...")
    if isinstance(parsed, int):
        return parsed
    lines = Lines(process, parsed[1], missing="failed to open '{name}' for reading: {error}")
    while lines.open():
        process.stdout.write("".join(reversed((yield from lines.rest()))))
    return int(lines.failed)


def rev(process: Process) -> Routine:
    """Each line backwards."""
    parsed = begin(process, "", usage="rev [FILE]...")
    if isinstance(parsed, int):
        return parsed
    lines = Lines(process, parsed[1], missing="cannot open {name}: {error}")
    while line := (yield from lines.next()):
        process.stdout.write(line.rstrip("\n")[::-1] + "\n" * line.endswith("\n"))
    return int(lines.failed)


def nl(process: Process) -> Routine:
    """Number lines."""
    parsed = begin(process, "b:", usage=NL)
    if isinstance(parsed, int):
        return parsed
    every = ("-b", "a") in parsed[0]
    lines = Lines(process, parsed[1])
    number = 0
    while line := (yield from lines.next()):
        text = line.rstrip("\n")
        if text or every:
            number += 1
            process.print(f"{number:6d}\t{text}")
        else:
            process.print("       ")
    return int(lines.failed)


# head and tail


def _old_style(arguments: list[str], *, plus: bool = False) -> list[str]:
    """`-5` is `-n 5`."""
    pattern = r"-\d+|\+\d+" if plus else r"-\d+"
    first = arguments[0] if arguments else ""
    if re.fullmatch(pattern, first):
        return ["-n", first if first[0] == "+" else first[1:], *arguments[1:]]
    return arguments


def _count(text: str) -> tuple[str, int] | None:
    """A sign and a number with an optional suffix."""
    match = re.fullmatch(r"([-+]?)(\d{1,12})([bkKMG]?)B?", text)
    if match is None:
        return None
    return match[1], int(match[2]) * {"": 1, "b": 512, "k": 1024, "K": 1024, "M": 1 << 20, "G": 1 << 30}[match[3]]


def _amount(process: Process, options: Sequence[tuple[str, str]]) -> tuple[str, str, int] | int:
    """Unit (lines, bytes), sign and number; or the exit status."""
    unit, sign, number = "lines", "", 10
    for option, value in options:
        if option in ("-n", "--lines", "-c", "--bytes"):
            unit = "lines" if option in ("-n", "--lines") else "bytes"
            found = _count(value)
            if found is None:
                return fail(process, f"invalid number of {unit}: ‘{value}’")
            sign, number = found
    return unit, sign, number


def head(process: Process) -> Routine:
    """The first lines."""
    process.argv = [process.argv[0], *_old_style(process.argv[1:])]
    parsed = begin(process, "n:c:qv", ["lines=", "bytes=", "quiet", "silent", "verbose"], usage=HEAD)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    amount = _amount(process, options)
    if isinstance(amount, int):
        return amount
    unit, sign, number = amount
    lines = Lines(
        process, names, missing="cannot open '{name}' for reading: {error}", directory="error reading '{name}': {error}"
    )
    flags = {option for option, _ in options}
    headers = (len(names) > 1 or bool(flags & {"-v", "--verbose"})) and not flags & {"-q", "--quiet", "--silent"}
    while lines.open():
        if headers:
            _header(process, lines)
        if sign == "-" or unit == "bytes":
            text = yield from lines.rest()
            whole = "".join(text)
            if unit == "bytes":
                process.stdout.write(whole[:-number] if sign == "-" and number else whole[:number])
            else:
                process.stdout.write("".join(text[:-number] if number else text))
        else:
            yield from _first_lines(process, lines, number)
    return int(lines.failed)


def _header(process: Process, lines: Lines) -> None:
    name = "standard input" if lines.name == "-" else lines.name
    process.print(*([""] if lines.begun > 1 else []), f"==> {name} <==")


def _first_lines(process: Process, lines: Lines, number: int) -> Generator[Wait, None, None]:
    for _ in range(number):
        process.finite_until_ns = process.node.now + READER_PATIENCE_NS
        line = yield from lines.next_here()
        if not line:
            break
        process.stdout.write(line)


def tail(process: Process) -> Routine:
    """The last lines, and with -f what is added."""
    process.argv = [process.argv[0], *_old_style(process.argv[1:], plus=True)]
    long = ["lines=", "bytes=", "quiet", "silent", "verbose", "follow", "retry"]
    parsed = begin(process, "n:c:fFqvs:", long, usage=TAIL)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    amount = _amount(process, options)
    if isinstance(amount, int):
        return amount
    flags = {option for option, _ in options}
    follow = bool(flags & {"-f", "-F", "--follow"})
    lines = Lines(
        process, names, missing="cannot open '{name}' for reading: {error}", directory="error reading '{name}': {error}"
    )
    headers = (len(names) > 1 or "-v" in flags) and not flags & {"-q", "--quiet", "--silent"}
    while lines.open():
        if headers:
            _header(process, lines)
        process.stdout.write(_end("".join((yield from lines.rest())), *amount))
    if not follow:
        return int(lines.failed)
    return (
        yield from _follow(process, [name for name in names if name != "-"], headers=headers, patient="-F" in flags)
    )


def _end(text: str, unit: str, sign: str, number: int) -> str:
    parts: Sequence[str] = split_lines(text) if unit == "lines" else text
    chosen = parts[max(number - 1, 0) :] if sign == "+" else parts[max(len(parts) - number, 0) :]
    return "".join(chosen)


def _follow(process: Process, names: list[str], *, headers: bool, patient: bool) -> Routine:
    """Wait for the files to grow."""
    files = process.node.files
    paths = {name: files.resolve(name, process.directory) for name in names}
    seen = {name: files.get(path) for name, path in paths.items() if files.is_file(path)}
    if not patient and not seen:
        return fail(process, "no files remaining")
    written = Signal()

    def watch(path: str) -> None:
        if path in paths.values():
            written.fire()

    files.watchers.append(watch)
    process.cleanup.append(lambda: files.watchers.remove(watch))
    process.endless = True
    current = names[-1] if names else ""
    while True:
        yield Wait((written,))
        for name, path in paths.items():
            if not files.is_file(path) or (name not in seen and not patient):
                continue
            before, now = seen.get(name, ""), files.get(path)
            if now == before:
                continue
            seen[name] = now
            if not now.startswith(before):
                process.error(f"tail: {name}: file truncated")
                before = ""
            if headers and current != name:
                process.stdout.write(f"\n==> {name} <==\n")
                current = name
            process.stdout.write(now[len(before) :])


# wc, sort, uniq


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
    while lines.open():
        text = "".join((yield from lines.rest()))
        values = {
            "l": text.count("\n"),
            "w": len(text.split()),
            "m": len(text),
            "c": len(text.encode()),
        }
        rows.append(([values[letter] for letter in chosen], "" if lines.name == "-" and not names else lines.name))
    if len(names) > 1:
        rows.append(([sum(row[0][i] for row in rows) for i in range(len(chosen))], "total"))
    if len(names) <= 1 and len(chosen) == 1:
        width = 1
    elif not names or "-" in names:
        width = 7
    else:
        width = max((len(str(row[0][-1])) for row in rows), default=1)
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


# cut, tr, tee, paste, column


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


def tee(process: Process) -> Routine:
    """Standard input to files and to standard output."""
    parsed = begin(process, "ai", ["append"], usage=TEE)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    files = process.node.files
    status = 0
    paths: list[tuple[str, str]] = []
    for name in names:
        path = files.resolve(name, process.directory)
        try:
            if not path.startswith(("/proc/", "/sys/")):
                files.append(path, "") if options else files.write(path, "")
            elif not files.is_file(path):
                raise FileError("No such file or directory")
            paths.append((name, path))
        except FileError as error:
            status = fail(process, f"{name}: {error}")
    while line := (yield from process.stdin.read_line()):
        process.stdout.write(line)
        for name, path in list(paths):
            try:
                if path.startswith(("/proc/", "/sys/")):
                    files.write(path, line)
                else:
                    files.append(path, line)
            except FileError as error:
                status = fail(process, f"{name}: {error}")
                paths.remove((name, path))
    return status


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


COMMANDS: dict[str, Program] = {
    "cat": cat,
    "column": column,
    "cut": cut,
    "head": head,
    "nl": nl,
    "paste": paste,
    "rev": rev,
    "sort": sort,
    "tac": tac,
    "tail": tail,
    "tee": tee,
    "tr": tr,
    "uniq": uniq,
    "wc": wc,
}
