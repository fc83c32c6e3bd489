"""Lines of a report on a terminal that is too narrow for them."""

from __future__ import annotations

import sys

import pytest

from labs.ui.style import Screen

LINE = "  ✖ every floor reaches the files       0/3  pc2 does not reach files (http): pc2 asks who has 10.0.0.10 [gate]"
MORE = " " * 8 + "pc2 drops it: nobody answered ARP for the next hop   [10.0.0.10]"


def folded(monkeypatch: pytest.MonkeyPatch, line: str, columns: int, *, terminal: bool = True) -> list[str]:
    """The rows on a terminal of that width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    return Screen("en").folded(line)


def test_line_that_fits_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folded(monkeypatch, LINE, 140) == [LINE]
    assert folded(monkeypatch, MORE, 140) == [MORE]


def test_line_that_is_too_long_breaks_behind_the_points_and_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folded(monkeypatch, LINE, 60) == [
        "  ✖ every floor reaches the files       0/3",
        "      pc2 does not reach files (http): pc2 asks who has",
        "      10.0.0.10 [gate]",
    ]
    assert folded(monkeypatch, MORE, 60) == [
        "        pc2 drops it: nobody answered ARP for the next hop",
        "          [10.0.0.10]",
    ]


def test_file_gets_the_line_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert folded(monkeypatch, LINE, 60, terminal=False) == [LINE]
