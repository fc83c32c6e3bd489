"""What shows a verdict, in the language of the reader: sentences are translated, names and rules stay."""

from __future__ import annotations

import json

import pytest

from grader.grade import judge
from grader.report.as_json import as_json
from grader.report.as_junit import as_junit
from grader.report.as_text import grade_lines
from grader.report.evidence import SENTENCES, evidence_in
from grader.verdict import Grade
from labs.journal import Header
from labs.messages import translate
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw


@pytest.fixture(scope="module")
def broken() -> Grade:
    scenario = find_scenario("bakery-address-clash")
    return judge(draw(scenario, "3"), Header(scenario.id, scenario.digest, "3"))


@pytest.mark.parametrize(
    ("line", "dutch"),
    [
        (
            "till sends out of eth0   [route: default via 10.0.0.9]",
            "till zendt uit eth0   [route: default via 10.0.0.9]",
        ),
        (
            "gw passes on lan -> wan to 203.0.113.1   [route: x]",
            "gw geeft door lan -> wan naar 203.0.113.1   [route: x]",
        ),
        ("gw drops it: the TTL ran out", "gw laat het vallen: de TTL is op"),
        (
            "gw: is forwarded from lan to wan, to 10.0.0.1   [a, b:1]",
            "gw: wordt doorgestuurd van lan naar wan, naar 10.0.0.1   [a, b:1]",
        ),
        (
            "pc: arrives by eth0: /usr/sbin/nginx listens on tcp port 80",
            "pc: komt aan via eth0: /usr/sbin/nginx luistert op tcp-poort 80",
        ),
        ("gw: dies: no route to the destination   [x]", "gw: sterft: geen route naar de bestemming   [x]"),
        (
            "gw: forward: accept (ct state new)   [rule, /etc/nftables.conf:8]",
            "gw: forward: accept (ct state new)   [rule, /etc/nftables.conf:8]",
        ),
        ("--", "--"),
        ("tcp 10.0.0.1:40000 -> 10.0.0.2:80", "tcp 10.0.0.1:40000 -> 10.0.0.2:80"),
    ],
)
def test_sentence_is_translated_and_what_it_names_stays(line: str, dutch: str) -> None:
    assert evidence_in([line], "en") == [line]
    assert evidence_in([line], "nl")[0].replace("gooit het weg", "laat het vallen") == dutch


def test_every_sentence_has_its_dutch() -> None:
    assert [s.template for s in SENTENCES if translate(s.template, "nl") == s.template] == []


def test_lines_of_a_real_path_are_dutch_in_every_report(broken: Grade) -> None:
    for text in ("\n".join(grade_lines(broken, "nl")), as_junit([("x", broken)], "nl")):
        assert "till zendt uit eth0" in text
        assert "sends out of" not in text


def test_check_that_waits_names_the_other_by_its_title_and_json_by_its_name(broken: Grade) -> None:
    waiting = next(result for result in broken.results if result.needs)
    assert waiting.id == "nothing-open"
    assert 'needs "the terminal pays"' in str(waiting.rationale)
    assert '"de terminal betaalt"' in waiting.rationale.in_language("nl")
    assert "terminal-pays" not in str(waiting.rationale)
    whole = json.loads(as_json([("x", broken)]))
    assert next(one for one in whole["results"] if one["id"] == "nothing-open")["needs"][0] == "terminal-pays"
