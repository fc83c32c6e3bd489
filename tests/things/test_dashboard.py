"""Tiles: what they show, how old it is, and when they raise an alarm."""

from __future__ import annotations

import pytest

from labs.things.dashboard import Reading, Tile, parse_dashboard_config, tile_state
from labs.things.thing_config import ThingConfigError

TEXT = """
[dashboard]
title = "Hall"
timezone = "Europe/Brussels"
[mqtt]
host = "server"
client_id = "board"
[tile.hall]
topic = "hall/temperature"
unit = "C"
max_age_s = 300
low = 5.0
high = 24
"""
HALL = Tile("hall", "hall", "hall/temperature", "C", "value", 300, 5.0, 24.0)


def test_file_gives_tiles_with_their_limits() -> None:
    config = parse_dashboard_config(TEXT)
    assert config.tiles == (HALL,)
    assert (config.title, config.zone.name, config.mqtt.host) == ("Hall", "Europe/Brussels", "server")


@pytest.mark.parametrize(
    ("reading", "now", "value", "alarm"),
    [
        (None, 0, "--", "no value"),
        (Reading(20.0, "", 0, "C"), 300, "20.0 °C", ""),
        (Reading(20.0, "", 0, "C"), 301, "20.0 °C", "older than 300 s"),
        (Reading(24.1, "", 0, "°C"), 1, "24.1 °C", "above 24"),
        (Reading(4.9, "", 0), 1, "4.9 °C", "below 5"),
        (Reading(68.0, "", 0, "F"), 1, "68.0 °C", "comes in °F"),
        (Reading(None, "on", 0), 1, "on", ""),
    ],
)
def test_tile_says_what_is_wrong(reading: Reading | None, now: float, value: str, alarm: str) -> None:
    shown = tile_state(HALL, reading, now)
    assert (shown["value"], shown["alarm"]) == (value, alarm)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("hall/temperature", "hall/#"), '"tile.hall.topic" is not a topic'),
        (("max_age_s", "max_age"), 'unknown key "tile.hall.max_age"; did you mean "tile.hall.max_age_s"?'),
        (("Europe/Brussels", "Mars/Olympus"), '"dashboard.timezone": "Mars/Olympus" is not a time zone'),
        (('topic = "hall/temperature"', ""), 'missing key "tile.hall.topic"'),
        (("[mqtt]", "[mqtt"), "line"),
    ],
)
def test_mistake_is_told_in_one_line(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ThingConfigError) as caught:
        parse_dashboard_config(TEXT.replace(*change))
    assert said in str(caught.value)


def test_tiles_have_to_be_tables() -> None:
    with pytest.raises(ThingConfigError, match="must be tables"):
        parse_dashboard_config("tile = 3\n")
