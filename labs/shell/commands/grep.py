"""grep (GNU grep 3.8): lines that match a regular expression."""

from __future__ import annotations

import re
from collections.abc import Generator

from labs.net.process import Process, Program, Routine, Wait
from labs.shell.bash import patterns
from labs.shell.commandline import Lines, fail
from labs.shell.options import UsageError, parse_options
from labs.shell.regex import RegexError, compile_regex

__all__ = ["COMMANDS"]

USAGE = """grep [OPTION]... PATTERN [FILE]...
  -E  extended expressions (egrep)   -F  fixed text (fgrep)     -e  a pattern; there may be more than one
  -i  case does not matter           -v  lines that do not      -w  whole words        -x  whole lines
  -n  line numbers                   -c  count                  -o  only what matches  -q  only the status
  -l  names of files that do         -L  names that do not      -H -h  with, without names   -s  no complaints
  -A N, -B N, -C N  lines after, before, around                 -m N  stop after N lines
  -r  everything below a directory   --include=GLOB  of these names only"""
LONG = (
    "extended-regexp fixed-strings basic-regexp regexp= ignore-case invert-match word-regexp line-regexp line-number "
    "count only-matching quiet silent files-with-matches files-without-match with-filename no-filename no-messages "
    "after-context= before-context= context= max-count= recursive include= exclude= color= colour= line-buffered help"
).split()
LETTERS = {
    "--extended-regexp": "E",
    "--fixed-strings": "F",
    "--basic-regexp": "G",
    "--regexp": "e",
    "--ignore-case": "i",
    "--invert-match": "v",
    "--word-regexp": "w",
    "--line-regexp": "x",
    "--line-number": "n",
    "--count": "c",
    "--only-matching": "o",
    "--quiet": "q",
    "--silent": "q",
    "--files-with-matches": "l",
    "--files-without-match": "L",
    "--with-filename": "H",
    "--no-filename": "h",
    "--no-messages": "s",
    "--after-context": "A",
    "--before-context": "B",
    "--context": "C",
    "--max-count": "m",
    "--recursive": "r",
}
MAX_LINE = 4096  # characters of a line that an expression looks at
PATIENCE_NS = 60 * 1_000_000_000


def grep(process: Process) -> Routine:
    """Search."""
    arguments = list(process.argv[1:])
    for index, word in enumerate(arguments):  # -5 is -C 5
        if re.fullmatch(r"-\d+", word):
            arguments[index : index + 1] = ["-C", word[1:]]
    try:
        options, operands = parse_options(arguments, "EFGe:f:ivwxncoqlLHhsA:B:C:m:rRzaIP", LONG)
    except UsageError as error:
        process.error(
            f"grep: {error}", "Usage: grep [OPTION]... PATTERNS [FILE]...", "Try 'grep --help' for more information."
        )
        return 2
    if ("--help", "") in options:
        process.print(f"Usage: {USAGE}")
        return 0
    values = {LETTERS.get(option, option.lstrip("-")): value for option, value in options}
    for refused in ("P", "z", "f"):
        if refused in values:
            return fail(process, f"-{refused} is not simulated here", 2)
    texts = [value for option, value in options if option in ("-e", "--regexp")]
    if not texts:
        if not operands:
            process.error("Usage: grep [OPTION]... PATTERNS [FILE]...", "Try 'grep --help' for more information.")
            return 2
        texts = [operands.pop(0)]
    base = process.name.rpartition("/")[2]
    if base in ("egrep", "fgrep"):
        values["E" if base == "egrep" else "F"] = ""
    try:
        search = _Search(process, [line for text in texts for line in text.split("\n")], values)
    except RegexError as error:
        return fail(process, str(error), 2)
    except ValueError as error:
        return fail(process, str(error), 2)
    recursive = "r" in values or "R" in values
    names = operands or (["."] if recursive else [])
    files = process.node.files
    below = recursive and any(files.is_directory(files.resolve(name, process.directory)) for name in names)
    if recursive:
        names = _below(process, names, [v for o, v in options if o == "--include"])
    return (yield from search.run(names, many=len(operands) > 1 or below))


def _below(process: Process, names: list[str], include: list[str]) -> list[str]:
    """Every file below the directories."""
    files = process.node.files
    out: list[str] = []
    pending = list(reversed(names))
    while pending and len(out) < 10_000:
        name = pending.pop()
        path = files.resolve(name, process.directory)
        if files.is_directory(path) and not files.is_file(path):
            inside = [name.rstrip("/") + "/" + each if name != "/" else "/" + each for each in files.list(path)]
            pending.extend(reversed([n.removeprefix("./") if name == "." else n for n in inside]))
        elif not include or any(patterns.matches(glob, name.rpartition("/")[2]) for glob in include):
            out.append(name)
    return out


class _Search:
    def __init__(self, process: Process, texts: list[str], values: dict[str, str]) -> None:
        self.process = process
        self.values = values
        self.on = set(values)
        self.expressions = [self._compile(text) for text in texts]
        self.after = self._number("A", "context length")
        self.before = self._number("B", "context length")
        self.limit = self._number("m", "max count") if "m" in values else None
        self.names = False
        self.found_any = False

    def _number(self, letter: str, what: str) -> int:
        text = self.values.get(letter, self.values.get("C", "0") if letter in "AB" else "0")
        if not text.isdecimal():
            raise ValueError(f"{text}: invalid {what} argument" if what != "max count" else "invalid max count")
        return int(text)

    def _compile(self, text: str) -> re.Pattern[str]:
        if "F" in self.on:
            return re.compile(re.escape(text), re.IGNORECASE if "i" in self.on else 0)
        return compile_regex(text, extended="E" in self.on, ignore_case="i" in self.on)

    def _matches(self, text: str) -> list[tuple[int, int]]:
        """Where the expressions match, in order, without overlaps."""
        found: list[tuple[int, int]] = []
        position = 0
        text = text[:MAX_LINE]
        while position <= len(text):
            spans = [span for e in self.expressions if (span := self._one(e, text, position)) is not None]
            if not spans:
                break
            start, stop = min(spans, key=lambda span: (span[0], -span[1]))
            found.append((start, stop))
            if "o" not in self.on:
                break
            position = max(stop, start + 1)
        return found

    def _one(self, expression: re.Pattern[str], text: str, position: int) -> tuple[int, int] | None:
        while (match := expression.search(text, position)) is not None:
            start, stop = match.span()
            if "x" in self.on:
                whole = expression.fullmatch(text)
                return whole.span() if whole is not None and position == 0 else None
            if "w" not in self.on:
                return start, stop
            before = text[start - 1 : start] if start else ""
            if not _is_word(before) and not _is_word(text[stop : stop + 1]) and stop > start:
                return start, stop
            position = start + 1
        return None

    def run(self, names: list[str], *, many: bool) -> Routine:
        """Search every file; 0 where a line was found."""
        self.names = (many or "H" in self.on) and "h" not in self.on
        process = self.process
        missed = False
        if "s" in self.on and names:
            files = process.node.files
            there = [name for name in names if name == "-" or files.is_file(files.resolve(name, process.directory))]
            missed, names = len(there) < len(names), there
            if not names:
                return 2
        lines = Lines(process, names)
        while lines.open():
            yield from self._file(lines)
            if self.found_any and "q" in self.on:
                return 0
        if (lines.failed or missed) and not ("q" in self.on and self.found_any):
            return 2
        return int(not self.found_any)

    def _file(self, lines: Lines) -> Generator[Wait, None, None]:
        shown = "(standard input)" if lines.name == "-" else lines.name
        count, number, last_printed, trailing = 0, 0, 0, 0
        recent: list[tuple[int, str]] = []
        while self.limit is None or count < self.limit:
            if "q" in self.on or self.limit is not None:
                self.process.finite_until_ns = self.process.node.now + PATIENCE_NS
            line = yield from lines.next_here()
            if not line:
                break
            number += 1
            text = line.rstrip("\n")
            spans = self._matches(text)
            if bool(spans) == ("v" in self.on):
                if trailing:
                    trailing -= 1
                    self._print(shown, number, text, "-")
                    last_printed = number
                elif self.before:
                    recent = [*recent, (number, text)][-self.before :]
                continue
            count += 1
            self.found_any = True
            if self.on & {"q", "l", "L"}:
                break
            if "c" in self.on:
                continue
            if (self.after or self.before) and last_printed and (recent[0][0] if recent else number) > last_printed + 1:
                self.process.print("--")
            for earlier, old in recent:
                self._print(shown, earlier, old, "-")
            recent = []
            if "o" in self.on:
                for start, stop in spans:
                    if stop > start:
                        self._print(shown, number, text[start:stop], ":")
            else:
                self._print(shown, number, text, ":")
            last_printed, trailing = number, self.after
        if "c" in self.on and "q" not in self.on:
            self.process.print(f"{shown}:{count}" if self.names else str(count))
        elif ("l" in self.on and count) or ("L" in self.on and not count):
            self.process.print(shown)

    def _print(self, name: str, number: int, text: str, mark: str) -> None:
        prefix = (f"{name}{mark}" if self.names else "") + (f"{number}{mark}" if "n" in self.on else "")
        self.process.print(prefix + text)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


COMMANDS: dict[str, Program] = {"egrep": grep, "fgrep": grep, "grep": grep}
