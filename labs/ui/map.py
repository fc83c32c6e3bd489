"""The map of a site: a picture, a drawing in characters, and a list that can be read aloud. All three say the same."""

from __future__ import annotations

from collections.abc import Mapping

from labs.model.site import Site
from labs.ui.map_layout import Layout, layout
from labs.ui.map_path import Way, way_of
from labs.ui.map_svg import draw_map
from labs.ui.map_text import draw_text, tell_site

__all__ = ["Layout", "layout", "svg_map", "text_map", "text_twin", "way_of"]


def svg_map(
    site: Site,
    *,
    verdicts: Mapping[str, str] | None = None,
    language: str = "en",
    addresses: bool = True,
    way: Way | None = None,
) -> str:
    """The map as one SVG that needs nothing else.

    Parameters
    ----------
    site
        As an engine observed it, or as a variant has it.
    verdicts
        Device -> "pass", "fail" or "blocked": what the checks say of it.
    language
        "en" or "nl".
    addresses
        Whether addresses stand under the names; without them the subnets do.
    way
        The way of a packet to draw, as `way_of` reads it from an answer of `why`.
    """
    twin = text_twin(site, verdicts=verdicts, language=language, addresses=addresses, way=way)
    return draw_map(site, verdicts=verdicts, language=language, addresses=addresses, twin=twin, way=way)


def text_map(
    site: Site,
    *,
    ascii_only: bool = False,
    addresses: bool = True,
    language: str = "en",
    width: int = 100,
    way: Way | None = None,
) -> str:
    """The map for a terminal: a drawing with the room and addresses of each device beside it.

    A drawing that would be wider than `width` characters is drawn downwards. `ascii_only` draws with `-`, `|` and `+`.
    """
    return draw_text(site, ascii_only=ascii_only, addresses=addresses, language=language, width=width, way=way)


def text_twin(
    site: Site,
    *,
    verdicts: Mapping[str, str] | None = None,
    language: str = "en",
    addresses: bool = True,
    way: Way | None = None,
) -> str:
    """What the map shows, in sentences: every device with kind, room and addresses, then every lead."""
    return tell_site(site, verdicts=verdicts, language=language, addresses=addresses, way=way)
