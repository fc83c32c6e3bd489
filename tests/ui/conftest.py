"""What the tests of the command line share: `netwerf WORDS…` in an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `netwerf WORDS…` in an empty folder with an empty home; `lines` are what is typed."""
    from labs.ui.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NETWERF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETWERF_LANG", "en")
    monkeypatch.setenv("COLUMNS", "100")
    for variable in ("NETWERF_DEBUG", "NO_COLOR", "EDITOR", "VISUAL"):
        monkeypatch.delenv(variable, raising=False)

    def go(*words: str, lines: str = "") -> Result:
        return CliRunner().invoke(main, list(words), input=lines)

    return go


@pytest.fixture
def submission(run: Callable[..., Result], tmp_path: Path) -> Path:
    """A submission of one line in which nothing was repaired."""
    result = run("play", "bakery-address-clash", "--seed", "7", "--trainee", "t-1", lines="hostname\nsubmit\n")
    assert result.exit_code == 0, result.output
    return tmp_path / "bakery-address-clash-7.netwerf"
