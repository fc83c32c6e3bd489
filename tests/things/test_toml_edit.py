"""One key changes, everything else stays."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.toml_edit import TomlValue, get_toml_key, set_toml_key
from tests.things_site import DISPLAY, SENSOR

VALUES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
TRICKY = '''# top
title = "a # b" # comment
"quoted key" = 'x'
many = [
  "one", # [mqtt] is not a header here
  """two
host = "no"
""",
]
inline = { host = "x", deep = { a = 1 } }
when = 1979-05-27 07:32:00Z  # a blank inside
physical.color = "orange"

[ mqtt ]  # spaces
host = \'\'\'literal'\'\'\'   # the broker
  port=1883

[[list]]
name = "first"
[[list]]
name = "second"

[last.one]
value = -1.5'''
KEYS = ["title", "quoted key", "when", "physical.color", "mqtt.host", "mqtt.port", "last.one.value", "new", "mqtt.new",
        "fresh.key", "last.one.more", "deep.er.key"]  # fmt: skip


def with_key(document: dict[str, Any], key: str, value: TomlValue) -> dict[str, Any]:
    *tables, last = key.split(".")
    place = document
    for name in tables:
        place = place.setdefault(name, {})
    place[last] = value
    return document


@given(st.sampled_from(KEYS), VALUES, st.sampled_from([TRICKY, SENSOR, DISPLAY, ""]))
def test_the_key_reads_back_and_everything_else_is_as_before(key: str, value: TomlValue, text: str) -> None:
    edited = set_toml_key(text, key, value)
    assert tomllib.loads(edited) == with_key(tomllib.loads(text), key, value)
    assert type(get_toml_key(edited, key)) is type(value)


@given(st.sampled_from(KEYS), VALUES, VALUES)
def test_setting_twice_is_setting_the_second(key: str, first: TomlValue, second: TomlValue) -> None:
    assert set_toml_key(set_toml_key(TRICKY, key, first), key, second) == set_toml_key(TRICKY, key, second)


@pytest.mark.parametrize("key", ["title", "mqtt.host", "mqtt.port", "last.one.value", "when"])
def test_only_the_line_of_the_key_changes(key: str) -> None:
    before, after = TRICKY.split("\n"), set_toml_key(TRICKY, key, "changed").split("\n")
    assert len(before) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_a_comment_behind_the_value_stays() -> None:
    assert 'name = "attic"          # painted on it' in set_toml_key(SENSOR, "sensor.name", "attic")


def test_a_value_that_is_there_already_changes_nothing() -> None:
    assert set_toml_key(TRICKY, "mqtt.host", "literal'") == TRICKY
    assert set_toml_key(SENSOR, "mqtt.port", 1883) == SENSOR


@pytest.mark.parametrize("key", ["inline.host", "inline.new", "list.name", "title.x"])
def test_a_key_without_a_line_of_its_own_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="table"):
        set_toml_key(TRICKY, key, 1)


def test_a_text_that_is_not_toml_is_refused() -> None:
    with pytest.raises(ValueError, match="line 1"):
        set_toml_key("mqtt host\n", "a", 1)


def test_minus_zero_is_another_value_than_zero() -> None:
    assert set_toml_key("offset = 0.0\n", "offset", -0.0) == "offset = -0.0\n"
