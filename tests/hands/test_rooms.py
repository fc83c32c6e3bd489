"""Hands open windows and hold a hair dryer to a probe; the world reacts, and a fresh one does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labs.engines.sim import SimEngine
from labs.model.world import Climate, DayCycle, Room, World
from labs.things.world import RoomSense
from tests.things_site import site

HOUR = 3600 * 10**9
WORLD = World(
    {
        "street": Room("street", {"temperature": DayCycle(5.0)}),
        "garden": Room("garden", climate=Climate("street", start=20.0, window_air_changes=20)),
    }
)


@pytest.fixture
def engine() -> SimEngine:
    engine = SimEngine()
    engine.start(replace(site(), world=WORLD))
    return engine


def truth(engine: SimEngine) -> float:
    return engine.world.value("garden", "temperature", engine.now)


def test_window_open_cools_the_room_and_stands_in_the_site(engine: SimEngine) -> None:
    before = truth(engine)
    assert engine.run("hands", "open window garden 50%").text == "The window of garden is open for 50%.\n"
    engine.wait(2 * HOUR)
    assert truth(engine) < before - 3
    assert "the window is open for 50%" in engine.run("hands", "look garden").text
    seen = engine.observe()
    assert RoomSense(seen.world, "garden", seen.seed).sense("temperature", engine.now) == truth(engine)
    assert engine.run("hands", "close window garden").text == "The window of garden is closed.\n"
    assert engine.run("hands", "close window garden").text == "The window of garden is closed already.\n"


def test_hair_dryer_warms_the_probe_and_not_the_room(engine: SimEngine) -> None:
    room = truth(engine)
    engine.run("hands", "heat sensor 60")
    assert engine.node("sensor").world.sense("temperature", engine.now) == pytest.approx(60)
    assert truth(engine) == room
    assert engine.run("hands", "heat sensor off").text == "The probe of sensor hangs in the air again.\n"
    assert engine.node("sensor").world.sense("temperature", engine.now) == room


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("open door garden", "usage: open window ROOM [50%]"),
        ("open window cellar", 'there is no room "cellar"; rooms: street, garden'),
        ("open window street", "street has no window"),
        ("open window garden much", "usage"),
        ("open window garden 0%", "more than 0"),
        ("close window garden 5%", "usage: close window ROOM"),
        ("heat sensor", "usage: heat"),
        ("heat stove 60", 'there is no device "stove"'),
        ("heat sensor warm", '"warm" is not a temperature'),
        ("heat sensor 900", "reach from -40 to 150"),
    ],
)
def test_line_that_hands_cannot_do_is_told_and_changes_nothing(engine: SimEngine, line: str, said: str) -> None:
    output = engine.run("hands", line)
    assert said in output.text
    assert output.status
    assert engine.observe().world.acts == ()
