"""The table of scenarios that the kernel engine proves or refuses is that of the shipped scenarios."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from labs.model.site import Site
from labs.scenario.library import find_scenario, scenario_files
from labs.scenario.variant import draw
from tests.conformance.deviations import LACKING, LACKING_HERE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the engine kernel is a part of Linux")

PAGE = Path(__file__).parents[2] / "docs" / "what-is-simulated.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \| ((?:proves|refused).*) \|$", re.MULTILINE)
ROWS = dict(ROW.findall(PAGE.read_text(encoding="utf-8").partition("### Which engine proves what")[2]))


def never(site: Site) -> str:
    """What the engine has on no machine."""
    from labs.engines.kernel.capability import _encrypted, _without_service
    from labs.engines.kernel.engine import media_of

    service = _without_service(site)
    return media_of(site) or (f"service {service}" if service else "") or ("TLS" if _encrypted(site) else "")


def test_every_scenario_has_its_row():
    assert set(ROWS) == {path.stem for path in scenario_files()}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_row_says_what_the_engine_says(name):
    word = never(draw(find_scenario(name), "0").broken)
    assert bool(word) == (name in LACKING)
    if word:
        assert ROWS[name] == f"refused: {LACKING[name]}"
        assert word.startswith(LACKING[name])
    elif name in LACKING_HERE:
        assert "refused where" in ROWS[name]
        assert LACKING_HERE[name] in ROWS[name]
    else:
        assert ROWS[name].startswith("proves")
