"""The journal: nothing that was answered is lost, nothing that was changed passes for whole."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.engines.base import Output
from labs.journal import DESK, Header, Journal, JournalError

HEADER = Header("small-one", "0" * 64, "7")


def journal(*lines: str, path: Path | None = None) -> Journal:
    made = Journal(HEADER, path=path)
    for i, line in enumerate(lines):
        made.append(i, DESK if line.startswith("undo") else "pc", line, Output(f"{line}\n", 0))
    return made


def test_entry_is_on_disk_before_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "a folder with é" / "x.netwerf"
    made = journal("one", "two", path=path)
    assert [entry.line for entry in Journal.load(path)] == [entry.line for entry in made] == ["one", "two"]


def test_torn_last_line_is_dropped_with_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "x.netwerf"
    path.write_text(journal("one", "two").dumps()[:-9], encoding="utf-8")
    loaded = Journal.load(path)
    assert [entry.line for entry in loaded] == ["one"]
    assert "torn" in str(loaded.notice)


def test_resumed_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.netwerf"
    path.write_text(journal("one", "two").dumps()[:-9], encoding="utf-8")
    loaded = Journal.load(path, keep_file=True)
    loaded.append(5, "pc", "three", Output("", 0))
    assert [entry.line for entry in Journal.load(path)] == ["one", "three"]
    assert Journal.load(path).notice is None


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["a", "b", "undo 1"], ["a"]),
        (["a", "b", "undo 2", "c"], ["c"]),
        (["a", "undo 1", "b", "c", "undo 1"], ["b"]),
        (["a", "undo 5"], []),
        (["undo 1", "a"], ["a"]),
    ],
)
def test_undo_takes_back_the_lines_before_it(lines: list[str], left: list[str]) -> None:
    assert [entry.line for entry in journal(*lines).effective()] == left


def edit(text: str, number: int, **changes: object) -> str:
    lines = text.splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **changes})
    return "\n".join(lines) + "\n"


WHOLE = journal("one", "two", "three").dumps()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("hello\n", "not JSON"),
        ("[]\n", "not a JSON object"),
        ("{}\n", "netwerf-journal/1"),
        (edit(WHOLE, 0, format="netwerf-journal/9"), "netwerf-journal/1"),
        (edit(WHOLE, 0, surprise="x"), "exactly the text fields"),
        (edit(WHOLE, 0, seed=7), "exactly the text fields"),
        (edit(WHOLE, 2, n=9), "lines were taken out or put in"),
        (edit(WHOLE, 2, status="0"), "exactly the fields"),
        (edit(WHOLE, 2, line="x" * 20_000), "at most"),
        (edit(WHOLE, 2, place=DESK, line="undo -1"), "not a legal undo"),
        ("\n".join(WHOLE.splitlines()[:2] + WHOLE.splitlines()[3:]) + "\n", "lines were taken out or put in"),
    ],
)
def test_damaged_journal_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(JournalError, match=said) as caught:
        Journal.loads(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_a_journal_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(JournalError):
        Journal.loads(text)


@given(st.lists(st.text(max_size=40), max_size=6))
def test_what_is_dumped_is_what_is_loaded(lines: list[str]) -> None:
    made = Journal(HEADER)
    for i, line in enumerate(lines):
        made.append(i, "pc", line, Output(line, 0))
    assert Journal.loads(made.dumps()).entries == made.entries
