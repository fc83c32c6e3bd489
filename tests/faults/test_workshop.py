"""Every fault of the catalogue hurts, and a check of the kind it is for notices it."""

from __future__ import annotations

import pytest

from grader.verdict import Verdict
from labs.faults import (
    CATALOGUE,
    brokers,
    buses,
    control,
    exposure,
    ipv6,
    measuring,
    paths,
    power,
    radio,
    trees,
    wifi,
    wiring,
    zigbee,
)
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import Workshop, name_of

WORKSHOP = Workshop("workshop.yaml")

# What a trainee would notice first. A fault that hurts somewhere else than here has changed its meaning.
HURTS = {
    "duplicate-ip": "one-owner",
    "host-wrong-gateway": "pc-out",
    "host-no-gateway": "pc-out",
    "host-wrong-mask": "pc-depot",
    "host-static-leftover": "tv-out",
    "static-route-missing": "pc-depot",
    "static-route-wrong-nexthop": "pc-depot",
    "stale-static-arp": "prints",
    "dhcp-wrong-dns-option": "tv-out",
    "dhcp-range-not-in-subnet": "tv-out",
    "ip-forward-off": "pc-depot",
    "lead-in-wrong-port": "pc-out",
    "port-admin-down": "pc-out",
    "duplex-mismatch": "large-job",
    "speed-forced": "pc-out",
    "vlan-access-mismatch": "red",
    "vlan-trunk-missing": "blue",
    "vlan-native-mismatch": "red",
    "duplicate-mac": "red",
    "dhcp-relay-missing": "cart-prints",
    "pool-overlaps-static": "one-owner",
    "dhcp-pool-exhausted": "tv-out",
    "dhcp-wrong-gateway-option": "tv-out",
    "dns-server-dead": "pc-out",
    "dns-wrong-record": "printer-name",
    "guest-reaches-inside": "no-telnet",
    "rule-too-wide": "no-telnet",
    "firewall-drops-needed-port": "pc-out",
    "any-any-rule": "no-telnet",
    "nat-missing": "pc-out",
    "broker-address-typo": "reports",
    "mqtt-wrong-port": "shows",
    "topic-mismatch": "shows",
    "unit-fahrenheit": "shows",
    "mqtt-bad-credentials": "reports",
    "retained-stale-value": "fresh-store",
    "service-bound-to-localhost": "reports",
    "mqtt-anonymous": "strangers",
}


def test_workshop_without_a_fault_is_healthy() -> None:
    assert {name for name, verdict in WORKSHOP.verdicts(WORKSHOP.healthy).items() if verdict is not Verdict.PASS} <= {
        "nothing-in"
    }


def test_every_fault_of_the_catalogue_is_tried() -> None:
    # each in the test of its own page: test_bus_workshop, test_battery_workshop, test_trees …
    pages = (buses, brokers, control, ipv6, paths, wiring, measuring, power, radio, trees, wifi, zigbee, exposure)
    elsewhere = {fault.name for page in pages for fault in page.FAULTS}
    assert {use.fault for use in WORKSHOP.uses} == set(CATALOGUE) - elsewhere


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to(use: FaultUse) -> None:
    found = WORKSHOP.verdicts(WORKSHOP.site(use))
    broken = {name for name, verdict in found.items() if verdict is not Verdict.PASS and name != "nothing-in"}
    assert broken
    assert HURTS.get(use.fault, next(iter(broken))) in broken
    assert Verdict.ERROR not in found.values()
