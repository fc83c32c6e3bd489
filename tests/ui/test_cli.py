"""The command line: what each command prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from labs.ui.cli import main
from labs.ui.command import OUR_FAULT

ROOT = Path(__file__).parents[2]
LAB = "bakery-address-clash"
Run = Callable[..., Result]


def subprocess_run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8")}
    return subprocess.run(
        [sys.executable, "-m", "labs.ui", *words],
        cwd=cwd,
        env=kept | {"PYTHONPATH": str(ROOT), "NETWERF_HOME": str(cwd / "home"), "NETWERF_LANG": "en"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


# Help


@pytest.mark.parametrize("name", [None, *main.commands])
@pytest.mark.parametrize("language", ["en", "nl"])
def test_help_of_every_command_has_an_example(run: Run, name: str | None, language: str) -> None:
    result = run("--lang", language, *([name] if name else []), "--help")
    assert result.exit_code == 0, result.output
    assert f"{'Voorbeeld' if language == 'nl' else 'Example'}: netwerf " in result.stdout


def test_lang_after_the_command_is_the_same_as_before(run: Run) -> None:
    assert run("--lang", "nl", "list").stdout == run("list", "--lang", "nl").stdout
    assert "titel" in run("list", "--lang", "nl").stdout


def test_no_command_shows_help(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: netwerf")


def test_version_is_one_line(run: Run) -> None:
    assert run("--version").stdout.startswith("netwerf ")


# What there is


def test_list_names_every_scenario_file(run: Run) -> None:
    listed = run("list").stdout
    for path in (ROOT / "scenarios").glob("*/*.yaml"):
        assert path.stem in listed


def test_list_json_is_an_object_for_each(run: Run) -> None:
    objects = json.loads(run("list", "--json", "--level", "1").stdout)
    assert {each["level"] for each in objects} == {1}
    assert LAB in [each["id"] for each in objects]


def test_faults_lists_every_fault_and_tells_of_one(run: Run) -> None:
    from labs.faults import CATALOGUE

    listed = run("faults").stdout
    assert all(name in listed for name in CATALOGUE)
    told = run("faults", "duplicate-ip").stdout
    assert "symptom" in told
    assert "- duplicate-ip: {on: …, of: …}" in told


def test_map_is_drawn_without_addresses(run: Run) -> None:
    drawn = run("map", LAB, "--seed", "7")
    assert "printer" in drawn.stdout
    assert "192.168.61.40" not in drawn.stdout, "which device has which address is for the trainee to find"


def test_map_svg_is_a_file(run: Run, tmp_path: Path) -> None:
    assert run("map", LAB, "--svg", "map.svg").exit_code == 0
    assert (tmp_path / "map.svg").read_text(encoding="utf-8").startswith("<svg")


def test_schema_is_json(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("schema").stdout)["title"] == "Netwerf scenario"
    assert run("schema", "-o", "s.json").exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))


# Authors


def test_new_writes_a_scenario_that_is_valid(run: Run, tmp_path: Path) -> None:
    made = run("new", "garage-camera")
    assert made.exit_code == 0
    assert made.stdout.count("netwerf ") == 3
    assert run("validate", "garage-camera.yaml").exit_code == 0


def test_new_proves_itself(run: Run) -> None:
    run("new", "garage-camera")
    result = run("prove", "garage-camera.yaml", "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert "proved in" in result.stdout


def test_new_never_overwrites(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("precious", encoding="utf-8")
    result = run("new", "mine")
    assert result.exit_code == 2
    assert "stays as it is" in result.stderr
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == "precious"


def test_prove_of_a_site_that_passes_while_broken_is_not_proved(run: Run, tmp_path: Path) -> None:
    run("new", "mine")
    path = tmp_path / "mine.yaml"
    text = path.read_text(encoding="utf-8")
    assert "- host-wrong-gateway: {on: pc}" in text
    path.write_text(text.replace("    points: 1\n", "    points: 9\n"), encoding="utf-8")
    result = run("prove", "mine.yaml", "--seeds", "1", "-q")
    assert result.exit_code == 1
    assert "must not be" in result.stdout
    assert "healthy site" not in result.stdout, "-q shows only what is wrong"


def test_prove_of_a_wrong_file_lists_everything_and_ends_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("scenario: bad\nlevel: 9\n", encoding="utf-8")
    result = run("prove", "bad.yaml")
    assert result.exit_code == 2
    assert "bad.yaml:2: level: " in result.stderr
    assert "title" in result.stderr


# Grading


def test_grade_below_the_threshold_ends_1(run: Run, submission: Path) -> None:
    result = run("grade", submission.name)
    assert result.exit_code == 1
    assert "of 11 points" in result.stdout


def test_grade_writes_json_whole_and_without_colour(run: Run, submission: Path, tmp_path: Path) -> None:
    assert run("grade", submission.name, "--format", "json", "-o", "out.json").exit_code == 1
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    assert json.loads(text)["trainee"] == "t-1"
    assert "\x1b" not in text
    assert not list(tmp_path.glob(".out.json*")), "no temporary file is left"


def test_grade_of_several_files_ends_with_the_worst(run: Run, submission: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.netwerf").write_text("hello\n", encoding="utf-8")
    result = run("grade", submission.name, "noise.netwerf", "--format", "json")
    assert result.exit_code == 4
    assert [each["outcome"] for each in json.loads(result.stdout)] == ["below", "ungradable"]


def test_grade_is_byte_for_byte_the_same_twice(run: Run, submission: Path) -> None:
    first = run("grade", submission.name, "--format", "junit").stdout_bytes
    assert first == run("grade", submission.name, "--format", "junit").stdout_bytes


def test_grade_in_dutch(run: Run, submission: Path) -> None:
    assert "van 11 punten" in run("grade", submission.name, "--lang", "nl").stdout


# The rest


def test_doctor_says_that_the_simulator_works(run: Run) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "✔ engine sim" in result.stdout
    assert "engine kernel" in result.stdout


def test_tour_ends_with_a_pass_and_leaves_a_submission_that_grades_alike(run: Run, tmp_path: Path) -> None:
    result = run("tour")
    assert result.exit_code == 0, result.output
    assert "passed" in result.stdout
    path = tmp_path / "home" / "tour" / f"{LAB}-7.netwerf"
    assert run("grade", str(path)).exit_code == 0


def test_bug_is_one_line_that_says_it_is_ours(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from labs.ui import catalogue

    def broken(*_: object, **__: object) -> int:
        raise KeyError("oops")

    monkeypatch.setattr(catalogue, "list_scenarios", broken)
    result = run("list")
    assert result.exit_code == OUR_FAULT
    assert result.stderr.startswith("netwerf: this is our fault: KeyError: 'oops' (at test_cli.py:")
    assert result.stderr.count("\n") == 1
    monkeypatch.setenv("NETWERF_DEBUG", "1")
    assert "Traceback" in run("list").stderr


def test_console_without_signs_gets_plain_letters(tmp_path: Path) -> None:
    """A Windows console with a code page of its own: nothing fails, and every mark is still a mark."""
    done = subprocess_run("doctor", cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert b"+ engine sim" in done.stdout
    drawn = subprocess_run("map", LAB, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert drawn.returncode == 0, drawn.stderr
    assert b"gw --- sw" in drawn.stdout


def test_reader_that_leaves_early_sees_no_complaint(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    listing = subprocess.Popen(
        [sys.executable, "-m", "labs.ui", "schema"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    listing.wait(30)


def test_folder_with_spaces_and_accents_works(tmp_path: Path) -> None:
    folder = tmp_path / "één map é"
    folder.mkdir()
    done = subprocess_run("new", "my-lab", "--dir", "ook één", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "ook één" / "my-lab.yaml").is_file()


# Notebooks


def test_copied_notebooks_are_never_overwritten_once_edited(tmp_path: Path) -> None:
    from labs.ui.jupyter import copy_notebooks

    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.ipynb").write_text("a1", encoding="utf-8")
    (source / "b.ipynb").write_text("b1", encoding="utf-8")
    assert copy_notebooks(source, target) == (["a.ipynb", "b.ipynb"], [])
    (target / "a.ipynb").write_text("mine", encoding="utf-8")
    (source / "a.ipynb").write_text("a2", encoding="utf-8")
    (source / "b.ipynb").write_text("b2", encoding="utf-8")
    assert copy_notebooks(source, target) == (["b.ipynb"], ["a.ipynb"])
    assert (target / "a.ipynb").read_text(encoding="utf-8") == "mine"
    assert (target / "b.ipynb").read_text(encoding="utf-8") == "b2"
    assert copy_notebooks(source, target) == ([], ["a.ipynb"])


def test_notebook_without_the_extra_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from labs.ui import jupyter

    monkeypatch.setattr(jupyter, "find_spec", lambda name: None)
    result = run("notebook")
    assert result.exit_code == 2
    assert 'pip install "netwerf[notebook]"' in result.stderr
