"""awk, its everyday form only: an optional condition and a print of fields and texts."""

from __future__ import annotations

import re
from collections.abc import Callable

from labs.net.process import Process, Program, Routine
from labs.shell.commandline import Lines, begin, fail
from labs.shell.regex import RegexError, compile_regex

__all__ = ["COMMANDS"]

USAGE = """awk [-F SEPARATOR] '[CONDITION] {print ITEM, ...}' [FILE]...
  CONDITION  /regex/, !/regex/, $2 ~ /regex/, $1 == "text", $3 > 10, NR == 1, joined by && and ||
  ITEM       $0 $1 ... $NF NR NF "text"; a blank between two joins them"""
REFUSAL = "only '[condition] {print fields}' is simulated here; loops, variables and functions are not"
TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)+/|\$NF|\$\d{1,3}|NR|NF|\d+(?:\.\d+)?|==|!=|<=|>=|&&|\|\||!~|[~<>!(),])'
)
PROGRAM = re.compile(
    r"\s*(?P<condition>(?:[^{\"/]|\"(?:[^\"\\]|\\.)*\"|/(?:[^/\\]|\\.)+/)*?)\s*(?:\{\s*(?:print\b(?P<print>[^}]*?(?:\"[^\"]*\"[^}\"]*?)*))\s*;?\s*\})?\s*\Z",
    re.DOTALL,
)


class _Refused(Exception):
    """A program beyond what is simulated."""


class _Record:
    """One line and its fields."""

    def __init__(self, line: str, separator: str | None, number: int) -> None:
        self.line = line
        self.number = number
        if separator is None or separator == " ":
            self.fields = line.split()
        elif len(separator) == 1:
            self.fields = line.split("\t" if separator == "t" else separator) if line else []
        else:
            self.fields = compile_regex(separator, extended=True).split(line) if line else []

    def field(self, index: int) -> str:
        """`$index`."""
        if index == 0:
            return self.line
        return self.fields[index - 1] if 0 < index <= len(self.fields) else ""


Value = Callable[[_Record], "str | float"]
Test = Callable[[_Record], bool]


def _tokens(text: str) -> list[str]:
    out, position = [], 0
    text = text.strip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise _Refused
        out.append(match[1])
        position = match.end()
    return out


def _value(token: str) -> Value:
    if token.startswith('"'):
        text = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), token[1:-1])
        return lambda record: text
    if token == "$NF":
        return lambda record: record.field(len(record.fields))
    if token.startswith("$"):
        index = int(token[1:])
        return lambda record: record.field(index)
    if token == "NR":
        return lambda record: float(record.number)
    if token == "NF":
        return lambda record: float(len(record.fields))
    if re.fullmatch(r"\d+(\.\d+)?", token):
        number = float(token)
        return lambda record: number
    raise _Refused


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _number(value: str | float) -> float | None:
    if isinstance(value, float):
        return value
    return float(value) if re.fullmatch(r"\s*[-+]?(\d{1,300}(\.\d*)?|\.\d+)\s*", value) else None


def _compare(left: str | float, operator: str, right: str | float) -> bool:
    a, b = _number(left), _number(right)
    one, two = (a, b) if a is not None and b is not None else (_shown(left), _shown(right))
    return {
        "==": one == two,
        "!=": one != two,
        "<": one < two,  # type: ignore[operator]
        "<=": one <= two,  # type: ignore[operator]
        ">": one > two,  # type: ignore[operator]
        ">=": one >= two,  # type: ignore[operator]
    }[operator]


def _condition(tokens: list[str]) -> Test:
    """`a && b || c` without parentheses."""
    terms: list[list[Test]] = [[]]
    while True:
        terms[-1].append(_term(tokens))
        if not tokens:
            return lambda record: any(all(test(record) for test in group) for group in terms)
        joint = tokens.pop(0)
        if joint == "||":
            terms.append([])
        elif joint != "&&":
            raise _Refused


def _term(tokens: list[str]) -> Test:
    if not tokens:
        raise _Refused
    token = tokens.pop(0)
    if token == "!":
        inner = _term(tokens)
        return lambda record: not inner(record)
    if token.startswith("/"):
        regex = compile_regex(token[1:-1].replace("\\/", "/"), extended=True)
        return lambda record: regex.search(record.line[:4096]) is not None
    left = _value(token)
    if not tokens or tokens[0] in ("&&", "||"):
        return lambda record: bool(left(record)) if not isinstance(left(record), str) else left(record) not in ("", "0")
    operator = tokens.pop(0)
    if not tokens:
        raise _Refused
    right = tokens.pop(0)
    if operator in ("~", "!~"):
        if not right.startswith(("/", '"')):
            raise _Refused
        regex = compile_regex(right[1:-1].replace("\\/", "/"), extended=True)
        return lambda record: (regex.search(_shown(left(record))[:4096]) is not None) == (operator == "~")
    if operator not in ("==", "!=", "<", "<=", ">", ">="):
        raise _Refused
    other = _value(right)
    return lambda record: _compare(left(record), operator, other(record))


def _items(tokens: list[str]) -> list[list[Value]]:
    """Items of `print`, each a run of values to be joined."""
    items: list[list[Value]] = [[]]
    for token in tokens:
        if token == ",":
            items.append([])
        else:
            items[-1].append(_value(token))
    if any(not item for item in items):
        if len(items) == 1:
            return [[lambda record: record.line]]
        raise _Refused
    return items


def awk(process: Process) -> Routine:
    """Print fields of lines."""
    parsed = begin(process, "F:v:f:", ["field-separator="], usage=USAGE, status=2, intermixed=False)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    values = dict(options)
    if not operands:
        process.error(f"Usage: {USAGE}")
        return 2
    if "-v" in values or "-f" in values:
        return fail(process, REFUSAL, 2)
    separator = values.get("-F", values.get("--field-separator"))
    try:
        test, items = _program(operands[0])
        _Record("", separator, 0)
    except _Refused:
        return fail(process, REFUSAL, 2)
    except RegexError as error:
        return fail(process, f"{error}", 2)
    lines = Lines(process, operands[1:], missing="cannot open {name} ({error})", directory="read failure ({error})")
    number = 0
    while line := (yield from lines.next()):
        number += 1
        record = _Record(line.removesuffix("\n"), separator, number)
        if test(record):
            process.print(" ".join("".join(_shown(value(record)) for value in item) for item in items))
    return 2 if lines.failed else 0


def _program(text: str) -> tuple[Test, list[list[Value]]]:
    match = PROGRAM.match(text)
    if match is None or not text.strip():
        raise _Refused
    condition = match["condition"].strip()
    test = _condition(_tokens(condition)) if condition else lambda record: True
    return test, _items(_tokens(match["print"] or ""))


COMMANDS: dict[str, Program] = {"awk": awk, "mawk": awk}
