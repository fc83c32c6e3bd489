"""Judging files: submissions, scenarios, and the schema that editors judge with."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from labs.scenario.library import half_translated, load_scenario
from labs.scenario.scenario import ScenarioError
from labs.ui.catalogue import scenario_named
from labs.ui.passing import passing_line
from labs.ui.storage import write_whole
from labs.ui.style import Refusal, Screen

__all__ = ["grade_files", "validate_files", "write_output", "write_schema"]

WORST_FIRST = (4, 1, 0)
UNREADABLE = 2


def grade_files(
    screen: Screen, *, files: tuple[Path, ...], form: str, output: Path | None, scenario: str | None, engine: str | None
) -> int:
    """`netwerf grade`: the report of every submission, and the worst exit status of them all."""
    from grader import grade
    from grader.report import FORMATS

    if _unreadable(screen, files):
        return UNREADABLE
    known = scenario_named(scenario) if scenario is not None else None
    with passing_line(screen) as passing:
        grades = [(str(path), grade(path, scenario=known, engine=engine, watch=passing.judging)) for path in files]
    report = FORMATS[form](grades, language=screen.language)
    if output is None and form == "text":
        for line in report.rstrip("\n").split("\n"):
            screen.verdict(line)
    else:
        write_output(report, output)
    codes = {graded.exit_code for _, graded in grades}
    return next(code for code in WORST_FIRST if code in codes)


def _unreadable(screen: Screen, files: tuple[Path, ...]) -> bool:
    """Tell of every path that is no file or cannot be opened."""
    found = False
    for path in files:
        try:
            if path.is_dir():
                found = True
                screen.warn(
                    "{file} is a folder; name the files in it, such as {example}", file=path, example=path / "*.netwerf"
                )
                continue
            with path.open("rb"):
                pass
        except OSError as error:
            found = True
            screen.warn("{file} cannot be read ({error})", file=path, error=error.strerror or error)
    return found


def write_output(text: str, output: Path | None) -> None:
    """UTF-8 to a file, whole or not at all, or to standard output whatever the console speaks. Raises Refusal."""
    if output is None:
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
            buffer.write(text.encode())
            buffer.flush()
        return
    try:
        write_whole(output, text)
    except OSError as error:
        raise Refusal("{file} cannot be written ({error})", file=output, error=error.strerror or error) from None


def validate_files(screen: Screen, *, files: tuple[Path, ...]) -> int:
    """`netwerf validate`: every mistake of every file."""
    status = 0
    for path in files:
        try:
            scenario = load_scenario(path)
        except ScenarioError as error:
            status = 2
            if all(not problem.line for problem in error.problems):
                screen.warn("{file} cannot be read ({error})", file=path, error=error.problems[0].said(screen.language))
                continue
            for problem in error.problems:
                screen.show(problem.render(error.file, screen.language), err=True)
            screen.warn("{file}: {count} to mend", file=path, count=len(error.problems))
        else:
            screen.say(
                "{file}: ok, {checks} checks, {points} points, {faults} faults",
                file=path,
                checks=len(scenario.checks),
                points=scenario.max_points,
                faults=len(scenario.faults),
            )
            for text, lacking in half_translated(scenario):
                screen.say("  {path}: no text in {language}; the other language is shown", path=text, language=lacking)
    return status


def write_schema(screen: Screen, *, output: Path | None) -> int:
    """`netwerf schema`."""
    from labs.scenario.document import json_schema

    write_output(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", output)
    if output is not None:
        screen.say("{file} is written.", file=output)
    return 0
