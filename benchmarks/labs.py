"""What a trainee and a grader wait for: opening, resetting, one command, a check, grading a submission; per scenario.

Beside it in the same run: how long `python -c pass` takes, which tells how fast the machine is today.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import grader
import labs
from benchmarks.common import Case, heading, measure, seconds, table
from labs.model.site import Kind
from labs.scenario.library import load_scenario, scenario_files
from labs.shell.bash import logical_lines

SEED = 7


def _process(code: str) -> float:
    """A fresh interpreter that runs some code."""
    return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))  # noqa: S603 - our own interpreter


def start_up() -> None:
    """Import times, each in its own process, as ratios to an empty one."""
    heading("start-up", "each in a fresh process")
    cases = [
        Case("python -c pass", lambda: _process("pass")),
        Case("import labs", lambda: _process("import labs")),
        Case("import grader", lambda: _process("import grader")),
        Case("open a lab", lambda: _process("import labs; labs.open('bakery-address-clash', seed=7)")),
    ]
    measure(cases)
    table(
        ["what", "ms", "to an empty process"],
        [[case.name, f"{1000 * case.seconds:.0f}", f"{case.seconds / cases[0].seconds:.1f}x"] for case in cases],
    )


def _solve(lab: labs.Lab) -> None:
    for place, text in lab.variant.steps(lab.scenario.solution):
        for line in logical_lines(text):
            lab.run(place, line)


def scenario(path: Path) -> None:
    """One shipped scenario in a warm process."""
    known = load_scenario(path)
    heading(known.id, "in a warm process")
    lab = labs.open(known, seed=SEED)
    place = next(device.name for device in lab.variant.healthy.devices.values() if device.kind is Kind.HOST)
    solved = labs.open(known, seed=SEED)
    _solve(solved)
    with tempfile.TemporaryDirectory() as folder:
        submission = solved.save(Path(folder) / "x.netwerf")
        cases = [
            Case("read the file", lambda: seconds(lambda: load_scenario(path))),
            Case("open", lambda: seconds(lambda: labs.open(known, seed=SEED))),
            Case("reset", lambda: seconds(lab.restore)),
            Case("one command", lambda: seconds(lambda: lab.run(place, "ip route"))),
            Case("check", lambda: seconds(lambda: grader.check(solved))),
            Case("replay and grade a submission", lambda: seconds(lambda: grader.grade(submission, scenario=known))),
        ]
        measure(cases)
    opened = cases[1].seconds
    table(
        ["what", "ms", "to opening"],
        [[case.name, f"{1000 * case.seconds:.1f}", f"{case.seconds / opened:.2f}x"] for case in cases],
    )


def main() -> None:
    """All of it."""
    start_up()
    for path in scenario_files():
        scenario(path)


if __name__ == "__main__":
    main()
