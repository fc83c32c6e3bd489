"""JUnit XML in the subset that GitLab and the usual GitHub actions read.

Class name and name together are the key there, so both are unique; the message stands in the attribute and in the text,
because some readers know only one of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from grader.report.evidence import evidence_lines
from grader.verdict import Grade, Result, Verdict

__all__ = ["as_junit"]

ILLEGAL = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # XML 1.0 §2.2


def _clean(text: str) -> str:
    return ILLEGAL.sub("", text)


def _case(suite: Element, result: Result, scenario: str, file: str, language: str) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=f"{scenario}.{result.kind}",
        name=_clean(f"{result.id}: {result.title.in_language(language)}"),
        file=_clean(file),
        time="0",
    )
    properties = SubElement(case, "properties")
    for name, value in (("points", result.points), ("max_points", result.max_points)):
        SubElement(properties, "property", name=name, value=str(value))
    rationale = _clean(result.rationale.in_language(language))
    help_ = [result.help.in_language(language)] if result.help else []
    details = _clean("\n".join([rationale, *help_, *evidence_lines(result.evidence, language)]))
    if result.verdict is Verdict.FAIL:
        SubElement(case, "failure", type="check", message=rationale).text = details
    elif result.verdict is Verdict.BLOCKED:
        SubElement(case, "skipped", message=rationale).text = details
    elif result.verdict is Verdict.ERROR:
        SubElement(case, "error", type="grader", message=rationale).text = details


def as_junit(grades: Sequence[tuple[str, Grade]], language: str = "en") -> str:
    """One suite per submission."""
    root = Element("testsuites", name="netwerf")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for file, grade in grades:
        counts = {
            "tests": max(1, len(grade.results)),
            "failures": sum(r.verdict is Verdict.FAIL for r in grade.results),
            "errors": sum(r.verdict is Verdict.ERROR for r in grade.results) + (grade.ungradable is not None),
            "skipped": sum(r.verdict is Verdict.BLOCKED for r in grade.results),
        }
        suite = SubElement(root, "testsuite", name=_clean(grade.trainee or file), time="0")
        for key, count in counts.items():
            suite.set(key, str(count))
        for key, count in counts.items():
            totals[key] += count
        if grade.ungradable is not None:
            text = _clean(grade.ungradable.in_language(language))
            case = SubElement(
                suite,
                "testcase",
                classname=grade.scenario or "submission",
                name="gradable",
                file=_clean(file),
                time="0",
            )
            SubElement(case, "error", type="ungradable", message=text).text = text
        for result in grade.results:
            _case(suite, result, grade.scenario, file, language)
    for key, count in totals.items():
        root.set(key, str(count))
    root.set("time", "0")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"
