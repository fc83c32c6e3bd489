"""What the analysis says of a packet, the simulator does to it: every pair of a shipped site, healthy and broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grader.reach import Packet, Reach
from labs.engines.base import Observation, Probe
from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.scenario.library import find_scenario
from labs.scenario.variant import draw

SECOND = 1_000_000_000
SERVICES = (("ping", 0), ("tcp", 22), ("tcp", 80), ("tcp", 1883), ("udp", 53), ("udp", 9))
SCENARIOS = (
    "bakery-address-clash",
    "first-sensor-online",
    "network-that-screams",
    "tasting-room-guests",
    "three-floors-one-trunk",
)


def settled(made: Site) -> SimEngine:
    engine = SimEngine()
    engine.start(made)
    engine.wait(60 * SECOND)
    return engine


def packets(reach: Reach) -> Iterator[tuple[Packet, str]]:
    for source in reach.analysis.machines:
        for target in reach.analysis.machines:
            for address in reach.addresses_of(target) if source != target else ():
                for protocol, port in SERVICES:
                    yield Packet(source, address, protocol, port), target


def seen(engine: SimEngine, asked: list[Packet]) -> list[Observation]:
    """A few at a time: more than a hundred at once overflow the queue of a neighbour that is still asked for."""
    found: list[Observation] = []
    for start in range(0, len(asked), 60):
        batch = asked[start : start + 60]
        found += engine.probe([Probe(p.device, str(p.target), p.protocol, p.port) for p in batch])
    return found


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("state", ["healthy", "broken"])
def test_every_pair_of_a_shipped_site_analysis_conversation_and_probe_agree(name: str, state: str) -> None:
    engine = settled(getattr(draw(find_scenario(name), "7"), state))
    reach = Reach(engine.observe())
    asked = list(packets(reach))
    arriving = [reach.arrives(packet, target) for packet, target in asked]
    talks = [reach.tracer.converse(packet) for packet, _ in asked]
    if any(not limit.cautious for limit in reach.limits):
        assert state == "broken"  # a clash of addresses, a loop: named, and left to packets
        return
    wrong = []
    for (packet, target), arrives, talk, probe in zip(
        asked, arriving, talks, seen(engine, [p for p, _ in asked]), strict=True
    ):
        real = probe.arrived_at(target)
        answered = talk.answered == probe.delivered or packet.protocol == "udp"
        if not (arrives == talk.arrived_at(target) == real and answered):
            wrong.append((str(packet), target, arrives, talk.arrived_at(target), talk.answered, probe.disposition))
    assert not wrong
