"""What `authorised` says besides its verdict: the line that decided, the order of its topics, and its own mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from grader.checks.context import Context
from grader.checks.entrance import _contradiction, _evidence, _topics, broker_of
from grader.verdict import Verdict
from labs.lab import engine_named
from labs.scenario.data_intents import Authorised
from labs.things.mosquitto_access import Direction
from tests.verdicts.corpus import load, variant_of


@pytest.fixture(scope="module")
def trial() -> Any:
    variant = variant_of(next(case for case in load() if case.scenario == "locked-broker"))
    engine = engine_named("sim")
    engine.start(variant.broken)
    context = Context(engine, variant)
    body = next(check.body for check in variant.scenario.checks if isinstance(check.body, Authorised))
    yield context, body, broker_of(context, "server")
    engine.stop()


@pytest.mark.parametrize(
    ("direction", "asked", "line"),
    [
        (
            Direction.WRITE,
            "what it may publish: home/garden/#",
            "may publish on home/garden/x   [/etc/mosquitto/acl:2]",
        ),
        (Direction.READ, "what it may read: cmd/garden", "may not receive home/garden/x   [/etc/mosquitto/acl]"),
    ],
)
def test_evidence_names_what_was_asked_and_the_line_that_decided(
    trial: Any, direction: Direction, asked: str, line: str
) -> None:
    _, body, rules = trial
    first, second = _evidence(rules, body, direction, "home/garden/x")
    assert str(first) == asked
    assert line in str(second)


def test_topics_that_things_use_are_tried_before_those_that_stand_for_others(trial: Any) -> None:
    context, body, rules = trial
    assert _topics(context, body, rules)[:2] == ["cmd/garden", "home/garden/temperature"]


@pytest.mark.parametrize(
    ("topic", "sent", "received", "verdict"),
    [
        ("cmd/garden", False, True, None),
        ("cmd/garden", True, True, Verdict.ERROR),
        ("cmd/garden", False, False, Verdict.ERROR),
        ("home/garden/temperature", True, False, None),
        ("home/garden/temperature", False, False, Verdict.ERROR),
    ],
)
def test_message_against_the_list_is_a_mistake_of_the_grader(
    trial: Any, topic: str, sent: bool, received: bool, verdict: Verdict | None
) -> None:
    _, body, rules = trial
    found = _contradiction(rules, body, topic, sent=sent, received=received)
    assert (found and found.verdict) == verdict
    assert _contradiction(None, body, topic, sent=not sent, received=received) is None
