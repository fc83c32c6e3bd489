"""Every fault of brokers, clocks and rules hurts, and shows where a technician would look."""

from __future__ import annotations

import pytest

from grader.verdict import Verdict
from labs.engines.sim import SimEngine
from labs.faults import brokers, control
from labs.scenario.scenario import FaultUse
from tests.faults.workshop import MINUTE_NS, Workshop, name_of

WORKSHOP = Workshop("control.yaml")

# The check that has to notice.
HURTS = {
    "client-id-clash": "steady",
    "topic-taken": "outside",
    "acl-too-wide": "own-topics",
    "acl-denies": "own-topics",
    "factory-account-left": "strangers",
    "mqtt-plaintext": "secret",
    "mqtt-plain-to-tls-port": "hall",
    "certificate-expired": "outside",
    "certificate-wrong-name": "outside",
    "certificate-unknown-authority": "outside",
    "broker-connection-limit": "steady",
    "broker-size-limit": "hall",
    "comparison-inverted": "warm",
    "no-hysteresis": "warm",
    "timezone-wrong": "warm",
    "utc-as-local": "warm",
    "stale-reading-trusted": "off-without-sensor",
    "fail-safe-missing": "off-without-broker",
    "actuator-inverted": "warm",
    "scale-factor": "hall",
    "sensor-offset": "hall",
    "clock-years-off": "hall",
    "ntp-blocked": "outside",
    "dns-filter-wrong": "cloud",
}
# Where it shows: device, lines, and what the last answer holds on the broken site alone.
BOSS = "mosquitto_sub -h 127.0.0.1 -u boss -P sleutel-bos"
SUB = "mosquitto_sub -h server -p 8883 --cafile /etc/ssl/certs/site-ca.crt"
LOG = "journalctl --no-pager -u"
SHOWN = {
    "client-id-clash": ("server", f"{LOG} mosquitto", "already connected, closing old connection"),
    "topic-taken": ("server", f"{BOSS} -t garden/temperature -C 1 -W 60", "Timed out"),
    "acl-too-wide": ("laptop", f"{SUB} -u thing -P geheim-woord -t garden/# -C 1 -W 120 -v", "garden/temperature {"),
    "acl-denies": (
        "probe",
        f"{SUB.replace('sub', 'pub')} -V 5 -q 1 -u thing -P geheim-woord -t hall/x -m 1",
        "Publish 1 failed: Not authorized.",
    ),
    "factory-account-left": ("laptop", f"{SUB} -u admin -P admin -t x -E -d", "received CONNACK (0)"),
    "mqtt-plaintext": ("probe", "timeout 40 tcpdump -A -i eth0 port 1883", "hall/temperature"),
    "mqtt-plain-to-tls-port": ("server", f"{LOG} mosquitto", "wrong version number"),
    "certificate-expired": ("probe", f"{LOG} sensor", "TLS: certificate has expired"),
    "certificate-wrong-name": ("probe", f"{LOG} sensor", "TLS: host name verification failed"),
    "certificate-unknown-authority": ("probe", f"{LOG} sensor", "TLS: unable to get local issuer certificate"),
    "broker-connection-limit": ("server", f"{LOG} mosquitto", "denied: max_connections exceeded"),
    "broker-size-limit": ("server", f"{BOSS} -t hall/temperature -C 1 -W 60", "Timed out"),
    "comparison-inverted": ("server", "rulesctl test hall=15 time 18:00", "hall > 19: false"),
    "no-hysteresis": ("boiler", "hands: wait 100 min; sensorctl status", "32 times in all"),
    "timezone-wrong": ("server", "rulesctl status", "America/New_York"),
    "utc-as-local": ("server", "rulesctl status", "UTC (UTC)"),
    "stale-reading-trusted": (
        "server",
        "hands: wait 20 min; hands: power off probe; hands: wait 10 min; rulesctl explain",
        'rule "warm": active',
    ),
    "fail-safe-missing": (
        "boiler",
        "hands: wait 20 min; hands: power off server; hands: wait 10 min; sensorctl status",
        "State      on, command",
    ),
    "actuator-inverted": ("hands", "wait 8 min; look hall", "wall reads 17.4"),
    "scale-factor": ("probe", "sensorctl read", "temperature 169.4"),
    "sensor-offset": ("probe", "sensorctl read", "temperature 18.9"),
    "clock-years-off": ("probe", f"date; {LOG} sensor", "TLS: certificate is not yet valid"),
    "ntp-blocked": ("outdoor", "chronyc sources", "^? ntp.example"),
    "dns-filter-wrong": ("laptop", "dig +short cloud.example", "0.0.0.0"),
}


def test_workshop_without_a_fault_is_healthy() -> None:
    assert set(WORKSHOP.verdicts(WORKSHOP.site()).values()) == {Verdict.PASS}


def test_every_fault_of_these_pages_is_tried_and_has_a_place_where_it_shows() -> None:
    pages = {fault.name for page in (brokers, control) for fault in page.FAULTS}
    assert {use.fault for use in WORKSHOP.uses} == pages == set(HURTS) == set(SHOWN)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_fault_hurts_where_it_is_meant_to(use: FaultUse) -> None:
    assert WORKSHOP.verdicts(WORKSHOP.site(use), HURTS[use.fault])[HURTS[use.fault]] in (Verdict.FAIL, Verdict.BLOCKED)


@pytest.mark.parametrize("use", WORKSHOP.uses, ids=name_of)
def test_tool_of_a_technician_shows_the_fault(use: FaultUse) -> None:
    device, lines, said = SHOWN[use.fault]
    answers = []
    for site in (WORKSHOP.healthy, WORKSHOP.site(use)):
        engine = SimEngine()
        engine.start(site)
        engine.wait(2 * MINUTE_NS)
        for line in lines.split("; "):
            place, colon, words = line.partition("hands: ")
            answer = engine.run("hands" if colon else device, words if colon else place).text
        answers.append(answer)
    assert said in answers[1]
    assert said not in answers[0]
