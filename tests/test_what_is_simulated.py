"""docs/what-is-simulated.md: a row that claims something names tests that show it; what is absent is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labs.testing import device, run

ROOT = Path(__file__).parent.parent
STATES = ("implemented", "simplified", "ours", "absent")
COMMAND = re.compile(r"[a-z][a-z0-9_-]*")


def rows() -> list[list[str]]:
    """The rows of every table with a column `state`."""
    found: list[list[str]] = []
    inside = False
    for line in (ROOT / "docs" / "what-is-simulated.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[1:2] == ["state"]:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not cells[0].startswith("---"):
            found.append(cells)
    return found


ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_row_says_how_far_it_goes_and_names_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 4
    assert row[1] in STATES
    if row[1] != "absent":
        named = row[3].split(", ")
        assert named != [""]
        assert all((ROOT / "tests" / name).exists() for name in named), row[3]


def test_page_has_a_row_for_everything_that_matters() -> None:
    assert sum(row[1] == "implemented" for row in ROWS) > 40
    assert sum(row[1] == "absent" for row in ROWS) > 5


@pytest.mark.parametrize(
    ("name", "state"),
    [*((name, "absent") for name in ("scp", "sftp", "iperf3", "top", "free")), ("vim", "ours"), ("nano", "ours")],
)
def test_command_that_no_device_has_stands_in_its_row_and_says_so_and_nothing_else(name: str, state: str) -> None:
    assert [row[1] for row in ROWS if name in COMMAND.findall(row[0])] == [state]
    answer = run(device("box"), name)
    assert answer.status == 127
    assert "not simulated" in answer.text


def test_readme_lists_every_lab_once() -> None:
    shipped = sorted(path.stem for path in (ROOT / "scenarios").rglob("*.yaml"))
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == shipped
