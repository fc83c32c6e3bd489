"""cat, head, tail and their like (GNU coreutils). They stream: what comes in goes on at once."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Signal, Wait
from labs.shell.commandline import Lines, begin, fail, split_lines

__all__ = ["COMMANDS"]

MOST_ZEROS = 1 << 20  # bytes of /dev/zero at once
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
TEE = """tee [-a] [FILE]...
  -a  append"""
NL = """nl [-b a|t] [FILE]...
  -b a  number all lines"""


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
    if unit == "bytes" and sign != "-":
        lines.zeros = min(number, MOST_ZEROS)
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
            if path.startswith(("/proc/", "/sys/")):
                files.read(path)
            elif options:
                files.append(path, "")
            else:
                files.write(path, "")
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


COMMANDS: dict[str, Program] = {
    "cat": cat,
    "head": head,
    "nl": nl,
    "rev": rev,
    "tac": tac,
    "tail": tail,
    "tee": tee,
}
