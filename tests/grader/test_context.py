"""What a judge asks anew is answered anew."""

from __future__ import annotations

import labs
from grader.checks import Context
from labs.model.services import Service
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
