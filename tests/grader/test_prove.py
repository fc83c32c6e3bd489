"""Scenarios that prove themselves, and some that do not."""

from __future__ import annotations

import itertools
import sys

import pytest

import grader
from labs.scenario.library import load_scenario, scenario_files
from tests.small import small


@pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)
def test_shipped_scenario_proves_itself(path) -> None:  # type: ignore[no-untyped-def]
    proof = grader.prove(load_scenario(path), [0, 7])
    assert [f"{line.what}: {line.said}" for line in proof.lines if not line.good] == []


def bad_lines(scenario) -> list[str]:  # type: ignore[no-untyped-def]
    return [line.what.partition(" (seed")[0] for line in grader.prove(scenario, [3]).lines if not line.good]


def test_small_scenario_proves_itself() -> None:
    assert bad_lines(small()) == []


def test_fault_that_no_check_notices_is_found() -> None:
    scenario = small(**{"  - {id: as-agreed, policy: exact, points: 1, needs: [online]}\n": ""})
    assert "rule-too-wide" in bad_lines(scenario)


def test_solution_that_does_not_solve_is_found() -> None:
    assert "reference repair" in bad_lines(small(**{"ip route replace default": "echo ip route replace default"}))


def test_line_of_a_repair_that_is_refused_is_told() -> None:
    proof = grader.prove(small(**{"ip route replace default": "ip rute replace default"}), [3])
    said = next(str(line.said) for line in proof.lines if line.what.startswith("reference repair"))
    assert "ip rute replace default" in said
    assert said.endswith('ended with status 1: Object "rute" is unknown, try "ip help".')


def test_healthy_site_that_is_not_healthy_is_found() -> None:
    assert "healthy site" in bad_lines(small(**{'{https: "true"}': '{http: "true"}'}))


def test_threshold_that_doing_nothing_reaches_is_found() -> None:
    assert "broken site, do nothing" in bad_lines(small(**{"minutes: 10": "minutes: 10\npass: 0.25"}))


def test_attempts_side_by_side_the_proof_is_the_same_and_each_is_told():
    told = []
    alone = grader.prove(small(), [3])
    beside = grader.prove(small(), [3], at_once=4, tell=lambda done, every, line: told.append((done, every, line.what)))
    assert [(line.what, str(line.said), line.good) for line in beside.lines] == [
        (line.what, str(line.said), line.good) for line in alone.lines
    ]
    assert sorted(what for _, _, what in told) == sorted(line.what for line in alone.lines)
    assert [(done, every) for done, every, _ in told] == [(n + 1, len(alone.lines)) for n in range(len(alone.lines))]


def test_site_that_two_attempts_share_is_judged_once(monkeypatch):
    prove = sys.modules["grader.prove"]
    judged, whole = [], prove.judge

    def judge(variant, header, *, site, lines):
        judged.append((site, lines))
        return whole(variant, header, site=site, lines=lines)

    monkeypatch.setattr(prove, "judge", judge)
    proof = grader.prove(small(**{"  - rule-too-wide: {on: gw, port: 443}\n": ""}), [0])  # one fault is the broken site
    assert len(judged) == len(proof.lines) - 1
    assert all(one != other for one, other in itertools.combinations(judged, 2))
