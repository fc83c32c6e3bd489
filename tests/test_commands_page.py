"""docs/commands.md is what the commands say of themselves today, and no command stands there unshown."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
HERE_ONLY_A_WORD = frozenset("dash mawk netcat sudo telnetd watch".split())  # second names and plain refusals


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("commands_page", ROOT / ".ci" / "commands.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(writer: ModuleType) -> str:
    return writer.page()


def test_page_of_commands_is_up_to_date(page: str) -> None:
    assert page == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), "make commands"


def test_every_command_is_typed_in_a_test(page: str) -> None:
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    unshown = {row[0].strip("| `") for row in rows if not row[-1].strip(" |")}
    assert unshown <= HERE_ONLY_A_WORD


def test_most_commands_are_compared_with_the_real_ones(page: str) -> None:
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert sum("**" in row for row in rows) > len(rows) // 2
