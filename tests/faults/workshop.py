"""A workshop: a small healthy site whose scenario tries every fault of a page of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.sim import SimEngine
from labs.faults import CATALOGUE
from labs.faults.fault import FaultError
from labs.journal import Header
from labs.model.site import Site
from labs.scenario.library import load_scenario
from labs.scenario.scenario import FaultUse
from labs.scenario.variant import break_site, draw

__all__ = ["MINUTE_NS", "Workshop", "name_of"]

MINUTE_NS = 60 * 10**9


def name_of(use: FaultUse) -> str:
    """What a test with this fault is called."""
    return use.fault


class Workshop:
    """The scenario of a file beside this one."""

    def __init__(self, file: str) -> None:
        self.scenario = load_scenario(Path(__file__).parent / file)
        self.variant = draw(self.scenario, "0")
        self.healthy = self.variant.healthy
        self.uses = self.scenario.faults[0].options

    def site(self, *uses: FaultUse) -> Site:
        """The healthy site with these faults."""
        return break_site(self.scenario, self.healthy, uses, self.variant.placeholders)

    def started(self, *uses: FaultUse, wait_ns: int = 0) -> SimEngine:
        """The simulator on that site, some time after it was switched on."""
        engine = SimEngine()
        engine.start(self.site(*uses))
        engine.wait(wait_ns)
        return engine

    def verdicts(self, site: Site, *wanted: str, lines: Sequence[tuple[str, str]] = ()) -> Mapping[str, Verdict]:
        """Of every check, or of those that are wanted (the others cost time), after lines were typed."""
        checks = tuple(check for check in self.scenario.checks if not wanted or check.id in wanted)
        variant = replace(self.variant, scenario=replace(self.scenario, checks=checks))
        header = Header(self.scenario.id, self.scenario.digest, "0")
        return {result.id: result.verdict for result in judge(variant, header, site=site, lines=lines).results}

    def broken_by(self, *uses: FaultUse, lines: Sequence[tuple[str, str]] = ()) -> set[str]:
        """The checks that do not pass with these faults. None of them may be in error."""
        found = self.verdicts(self.site(*uses), lines=lines)
        assert Verdict.ERROR not in found.values()
        return {name for name, verdict in found.items() if verdict is not Verdict.PASS}

    def refuses(self, fault: str, parameters: Mapping[str, object], said: str) -> None:
        """A fault that does not fit the healthy site says why."""
        with pytest.raises(FaultError, match=re.escape(said)):
            CATALOGUE[fault].apply(self.healthy, parameters)
