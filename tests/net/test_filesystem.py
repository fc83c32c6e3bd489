"""Files whose text is made when somebody reads them look like any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labs.net.filesystem import FileError, FileSystem

PATH = "/etc/status"


def written(text: str, made: list[str]) -> Callable[[], str]:
    def make() -> str:
        made.append(text)
        return text

    return make


def test_file_written_later_and_often_is_made_once_for_all_readers():
    """Only the last text is made, and only when it is asked for; watchers hear of each."""
    files, made, heard = FileSystem({PATH: ""}), [], []
    files.watchers.append(heard.append)
    for number in range(3):
        files.write_later(PATH, written(f"{number}", made))
    assert (made, heard) == ([], [PATH] * 3)
    assert files.is_file(PATH)
    assert [files.read(PATH), files.get(PATH), files.stored()[PATH]] == ["2", "2", "2"]
    assert made == ["2"]


def test_file_written_later_is_stored_with_its_text():
    """Who copies the files of a device gets what a reader would."""
    files = FileSystem({PATH: "old"})
    files.write_later(PATH, written("new", []))
    assert files.stored()[PATH] == "new"


def test_file_written_later_then_written_or_removed_has_forgotten_the_text():
    files, made = FileSystem({PATH: ""}), []
    files.write_later(PATH, written("late", made))
    files.write(PATH, "now")
    assert files.read(PATH) == "now"
    files.write_later(PATH, written("late", made))
    files.remove(PATH)
    assert not files.is_file(PATH)
    files.write(PATH, "again")
    assert (files.read(PATH), made) == ("again", [])


def test_file_that_is_not_there_written_later_is_written_at_once():
    """So a path that cannot be written says so at once."""
    files = FileSystem({})
    with pytest.raises(FileError, match="No such file"):
        files.write_later("/nowhere/status", lambda: "x")
    files.write_later(PATH, lambda: "x")
    assert files.read(PATH) == "x"
