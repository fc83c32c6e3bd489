"""What a judge asks anew is answered anew."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import labs
from grader.checks import Context
from labs.engines.base import BeyondEngine
from labs.model.services import Service
from labs.scenario.variant import draw
from tests.small import small


def test_flow_asked_anew_after_the_target_lost_its_address_has_no_answer() -> None:
    """An answer of before must not stand in for one that can no longer come: it would pass a dead device."""
    lab = labs.open(small(), seed=3)
    context = Context(lab.engine, lab.variant)
    flow = ("pc", "tv", Service("icmp"))
    first = context.observe([flow])[flow]
    assert first is not None
    assert first.delivered
    lab.engine.run("tv", "ip addr flush dev eth0")
    assert context.observe([flow])[flow] is first
    assert context.observe([flow], fresh=True)[flow] is None


@pytest.mark.parametrize("repeats", [True, False])
def test_another_day_is_asked_for_twice_the_repair_is_made_there_once_and_its_lab_given_back(repeats: bool) -> None:
    """An engine in real time replays as well; only the same moment again is none there."""
    made: list[SimpleNamespace] = []

    def again(start_s: int | None) -> SimpleNamespace:
        made.append(SimpleNamespace(start_s=start_s, repeats=repeats, stopped=0))
        made[-1].stop = lambda engine=made[-1]: setattr(engine, "stopped", engine.stopped + 1)
        return made[-1]

    variant = draw(small(), "3")
    context = Context(SimpleNamespace(repeats=repeats), variant, again, variant.broken)
    assert context.on_another_day(86_400) is context.on_another_day(86_400)
    assert [engine.start_s for engine in made] == [86_400]
    assert (context.anew() is None) == (not repeats)
    context.leave_other_days()
    assert made[0].stopped == 1


def test_another_day_is_asked_for_where_nothing_can_be_replayed_the_check_is_beyond_the_engine() -> None:
    """A judge that sits at a running lab alone has no other day."""
    variant = draw(small(), "3")
    with pytest.raises(BeyondEngine, match="another day"):
        Context(SimpleNamespace(repeats=False), variant, start=variant.broken).on_another_day(0)
