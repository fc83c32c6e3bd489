"""The line that passes: on a terminal only, and gone before anything else is written."""

from __future__ import annotations

import io
import sys
from contextlib import closing

import pytest

from grader import check
from labs.lab import open_lab
from labs.messages import message
from labs.ui.passing import passing_line
from labs.ui.style import Screen
from tests.small import small


class Terminal(io.StringIO):
    """A terminal that keeps what it was sent."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_terminal_that_waits_shows_what_is_judged_and_then_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with passing_line(Screen("nl")) as line:
        assert line.seen
        line.judging(message("holds"))
        line.clear()
    sent = terminal.getvalue()
    assert "klopt" in sent
    assert sent.rindex("\x1b[2K") > sent.rindex("klopt")  # erased last


def test_file_that_waits_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with passing_line(Screen("en")) as line:
        assert not line.seen
        line.judging(message("holds"))
    assert capsys.readouterr() == ("", "")


def test_check_of_a_lab_tells_every_title_that_it_judges() -> None:
    told: list[str] = []
    with closing(open_lab(small(), seed=3)) as lab:
        judged = check(lab, watch=lambda title: told.append(str(title)))
    titles = {str(result.title) for result in judged.results if result.verdict.value != "blocked"}
    assert titles <= set(told)
