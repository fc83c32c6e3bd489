"""The interface speaks Dutch wherever it speaks English, and the compiled catalogue is that of the source."""

from __future__ import annotations

import gettext
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FIELD = re.compile(r"\{([a-z_]*)\}")

pofile = pytest.importorskip("babel.messages.pofile", reason="babel is one of the tools of developers")


def collector() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messages", ROOT / ".ci" / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dutch() -> dict[str, str]:
    with collector().catalogue_path("nl", ".po").open("rb") as file:
        return {message.id: message.string for message in pofile.read_po(file, locale="nl") if message.id}


def test_every_text_of_the_interface_has_a_dutch_one(dutch: dict[str, str]) -> None:
    lacking = [text for text in collector().templates() if not dutch.get(text)]
    assert lacking == [], "make messages, then labs/locale/nl/LC_MESSAGES/netwerf.po, then make messages again"


def test_no_translation_is_of_a_text_that_is_gone(dutch: dict[str, str]) -> None:
    assert sorted(set(dutch) - set(collector().templates())) == []


def test_translation_has_the_same_fields(dutch: dict[str, str]) -> None:
    assert [text for text, other in dutch.items() if sorted(FIELD.findall(text)) != sorted(FIELD.findall(other))] == []


def test_translation_has_the_same_margins(dutch: dict[str, str]) -> None:
    def margins(text: str) -> tuple[int, int]:
        return len(text) - len(text.lstrip()), len(text) - len(text.rstrip())

    assert [text for text, other in dutch.items() if margins(text) != margins(other)] == []


def test_compiled_catalogue_is_that_of_the_source(dutch: dict[str, str]) -> None:
    with collector().catalogue_path("nl", ".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {text: compiled.gettext(text) for text in dutch} == dutch
