"""Which devices the map marks after a check: those that it is about, and no neighbour of theirs."""

from __future__ import annotations

import pytest

import labs
from labs.ui.concerns import devices_of


@pytest.mark.parametrize(
    ("scenario", "check", "devices"),
    [
        ("cold-store-bus", "third-cell", ("server", "s6")),
        ("cold-store-bus", "panel-shows-cell", ("panel", "s4")),
        ("cold-store-bus", "all-ten", ("server",)),
        ("greenhouse-current-loop", "middle-right", ("server", "middle")),
        ("first-sensor-online", "panel-shows-garden", ("sensor", "panel")),  # its topic is mistyped: whatever is there
        ("heating-rule-bug", "warm-for-the-guests", ("boiler",)),
    ],
)
def test_check_is_about_the_sensor_that_its_topic_names(scenario: str, check: str, devices: tuple[str, ...]) -> None:
    lab = labs.open(scenario, seed="7")
    body = next(one for one in lab.scenario.checks if one.id == check)
    assert set(devices_of(body, lab.drawing())) == set(devices)
