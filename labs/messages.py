"""Messages that can be said in every language of the interface: a template and its values, rendered when shown.

Templates are English and stand in the code; `labs/locale` holds their translations (gettext catalogues).
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from labs.model.text import LANGUAGES, Text

__all__ = ["Message", "language", "listed", "message", "translate"]

LOCALE = Path(__file__).parent / "locale"


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("netwerf", LOCALE, [language], fallback=True)


def language() -> str:
    """The language of the interface: NETWERF_LANG, else the locale of the machine, else English."""
    for variable in ("NETWERF_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")[:2].lower()
        if value in LANGUAGES:
            return value
    return "en"


def translate(template: str, language: str) -> str:
    """A template in a language; untranslated ones stay English."""
    return template if language == "en" else _catalogue(language).gettext(template)


@dataclass(frozen=True)
class Message:
    """A template with its values. Values may be messages or texts themselves."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)

    def in_language(self, language: str) -> str:
        """The finished sentence."""
        values = {
            key: value.in_language(language) if isinstance(value, Message | Text) else value
            for key, value in self.values.items()
        }
        return translate(self.template, language).format_map(values)

    def __str__(self) -> str:
        return self.in_language("en")


def message(template: str, /, **values: object) -> Message:
    """A message; the name is what the catalogue tools look for."""
    return Message(template, values)


def listed(parts: Iterable[Message]) -> Message:
    """Messages with commas between them, as one."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Message(", ".join(f"{{{name}}}" for name in values), values)
