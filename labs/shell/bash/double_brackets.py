"""`[[ … ]]`: a condition whose words are not split, with patterns and regular expressions."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from labs.net.filesystem import FileSystem
from labs.net.process import Wait
from labs.shell.bash import arithmetic, arrays, conditions, patterns
from labs.shell.bash.expansion import Expander
from labs.shell.bash.state import State
from labs.shell.bash.syntax import Word
from labs.shell.regex import RegexError, compile_regex

__all__ = ["evaluate_words"]

MAX_SUBJECT = 4096  # characters that `=~` looks at


def evaluate_words(
    words: Sequence[Word], expander: Expander, state: State, files: FileSystem
) -> Generator[Wait, None, bool]:
    """The truth of the words between the brackets. Raises ConditionError."""
    left = list(words)
    value = yield from _Words(expander, state, files).any_of(left)
    if left:
        raise conditions.ConditionError(f"syntax error in conditional expression near `{left[0].source}'")
    return value


class _Words:
    def __init__(self, expander: Expander, state: State, files: FileSystem) -> None:
        self.expander = expander
        self.state = state
        self.files = files

    def any_of(self, words: list[Word]) -> Generator[Wait, None, bool]:
        value = yield from self._all(words)
        while words and words[0].source == "||":
            words.pop(0)
            right = yield from self._all(words)
            value = value or right
        return value

    def _all(self, words: list[Word]) -> Generator[Wait, None, bool]:
        value = yield from self._term(words)
        while words and words[0].source == "&&":
            words.pop(0)
            right = yield from self._term(words)
            value = value and right
        return value

    def _term(self, words: list[Word]) -> Generator[Wait, None, bool]:
        if not words:
            raise conditions.ConditionError("unexpected end of conditional expression")
        word = words.pop(0)
        if word.source == "!":
            return not (yield from self._term(words))
        if word.source == "(":
            value = yield from self.any_of(words)
            if not words or words.pop(0).source != ")":
                raise conditions.ConditionError("expected `)'")
            return value
        if word.plain in conditions.UNARY and words and words[0].source not in ("&&", "||", ")"):
            operand = yield from self.expander.text(words.pop(0))
            if word.plain == "-v":
                return operand in self.state.variables
            return conditions.unary(word.plain, operand, self.files, self.state.directory)
        left = yield from self.expander.text(word)
        operator = words[0].source if words else ""
        if operator != "=~" and operator not in conditions.BINARY:
            return bool(left)
        words.pop(0)
        if not words:
            raise conditions.ConditionError(f"unexpected argument to conditional binary operator `{operator}'")
        return (yield from self._compare(left, operator, words.pop(0)))

    def _compare(self, left: str, operator: str, right: Word) -> Generator[Wait, None, bool]:
        if operator in ("=", "==", "!="):
            pattern = yield from self.expander.pattern(right)
            return patterns.matches(pattern, left) == (operator != "!=")
        if operator == "=~":
            expression = yield from self.expander.regular_expression(right)
            return self._matched(left, expression)
        text = yield from self.expander.text(right)
        if operator in conditions.NUMERIC:
            try:
                numbers = [arithmetic.evaluate(side, self.state.variables) for side in (left, text)]
            except arithmetic.ArithmeticFault as fault:
                raise conditions.ConditionError(f"[[: {fault}") from None
            return conditions.NUMERIC[operator](*numbers)
        return conditions.binary(left, operator, text)

    def _matched(self, left: str, expression: str) -> bool:
        """`=~`: the groups are in BASH_REMATCH afterwards."""
        try:
            found = compile_regex(expression, extended=True).search(left[:MAX_SUBJECT])
        except RegexError as error:
            raise conditions.ConditionError(f"[[: {expression}: {error}") from None
        groups = [found[0], *(group or "" for group in found.groups())] if found else []
        arrays.set_list(self.state, "BASH_REMATCH", groups)
        return found is not None
