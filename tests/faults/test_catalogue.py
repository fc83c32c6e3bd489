"""Every fault is a pure function that says what it is for."""

from __future__ import annotations

import pytest

from labs.faults import CATALOGUE, Fault
from labs.scenario.library import load_scenario, scenario_files
from labs.scenario.variant import draw


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_every_fault_says_what_hurts_what_shows_it_and_what_mends_it(fault: Fault) -> None:
    assert fault.symptom
    assert fault.shown_by
    assert fault.fix
    assert fault.change.__doc__


def test_catalogue_is_large_enough_to_teach_with() -> None:
    assert len(CATALOGUE) >= 12


@pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)
def test_fault_leaves_the_site_it_was_given_alone(path) -> None:  # type: ignore[no-untyped-def]
    """A fault returns another site: the healthy one can be used again."""
    variant = draw(load_scenario(path), "3")
    again = draw(load_scenario(path), "3")
    assert variant.broken != variant.healthy
    assert variant.healthy == again.healthy
