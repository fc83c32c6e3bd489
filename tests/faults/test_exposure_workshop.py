"""Every fault of exposure leaves the site working, and the tool of a technician shows what is open."""

from __future__ import annotations

import re

import pytest

from labs.faults import exposure
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import MINUTE_NS, Workshop, name_of

WORKSHOP = Workshop("exposure_workshop.yaml")

# The checks that break, the line of a technician, and a pattern in its answer that the healthy site does not give.
SHOWN = {
    "telnet-open": (set(), "laptop: nc -zv -w 2 192.168.10.10 23", r"23 port \[tcp/telnet\] succeeded"),
    "tls-verification-off": (set(), "n1: sensorctl get mqtt.insecure", r"^true$"),
    "same-key-everywhere": (set(), "t2: lorawanctl get lorawan.app_key", None),
    "shared-password": (set(), "n1: sensorctl get device.password", None),
    "orphan-account": (set(), "server: cut -d: -f1 /etc/mosquitto/passwd", r"^installateur-2019$"),
    "wifi-open": (set(), "tablet: wpa_cli scan_results", r"\t\[ESS\]\tWinkel"),
    "personal-data-in-topic": (
        {"topics", "houses"},
        "server: mosquitto_sub -h localhost -u all -P two -t '#' -v -C 4",
        r"jan\.peeters/slaapkamer",
    ),
    "unused-port-live": (set(), "sw: bridge vlan show dev p10", r"^p10\s+20 PVID Egress Untagged"),
}


def test_site_without_a_fault_is_healthy() -> None:
    assert not WORKSHOP.broken_by()


def test_every_fault_of_exposure_is_tried() -> None:
    assert {use.fault for use in WORKSHOP.uses} == {fault.name for fault in exposure.FAULTS} == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_breaks_its_checks_alone_and_a_tool_shows_it(use: FaultUse) -> None:
    hurt, line, pattern = SHOWN[use.fault]
    assert WORKSHOP.broken_by(use) == hurt
    place, _, words = line.partition(": ")
    healthy = WORKSHOP.started(wait_ns=2 * MINUTE_NS).run(place, words).text
    engine = WORKSHOP.started(use, wait_ns=2 * MINUTE_NS)
    answer = engine.run(place, words).text
    assert answer != healthy
    if pattern is None:  # two devices with one secret: the other one says the same
        other = str(use.parameters["of"])
        assert engine.run(other, words).text == answer
    else:
        assert re.search(pattern, answer, re.MULTILINE), answer
        assert not re.search(pattern, healthy, re.MULTILINE), healthy


def test_account_of_somebody_who_left_still_reads_along() -> None:
    use = next(use for use in WORKSHOP.uses if use.fault == "orphan-account")
    engine = WORKSHOP.started(use, wait_ns=MINUTE_NS)
    told = engine.run("server", "mosquitto_sub -u installateur-2019 -P zomer2019 -t 'house/#' -C 1").text
    assert '"value"' in told


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("telnet-open", {"on": "lgw"}, "the fault needs a device with inetd"),
        ("unused-port-live", {"on": "sw", "port": "p11", "vlan": 20}, "sw has no port p11"),
        ("tls-verification-off", {"on": "lgw"}, "lgw is no sensor, display or actuator"),
        ("same-key-everywhere", {"on": "t3", "of": "t1", "server": "server"}, 'server does not know "t3"'),
        ("same-key-everywhere", {"on": "t2", "of": "n1", "server": "server"}, "the fault needs a LoRaWAN sensor"),
        ("shared-password", {"on": "n1", "of": "n1"}, "already has that value"),
        ("orphan-account", {"on": "server", "user": "all"}, 'server has a user "all" already'),
        ("wifi-open", {"on": "sw"}, "the fault needs an access point"),
        ("unused-port-live", {"on": "sw", "port": "p2", "vlan": 20}, "sw:p2 is in use"),
    ],
)
def test_fault_that_does_not_fit_says_why(fault: str, parameters: dict[str, object], said: str) -> None:
    WORKSHOP.refuses(fault, parameters, said)
