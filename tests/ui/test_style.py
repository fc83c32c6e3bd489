"""Lines of a report on a terminal that is too narrow for them."""

from __future__ import annotations

import sys

import pytest

from labs.ui.style import Refusal, Screen, columns, near

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


def test_last_column_that_is_too_long_goes_on_under_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert columns([("  check", "have the site judged as it is now; costs nothing"), ("  exit", "stop")]) == [
        "  check  have the site judged as it is",
        "         now; costs nothing",
        "  exit   stop",
    ]


def test_last_column_without_room_beside_the_others_stands_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`help` on 60 columns broke in the middle of words."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert columns([("  patch DEVICE:PORT DEVICE:PORT", "put a lead between two ports"), ("  exit", "stop")]) == [
        "  patch DEVICE:PORT DEVICE:PORT",
        "        put a lead between two ports",
        "  exit                           stop",
    ]


def test_refusal_on_a_narrow_terminal_breaks_between_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    Screen("en").refuse(Refusal('there is no scenario "bakery"; there are: bakery-address-clash'))
    assert capsys.readouterr().err.splitlines() == [
        'netwerf: there is no scenario "bakery";',
        "  there are: bakery-address-clash",
    ]


def test_part_of_a_name_names_it() -> None:
    names = ["cold-store-bus", "bakery-address-clash"]
    assert str(near("bakery", names)) == '; did you mean "bakery-address-clash"?'
    assert str(near("zz", names)) == ""
