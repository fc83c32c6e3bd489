"""Judges: one function per word of the vocabulary in `labs.scenario.intents`."""

from grader.checks.context import Context
from grader.checks.flows import judge_reach, judge_refuse, judge_resolve
from grader.checks.loops import judge_withstands
from grader.checks.messages import judge_fresh, judge_kept, judge_shows
from grader.checks.policy import judge_policy
from grader.checks.unique import judge_unique

__all__ = ["JUDGES", "Context"]

JUDGES = {
    "fresh": judge_fresh,
    "kept": judge_kept,
    "policy": judge_policy,
    "reach": judge_reach,
    "refuse": judge_refuse,
    "resolve": judge_resolve,
    "shows": judge_shows,
    "unique": judge_unique,
    "withstands": judge_withstands,
}
