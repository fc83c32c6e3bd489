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
    assert problems(check, "checks: []\n") == ["pool.yaml:19: checks: expected 1 or more entries, found 0"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("within: 2 min", "within: 2 fortnights", '"2 fortnights" is not a duration'),
        ("plant: .10", "plant: .300", "192.168.7.0/24 has no host .300"),
        ("broker: {}}", 'broker: {}, listen: {99999: "cat"}}', '"99999" is not a port: a number from 1 to 65535'),
        (
            "broker: {}}",
            "broker: {}, dhcp: {on: plant, pool: [.199, .100]}}",
            "the pool runs backwards: 192.168.7.199 comes after 192.168.7.100",
        ),
        ("broker: {}}", 'broker: {}, listen: {prnt: "cat"}}', '"prnt" is not a service of tcp; write its port'),
        ("site:\n", "site:\n  start: 9999-12-31 23:59\n", "9999 is too far away; a site is between 1990 and 2099"),
        (
            "services: {broker: {}}}",
            "services: {broker: {}}, files: {/etc/network/interfaces: rubbish}}",
            "ifup cannot read it: /etc/network/interfaces:1: misplaced option",
        ),
        ("title: {en: Pool, nl: Zwembad}", "title: [Pool]", "expected a text, or {en: …, nl: …}, found a list"),
        ("gw: {kind", "hands: {kind", "hands is a place of its own; call the device something else"),
        (
            "chlorine: {mean: 1.2}}, office: {}}",
            "chlorine: {mean: 1.2}}, office: {climate: {outside: pumps, inertia: 0 s}}}",
            'expected a duration from 1 min to 365 days, found "0 s"',
        ),
    ],
)
def test_value_that_cannot_be_is_told(old: str, new: str, told: str) -> None:
    """Each of them was taken, and showed as an error of ours, a silence or a hang when the lab was played."""
    assert any(told in problem for problem in problems(old, new))


NO_TABLE = "Could not process rule: No such file or directory"
FIREWALL = r"flush ruleset\ntable inet f {\n  chain c { tcp dprt 80 }\n}"


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        (
            f'services: {{broker: {{}}}}, firewall: "{FIREWALL}"}}',
            "firewall",
            "nft cannot read it: /etc/nftables.conf:3:17-20: syntax error, unexpected string: chain c { tcp dprt 80 }",
        ),
        (
            'services: {broker: {}}, firewall: "add rule inet f c accept"}',
            "firewall",
            f"nft cannot read it: /etc/nftables.conf:1:15-15: {NO_TABLE}: add rule inet f c accept",
        ),
        (
            r'services: {broker: {}, rules: {broker: localhost, text: "rule x\nwen y > 3"}}}',
            "services.rules.text",
            'rules cannot read it: line 2: "wen" is not known here; did you mean "when"?',
        ),
    ],
)
def test_text_that_its_program_refuses_is_told_where_it_stands(text: str, key: str, told: str) -> None:
    (only,) = problems("services: {broker: {}}}", text)
    assert only.endswith(f": site.devices.server.{key}: {told}")


def test_fault_on_no_device_names_the_near_one() -> None:
    (only,) = problems("on: doser", "on: doserr")
    assert only.endswith('"doserr" is not a device; known: server, gw, doser; did you mean "doser"?')


def test_checks_that_wait_for_each_other_are_told() -> None:
    """Neither would ever have been judged."""
    check = "  - {id: known, fresh: {broker: server, topic: pool/doser/level, within: 2 min}}\n"
    circle = check.replace("}}", "}, needs: other}") + check.replace("known", "other").replace("}}", "}, needs: known}")
    assert problems(check, circle) == [
        "pool.yaml:20: checks[0].needs: a circle: other needs known as well",
        "pool.yaml:21: checks[1].needs: a circle: known needs other as well",
    ]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("during: 2 d", 'expected a duration from 1 s to 1 day, found "2 d"'),
        ("during: 0 s", 'expected a duration from 1 s to 1 day, found "0 s"'),
        (
            "during: 1 d, every: 1 s",
            "that is 86400 tries; at most 1500 are allowed: make during shorter or every longer",
        ),
        ("during: 1 h, every: 0 s", 'expected a duration of at least 1 s, found "0 s"'),
    ],
)
def test_check_that_would_never_end_is_told(asked: str, told: str) -> None:
    reach = f"reach: {{from: server, to: gw, service: ping, {asked}}}"
    (only,) = problems("fresh: {broker: server, topic: pool/doser/level, within: 2 min}", reach)
    assert only.endswith(told)


def test_two_networks_of_one_switch_with_one_number_are_told() -> None:
    """Both would have been one network."""
    old = "  subnets: {plant: 192.168.7.0/24}\n  devices:\n"
    new = (
        "  subnets:\n    plant: {network: 192.168.7.0/24, vlan: 10}\n    phones: {network: 192.168.8.0/24, vlan: 10}\n"
        "  devices:\n    sw: {kind: switch, vlans: [plant, phones], room: office}\n"
    )
    assert "pool.yaml:13: site.devices.sw.vlans: plant and phones have the same VLAN number 10" in problems(old, new)


def test_mistake_of_a_value_is_told_in_dutch() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(POOL.replace("within: 2 min", "within: 2 fortnights").replace(".10}", ".300}"))
    assert caught.value.lines("nl") != caught.value.lines("en")
