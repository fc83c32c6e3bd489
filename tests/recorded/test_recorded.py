"""The simulator answers what real machines answered: the same lines on the same small office."""

from __future__ import annotations

import pytest

from labs.lab import engine_named
from tests.recorded.corpus import ANSWERS, LINES, answers, comparable, office, read

TYPED = read(LINES)
RECORDED = read(ANSWERS) if ANSWERS.exists() else {}
MINUTE = 60_000_000_000


@pytest.mark.parametrize("name", TYPED)
def test_paragraph_on_a_fresh_office_answers_what_the_real_tools_answered(name: str) -> None:
    engine = engine_named("sim")
    engine.start(office())
    engine.wait(MINUTE)
    different = []
    for said, real in zip(answers(engine, TYPED[name]), RECORDED[name], strict=True):
        assert (said.place, said.line) == (real.place, real.line), "record anew: python -m tests.recorded.record"
        if (comparable(said.line, said.text), said.status) != (comparable(real.line, real.text), real.status):
            different.append(f"simulated {said}real      {real}")
    assert not different, "\n" + "\n".join(different)


def test_recordings_hold_enough_lines_good_and_bad() -> None:
    statuses = [said.status for paragraph in RECORDED.values() for said in paragraph]
    assert len(statuses) >= 150
    assert sum(status != 0 for status in statuses) >= 50
