"""Every verdict of the corpus is as expected, and a grader that is wrong somewhere would be noticed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from grader.checks import JUDGES, policy
from grader.checks import flows as flow_judges
from grader.reach import Reach
from grader.verdict import Finding, Verdict
from tests.verdicts.corpus import Case, load, wrong

CASES = load()
QUICK = "tasting-room-guests"  # all of these; of each other scenario the first two (`make verdicts` judges all)


def some() -> list[Case]:
    kept: dict[str, int] = {}
    found = []
    for case in CASES:
        kept[case.scenario] = kept.get(case.scenario, 0) + 1
        if case.scenario == QUICK or kept[case.scenario] <= 2:
            found.append(case)
    return found


def named(name: str) -> Case:
    return next(case for case in CASES if case.scenario == QUICK and case.name == name)


@pytest.mark.parametrize("case", some(), ids=str)
def test_every_verdict_is_as_expected(case: Case) -> None:
    assert [f"{w.kind}: {w.check} is {w.got}, not {w.expected}: {w.said}" for w in wrong(case)] == []


def test_every_case_has_a_name_of_its_own_and_the_corpus_is_large() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) >= 60


def inverted(judge: Callable[..., Finding]) -> Callable[..., Finding]:
    swapped = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}

    def wrapper(*arguments: object) -> Finding:
        found = judge(*arguments)
        return Finding(swapped.get(found.verdict, found.verdict), found.rationale)

    return wrapper


def invert(kind: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(JUDGES, kind, inverted(JUDGES[kind]))


def skip_witness(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(flow_judges, "witness_against", lambda *_: None)


def forget_zone(patch: pytest.MonkeyPatch) -> None:
    whole = policy._Trial
    patch.setattr(policy, "_Trial", lambda *a: whole(*a[:3], [device for device in a[3] if device != "phone"]))


def forget_spare_addresses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reach, "_spare", lambda *_: iter(()))


def forget_openings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "_openings", lambda *_: [])


def believe_the_silent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "_alive", lambda *_: True)


def forget_lower_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "_works", lambda *_: True)
    patch.setattr(policy, "_converse", lambda *_: True)


def never_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules["grader.grade"], "_power_cut", lambda *_: None)


@pytest.mark.parametrize(
    ("mutate", "case"),
    [
        (invert("reach"), "reference repair"),
        (invert("refuse"), "accept at the end of the forward chain"),
        (invert("policy"), "web pages of all plant devices for the office"),
        (invert("fresh"), "reference repair"),
        (skip_witness, "the router no longer forwards"),
        (forget_zone, "a handful of UDP ports for guests"),
        (forget_spare_addresses, "one spare address of the guests"),
        (forget_openings, "the plant may ask for names outside"),
        (believe_the_silent, "the tank unplugged"),
        (forget_lower_bound, "guests without plain http"),
        (never_restart, "mended live, the file not"),
    ],
)
def test_mutated_grader_is_noticed_by_the_corpus(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], case: str
) -> None:
    mutate(monkeypatch)
    assert wrong(named(case))
