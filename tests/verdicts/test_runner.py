"""Cases side by side: what is shared must not show."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

from labs.engines.base import Engine
from labs.scenario.variant import Variant
from tests.verdicts.corpus import Case, judged, load, variant_of
from tests.verdicts.runner import Crash, side_by_side

CASES = [case for case in load() if case.scenario == "locked-broker"]
BROKEN_OFF = replace(CASES[0], name="a case whose process is ended")


def verdicts(case: Case, variant: Variant, engine: Engine | None = None) -> list[tuple[str, str, str]]:
    if case.name == BROKEN_OFF.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return [(found.id, str(found.verdict), str(found.rationale)) for found in judged(case, variant, engine).results]


def test_cases_side_by_side_get_the_verdicts_and_words_that_each_gets_alone() -> None:
    together = dict(side_by_side(CASES[:5], verdicts))
    assert together == {case: verdicts(case, variant_of(case)) for case in CASES[:5]}


def test_case_that_cannot_be_typed_or_ends_its_process_is_told_and_the_others_are_judged() -> None:
    odd = replace(CASES[0], name="nothing to leave out", without=("nobody",))
    found = dict(side_by_side([odd, BROKEN_OFF, CASES[0]], verdicts, processes=1))
    assert isinstance(found[odd], Crash)
    assert "nobody" in found[odd].said
    assert found[BROKEN_OFF] == Crash("its process ended without a word")
    assert not isinstance(found[CASES[0]], Crash)


def test_line_that_cases_share_is_typed_once_and_each_goes_on_alone() -> None:
    first = replace(CASES[0], name="one", lines=(*CASES[0].lines, ("server", "touch /etc/one")))
    second = replace(CASES[0], name="two", lines=(*CASES[0].lines, ("server", "touch /etc/two")))
    found = dict(side_by_side([first, second], files))
    assert found == {first: "/etc/one", second: "/etc/two"}


def files(case: Case, variant: Variant, engine: Engine) -> str:
    del case, variant
    return " ".join(path for path in engine.observe().devices["server"].files if path in ("/etc/one", "/etc/two"))
