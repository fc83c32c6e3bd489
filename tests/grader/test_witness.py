"""A refusal counts only where it was tested: dead, silent and unplugged networks earn nothing for being safe."""

from __future__ import annotations

import pytest

import grader
import labs
from grader.verdict import Verdict
from tests.small import small


def refusal(*lines: tuple[str, str]) -> tuple[Verdict, str]:
    lab = labs.open(small(), seed=3)
    for place, line in lines:
        lab.run(place, line)
    result = grader.check(lab).results[1]
    return result.verdict, str(result.rationale)


def test_refusal_by_the_firewall_is_a_pass_that_names_the_rule() -> None:
    verdict, why = refusal()
    assert verdict is Verdict.PASS
    assert "the firewall of gw stops it: inet filter forward: policy drop" in why


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([("hands", "power off tv")], "no power"),
        ([("hands", "unplug tv")], "nothing was tested"),
        ([("tv", "ip addr flush dev eth0")], "nothing was tested"),
        ([("tv", "ip route del default")], "could not even send"),
        ([("gw", "sysctl -w net.ipv4.ip_forward=0")], "no firewall refused it"),
        ([("hands", "power off gw")], "nothing was tested"),
        ([("hands", "unplug isp")], "its silence proves nothing"),
        (
            [
                ("tv", "nft add table inet x"),
                ("tv", "nft add chain inet x o '{ type filter hook output priority 0; policy drop; }'"),
            ],
            "nothing was tested",
        ),
        ([("gw", "nft flush chain inet filter forward")], "its silence proves nothing"),
    ],
)
def test_refusal_without_a_witness_is_blocked(lines: list[tuple[str, str]], said: str) -> None:
    verdict, why = refusal(*lines)
    assert verdict is Verdict.BLOCKED
    assert said in why


@pytest.mark.parametrize(
    "lines",
    [
        [("gw", "nft flush ruleset")],
        [("gw", "nft add rule inet filter forward accept")],
        [("gw", "nft insert rule inet filter forward tcp dport 22 accept")],
    ],
)
def test_packet_that_arrives_fails_the_refusal_even_where_nothing_listens(lines: list[tuple[str, str]]) -> None:
    verdict, why = refusal(*lines)
    assert verdict is Verdict.FAIL
    assert "gets through" in why
