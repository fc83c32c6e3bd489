"""A text in several languages."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LANGUAGES", "Text"]

LANGUAGES = ("en", "nl")


@dataclass(frozen=True, slots=True)
class Text:
    """English and Dutch; a missing language falls back to the other."""

    en: str = ""
    nl: str = ""

    def in_language(self, language: str) -> str:
        """The text for `en` or `nl`."""
        return (self.nl or self.en) if language == "nl" else (self.en or self.nl)

    def __bool__(self) -> bool:
        return bool(self.en or self.nl)

    def map(self, change) -> Text:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """The same change made to every language."""
        return Text(change(self.en), change(self.nl))

    def __str__(self) -> str:
        return self.in_language("en")
