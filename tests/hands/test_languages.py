"""Hands speak the language of their owner; what is recorded and compared is English."""

from __future__ import annotations

import pytest

from labs.engines.base import HandsOutput
from labs.lab import open_lab

LINES = ["look", "look laptop", "patch till:eth9 sw:p1", "power off printer", "dance", "help", "wait 3 s"]


@pytest.mark.parametrize("line", LINES)
def test_answer_of_hands_is_told_in_both_languages(line: str) -> None:
    lab = open_lab("bakery-address-clash", seed=3)
    answer = lab.run("hands", line)
    assert isinstance(answer, HandsOutput)
    assert answer.in_language("en") == answer.text
    assert answer.in_language("nl") != answer.text
    assert tuple(answer) == (answer.text, answer.status)


def test_room_is_described_in_dutch() -> None:
    """What a device is for stands in the scenario in both languages."""
    lab = open_lab("bakery-address-clash", seed=3)
    assert "betaalterminal" in lab.run("hands", "look shop").in_language("nl")


def test_device_speaks_the_language_of_its_tools() -> None:
    answer = open_lab("bakery-address-clash", seed=3).run("till", "hostname")
    assert answer.in_language("nl") == answer.text == "till\n"
