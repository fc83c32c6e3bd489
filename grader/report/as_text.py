"""A grade for people: one line a check, and below it what was seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from grader.report.evidence import evidence_lines
from grader.verdict import Grade, Outcome, Result, Verdict
from labs.messages import listed, translate
from labs.model.durations import format_duration

__all__ = ["MARKS", "as_text", "grade_lines"]

# A mark and a word: the difference must not hang on a colour or a glyph alone.
SECOND = 1_000_000_000
BELOW = " " * 8  # what shows it stands under the line that says it
MARKS = {Verdict.PASS: "✔", Verdict.FAIL: "✖", Verdict.BLOCKED: "◌", Verdict.ERROR: "!"}
WORDS = {
    Verdict.PASS: "holds",
    Verdict.FAIL: "does not hold",
    Verdict.BLOCKED: "not judged",
    Verdict.ERROR: "grader error",
}


def _points(result: Result) -> str:
    if result.verdict in (Verdict.BLOCKED, Verdict.ERROR):
        return f"-/{result.max_points}"
    return f"{result.points}/{result.max_points}"


def _result_lines(result: Result, width: int, language: str, screen: int) -> list[str]:
    title = result.title.in_language(language)
    gate = f" [{translate('gate', language)}]" if result.gate else ""
    rationale = result.rationale.in_language(language)
    lines = [f"  {MARKS[result.verdict]} {title:<{width}}  {_points(result):>5}  {rationale}{gate}"]
    if result.verdict is not Verdict.PASS:
        shown = evidence_lines(result.evidence, language, screen - len(BELOW))
        lines += [f"{BELOW}{line}" for line in shown]
        if result.help is not None:
            lines.append(f"{BELOW}{result.help.in_language(language)}")
    return lines


def grade_lines(grade: Grade, language: str = "en", screen: int = sys.maxsize) -> list[str]:
    """The lines of one grade. `screen` is how many characters of evidence a row may have."""
    if grade.ungradable is not None:
        return [f"  ! {translate('cannot be graded', language)}: {grade.ungradable.in_language(language)}"]
    width = max((len(result.title.in_language(language)) for result in grade.results), default=0)
    lines = [line for result in grade.results for line in _result_lines(result, width, language, screen)]
    summary = translate("{points} of {max} points", language).format(points=grade.points, max=grade.max_points)
    used = translate("{time} of simulated time", language).format(
        time=format_duration(grade.used_ns // SECOND * SECOND)
    )
    outcome = {
        Outcome.PASSED: translate("passed", language),
        Outcome.BELOW: translate("not yet: {needed} points are needed", language).format(needed=needed_points(grade)),
        Outcome.UNGRADABLE: translate("cannot be graded: the grader failed", language),
    }[grade.outcome]
    if grade.failed_gates and grade.outcome is Outcome.BELOW:
        names = listed(result.title for result in grade.failed_gates).in_language(language)
        outcome = translate("not yet: {gates} must hold, whatever the points", language).format(gates=names)
    lines.append(f"  {summary} · {outcome} · {used}")
    lines += [f"  {notice.in_language(language)}" for notice in grade.remarks]
    return lines


def needed_points(grade: Grade) -> int:
    """The smallest number of points that passes."""
    return -(-round(grade.threshold * 1000) * grade.max_points // 1000)


def as_text(grades: Sequence[tuple[str, Grade]], language: str = "en") -> str:
    """Every submission with its name above it."""
    blocks = []
    for name, grade in grades:
        head = f"{name}: {grade.scenario} (seed {grade.seed})" if grade.scenario else name
        blocks.append("\n".join([head, *grade_lines(grade, language)]))
    return "\n\n".join(blocks) + "\n"
