"""Submissions that were made in real time: the replay need not say the same words, but every line has to end alike."""

from __future__ import annotations

from grader.grade import judge
from labs.engines.base import Output
from labs.journal import Header, Journal
from labs.scenario.variant import draw
from labs.version import version
from tests.engines.kernel.kernel_site import needs_kernel
from tests.small import small

pytestmark = needs_kernel

SECOND = 1_000_000_000


def told(*typed: tuple[int, str, int]) -> list[str]:
    """The notices of a grade, after lines on `pc`: at which second, what, and with which status they ended."""
    scenario = small()
    journal = Journal(Header(scenario.id, scenario.digest, "3", "kernel", version()))
    for second, line, status in typed:
        journal.append(second * SECOND, "pc", line, Output("", status))
    grade = judge(draw(scenario, "3"), journal.header, journal.entries)
    assert grade.ungradable is None
    return [str(notice) for notice in grade.notices]


def test_line_that_only_time_lets_succeed_it_gets_that_time() -> None:
    assert told((0, "date +%s > /tmp/then", 0), (4, "test $(date +%s) -ge $(($(cat /tmp/then) + 3))", 0)) == []


def test_line_that_ends_otherwise_however_long_it_waits_the_grade_says_so() -> None:
    (notice,) = told((0, "true", 0), (1, "false", 0))
    assert notice.startswith("entry 2 (pc: false) ended with status 1 in the replay, and with 0 when it was typed")
