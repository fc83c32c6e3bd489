"""Every verdict of the corpus is as expected, and a grader that is wrong somewhere would be noticed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from grader.checks import (
    JUDGES,
    battery,
    control,
    data,
    encrypted,
    entrance,
    loops,
    messages,
    origin,
    policy,
    unique,
    untouched,
    wiretap,
)
from grader.checks import flows as flow_judges
from grader.reach.senders import Senders
from grader.verdict import Finding, Verdict
from labs.engines.base import Output
from labs.messages import message
from tests.verdicts.corpus import Case, grade, load, variant_of, wrong
from tests.verdicts.mutants import BY_TESTS, EQUIVALENT, mutants, noticed_by, noticed_by_tests, survivors

CASES = load()
HEARD = (
    "authenticated",
    "authorised",
    "duplicate",
    "fresh",
    "gap",
    "monotonic",
    "no_plaintext",
    "range",
    "reading",
    "topic",
    "unit",
)
SAMPLE = (
    ("checks.unique", 1, "reference repair", "bakery-address-clash"),
    ("checks.untouched", 4, "reference repair", "pumping-station-link"),
    ("checks.origin", 0, "reference repair", "tasting-room-guests"),
)
# Of each scenario the first case and then one in so many: half a minute in all. `make verdicts` judges every case.
EVERY = {
    "bakery-address-clash": 5,
    "batteries-that-die": 6,
    "cold-store-bus": 9,
    "first-sensor-online": 4,
    "greenhouse-current-loop": 7,
    "heating-rule-bug": 19,
    "kept-warm": 6,
    "locked-broker": 2,
    "long-life": 4,
    "network-that-screams": 6,
    "pumping-station-link": 4,
    "sealed-plant": 2,
    "spoken-aloud": 3,
    "tasting-room-guests": 4,
    "thermostat-wrong-time": 16,
    "two-versions": 5,
    "three-floors-one-trunk": 7,
}


def some() -> list[Case]:
    found = []
    for scenario, every in EVERY.items():
        found += [case for case in CASES if case.scenario == scenario][::every]
    return found


def named(name: str, scenario: str = "tasting-room-guests") -> Case:
    return next(case for case in CASES if case.scenario == scenario and case.name == name)


@pytest.mark.parametrize("case", some(), ids=str)
def test_every_verdict_is_as_expected(case: Case) -> None:
    assert [f"{w.kind}: {w.check} is {w.got}, not {w.expected}: {w.said}" for w in wrong(case)] == []


def test_every_case_has_a_name_of_its_own_and_the_corpus_is_large() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) >= 200


def test_every_judge_has_a_case_that_expects_it_to_find_fault() -> None:
    found_wanting = set()
    for scenario in EVERY:
        cases = [case for case in CASES if case.scenario == scenario]
        kinds = {check.id: check.kind for check in variant_of(cases[0]).scenario.checks}
        found_wanting |= {kinds[check] for case in cases for check in case.expect}
    assert set(JUDGES) - found_wanting == set()


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
    patch.setattr(Senders, "_spare", lambda *_: iter(()))


def forget_openings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "openings_over", lambda *_, **__: [])


def believe_the_silent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "_alive", lambda *_: True)


def forget_lower_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "_works", lambda *_: True)
    patch.setattr(policy, "_converse", lambda *_: True)


def never_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules["grader.trial"], "_power_cut", lambda *_: None)


def passes(*_: object) -> Finding:
    return Finding(Verdict.PASS, message("holds"))


def silence_is_fine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(data, "nothing_heard", passes)


def any_number_is_true(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(data, "_in_unit", lambda true, *_: (true, 1e9))


def dead_broker_refuses(patch: pytest.MonkeyPatch) -> None:
    whole = entrance._knock

    def knock(context: Any, source: str, body: Any, host: str) -> Output:
        right = body.user == "panel" and not body.password.startswith("not-")
        return Output("", 0) if right else whole(context, source, body, host)

    patch.setattr(entrance, "_knock", knock)


def nobody_listens_in(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(wiretap, "_exchanged", lambda *_: [])


def off_anyhow(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(control, "_came", lambda *_, **__: True)


def one_look(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "FOLLOW_NS", 0)


def no_patience(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "_fresh", lambda *_: True)


def kept_is_young(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "_moment", lambda *_: datetime(2026, 5, 2, 7, 48, tzinfo=UTC).timestamp())  # just now


def forget_pools(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(unique, "_clashes", lambda *_: iter(()))


def homeless_is_fine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(unique, "_homeless", lambda *_: None)


def anybody_may_speak(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(origin, "_while_off", lambda *_: None)


def names_lead_anywhere(patch: pytest.MonkeyPatch) -> None:
    whole = flow_judges.works
    patch.setattr(flow_judges, "works", lambda context, flow, observation, at="": whole(context, flow, observation))


def files_tell_the_truth(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(battery, "_unlike", lambda *_: None)


def nothing_is_foreign(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(untouched, "_live", lambda *_: iter(()))


def forget_the_new_version(patch: pytest.MonkeyPatch) -> None:
    whole = policy._halves
    patch.setattr(policy, "_halves", lambda trial: whole(trial)[:1])


def a_doubt_is_a_proof(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy._Half, "doubts", property(lambda _: ()))


def any_topic_will_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(entrance, "broker_of", lambda *_: None)


def whoever_looks_sees_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(messages, "_hidden_from", lambda *_: None)


def plain_is_fine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "bare_ports", lambda *_: [])


def files_tell_how_a_port_speaks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encrypted, "_spoken", lambda *a: a[-1].because == "plain")


def no_loop(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loops, "_with_loop", lambda *_: None)


@pytest.mark.parametrize(
    ("mutate", "case"),
    [
        (invert("reach"), named("reference repair")),
        (invert("refuse"), named("accept at the end of the forward chain")),
        (invert("policy"), named("web pages of all plant devices for the office")),
        (invert("kept"), named("reference repair", "first-sensor-online")),
        (invert("shows"), named("reference repair", "first-sensor-online")),
        (invert("unique"), named("reference repair", "bakery-address-clash")),
        (invert("withstands"), named("reference repair", "network-that-screams")),
        (invert("resolve"), named("nothing done", "thermostat-wrong-time")),
        (invert("reacts"), named("nothing done", "heating-rule-bug")),
        *((invert(kind), named("the port mended", "locked-broker")) for kind in HEARD),
        (skip_witness, named("the router no longer forwards")),
        (forget_zone, named("a handful of UDP ports for guests")),
        (forget_spare_addresses, named("one spare address of the guests")),
        (forget_openings, named("the plant may ask for names outside")),
        (believe_the_silent, named("the tank unplugged")),
        (forget_lower_bound, named("guests without plain http")),
        (never_restart, named("mended live, the file not")),
        (silence_is_fine, named("nothing done", "locked-broker")),
        (any_number_is_true, named("an offset of two degrees", "locked-broker")),
        (dead_broker_refuses, named("the broker stopped", "locked-broker")),
        (nobody_listens_in, named("the port mended", "locked-broker")),
        (off_anyhow, named("the comparison left", "heating-rule-bug")),
        (one_look, named("the right number, dated tomorrow", "first-sensor-online")),
        (no_patience, named("the name in the file of the thermostat", "thermostat-wrong-time")),
        (kept_is_young, named("reference without the broker", "first-sensor-online")),
        (forget_pools, named("reference without the router", "bakery-address-clash")),
        (homeless_is_fine, named("the printer left down", "bakery-address-clash")),
        (invert("battery"), named("version written into the file", "batteries-that-die")),
        (invert("origin"), named("a script speaks for the tank")),
        (invert("untouched"), named("the line widened until tonight", "pumping-station-link")),
        (anybody_may_speak, named("a script speaks for the tank")),
        (names_lead_anywhere, named("the archive on the controller itself, by its name", "pumping-station-link")),
        (files_tell_the_truth, named("version written into the file", "batteries-that-die")),
        (nothing_is_foreign, named("the line widened until tonight", "pumping-station-link")),
        (forget_the_new_version, named("one port left open over IPv6", "two-versions")),
        (a_doubt_is_a_proof, named("marks that open the office", "two-versions")),
        (any_topic_will_do, named("a back door on a topic that nobody uses", "locked-broker")),
        (whoever_looks_sees_all, named("the old value hidden from whoever looks", "first-sensor-online")),
        (plain_is_fine, named("web pages without ssl on the same port", "sealed-plant")),
        (files_tell_how_a_port_speaks, named("web pages without ssl, not read again", "sealed-plant")),
        (no_loop, named("the lead out, nothing else", "network-that-screams")),
    ],
)
def test_mutated_grader_is_noticed_by_the_corpus(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], case: Case
) -> None:
    mutate(monkeypatch)
    assert wrong(case)


def test_verdict_without_a_proof_says_so() -> None:
    """Where the analysis cannot decide, packets do, and the text names why."""
    for name, words in (
        ("marks that do no harm", "tried with packets alone, because of gw: rules set marks and ask for them"),
        ("marks over IPv6 alone", "over IPv6 8 flows were tried with packets, which is no proof; tried with packets"),
        ("the rule out", "nothing else gets through: proved for every packet between 2 pairs, of IPv4 and of IPv6"),
    ):
        found = {result.id: result for result in grade(named(name, "two-versions")).results}["as-agreed"]
        assert found.verdict is Verdict.PASS
        assert words in str(found.rationale)


def test_comparison_that_is_turned_round_is_noticed() -> None:
    """A sample of the mechanical mutants; `python -m tests.verdicts.mutants` tries all of them."""
    for module, number, name, scenario in SAMPLE:
        mutant = next(one for one in mutants(module) if one.number == number)
        assert noticed_by(mutant, named(name, scenario)), str(mutant)


def test_mutants_side_by_side_are_noticed_by_the_cases_that_ask_their_comparison() -> None:
    tried = [mutant for mutant in mutants("checks.entrance") if mutant.number < 4]
    cases = [case for case in CASES if case.scenario == "locked-broker"][:8]
    unasked, left = survivors(tried, cases, most=3)
    assert len(unasked) + len(left) < len(tried)
    assert not any(noticed_by(mutant, case) for mutant in left for case in cases[:3])


def test_mutants_that_change_nothing_are_comparisons_of_the_code_as_it_is() -> None:
    known = {*EQUIVALENT, *BY_TESTS}
    texts = {(mutant.module, mutant.text) for module in {m for m, _ in known} for mutant in mutants(module)}
    assert known - texts == set()


def test_comparison_that_decides_about_words_is_noticed_by_the_tests_that_hold_them() -> None:
    for mutant in mutants("checks.messages"):
        path = BY_TESTS.get((mutant.module, mutant.text))
        if path is not None:
            assert noticed_by_tests(mutant, path), str(mutant)
