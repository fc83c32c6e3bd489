"""Names that mean nothing are told with the line they stand on."""

from __future__ import annotations

import pytest

from labs.scenario.library import half_translated, parse_scenario
from labs.scenario.scenario import ScenarioError

POOL = """scenario: pool
title: {en: Pool, nl: Zwembad}
module: m3-sensors
level: 1
minutes: 10
story: {en: The chlorine is unknown., nl: Het chloor is onbekend.}
site:
  rooms: {pumps: {chlorine: {mean: 1.2}}, office: {}}
  subnets: {plant: 192.168.7.0/24}
  devices:
    server: {kind: server, at: {plant: .10}, room: office, services: {broker: {}}}
    gw: {kind: gateway, at: {plant: .11}, room: office, services: {gateway: {broker: server, topic: pool}}}
    doser:
      kind: sensor
      room: pumps
      services: {modbus: {unit: 3, registers: {level: {table: input, address: 0, quantity: chlorine}}}}
  links: [[server, gw]]
  buses: {pipe: {length: 20, drops: [gw, doser]}}
checks:
  - {id: known, fresh: {broker: server, topic: pool/doser/level, within: 2 min}}
faults:
  - wrong-unit-id: {on: doser, unit: 9}
solution:
  - hands: dip doser address 3
hints:
  known:
    - {en: Who answers on the bus?, nl: Wie antwoordt op de bus?}
"""


def problems(old: str, new: str) -> list[str]:
    """What is told about the file with a mistake in it."""
    assert old in POOL
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(POOL.replace(old, new))
    return [problem.render("pool.yaml") for problem in caught.value.problems]


def test_quantity_that_the_room_has_not_is_told() -> None:
    """The unit would have measured nothing and published a zero that looks healthy."""
    (mistyped,) = problems("quantity: chlorine", "quantity: chlorin")
    where, _, said = mistyped.partition(".quantity: ")
    assert where == "pool.yaml:16: site.devices.doser.services.modbus.registers.level"
    assert said == 'pumps has no quantity "chlorin"; it has chlorine; did you mean "chlorine"?'
    told = problems("room: pumps", "room: office")
    assert told[0].endswith('office has no quantity "chlorine"; it has none')


def test_hint_for_no_check_is_told_with_its_own_line() -> None:
    assert problems("  known:\n", "  knwn:\n") == [
        'pool.yaml:26: hints.knwn: "knwn" is not a check; known: known; did you mean "known"?'
    ]


def test_hint_for_a_check_that_cannot_be_read_is_no_second_mistake() -> None:
    told = problems("within: 2 min", "within: soon")
    assert len(told) == 1
    assert told[0].startswith("pool.yaml:20: checks[0].fresh.within")


def test_text_that_one_language_lacks_is_found() -> None:
    assert list(half_translated(parse_scenario(POOL))) == []
    assert list(half_translated(parse_scenario(POOL.replace(", nl: Zwembad", "")))) == [("title", "nl")]


def test_mistake_is_told_at_the_line_it_stands_on() -> None:
    """A zone was told at line 1, a service of a device at the first line of the device."""
    zones = "policy:\n  zones:\n    all: [server]\n    rest: [gww]\n  allow: []\nchecks:\n"
    (zone,) = problems("checks:\n", zones)
    assert zone == (
        'pool.yaml:22: policy.zones.rest: "gww" is not a device; known: server, gw, doser; did you mean "gw"?'
    )
    (story,) = problems("nl: Het chloor is onbekend.", 'nl: "Zie ${nobody.address}."')
    assert story.startswith("pool.yaml:6: story: ")


def test_device_that_cannot_be_read_is_not_missing_as_well() -> None:
    (only,) = problems("server: {kind: server", "server: {kind: servr")
    assert only.startswith('pool.yaml:11: site.devices.server.kind: "servr" is not a kind of device')


def test_no_check_at_all_is_one_mistake() -> None:
    check = "checks:\n  - {id: known, fresh: {broker: server, topic: pool/doser/level, within: 2 min}}\n"
    assert problems(check, "checks: []\n") == ["pool.yaml:19: checks: expected at least 1 entry, found 0"]
