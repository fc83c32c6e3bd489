"""YAML 1.2 with lines: what PyYAML alone reads wrong is read right here."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.scenario.yaml_tree import YamlError, parse_yaml


def value(text: str) -> object:
    return parse_yaml(f"x: {text}").value["x"].value


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10:20:30:40:50:01", "10:20:30:40:50:01"),
        ("20:22", "20:22"),
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("2026-04-14", "2026-04-14"),
        (".40", ".40"),
        ("1e3", "1e3"),
        ("true", True),
        ("8", 8),
        ("-3", -3),
        ("0.75", 0.75),
        ("'8'", "8"),
        ("~", None),
        ("", None),
    ],
)
def test_scalar_is_read_as_yaml_1_2_and_people_mean_it(text: str, meant: object) -> None:
    read = value(text)
    assert read == meant
    assert type(read) is type(meant)


@pytest.mark.parametrize(
    ("text", "line", "advice"),
    [
        ("a: 1\nb:\n\tc: 1\n", 3, "begins with a tab: indent with spaces"),
        ("a:\n  - {en: Ask ${gw.address} now, nl: b}\n", 2, "stands between quotes"),
        ("a: {b: c\nd: 1\n", 2, "{ or [ of line 1 is not closed"),
        ("a: [1, 2\nb: 1\n", 2, "{ or [ of line 1 is not closed"),
        ('a: "x\nb: 1\n', 3, "the quote of line 1 is not closed"),
        ("a:\n  en: The unit: here\n", 2, 'a text with ": " in it stands between quotes'),
        ("a: @b\n", 1, "begins with such a character stands between quotes"),
        ("level:1\nb: 2\n", 2, 'after the colon of "level:1" comes a space'),
        ("a:\n   b:\n     x: 1\n  c: 1\n", 4, "no line before begins after 2 spaces"),
        ("a: 's Avonds\nb: 1\nc: sed -i 's#x#y#'\n", 3, "the quote of line 1 ends only here"),
        ("a: *bold\nb: 1\n", 1, "in YAML a * names something"),
        ("a: 1\nlevel:\u00a02\nb: 1\n", 3, "there is a no-break space in line 2"),
        ("a:\n  - b\n  c: 1\n", 3, "keys of one mapping begin below each other"),
    ],
)
def test_syntax_error_says_what_most_often_is_behind_it(text: str, line: int, advice: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)
    assert advice in str(caught.value)
    assert caught.value.line == line


def test_same_key_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(YamlError, match=r'"a" stands twice .*line 1') as caught:
        parse_yaml("a: 1\nb: 2\na: 3\n")
    assert caught.value.line == 3


def test_node_knows_the_line_of_its_key_and_value() -> None:
    tree = parse_yaml("a:\n  b: 1\n  c:\n    - 2\n")
    assert tree.value["a"].keys == {"b": 2, "c": 3}
    assert tree.value["a"].value["c"].value[0].line == 4


@pytest.mark.parametrize("text", ["", "   \n", "# nothing\n"])
def test_empty_file_says_so(text: str) -> None:
    with pytest.raises(YamlError, match="empty"):
        parse_yaml(text)


def test_aliases_that_multiply_end_in_a_message() -> None:
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 9))
    with pytest.raises(YamlError, match="repeats itself"):
        parse_yaml(f"l0: &l0 [1, 2, 3]\n{levels}\n")


def test_nesting_without_end_ends_in_a_message() -> None:
    with pytest.raises(YamlError):
        parse_yaml("[" * 5000)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(YamlError):
        parse_yaml(text)
