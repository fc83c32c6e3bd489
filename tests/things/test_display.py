"""What stands on a screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.things.display import EMPTY, parse_display_config, read_payload, shown, stale_at
from labs.things.mqtt.codec import Publish
from labs.things.thing_config import ThingConfigError
from labs.things.toml_edit import set_toml_key
from tests.things_site import DISPLAY

CONFIG = parse_display_config(DISPLAY)


def text_of(payload: bytes, unit: str = "°C") -> str:
    config = parse_display_config(set_toml_key(DISPLAY, "screen.unit", unit))
    return shown(config, read_payload(Publish("t", payload), 0), 0.0)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b'{"value": 72.0, "unit": "F"}', "72.0 °C"),
        (b'{"value": 21}', "21 °C"),
        (b"21.46", "21.5 °C"),
        (b"21,5", EMPTY),
        (b"warm", EMPTY),
        (b'{"temp": 21}', EMPTY),
        (b'{"value": "21"}', EMPTY),
        (b'{"value": true}', EMPTY),
        (b'{"value": NaN}', EMPTY),
        (b"[1]", EMPTY),
        (b"", EMPTY),
        (b"\xff", EMPTY),
    ],
)
def test_number_is_shown_and_anything_else_is_not(payload: bytes, text: str) -> None:
    assert text_of(payload) == text


def test_screen_prints_its_own_unit() -> None:
    assert text_of(b"50", "%") == "50 %"
    assert text_of(b"50", "F") == "50 °F"


@given(st.binary(max_size=40))
def test_any_payload_is_shown_somehow(payload: bytes) -> None:
    assert text_of(payload)


def test_age_counts_from_the_time_in_the_message_else_from_its_arrival() -> None:
    config = parse_display_config(set_toml_key(DISPLAY, "screen.stale_after_s", 600))
    old = read_payload(Publish("t", b'{"value": 72.0, "at": "2025-11-02T16:20:00Z"}', retain=True), 0)
    assert stale_at(config, old, 1_776_150_000.0) == 1_762_100_400 + 600
    assert shown(config, old, 0.0, stale=True) == "72.0 °C (since 2025-11-02 16:20 UTC)"
    assert stale_at(config, read_payload(Publish("t", b"1"), 0), 1000.0) == 1600
    assert stale_at(config, read_payload(Publish("t", b'{"value": 1, "at": "never"}'), 0), 1000.0) == 1600
    assert stale_at(CONFIG, old, 0.0) is None


def test_filter_is_allowed_and_a_bad_one_is_refused() -> None:
    assert (
        parse_display_config(set_toml_key(DISPLAY, "mqtt.topic", "home/+/temperature")).mqtt.topic
        == "home/+/temperature"
    )
    with pytest.raises(ThingConfigError, match="not a topic filter"):
        parse_display_config(set_toml_key(DISPLAY, "mqtt.topic", "home/#/x"))
