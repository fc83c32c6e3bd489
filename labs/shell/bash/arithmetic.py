"""Shell arithmetic: 64-bit signed integers with C's operators (POSIX.1-2017, XCU §2.6.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping

__all__ = ["ArithmeticFault", "evaluate"]

TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<=|>>=|\*\*|&&|\|\||<<|>>|<=|>=|==|!=|\+\+|--|[-+*/%&^|]=|[-+*/%<>=!~&^|?:(),])"
)
BINARY: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
    ("**",),
)
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "^=", "|="}
MAX_DEPTH = 30


class ArithmeticFault(Exception):
    """A wrong expression; str is bash's sentence after the expression."""


def _wrap(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def evaluate(text: str, variables: MutableMapping[str, str], depth: int = 0) -> int:
    """The value of an expression; assignments go to `variables`. Raises ArithmeticFault."""
    if not text.strip():
        return 0
    return _Expression(text, variables, depth).value()


class _Expression:
    def __init__(self, text: str, variables: MutableMapping[str, str], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ArithmeticFault(f'{text}: expression recursion level exceeded (error token is "{text}")')
        self.text = text.lstrip()
        self.variables = variables
        self.depth = depth
        self.tokens: list[tuple[str, int]] = []
        self.index = 0
        self.quiet = 0
        position = 0
        while position < len(self.text):
            match = TOKEN.match(self.text, position)
            if match is None:
                if not self.text[position:].strip():
                    break
                raise self._fault("syntax error: operand expected", position)
            self.tokens.append((match[1], match.start(1)))
            position = match.end()

    def _fault(self, message: str, position: int | None = None) -> ArithmeticFault:
        if position is None:
            index = min(self.index, len(self.tokens) - 1)
            position = self.tokens[index][1] if index >= 0 else 0
        return ArithmeticFault(f'{self.text}: {message} (error token is "{self.text[position:].lstrip()}")')

    def _peek(self) -> str:
        return self.tokens[self.index][0] if self.index < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self.index += 1
        return token

    def value(self) -> int:
        result = self._comma()
        if self.index < len(self.tokens):
            raise self._fault("syntax error in expression")
        return result

    def _comma(self) -> int:
        result = self._assignment()
        while self._peek() == ",":
            self._take()
            result = self._assignment()
        return result

    def _assignment(self) -> int:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._fault("expression recursion level exceeded")
        name = self._peek()
        following = self.tokens[self.index + 1][0] if self.index + 1 < len(self.tokens) else ""
        if following in ASSIGN and re.match(r"[A-Za-z_]", name):
            self.index += 2
            right = self._assignment()
            value = right if following == "=" else self._apply(following[:-1], self._lookup(name), lambda: right)
            self._store(name, value)
        else:
            value = self._conditional()
        self.depth -= 1
        return value

    def _store(self, name: str, value: int) -> None:
        if not self.quiet:
            self.variables[name] = str(value)

    def _lookup(self, name: str) -> int:
        text = self.variables.get(name, "")
        return evaluate(text, self.variables, self.depth + 1)

    def _conditional(self) -> int:
        condition = self._binary(0)
        if self._peek() != "?":
            return condition
        self._take()
        yes = self._maybe(self._assignment, skip=not condition)
        if self._take() != ":":
            self.index -= 1
            raise self._fault("`:' expected for conditional expression")
        no = self._maybe(self._assignment, skip=bool(condition))
        return yes if condition else no

    def _maybe(self, part: Callable[[], int], *, skip: bool) -> int:
        self.quiet += skip
        value = part()
        self.quiet -= skip
        return value

    def _binary(self, level: int) -> int:
        if level == len(BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while (operator := self._peek()) in BINARY[level]:
            self._take()
            if operator in ("&&", "||"):
                skip = bool(left) == (operator == "||")
                right = self._maybe(lambda: self._binary(level + 1), skip=skip)
                left = int(bool(left) and bool(right)) if operator == "&&" else int(bool(left) or bool(right))
            elif operator == "**":
                right = self._binary(level)
                left = self._apply(operator, left, lambda: right)  # noqa: B023 - called at once
            else:
                right = self._binary(level + 1)
                left = self._apply(operator, left, lambda: right)  # noqa: B023 - called at once
        return left

    def _apply(self, operator: str, left: int, right_of: Callable[[], int]) -> int:
        right = right_of()
        if operator in ("/", "%"):
            if right == 0:
                if self.quiet:
                    return 0
                raise ArithmeticFault(f'{self.text}: division by 0 (error token is "{self._error_token()}")')
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return _wrap(quotient if operator == "/" else left - right * quotient)
        if operator == "**":
            if right < 0:
                raise self._fault("exponent less than 0")
            return _wrap(pow(left, right, 1 << 64))
        table: dict[str, Callable[[], int]] = {
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "<<": lambda: left << (right & 63),
            ">>": lambda: left >> (right & 63),
            "&": lambda: left & right,
            "|": lambda: left | right,
            "^": lambda: left ^ right,
            "==": lambda: int(left == right),
            "!=": lambda: int(left != right),
            "<": lambda: int(left < right),
            "<=": lambda: int(left <= right),
            ">": lambda: int(left > right),
            ">=": lambda: int(left >= right),
        }
        return _wrap(table[operator]())

    def _error_token(self) -> str:
        position = self.tokens[self.index - 1][1]
        return self.text[position:]

    def _unary(self) -> int:
        token = self._take()
        if token in ("+", "-", "!", "~"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise self._fault("expression recursion level exceeded")
            value = self._unary()
            self.depth -= 1
            return _wrap({"+": value, "-": -value, "!": int(not value), "~": ~value}[token])
        if token in ("++", "--"):
            name = self._take()
            if not re.match(r"[A-Za-z_]", name):
                self.index -= 1
                raise self._fault("syntax error: operand expected")
            value = self._lookup(name) + (1 if token == "++" else -1)
            self._store(name, value)
            return value
        if token == "(":
            value = self._comma()
            if self._take() != ")":
                self.index -= 1
                raise self._fault("missing `)'")
            return value
        if token[:1].isdigit():
            return self._number(token)
        if re.match(r"[A-Za-z_]", token):
            value = self._lookup(token)
            if self._peek() in ("++", "--"):
                self._store(token, value + (1 if self._take() == "++" else -1))
            return value
        self.index -= 1
        raise self._fault("syntax error: operand expected")

    def _number(self, token: str) -> int:
        if token[:2].lower() == "0x":
            return _wrap(int(token, 16))
        if token.startswith("0") and len(token) > 1:
            try:
                return _wrap(int(token, 8))
            except ValueError:
                self.index -= 1
                raise self._fault("value too great for base") from None
        if len(token) > 40:
            raise self._fault("syntax error: number too long")
        return _wrap(int(token))
