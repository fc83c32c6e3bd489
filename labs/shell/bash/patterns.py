"""Shell patterns (`*`, `?`, `[…]`) against texts and against the names of simulated files (POSIX.1-2017, XCU §2.13)."""

from __future__ import annotations

import re
from functools import lru_cache

from labs.net.filesystem import FileError, FileSystem

__all__ = ["escape", "has_magic", "matches", "paths", "regular_expression"]

MAX_MATCHES = 4096
MAX_PATTERN = 4096


def escape(text: str) -> str:
    """Quoted text as a pattern that matches itself only."""
    return re.sub(r"([*?\[\]\\!^-])", r"\\\1", text)


def has_magic(pattern: str) -> bool:
    """True where an unescaped special character stands in the pattern."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", pattern)) is not None


@lru_cache(maxsize=512)
def regular_expression(pattern: str, *, greedy: bool = True) -> str:
    """The same pattern for `re`."""
    pattern = pattern[:MAX_PATTERN]
    out: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if not out or out[-1] not in (".*", ".*?"):
                out.append(".*" if greedy else ".*?")
        elif char == "?":
            out.append(".")
        elif char == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        elif char == "[":
            bracket, position = _bracket(pattern, position)
            out.append(bracket)
        else:
            out.append(re.escape(char))
    return "".join(out)


CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r" \t\n\r\f\v",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
    "print": " -~",
}


def _bracket(pattern: str, position: int) -> tuple[str, int]:
    start = position
    negate = pattern[position : position + 1] in ("!", "^") and position < len(pattern)
    position += negate
    out: list[str] = []
    first = True
    while position < len(pattern) and (first or pattern[position] != "]"):
        first = False
        named = re.match(r"\[:(\w+):\]", pattern[position:])
        if named and named[1] in CLASSES:
            out.append(CLASSES[named[1]])
            position += named.end()
            continue
        low, position = _member(pattern, position)
        if pattern[position : position + 1] == "-" and pattern[position + 1 : position + 2] not in ("", "]"):
            high, position = _member(pattern, position + 1)
            if low <= high:
                out.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            out.append(re.escape(low))
    if position >= len(pattern):
        return re.escape("["), start
    if not out:  # only ranges that run backwards: they hold nothing
        return ("." if negate else "(?!)"), position + 1
    return f"[{'^' if negate else ''}{''.join(out)}]", position + 1


def _member(pattern: str, position: int) -> tuple[str, int]:
    """One character of a bracket expression; a backslash quotes."""
    if pattern[position] == "\\" and position + 1 < len(pattern):
        position += 1
    return pattern[position], position + 1


@lru_cache(maxsize=512)
def _steps(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """One expression per character to match; None for a star."""
    steps: list[re.Pattern[str] | None] = []
    position = 0
    pattern = pattern[:MAX_PATTERN]
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if not steps or steps[-1] is not None:
                steps.append(None)
            continue
        if char == "?":
            one = "."
        elif char == "\\" and position < len(pattern):
            one = re.escape(pattern[position])
            position += 1
        elif char == "[":
            one, position = _bracket(pattern, position)
        else:
            one = re.escape(char)
        steps.append(re.compile(one, re.DOTALL))
    return tuple(steps)


def matches(pattern: str, text: str) -> bool:
    """True where the whole text matches. Only the last star is tried again: the cost is bounded by the product."""
    steps = _steps(pattern)
    at = position = 0
    star, resume = -1, 0
    while position < len(text):
        end = at >= len(steps)
        step = None if end else steps[at]
        if step is None and not end:
            star, resume = at, position
            at += 1
        elif step is not None and step.match(text, position):
            at += 1
            position += 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return all(step is None for step in steps[at:])


def paths(files: FileSystem, directory: str, pattern: str) -> list[str]:
    """The existing paths that match, sorted, written as the pattern is; empty where none does."""
    absolute = pattern.startswith("/")
    found = [("/", "/") if absolute else (directory, "")]
    components = [part for part in pattern.split("/") if part]
    for index, component in enumerate(components):
        last = index == len(components) - 1
        step: list[tuple[str, str]] = []
        for place, shown in found:
            for name in _names(files, place, component):
                path = files.resolve(name, place)
                if last or files.is_directory(path):
                    step.append((path, f"{shown}{name}" if last else f"{shown}{name}/"))
        found = step[:MAX_MATCHES]
    if pattern.endswith("/"):
        return sorted(shown + "/" for path, shown in found if files.is_directory(path))
    return sorted(shown for _, shown in found)


def _names(files: FileSystem, place: str, component: str) -> list[str]:
    plain = re.sub(r"\\(.)", r"\1", component)
    if not has_magic(component):
        return [plain] if files.exists(files.resolve(plain, place)) else []
    try:
        names = files.list(place)
    except FileError:
        return []
    return [n for n in names if (not n.startswith(".") or plain.startswith(".")) and matches(component, n)]
