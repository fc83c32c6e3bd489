"""What is published is what the reference page lists: no more, no less."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
LIMITS = {"labs": 25, "grader": 12}


def documented(package: str) -> list[str]:
    """The names of the headings `### package.Name` of the reference page (what follows the name does not count)."""
    text = REFERENCE.read_text(encoding="utf-8")
    return sorted(re.findall(rf"^### `?{package}\.(\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("package", LIMITS)
def test_published_names_are_the_documented_names(package: str) -> None:
    published = importlib.import_module(package).__all__
    assert sorted(published) == documented(package)


@pytest.mark.parametrize(("package", "limit"), LIMITS.items())
def test_published_names_stay_few(package: str, limit: int) -> None:
    module = importlib.import_module(package)
    assert len(module.__all__) <= limit
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", LIMITS)
def test_every_published_name_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    things = {name: getattr(module, name) for name in module.__all__}
    assert [name for name, thing in things.items() if callable(thing) and not thing.__doc__] == []
