"""Rooms and analogue lines as authors write them: every shape is read, every mistake gets its line."""

from __future__ import annotations

import pytest

from labs.model.field import Loop, Signal
from labs.model.world import Climate, DayCycle, Schedule, Stock, Total
from labs.scenario.library import parse_scenario
from labs.scenario.scenario import ScenarioError
from labs.scenario.variant import draw

HEAD = """
scenario: rooms
title: Rooms
module: m0-tests
level: 1
minutes: 5
story: Rooms.
site:
  subnets: {lan: 10.0.0.0/24}
  devices:
    pc: {kind: host, at: {lan: .1}, room: hall}
    box: {kind: gateway, at: {lan: .2}, room: hall, services: {inputs: {broker: pc, channels: {}}}}
    head: {kind: sensor, room: hall, services: {transmitter: {model: pt100-transmitter, quantity: temperature}}}
  links: [[pc, box]]
  rooms:
"""
TAIL = """
checks:
  - {id: on, reach: {from: pc, to: box, service: ping}}
faults: [host-wrong-mask: {on: pc}]
solution: []
"""


def rooms(text: str, loops: str = "") -> str:
    return HEAD + "\n".join("    " + line for line in text.strip().splitlines()) + loops + TAIL


GOOD = """
garden: {temperature: {mean: 10, swing: 5}, illuminance: {mean: 20000, swing: 40000, peak: 12, lowest: 0}}
hall:
  climate: {outside: garden, volume: 100, insulation: glass, inertia: 2 h, heater: 3000, start: 18}
  presence: {count: 4, from: 8:30, to: 17, days: [mon, tue], early_or_late: 10}
  power: {mean: 200, driven: {heater: 3000}}
  energy: {adds_up: power, start: 1000}
cellar:
  level: {start: 1.5, per_hour: 0.1, driven: {pump: -1}, lowest: 0, highest: 3}
"""


def test_rooms_are_read_into_every_shape() -> None:
    site = draw(parse_scenario(rooms(GOOD), "t.yaml"), "0").healthy
    hall = site.world.rooms["hall"]
    assert hall.climate == Climate("garden", 100, 400, 2.0, 3000, start=18)
    assert hall.quantities == {
        "presence": Schedule(4, 8.5, 17, frozenset({0, 1}), 10),
        "power": DayCycle(200, driven={"heater": 3000}),
        "energy": Total("power", 1000),
    }
    assert site.world.rooms["cellar"].quantities["level"] == Stock(1.5, 0.1, {"pump": -1}, 0, 3)


def test_line_is_read_with_the_resistance_of_its_copper() -> None:
    """40 m of 0.5 mm2 are 1.4 ohm each way (0.0175 ohm mm2/m)."""
    text = rooms(
        GOOD, "\n  loops:\n    roof: {from: head, to: 'box:2', signal: pt100, wires: 3, length: 40, section: 0.5}\n"
    )
    (loop,) = draw(parse_scenario(text, "t.yaml"), "0").healthy.loops
    assert loop == Loop("roof", "head", "box", 2, Signal.PT100, wires=3, lead_ohm=1.4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("hall: {climate: {outside: gardn}}\ngarden: {temperature: {mean: 1}}", 'did you mean "garden"'),
        ("hall: {climate: {outside: garden}}\ngarden: {}", "garden has no temperature"),
        ("hall: {climate: {outside: hall}}", "hall has a climate itself"),
        ("hall: {energy: {adds_up: power}}", 'there is no "power" in this room'),
        ("hall: {presence: {count: 1, from: 25, to: 3}}", '"25" is not an hour of the day'),
        ("hall: {temperature: {men: 3}}", 'unknown key "men"; allowed: mean'),
        ("hall: {climate: {outside: garden, insulation: best}}", '"best" is not how well it keeps heat; allowed: good'),
        ("hall: 3", "expected a mapping of quantities"),
    ],
)
def test_mistake_in_a_room_is_told(wrong: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(rooms(wrong), "t.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("a: {from: haed, to: 'box:1'}", '"haed" is not a device; did you mean "head"?'),
        ("a: {from: pc, to: 'box:1'}", "pc has no service transmitter"),
        ("a: {from: head, to: 'pc:1'}", "pc has no service inputs"),
        ("a: {from: head, to: box}", '"box" is not an input; write DEVICE:NUMBER'),
        ("a: {from: head, to: 'box:1'}\n    b: {from: head, to: 'box:1'}", "the line a is on that input already"),
        ("a: {from: head, to: 'box:1', signal: 4-20}", '"4-20" is not a signal; allowed: 4-20mA'),
    ],
)
def test_mistake_in_a_line_is_told(wrong: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(rooms(GOOD, f"\n  loops:\n    {wrong}\n"), "t.yaml")
    assert said in str(caught.value)
