"""`reacts`: a heater that follows the hall, one that does not, one that chatters, and one that nobody asked."""

from __future__ import annotations

import pytest

from grader.grade import judge
from grader.verdict import Result, Verdict
from labs.journal import Header
from labs.scenario.library import parse_scenario
from labs.scenario.scenario import ScenarioError
from labs.scenario.variant import draw
from tests.control_site import RULES, control

IN_TIME = "room: hall, what: heater, timezone: Europe/Brussels, between: 17:00-23:00, days: fri-sun, during: 2 h"
WARM = f"reacts: {{{IN_TIME}, quantity: temperature, below: 18.7, is: on, within: 10 min, switches: 4}}"
OFF = "reacts: {room: hall, what: heater, timezone: Europe/Brussels, between: 23:00-17:00, is: off, during: 1 h}"


def judged(check: str, *lines: tuple[str, str], rules: str = RULES) -> Result:
    scenario = parse_scenario(control(check, rules), "control.yaml")
    variant = draw(scenario, "0")
    return judge(variant, Header(scenario.id, scenario.digest, "0"), site=variant.healthy, lines=lines).results[0]


@pytest.mark.parametrize("check", [WARM, OFF])
def test_heater_that_follows_the_hall_passes(check: str) -> None:
    result = judged(check)
    assert result.verdict is Verdict.PASS, str(result.rationale)


@pytest.mark.parametrize(
    ("check", "rules", "said"),
    [
        (WARM, RULES.replace("hall < 19", "hall > 19"), "it should be on"),
        (WARM, RULES.replace("Europe/Brussels", "UTC"), "it should be on"),
        (OFF, RULES.replace(" and time 17:00-23:00 and day fri-sun", ""), "it should be off"),
    ],
)
def test_rule_with_a_mistake_fails(check: str, rules: str, said: str) -> None:
    result = judged(check, rules=rules)
    assert result.verdict is Verdict.FAIL, str(result.rationale)
    assert said in str(result.rationale)


def test_rule_without_a_second_limit_chatters() -> None:
    noisy = RULES.replace("    until hall > 20 or time 23:00-17:00\n", "")
    few = judged(WARM.replace("switches: 4", "switches: 1").replace("during: 2 h", "during: 6 h"), rules=noisy)
    assert few.verdict is Verdict.FAIL
    assert "times in an hour" in str(few.rationale)


@pytest.mark.parametrize(
    "line", [("hands", "power off boiler"), ("hands", "power off server"), ("boiler", "systemctl stop actuator")]
)
def test_dead_heater_does_not_follow(line: tuple[str, str]) -> None:
    assert judged(WARM, line).verdict is Verdict.FAIL


def test_state_that_nobody_asked_for_is_not_judged() -> None:
    result = judged(WARM.replace("18.7", "-20"))
    assert result.verdict is Verdict.BLOCKED
    assert "nothing was tested" in str(result.rationale)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("Europe/Brussels", "Europe/Brusels"), "is not a time zone"),
        (("days: fri-sun", "days: weekend"), "a day such as"),
        (("quantity: temperature, ", ""), "a quantity goes with below or above"),
        (("room: hall", "room: hal"), "is not a room"),
    ],
)
def test_mistake_in_the_check_is_told(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(control(WARM.replace(*change)), "control.yaml")


def test_fail_safe_is_tested_from_the_moment_of_the_trainee_when_it_is_over_by_the_time_of_the_check() -> None:
    """The check before it lets seven hours pass, so the hall is empty by then; a replay begins where it is booked."""
    text = control(WARM.replace("during: 2 h", "during: 7 h"))
    late = "reacts: {room: hall, what: heater, is: off, without: probe, within: 15 min, during: 20 min}"
    scenario = parse_scenario(text.rstrip("\n") + f"\n  - {{id: silent, {late}, points: 1}}\n", "control.yaml")
    variant = draw(scenario, "0")
    grade = judge(variant, Header(scenario.id, scenario.digest, "0"), site=variant.healthy)
    assert [str(result.verdict) for result in grade.results][-1] == "pass", str(grade.results[-1].rationale)


COOL = "stays: {room: hall, quantity: temperature, high: 20.6, during: 6 h}"
WINTER = f"reacts: {{{IN_TIME}, quantity: temperature, below: 18.7, is: on, start: 2027-01-16 15:30}}"
MIDWEEK = "reacts: {room: hall, what: heater, is: off, during: 3 h, start: [2027-01-13 15:30, 2027-02-02 15:30]}"


def test_room_that_stays_within_its_limits_passes_and_tells_what_was_seen() -> None:
    result = judged(COOL)
    assert result.verdict is Verdict.PASS, str(result.rationale)
    assert "the temperature of hall is between" in str(result.rationale)


@pytest.mark.parametrize(
    ("check", "rules", "said"),
    [
        (COOL, RULES.replace("hall > 20 or", "hall > 30 or"), "may not rise above 20.6 °C"),
        (COOL.replace("high: 20.6", "low: 17"), RULES, "may not fall below 17 °C"),
    ],
)
def test_room_that_leaves_its_limits_fails_with_the_moment(check: str, rules: str, said: str) -> None:
    result = judged(check, rules=rules)
    assert result.verdict is Verdict.FAIL, str(result.rationale)
    assert said in str(result.rationale)


def test_window_that_never_comes_is_not_judged() -> None:
    result = judged(COOL.replace("during: 6 h", "during: 1 h, between: 3:00-4:00"))
    assert result.verdict is Verdict.BLOCKED


def test_repair_is_tried_on_another_day_whatever_is_right_today() -> None:
    for check in (WINTER, MIDWEEK):
        assert judged(check).verdict is Verdict.PASS
    today = RULES.replace("day fri-sun", "day sat-mon")  # 24 October 2026 is a Saturday
    assert judged(WARM, rules=today).verdict is Verdict.PASS
    daily = judged(MIDWEEK, rules=RULES.replace(" and day fri-sun", ""))
    assert daily.verdict is Verdict.FAIL
    assert str(daily.rationale).startswith(("on Wed 13 Jan", "on Tue 02 Feb"))


def test_what_was_typed_is_typed_again_on_the_other_day() -> None:
    line = ("server", "sed -i 's/ and day fri-sun//' /etc/rules.conf; systemctl restart rules")
    assert judged(MIDWEEK, line).verdict is Verdict.FAIL
    assert judged(MIDWEEK, line, ("server", "systemctl stop rules")).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (COOL.replace("high: 20.6, ", ""), "neither low nor high: nothing is asked"),
        (COOL.replace("room: hall", "room: hal"), "is not a room"),
        (COOL.replace("during", "start: tomorrow, during"), "is not a moment; write it as 2026-04-14 06:00"),
    ],
)
def test_mistake_in_stays_is_told(check: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parse_scenario(control(check), "control.yaml")
