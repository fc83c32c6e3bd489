"""Properties of the shell's reader and expander, on arbitrary text."""

from __future__ import annotations

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from labs.shell.bash import conditions, patterns
from labs.shell.bash.arithmetic import ArithmeticFault, evaluate
from labs.shell.bash.expansion import braces
from labs.shell.bash.lexer import ShellSyntaxError
from labs.shell.bash.parser import parse
from labs.shell.bash.printing import echo, printf
from labs.shell.bash.syntax import Literal, Word
from labs.shell.regex import RegexError, compile_regex
from labs.testing import device, run

NODE = device()
PIECES = st.sampled_from(
    "a b $ $( ) ( ` ' \" \\ ${ } { ; & && || | |& ! < > >> << <<< 2>&1 &> \n # if then fi else elif while do done "
    "for in case esac ;; [[ ]] (( )) $(( x= =~ -eq * ? [ ] ~ 1 3> function time "
    "f() echo {1..3} {a,b} ${x:-} ${x/a/b}".split(" ")
)
TEXT = st.lists(PIECES, max_size=20).flatmap(
    lambda parts: st.sampled_from(["".join(parts), " ".join(parts)])
) | st.text(max_size=60)
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


@given(TEXT)
@settings(max_examples=400)
def test_parser_any_text_gives_a_tree_or_its_own_error(text: str) -> None:
    """Nothing else escapes, whatever is typed."""
    try:
        parse(text)
    except ShellSyntaxError:
        return


@given(PRINTABLE)
def test_word_quoted_and_echoed_comes_back(text: str) -> None:
    """shlex.quote and our reader are inverse."""
    assert run(NODE, f"printf '%s' {shlex.quote(text)}").text == text


@given(st.lists(PRINTABLE.filter(bool), max_size=5))
def test_words_quoted_keep_their_number(words: list[str]) -> None:
    line = "set -- " + " ".join(map(shlex.quote, words)) + "; echo $#"
    assert run(NODE, line).text == f"{len(words)}\n"


@given(PRINTABLE)
def test_variable_in_double_quotes_is_not_split(text: str) -> None:
    assert run(NODE, f'X={shlex.quote(text)}; printf %s "$X"').text == text


@given(st.text("0123456789+-*/%()<>=!&|^~?:, xyz", max_size=30))
def test_arithmetic_any_text_gives_a_number_or_its_own_error(text: str) -> None:
    """64 bits are never left."""
    try:
        assert -(1 << 63) <= evaluate(text, {"x": "3", "y": "x", "z": "z"}) < 1 << 63
    except ArithmeticFault:
        return


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6).filter(bool))
def test_division_rounds_towards_zero(a: int, b: int) -> None:
    quotient, remainder = evaluate(f"({a})/({b})", {}), evaluate(f"({a})%({b})", {})
    assert quotient * b + remainder == a
    assert abs(remainder) < abs(b)


@given(
    st.lists(st.sampled_from(["!", "(", ")", "-a", "-o", "-z", "-n", "a", "", "=", "-eq", "1", "-f", "<"]), max_size=9)
)
def test_condition_any_words_give_truth_or_its_own_error(words: list[str]) -> None:
    try:
        conditions.test(words, NODE.files, "/root")
    except conditions.ConditionError:
        return


@given(PRINTABLE)
def test_pattern_of_quoted_text_matches_that_text_only(text: str) -> None:
    assert patterns.matches(patterns.escape(text), text)
    assert not patterns.matches(patterns.escape(text), text + "x")


@given(st.text("ab*?[]!-\\", max_size=12), st.text("ab]-", max_size=12))
def test_pattern_any_text_decides(pattern: str, text: str) -> None:
    assert patterns.matches(pattern, text) in (True, False)


@given(st.text("ab.*[]^$\\(){}|+?0123,", max_size=15), st.booleans())
def test_regex_any_text_compiles_or_its_own_error(pattern: str, extended: bool) -> None:
    try:
        compile_regex(pattern, extended=extended)
    except RegexError:
        return


@given(st.text("ab{},.123", max_size=14))
def test_braces_any_text_gives_words(text: str) -> None:
    assert braces(Word((Literal(text),), text))


@given(st.lists(PRINTABLE, max_size=4), st.text("%sdxbqc5.-*\\n0 a", max_size=12))
def test_printf_any_form_ends(arguments: list[str], form: str) -> None:
    text, complaints, status = printf(form, arguments)
    assert status == int(bool(complaints))
    assert isinstance(text, str)
    assert isinstance(echo(arguments), str)
