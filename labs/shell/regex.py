"""POSIX regular expressions for `grep`, `sed`, `awk` and `[[ =~ ]]` (POSIX.1-2017, XBD §9, with GNU's additions).

They are matched by Python's backtracking engine; forms that could make it run for ages are refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["RegexError", "compile_regex"]

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
    "graph": "!-~",
    "cntrl": r"\x00-\x1f\x7f",
}
GNU = {
    "w": r"\w",
    "W": r"\W",
    "s": r"\s",
    "S": r"\S",
    "b": r"\b",
    "B": r"\B",
    "<": r"\b(?=\w)",
    ">": r"\b(?<=\w)",
    "`": r"\A",
    "'": r"\Z",
}
MAX_PATTERN = 1000
MAX_REPETITIONS = 6
INTERVAL = re.compile(r"(\d{0,5})(,?)(\d{0,5})\Z")


class RegexError(Exception):
    """A wrong or refused expression; str is the sentence of regcomp(3), or ours."""


class _Translator:
    def __init__(self, pattern: str, *, extended: bool) -> None:
        if len(pattern) > MAX_PATTERN:
            raise RegexError("Regular expression too big")
        self.pattern = pattern
        self.extended = extended
        self.position = 0
        self.out: list[str] = []
        # Per open group: where it starts in `out`, and whether it holds repetitions or alternatives
        self.groups: list[tuple[int, bool]] = []
        self.heavy = [False]
        self.repetitions = 0
        self.atom: int | None = None
        self.atom_heavy = False
        self.closed = 0

    def translate(self) -> str:
        while self.position < len(self.pattern):
            self._one()
        if len(self.heavy) > 1:
            raise RegexError("Unmatched ( or \\(")
        return "".join(self.out)

    def _add(self, text: str) -> None:
        self.atom, self.atom_heavy = len(self.out), False
        self.out.append(text)

    def _one(self) -> None:
        char = self.pattern[self.position]
        self.position += 1
        if char == "\\":
            self._escaped()
        elif char == "[":
            self._add(self._bracket())
        elif char == ".":
            self._add(".")
        elif char == "*":
            self._repeat("*")
        elif char == "^":
            self._caret()
        elif char == "$":
            self._dollar()
        elif self.extended and char in "+?(){|":
            self._operator(char)
        else:
            self._add(re.escape(char))

    def _escaped(self) -> None:
        if self.position >= len(self.pattern):
            raise RegexError("Trailing backslash")
        char = self.pattern[self.position]
        self.position += 1
        if not self.extended and char in "+?(){|":
            self._operator(char)
        elif char in GNU:
            self._add(GNU[char])
            if char in "b<>B`'":
                self.atom = None
        elif char in "123456789":
            if int(char) > self.closed:
                raise RegexError("Invalid back reference")
            self._add(f"(?:\\{char})")
        elif char == "n":
            self._add("\n")
        elif char == "t":
            self._add("\t")
        else:
            self._add(re.escape(char))

    def _caret(self) -> None:
        if self.extended or not self.out or self.out[-1] in ("(", "|"):
            self.out.append("^")
            self.atom = None
        else:
            self._add(r"\^")

    def _dollar(self) -> None:
        rest = self.pattern[self.position :]
        if self.extended or not rest or rest.startswith(("\\)", "\\|")):
            self.out.append("$")
            self.atom = None
        else:
            self._add(r"\$")

    def _operator(self, char: str) -> None:
        if char in "+?":
            self._repeat(char)
        elif char == "(":
            self.groups.append((len(self.out), False))
            self.heavy.append(False)
            self.out.append("(")
            self.atom = None
        elif char == ")":
            self._close()
        elif char == "|":
            self.out.append("|")
            self.heavy[-1] = True
            self.atom = None
        else:
            self._interval()

    def _close(self) -> None:
        if not self.groups:
            raise RegexError("Unmatched ) or \\)")
        start, _ = self.groups.pop()
        heavy = self.heavy.pop()
        self.out.append(")")
        self.closed += 1
        self.atom, self.atom_heavy = start, heavy
        self.heavy[-1] = self.heavy[-1] or heavy

    def _repeat(self, sign: str) -> None:
        if self.atom is None:
            if sign == "*" and not self.extended:
                self._add(r"\*")
                return
            if self.extended:
                return
            self._add(re.escape(sign))
            return
        if self.out[-1] in ("*", "+", "?"):  # a** is a*
            self.out[-1] = "*" if sign != self.out[-1] else sign
            return
        if sign != "?":
            self._weigh(1)
        self.out.append(sign)

    def _weigh(self, times: int) -> None:
        """Count an unbounded repetition; one inside another would make matching exponential."""
        if self.atom_heavy:
            raise RegexError("netwerf: repeating a group that holds repetitions or alternatives is not simulated here")
        self.repetitions += times
        self.heavy[-1] = True
        if self.repetitions > MAX_REPETITIONS:
            raise RegexError(f"netwerf: more than {MAX_REPETITIONS} open repetitions are not simulated here")

    def _interval(self) -> None:
        close = self.pattern.find("}" if self.extended else "\\}", self.position)
        body = self.pattern[self.position : close] if close >= 0 else ""
        match = INTERVAL.match(body)
        if close < 0 or match is None or not (match[1] or match[3]):
            if self.extended:
                self._add(r"\{")
                return
            raise RegexError("Unmatched \\{" if close < 0 else "Invalid content of \\{\\}")
        self.position = close + (1 if self.extended else 2)
        if self.atom is None:
            raise RegexError("Invalid preceding regular expression")
        low, high = int(match[1] or 0), int(match[3]) if match[3] else None
        if (high if high is not None else low) > 255:
            raise RegexError("Regular expression too big")
        if high is not None and high < low:
            raise RegexError("Invalid content of \\{\\}")
        if match[2] and high is None:
            self._weigh(1)
        elif self.atom_heavy:
            self.repetitions += (high or low) - 1
            if self.repetitions > MAX_REPETITIONS:
                raise RegexError(f"netwerf: more than {MAX_REPETITIONS} open repetitions are not simulated here")
        self.out.append("{" + match[1] + match[2] + match[3] + "}" if match[1] else "{0," + match[3] + "}")

    def _bracket(self) -> str:
        text, start = self.pattern, self.position
        position = start
        negate = text.startswith("^", position)
        position += negate
        out: list[str] = []
        first = True
        while True:
            if position >= len(text):
                raise RegexError("Unmatched [, [^, [:, [., or [=")
            char = text[position]
            if char == "]" and not first:
                break
            first = False
            named = re.match(r"\[:(\w+):\]", text[position:])
            if named:
                if named[1] not in CLASSES:
                    raise RegexError("Invalid character class name")
                out.append(CLASSES[named[1]])
                position += named.end()
                continue
            position += 1
            if text.startswith("-", position) and text[position + 1 : position + 2] not in ("]", ""):
                end = text[position + 1]
                if end < char:
                    raise RegexError("Invalid range end")
                out.append(f"{re.escape(char)}-{re.escape(end)}")
                position += 2
            else:
                out.append(re.escape(char))
        self.position = position + 1
        return f"[{'^' if negate else ''}{''.join(out)}]"


@lru_cache(maxsize=256)
def compile_regex(pattern: str, *, extended: bool = False, ignore_case: bool = False) -> re.Pattern[str]:
    """A POSIX expression for `re`. Raises RegexError."""
    text = _Translator(pattern, extended=extended).translate()
    try:
        return re.compile(text, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError) as error:
        raise RegexError(f"Invalid regular expression ({error})") from None
