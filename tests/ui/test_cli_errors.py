"""Every mistake gets one clear message: what is wrong, where, what is allowed. They stand in tests/golden/errors/.

Scenarios that are wrong stand in tests/errors/. `make golden` writes the messages anew; a person reads the difference.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from labs.engines.base import Output
from labs.journal import Journal
from labs.scenario.library import scenario_files

LAB = "bakery-address-clash"
WRONG = Path(__file__).parents[1] / "errors"
Run = Callable[..., Result]
Golden = Callable[[str, str], None]

COMMANDS = {
    "unknown-command": ["plya"],
    "unknown-scenario": ["play", "bakery-adress-clash"],
    "unknown-scenario-file": ["play", "nowhere.yaml"],
    "unknown-option": ["play", LAB, "--sead", "7"],
    "option-without-value": ["play", LAB, "--seed"],
    "missing-argument": ["play"],
    "one-argument-too-many": ["play", LAB, "7"],
    "bad-seed": ["play", LAB, "--seed", "7/8"],
    "bad-level": ["list", "--level", "beginner"],
    "bad-language": ["list", "--lang", "fr"],
    "bad-format": ["grade", "x.netwerf", "--format", "jnit"],
    "unknown-module": ["list", "--module", "m1-hom"],
    "unknown-fault": ["faults", "duplicate-ipp"],
    "prove-nothing": ["prove"],
    "prove-all-and-one": ["prove", "--all", LAB],
    "bad-name": ["new", "My Lab"],
    "unwritable-schema": ["schema", "-o", "nowhere/schema.json"],
    "unwritable-map": ["map", LAB, "--svg", "nowhere/map.svg"],
    "grade-missing-file": ["grade", "nowhere.netwerf"],
    "grade-folder": ["grade", "."],
}


def told(words: list[str], result: Result) -> str:
    """The session as a person sees it; the lists of shipped labs and modules grow, so they are left out."""
    paths = scenario_files()
    shown = (result.stdout + result.stderr).replace(", ".join(path.stem for path in paths), "(the labs)")
    shown = shown.replace(", ".join(sorted({path.parent.name for path in paths})), "(the modules)")
    return f"$ netwerf {' '.join(words)}\n{shown}[exit {result.exit_code}]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_command_is_told_in_one_message(run: Run, golden: Golden, name: str) -> None:
    result = run(*COMMANDS[name])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    golden(f"errors/{name}.txt", told(COMMANDS[name], result))


def test_wrong_command_is_told_in_dutch(run: Run, golden: Golden) -> None:
    words = ["--lang", "nl", "play", "bakery-adress-clash"]
    golden("errors/unknown-scenario-nl.txt", told(words, run(*words)))


@pytest.mark.parametrize("name", sorted(path.stem for path in WRONG.glob("*.yaml")))
def test_wrong_scenario_lists_every_mistake_with_its_line(run: Run, golden: Golden, tmp_path: Path, name: str) -> None:
    shutil.copy(WRONG / f"{name}.yaml", tmp_path)
    result = run("validate", f"{name}.yaml")
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "our fault" not in result.output
    golden(f"errors/scenario-{name}.txt", told(["validate", f"{name}.yaml"], result))


@pytest.mark.parametrize("name", sorted(path.stem for path in WRONG.glob("*.yaml")))
def test_mistakes_of_a_scenario_are_told_in_dutch_at_the_same_lines(
    run: Run, golden: Golden, tmp_path: Path, name: str
) -> None:
    shutil.copy(WRONG / f"{name}.yaml", tmp_path)
    words = ["--lang", "nl", "validate", f"{name}.yaml"]
    dutch, english = run(*words), run("validate", f"{name}.yaml")
    places = [[line.split(": ")[0] for line in each.stderr.splitlines()[:-1]] for each in (dutch, english)]
    assert places[0] == places[1]
    golden(f"errors/scenario-{name}-nl.txt", told(words, dutch))


def test_wrong_scenario_is_told_alike_by_play_and_prove(run: Run, tmp_path: Path) -> None:
    shutil.copy(WRONG / "many-mistakes.yaml", tmp_path)
    wanted = run("validate", "many-mistakes.yaml").stderr.splitlines()[:-1]
    assert run("play", "many-mistakes.yaml").stderr.splitlines() == wanted
    assert run("prove", "many-mistakes.yaml").stderr.splitlines()[:-1] == wanted


# Submissions


def edited(path: Path, **changes: object) -> bytes:
    """The submission with its first entry changed by hand."""
    header, first, *rest = path.read_text(encoding="utf-8").splitlines()
    return ("\n".join([header, json.dumps(json.loads(first) | changes), *rest]) + "\n").encode()


def rebuilt(
    path: Path, *, answer: str = "laptop\n", place: str = "laptop", line: str = "hostname", **header: str
) -> bytes:
    """A submission of one line whose chain is right: what somebody hands in who knows how it is made."""
    journal = Journal(replace(Journal.load(path).header, **header))
    journal.append(0, place, line, Output(answer, 0))
    return journal.dumps().encode()


SPOILT: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda path: b"",
    "not-json": lambda path: b"Dear teacher, my dog ate it.\n",
    "binary": lambda path: bytes(range(256)) * 64,
    "other-json": lambda path: b'{"cells": []}\n',
    "answer-edited": lambda path: edited(path, answer_digest="000000000000"),
    "answer-that-nobody-gave": lambda path: rebuilt(path, answer="printer\n"),
    "line-edited": lambda path: edited(path, line="hostname -I"),
    "entry-with-a-key-too-many": lambda path: edited(path, points=10),
    "place-unknown": lambda path: rebuilt(path, place="moon"),
    "undo-of-a-word": lambda path: rebuilt(path, place="desk", line="undo everything"),
    "undo-of-many": lambda path: rebuilt(path, place="desk", line="undo " + "9" * 5000),
    "undo-in-other-digits": lambda path: rebuilt(path, place="desk", line="undo ٣"),
    "half-a-character": lambda path: edited(path, line="echo \ud800"),
    "half-a-character-in-the-header": lambda path: json.dumps(
        json.loads(path.read_text(encoding="utf-8").splitlines()[0]) | {"trainee": "\udc00"}
    ).encode(),
    "line-taken-out": lambda path: edited(path, n=2),
    "only-half-of-the-header": lambda path: path.read_bytes()[:60],
    "other-scenario": lambda path: rebuilt(path, scenario="first-sensor-online"),
    "unknown-scenario": lambda path: rebuilt(path, scenario="made-up"),
    "scenario-is-a-path": lambda path: rebuilt(path, scenario="../../etc/passwd"),
    "other-edition": lambda path: rebuilt(path, scenario_digest="0" * 64),
    "other-engine": lambda path: rebuilt(path, engine="gns3"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_submission_is_ungradable_and_says_why(
    run: Run, golden: Golden, submission: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "spoilt.netwerf").write_bytes(SPOILT[name](submission))
    result = run("grade", "spoilt.netwerf")
    assert result.exit_code == 4, result.output
    assert result.stderr == ""
    golden(f"errors/submission-{name}.txt", told(["grade", "spoilt.netwerf"], result))
    dutch = run("--lang", "nl", "grade", "spoilt.netwerf").stdout.splitlines()
    assert not set(dutch[1:]) & set(result.stdout.splitlines()[1:])


def test_submission_of_a_hundred_megabytes_is_refused_unread(run: Run, golden: Golden, tmp_path: Path) -> None:
    with (tmp_path / "huge.netwerf").open("wb") as file:
        file.truncate(100 << 20)
    result = run("grade", "huge.netwerf")
    assert result.exit_code == 4
    golden("errors/submission-huge.txt", told(["grade", "huge.netwerf"], result))


def test_torn_last_line_is_dropped_with_a_notice_and_the_rest_is_graded(run: Run, submission: Path) -> None:
    with submission.open("ab") as file:
        file.write(b'{"n":2,"at_ns":0,"pla')
    result = run("grade", submission.name)
    assert result.exit_code == 1
    assert "torn" in result.stdout


def test_grade_with_another_scenario_says_so(run: Run, submission: Path) -> None:
    result = run("grade", submission.name, "--scenario", "first-sensor-online")
    assert result.exit_code == 4
    assert "is for bakery-address-clash, not for first-sensor-online" in result.stdout


def test_unwritable_report_leaves_nothing_behind(run: Run, submission: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    result = run("grade", submission.name, "-o", "nowhere/out.json")
    assert result.exit_code == 2
    assert result.stderr == "netwerf: nowhere/out.json cannot be written (No such file or directory)\n"
    assert sorted(tmp_path.iterdir()) == before
