"""Rules: reading the file, hysteresis, windows of time, and what is done with values that are not known."""

from __future__ import annotations

import contextlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.conditions import ConditionError, Moment, parse_condition
from labs.things.rules import RuleBook, RulesError, decide, parse_rules

TEXT = """
timezone Europe/Brussels
input  hall    hall/temperature  stale 10 min
input  booked  hall/booked       field state.value   # 1 or 0
output heater  hall/heater/set   safe off
output lamp    hall/lamp/set

rule warm
    when  hall < 19 and time 17:00-23:00 and day fri-sun
    until hall > 20.5
    then  heater on
    else  heater off
rule light
    when  booked == 1
    then  lamp on
"""
SATURDAY = datetime.fromisoformat("2026-10-24 18:00")
SECOND = 1_000_000_000


def book(text: str = TEXT) -> RuleBook:
    return parse_rules(text)


def outputs(active: dict[str, bool], hall: float | None, booked: float | None = 0, at: datetime = SATURDAY) -> list:
    found = decide(book(), Moment({"hall": hall, "booked": booked}, at), active)
    return [decision.value for decision in found]


def test_rule_switches_on_at_one_limit_and_off_at_the_other() -> None:
    active: dict[str, bool] = {}
    course = [(19.5, "off"), (18.9, "on"), (19.5, "on"), (20.5, "on"), (20.6, "off"), (19.5, "off"), (18.0, "on")]
    assert [outputs(active, value)[0] for value, _ in course] == [wanted for _, wanted in course]


@given(st.lists(st.floats(18.9, 20.6), max_size=30))
def test_between_the_limits_nothing_ever_switches(values: list[float]) -> None:
    inside = [value for value in values if 19 <= value <= 20.5]
    for start in (True, False):
        active = {"warm": start}
        assert {outputs(active, value)[0] for value in inside} <= {"on" if start else "off"}


def test_unknown_reading_brings_the_safe_value_and_leaves_what_has_none() -> None:
    assert outputs({"warm": True}, None, None) == ["off", None]


def test_what_is_false_anyhow_needs_no_reading() -> None:
    monday = datetime.fromisoformat("2026-10-26 18:00")
    assert outputs({}, None, at=monday)[0] == "off"


def test_reading_is_stale_after_its_time() -> None:
    rules = book()
    readings = {"hall": (18.0, 0), "booked": (1.0, 0)}
    assert rules.moment(readings, 600 * SECOND, 0).values == {"hall": 18.0, "booked": 1.0}
    assert rules.moment(readings, 601 * SECOND, 0).values == {"hall": None, "booked": 1.0}


def test_window_is_one_of_local_time_on_both_sides_of_summer_time() -> None:
    rules = book()
    summer, winter = 1_792_857_600 - 4 * 3600, 1_792_944_000 - 4 * 3600  # 24 and 25 October 2026, 12:00 UTC
    assert [rules.moment({}, 0, at).local.hour for at in (summer, winter)] == [14, 13]


NAMES = "input hall a\noutput o b\nrule r\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timezone Europe/Brusels", 'line 1: "Europe/Brusels" is not a time zone'),
        ("input hall", "line 1: usage: input NAME TOPIC"),
        ("input hall a/#", "line 1: usage: input NAME TOPIC"),
        ("input hall a stale soon", "line 1: "),
        ("input a x\noutput a y", 'line 2: the name "a" is used twice'),
        ("whne hall < 3", 'line 1: "whne" is not known here; did you mean "when"?'),
        ("when hall < 3", 'line 1: "when" belongs under a line "rule NAME"'),
        ("rule a\nthen x on", 'line 1: the rule "a" needs "when" and "then"'),
        (
            "input hall a\noutput o b\nrule r\nwhen hal < 3\nthen o on",
            'line 4: "hal" is not an input; did you mean "hall"?',
        ),
        ("input hall a\noutput o b\nrule r\nwhen hall < 3\nthen p on", '"p" is not an output'),
        ("input hall a\noutput o b\nrule r\nwhen hall = 3\nthen o on", "makes no sense here"),
        ("rule r\nwhen 1 < 2\nthen o", "line 3: usage: then OUTPUT VALUE"),
    ],
)
def test_mistake_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        parse_rules(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "at", "verdict"),
    [
        ("time 17:00-23:00", "2026-10-24 16:59", False),
        ("time 17:00-23:00", "2026-10-24 17:00", True),
        ("time 22:00-06:00", "2026-10-24 05:59", True),
        ("time 22:00-06:00", "2026-10-24 12:00", False),
        ("time 0:00-24:00", "2026-10-24 23:59", True),
        ("day sat", "2026-10-24 12:00", True),
        ("day fri-mon", "2026-10-26 12:00", True),
        ("not (day mon or 3 >= 4)", "2026-10-24 12:00", True),
        ("a < 3 or 1 == 1", "2026-10-24 12:00", True),
        ("a < 3 and 1 == 2", "2026-10-24 12:00", False),
        ("not a < 3", "2026-10-24 12:00", None),
        ("b - 3", "2026-10-24 12:00", ConditionError),
        ("time 25:00-26:00", "2026-10-24 12:00", ConditionError),
        ("(b < 3", "2026-10-24 12:00", ConditionError),
        ("b < 3 b", "2026-10-24 12:00", ConditionError),
        ("(" * 30 + "1 < 2", "2026-10-24 12:00", ConditionError),
        ("", "2026-10-24 12:00", ConditionError),
    ],
)
def test_condition(text: str, at: str, verdict: bool | type[Exception] | None) -> None:
    moment = Moment({"a": None, "b": 2.0}, datetime.fromisoformat(at))
    if isinstance(verdict, type):
        with pytest.raises(verdict):
            parse_condition(text, frozenset("ab"))
    else:
        assert parse_condition(text, frozenset("ab")).judge(moment) is verdict


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_message(text: str) -> None:
    with contextlib.suppress(ConditionError):
        parse_condition(text, frozenset({"hall"})).judge(Moment({"hall": None}, SATURDAY))
