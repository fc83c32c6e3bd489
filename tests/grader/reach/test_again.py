"""An analysis that takes over what it knows of a similar site says what one made from nothing says, after any edit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Limit, Packet, Reach
from grader.reach.analysis import Analysis, Delivery
from grader.reach.side import Side
from labs.model.addresses import IPv4, parse_address
from labs.model.services import Service
from labs.model.site import Site
from labs.net.nftables import to_json
from labs.net.nftables.apply import load
from tests.grader.reach.edits import EDITS, edited
from tests.grader.reach.rulesets import RULESETS, discovering, own_rules
from tests.grader.reach.small_site import NAMES, V4, V6, VERSIONS, Version, engine_of

FORWARD = "table inet f {{\nchain forward {{ type filter hook forward priority 0; policy drop;\n{}\n}}\n}}\n"
RULES = {V4: FORWARD.format("ip saddr 10.0.1.0/24 tcp dport 22 accept"), V6: ""}
EXAMPLES = {V4: 15, V6: 8}


@cache
def started(version: Version) -> Site:
    return engine_of(version.site(RULES[version])).observe()


def everything(side: Side) -> dict[tuple[str, int, int], set[Delivery]]:
    """Where all that anybody can send arrives."""
    return {
        (name, source, target): set(deliveries)
        for name in side.site.devices
        for source in side.sources_of(name)
        for target, deliveries in side.sent_by(name, source)
    }


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_edits_in_a_row_known_analysis_and_fresh_one_agree(version: Version) -> None:
    side_of = version.side_of

    @settings(max_examples=EXAMPLES[version], deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(RULESETS[version], min_size=3, max_size=3),
        st.lists(st.sampled_from(EDITS[version]), min_size=3, max_size=3),
        st.integers(0, 1 << 32),
    )
    def holds(texts: list[str], edits, seed: int) -> None:  # type: ignore[no-untyped-def]
        site, random = started(version), Random(seed)
        reach = Reach(site)
        for text, edit in zip(texts, edits, strict=True):
            before, doubted = everything(side_of(reach)), side_of(reach).own_limits
            try:
                site = edit(site, random, text)
            except AssertionError:  # the device has no power any more
                continue
            again, fresh = Reach(site, like=reach), Reach(site)
            names = [name for name in NAMES if site.devices[name].state is not None]
            assert list(side_of(again).matrix(names)) == list(side_of(fresh).matrix(names))
            assert side_of(again).own_limits == side_of(fresh).own_limits
            assert everything(side_of(again)) == everything(side_of(fresh))
            assert side_of(again).own_limits == side_of(fresh).own_limits
            # the older one can still be asked
            assert (everything(side_of(reach)), side_of(reach).own_limits) == (before, doubted)
            for name in names:
                packet = Packet(name, parse_address(version.hosts["d"]), "tcp", 22)
                one, two = again.converse_packet(packet), fresh.converse_packet(packet)
                assert (one.answered, len(one.notes)) == (two.answered, len(two.notes))
            reach = again

    holds()


def test_device_that_is_observed_anew_and_the_same_is_not_read_again() -> None:
    site = started(V4)
    reach = Reach(site)
    device = site.devices["r"]
    assert device.state is not None
    again = Reach(site.with_device(replace(device, state=replace(device.state))), like=reach)
    assert again.analysis.machines["r"] is reach.analysis.machines["r"]
    ruleset = to_json(load(FORWARD.format("tcp dport 9999 accept")))
    changed = Reach(edited(site, "r", ruleset=ruleset), like=reach)
    same = [name for name in NAMES if changed.analysis.machines[name] is reach.analysis.machines[name]]
    assert len(same) == len(NAMES) - 1


def test_service_that_a_policy_names_is_cut_out_of_a_known_analysis() -> None:
    reach = Reach(started(V4))
    again = Reach(started(V4), like=reach, services=[Service("tcp", 4711)])
    assert len(again.analysis.services) > len(reach.analysis.services)
    assert again.arrives(Packet("a", IPv4.parse("10.0.2.20"), "tcp", 22), "c")
    assert not again.arrives(Packet("a", IPv4.parse("10.0.2.20"), "tcp", 4711), "c")


def told(reach: Reach, packet: Packet) -> tuple[tuple[str, type], ...]:
    return tuple((name, type(note)) for name, note in reach.converse_packet(packet).notes)


def test_conversation_that_is_refused_again_and_again_is_always_told_the_same() -> None:
    reach = Reach(edited(started(V4), "r", ruleset=to_json(load(FORWARD.format("reject")))))
    talks = [told(reach, Packet("a", IPv4.parse("10.0.3.30"), "tcp", 22)) for _ in range(20)]
    assert len(set(talks)) == 1
    assert talks[0][-1][0] == "a"  # it is told each time


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize(
    "rules", ["limit rate 3/minute accept", "tcp dport @seen drop\nadd @seen { tcp dport } accept"]
)
def test_conversation_leaves_nothing_behind_in_a_firewall(version: Version, rules: str) -> None:
    text = FORWARD.format(f"ct state established accept\n{rules}")
    text = text.replace("chain", "set seen { type inet_service; flags dynamic; }\nchain", 1)
    reach = Reach(engine_of(version.site(text)).observe())
    packet = Packet("a", parse_address(version.hosts["d"]), "tcp", 22)
    first = told(reach, packet)
    assert all(told(reach, packet) == first for _ in range(20))
    assert reach.converse_packet(packet).arrived_at("d")


def test_rate_of_what_a_router_hears_of_its_neighbours_is_whole_for_each_of_them() -> None:
    asked = "icmpv6 type nd-neighbor-advert accept\nicmpv6 type nd-neighbor-solicit"
    heard = f"{asked} limit rate 1/hour burst 1 packets accept"
    rules = f"table inet f {{\nchain i {{ type filter hook input priority 0; policy drop;\n{heard}\n}}\n}}\n"
    reach = Reach(edited(started(V6), "r", ruleset=to_json(load(rules))))
    packets = [Packet(name, parse_address(V6.hosts["d"]), "tcp", 22) for name in ("a", "b", "c")]
    assert all(reach.arrives(packet, "d") for packet in packets)
    assert {found.limit for found in V6.side_of(reach).own_limits} == {Limit.RATE}  # and nobody is only perhaps known


def fates(analysis: Analysis, name: str, source: int, target: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in analysis.send(name, source, target, analysis.services.full):
        found[delivery.device] = found.get(delivery.device, 0) | delivery.services
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(RULESETS[V4], min_size=2, max_size=2),
    st.lists(st.sampled_from(EDITS[V4]), min_size=2, max_size=2),
    st.integers(),
)
def test_difference_of_similar_sites_is_found_at_every_destination(texts: list[str], edits, seed: int) -> None:  # type: ignore[no-untyped-def]
    random = Random(seed)
    one = edits[0](started(V4), random, texts[0])
    try:
        two = edits[1](one, random, texts[1])
    except AssertionError:  # the device has no power any more
        two = started(V4)
    bare = Analysis(two)
    here = Reach(one, also=(bare,))
    bare.share(here.analysis)
    expected = {
        (name, here.analysis.addresses.first(target))
        for name in here.analysis.machines
        if name in bare.machines
        for source in here.sources_of(name)
        for target in range(len(here.analysis.addresses))
        if fates(here.analysis, name, source, target) != fates(bare, name, source, target)
    }
    found = {(difference.packet.device, difference.packet.target) for difference in Reach(one).difference(two)}
    assert found == expected


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULESETS[V6], discovering, st.sampled_from(EDITS[V6]), st.integers(0, 1 << 32))
def test_difference_of_similar_sites_is_found_at_every_destination_of_ipv6(  # type: ignore[no-untyped-def]
    text: str, heard: str, edit, seed: int
) -> None:
    one = edited(started(V6), "c", ruleset=to_json(load(own_rules({"c": heard})["c"])))
    two = edit(one, Random(seed), text)
    first, second = V6.side_of(Reach(one)), V6.side_of(Reach(two))
    found = first.differing(two)
    for difference in found:
        arrives = [device for device in NAMES if first.arrives(difference.packet, device)]
        later = [device for device in NAMES if second.arrives(difference.packet, device)]
        assert arrives != later, str(difference.packet)
    if not found:
        names = [name for name in NAMES if two.devices[name].state is not None]
        ours = [[bool(row) for row in rows] for rows in first.matrix(names)]
        assert ours == [[bool(row) for row in rows] for rows in second.matrix(names)]
