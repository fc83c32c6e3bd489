"""Judges: one function per word of the vocabulary in `labs.scenario.intents`."""

from grader.checks.battery import judge_battery
from grader.checks.context import Context
from grader.checks.control import judge_reacts, judge_stays
from grader.checks.data import (
    judge_duplicate,
    judge_gap,
    judge_monotonic,
    judge_range,
    judge_reading,
    judge_topic,
    judge_unit,
)
from grader.checks.entrance import judge_authenticated, judge_authorised
from grader.checks.flows import judge_reach, judge_refuse, judge_resolve
from grader.checks.loops import judge_withstands
from grader.checks.messages import judge_fresh, judge_kept, judge_shows
from grader.checks.origin import judge_origin
from grader.checks.policy import judge_policy
from grader.checks.unique import judge_unique
from grader.checks.untouched import judge_untouched
from grader.checks.wiretap import judge_no_plaintext

__all__ = ["JUDGES", "Context"]

JUDGES = {
    "authenticated": judge_authenticated,
    "authorised": judge_authorised,
    "battery": judge_battery,
    "duplicate": judge_duplicate,
    "fresh": judge_fresh,
    "gap": judge_gap,
    "kept": judge_kept,
    "monotonic": judge_monotonic,
    "no_plaintext": judge_no_plaintext,
    "origin": judge_origin,
    "policy": judge_policy,
    "range": judge_range,
    "reach": judge_reach,
    "reacts": judge_reacts,
    "reading": judge_reading,
    "refuse": judge_refuse,
    "resolve": judge_resolve,
    "shows": judge_shows,
    "stays": judge_stays,
    "topic": judge_topic,
    "unique": judge_unique,
    "unit": judge_unit,
    "untouched": judge_untouched,
    "withstands": judge_withstands,
}
