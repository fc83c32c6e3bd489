"""Topic names and filters; the cases of MQTT 3.1.1 §4.7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.mqtt.topics import matches, valid_filter, valid_topic

LEVELS = st.lists(st.sampled_from(["", "a", "b", "home"]), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+", "/finance", False),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("#", "$SYS/broker/uptime", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/monitor/Clients", True),
        ("home/Hall", "home/hall", False),
        ("/home", "home", False),
    ],
)
def test_filter_matches_as_the_standard_says(pattern: str, topic: str, expected: bool) -> None:
    assert matches(pattern, topic) is expected


@pytest.mark.parametrize("pattern", ["#", "+", "a/+/b", "/", "a//b", "+/+/#"])
def test_filter_is_legal(pattern: str) -> None:
    assert valid_filter(pattern)


@pytest.mark.parametrize("pattern", ["", "a#", "#/a", "a/#/b", "a+/b", "a\0b", "x" * 65_536, "/" * 300])
def test_filter_is_illegal(pattern: str) -> None:
    assert not valid_filter(pattern)


@given(LEVELS)
def test_a_topic_matches_itself_and_everything(levels: list[str]) -> None:
    topic = "/".join(levels)
    if topic:
        assert valid_topic(topic)
        assert matches(topic, topic)
        assert matches("#", topic)


@given(LEVELS, st.data())
def test_a_plus_stands_for_any_one_level(levels: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(levels) - 1))
    pattern = "/".join([*levels[:place], "+", *levels[place + 1 :]])
    assert matches(pattern, "/".join(levels))
    assert not matches(pattern, "/".join([*levels, "x"]))
