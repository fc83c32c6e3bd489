"""`reach` and `refuse` ask the analysis too: both must agree, and it knows more than one packet shows."""

from __future__ import annotations

import pytest

import grader
import labs
from grader.reach import Reach
from grader.reach.trace import Conversation, Tracer
from grader.verdict import Result, Verdict
from tests.small import small

PC_WORKS = {"- host-wrong-gateway: {on: pc}": "- host-wrong-gateway: {on: tv}"}
FORWARD = "nft insert rule inet filter forward"


def judged(*lines: tuple[str, str], **changes: str) -> dict[str, Result]:
    lab = labs.open(small(**changes), seed=3)
    for place, line in lines:
        lab.run(place, line)
    return {result.id: result for result in grader.check(lab).results}


def test_analysis_that_contradicts_a_packet_that_passed_is_an_error_with_both_stories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Tracer, "converse", lambda _, packet: Conversation(packet))
    result = judged(**PC_WORKS)["online"]
    assert result.verdict is Verdict.ERROR
    assert "does not get through, and the packet did" in str(result.rationale)
    told = [str(line) for line in result.evidence]
    assert "what the packet met:" in told[told.index("what the analysis says:") :]


def test_analysis_that_lets_through_what_the_firewall_stopped_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reach, "arrives", lambda *_: True)
    found = judged()["tv-quiet"]
    assert found.verdict is Verdict.ERROR
    assert "gets through, and the packet did not" in str(found.rationale)


def test_rule_that_takes_some_client_ports_only_fails_what_must_work() -> None:
    result = judged(("gw", f"{FORWARD} tcp sport 60000-60999 drop"), **PC_WORKS)["online"]
    assert result.verdict is Verdict.FAIL
    assert "from some ports only" in str(result.rationale)


def test_rule_for_one_client_port_fails_what_must_be_refused() -> None:
    found = judged(("gw", f"{FORWARD} tcp sport 53 tcp dport 22 accept"))["tv-quiet"]
    assert found.verdict is Verdict.FAIL
    assert "gets through to isp (ssh) with tcp" in str(found.rationale)
    assert ":53 ->" in str(found.rationale)
    assert "tcp sport 53 tcp dport 22 accept" in str(found.rationale)


def test_failed_reach_names_file_and_line_that_decided() -> None:
    result = judged()["online"]
    assert result.verdict is Verdict.FAIL
    assert "(/etc/network/interfaces:" in str(result.rationale)


def test_failed_refusal_names_the_rule_and_its_line() -> None:
    lines = (
        ("gw", "sed -i 's/policy drop/policy accept/' /etc/nftables.conf"),
        ("gw", "systemctl restart nftables"),
    )
    found = judged(*lines)["tv-quiet"]
    assert found.verdict is Verdict.FAIL
    assert "policy accept" in str(found.rationale)
    assert "(/etc/nftables.conf:" in str(found.rationale)


def test_rule_outside_the_exact_scope_leaves_the_word_to_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reach, "arrives", lambda *_: True)
    found = judged(("gw", f"{FORWARD} ip ttl 3 meta mark set 7"), ("gw", f"{FORWARD} meta mark 7 accept"))["tv-quiet"]
    assert found.verdict is not Verdict.ERROR
