"""Collects the texts of the interface and brings the catalogues up to date: `make messages`.

A text is the first argument of one of KEYWORDS, a plain string. Babel reads and writes the catalogues; it does not
look for the texts itself, because before Python 3.12 it cannot see a call inside an f-string.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "labs" / "locale"
PACKAGES = (
    "labs/engines",
    "labs/hands",
    "labs/journal.py",
    "labs/lab.py",
    "labs/scenario",
    "labs/ui",
    "grader",
)  # what devices say is in the language of the real tools
KEYWORDS = frozenset({"Refusal", "_as_before", "_say", "marked", "message", "phrase", "say", "translate", "warn"})
WRITTEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # the time of the run would change the files at every run
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


def templates() -> list[str]:
    """Every text, sorted."""
    found = set(_computed())
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py") if (ROOT / package).is_dir() else [ROOT / package]):
            found.update(_in_tree(ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return sorted(text for text in found if re.sub(PLACEHOLDER, "", text).strip(" .:,%-()>"))


def _in_tree(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in KEYWORDS:
            yield from _texts(node.args[0])


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)


def _computed() -> Iterator[str]:
    """Texts that stand in tables which know no language."""
    from grader.evidence import PHRASES
    from grader.reach.brokers import Speech
    from labs.model.site import Kind
    from labs.things.units import BASE_UNITS
    from labs.ui.map_text import VERDICTS

    yield from (str(kind) for kind in Kind)
    yield from BASE_UNITS
    for phrases in (*PHRASES, Speech):
        yield from (phrase.value for phrase in phrases)
    yield from VERDICTS.values()
    yield from _of_the_format()


def _of_the_format() -> Iterator[str]:
    """What the format of scenarios says of its values, and of keys that may not be missing."""
    from labs.scenario.document import SCENARIO
    from labs.scenario.schema import MISSING, Choice, Field, MapOf, Number, Spec, Tagged, phrase

    waiting: list[object] = [SCENARIO]
    seen: set[int] = set()
    while waiting:
        known = waiting.pop()
        if id(known) in seen:
            continue
        seen.add(id(known))
        if isinstance(known, Field):
            yield from [phrase(known.doc).template] if known.default is MISSING else []
            waiting.append(known.spec)
        elif isinstance(known, Spec):
            yield from [] if isinstance(known, Number) else [phrase(known.expects).template]
            yield from [phrase(known.what).template] if isinstance(known, Choice | Tagged) else []
            yield from [phrase(known.key_expects).template] if isinstance(known, MapOf) else []
            names = {name for kind in type(known).__mro__ for name in (*vars(kind), *getattr(kind, "__slots__", ()))}
            waiting += [getattr(known, name) for name in sorted(names) if not name.startswith("__")]
        elif isinstance(known, dict):
            waiting += known.values()
        elif isinstance(known, list | tuple):
            waiting += known


def catalogue_path(language: str, suffix: str) -> Path:
    """`labs/locale/nl/LC_MESSAGES/netwerf.po`."""
    return LOCALE / language / "LC_MESSAGES" / f"netwerf{suffix}"


def update(language: str) -> list[str]:
    """Add what is new, drop what is gone, write .po and .mo; returns what lacks a translation."""
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po, write_po

    path = catalogue_path(language, ".po")
    old = read_po(path.open("rb"), locale=language) if path.exists() else Catalog(language)
    new = Catalog(language, project="Netwerf", version="1", fuzzy=False, header_comment="# The interface of Netwerf.")
    new.last_translator = new.language_team = new.msgid_bugs_address = "Netwerf"
    for text in templates():
        known = old.get(text)
        new.add(text, known.string if known is not None else "", flags=known.flags if known is not None else ())
    path.parent.mkdir(parents=True, exist_ok=True)
    new.creation_date = new.revision_date = WRITTEN
    with path.open("wb") as file:
        write_po(file, new, omit_header=False, width=0, sort_output=True)
    with catalogue_path(language, ".mo").open("wb") as file:
        write_mo(file, new)
    return [message.id for message in new if message.id and not message.string]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    lacking = update("nl")
    for text in lacking:
        print(f"no Dutch yet: {text}")
    print(f"{len(templates())} texts, {len(lacking)} without a translation")
    sys.exit(1 if lacking else 0)
