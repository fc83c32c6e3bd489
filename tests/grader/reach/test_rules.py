"""The analysis against exhaustive enumeration: random rule sets, every boundary of every field, packet by packet."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Packet, Reach
from labs.engines.base import Probe
from labs.model.addresses import parse_address
from tests.grader.reach.rulesets import RULESETS, discovering, own_rules
from tests.grader.reach.small_site import NAMES, SECOND, V4, V6, VERSIONS, Version, engine_of

PORTS = (22, 80, 443, 1024, 8080)
NEAR = sorted({p + step for p in PORTS for step in (-1, 0, 1)})
AROUND = {
    V4: st.fixed_dictionaries({"rp_filter": st.sampled_from([0, 1])}),
    V6: st.fixed_dictionaries(
        {"own": st.dictionaries(st.sampled_from(["a", "c", "s"]), discovering, max_size=2).map(own_rules)}
    ),
}
"""What else the small site is built with."""


def packets(version: Version) -> list[Packet]:
    """From everybody to everybody, at and beside every boundary."""
    found = []
    for name, own in version.hosts.items():
        for source in [own, version.spare] if name == "a" else [own]:
            for target in version.targets:
                if target == own:
                    continue
                to, own_source = parse_address(target), parse_address(source)
                found.append(Packet(name, to, "ping", 0, own_source))
                for protocol in ("tcp", "udp"):
                    found += [Packet(name, to, protocol, port, own_source) for port in NEAR]
                    found += [Packet(name, to, protocol, 443, own_source, sport) for sport in (22, 80, 1024)]
    return found


def is_certain(version: Version, text: str, reach: Reach) -> bool:
    """A rate may let a packet pass, and a neighbour may be known: then the analysis says it can."""
    if version is V4:
        return "limit rate" not in text
    return not any(limit.cautious for limit in version.side_of(reach).own_limits)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_random_rules_every_packet_ends_where_the_machines_say(version: Version) -> None:
    everything = packets(version)

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(RULESETS[version], AROUND[version], st.randoms(use_true_random=False))
    def holds(text: str, around, random) -> None:  # type: ignore[no-untyped-def]
        reach = Reach(engine_of(version.site(text, **around)).observe())
        for packet in random.sample(everything, 200):
            talk = reach.converse_packet(packet)
            for device in NAMES:
                claimed, real = reach.arrives(packet, device), talk.arrived_at(device)
                if device != packet.device and claimed != real:
                    assert claimed, (str(packet), device)  # what cannot flow does not flow
                    assert not is_certain(version, text, reach), (str(packet), device)

    holds()


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_random_rules_every_packet_ends_where_the_simulator_takes_it(version: Version) -> None:
    everything = packets(version)

    @settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        RULESETS[version].filter(lambda text: "limit rate" not in text),
        AROUND[version],
        st.randoms(use_true_random=False),
    )
    def holds(text: str, around, random) -> None:  # type: ignore[no-untyped-def]
        engine = engine_of(version.site(text, **around))
        reach = Reach(engine.observe())
        asked = random.sample(everything, 80)
        claims = [{device for device in NAMES if reach.arrives(packet, device)} - {packet.device} for packet in asked]
        seen = engine.probe(
            [Probe(p.device, str(p.target), p.protocol, p.port, SECOND, str(p.source), p.source_port) for p in asked]
        )
        for packet, claim, observation in zip(asked, claims, seen, strict=True):
            real = {device for device in NAMES if observation.arrived_at(device)} - {packet.device}
            assert real <= claim, str(packet)
            assert claim == real or not is_certain(version, text, reach), str(packet)

    holds()
