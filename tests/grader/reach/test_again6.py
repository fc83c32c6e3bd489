"""An analysis of IPv6 that takes over what it knows of a similar site says what a fresh one says, after any edit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Packet, Reach
from grader.reach.analysis import Delivery
from grader.reach.side import Side
from labs.model.addresses import InterfaceAddress, IPv6
from labs.model.site import Site
from labs.model.state import StaticNeighbour
from labs.net.nftables import to_json
from labs.net.nftables.apply import load
from tests.grader.reach.rulesets import RULESETS, discovering, own_rules
from tests.grader.reach.small_site import NAMES, V6, engine_of, small_site6
from tests.grader.reach.test_again import edited, lead_pulled, port_down, power, route_gone, state


@cache
def started() -> Site:
    return engine_of(small_site6("")).observe()


def rules(site: Site, random: Random, text: str) -> Site:
    return edited(site, random.choice(("r", "r", "s", "a")), ruleset=to_json(load(text)))


def deaf(site: Site, random: Random, text: str) -> Site:
    """A host with a firewall that hears its neighbours, or not."""
    kinds = ("policy accept;", "policy drop; icmpv6 type nd-neighbor-advert accept", "policy drop; ct state new accept")
    made = own_rules({"c": random.choice(kinds)})["c"]
    return edited(site, random.choice(("a", "c", "r")), ruleset=to_json(load(made)))


def other_address(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("a", "b", "c", "d"))
    moved = InterfaceAddress.parse(random.choice(("2001:db8:1::11/64", "2001:db8:2::20/64", "2001:db8:3::77/48")))
    return edited(
        site,
        name,
        interfaces=tuple(
            replace(i, addresses=(*i.addresses, moved)) if i.kind == "ether" else i
            for i in state(site, name).interfaces
        ),
    )


def under_test(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("a", "c", "r"))
    own = frozenset(known.address for known in state(site, name).addresses() if isinstance(known.address, IPv6))
    return edited(site, name, interfaces=tuple(replace(i, tentative=own) for i in state(site, name).interfaces))


def setting(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("r", "s", "a"))
    key = random.choice(
        ("net.ipv6.conf.all.forwarding", "net.ipv6.conf.eth0.disable_ipv6", "net.ipv6.conf.lan.disable_ipv6")
    )
    return edited(site, name, sysctls={**state(site, name).sysctls, key: str(random.randrange(2))})


def neighbour(site: Site, random: Random, text: str) -> Site:
    """The router is told that b has the address of a."""
    mac = next(i.mac for i in state(site, "b").interfaces if i.kind == "ether")
    return edited(site, "r", static_neighbours=(StaticNeighbour("lan", IPv6.parse(V6.hosts["a"]), mac),))


EDITS = (
    rules, rules, deaf, deaf, port_down, other_address, under_test, route_gone, setting, neighbour, lead_pulled, power,
)  # fmt: skip


def everything(side: Side) -> dict[tuple[str, int, int], set[Delivery]]:
    """Where all that anybody can send arrives."""
    return {
        (name, source, target): set(deliveries)
        for name in side.site.devices
        for source in side.sources_of(name)
        for target, deliveries in side.sent_by(name, source)
    }


def side_of(reach: Reach) -> Side:
    assert reach.six is not None
    return reach.six


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(RULESETS[V6], min_size=3, max_size=3),
    st.lists(st.sampled_from(EDITS), min_size=3, max_size=3),
    st.integers(0, 1 << 32),
)
def test_edits_in_a_row_known_analysis_of_ipv6_and_fresh_one_agree(texts: list[str], edits, seed: int) -> None:  # type: ignore[no-untyped-def]
    site, random = started(), Random(seed)
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
        assert everything(side_of(again)) == everything(side_of(fresh))
        assert side_of(again).own_limits == side_of(fresh).own_limits
        assert (everything(side_of(reach)), side_of(reach).own_limits) == (before, doubted)
        for name in names:
            packet = Packet(name, IPv6.parse(V6.hosts["d"]), "tcp", 22)
            one, two = again.converse_packet(packet), fresh.converse_packet(packet)
            assert (one.answered, len(one.notes)) == (two.answered, len(two.notes))
        reach = again


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULESETS[V6], discovering, st.sampled_from(EDITS), st.integers(0, 1 << 32))
def test_difference_of_similar_sites_is_found_at_every_destination_of_ipv6(  # type: ignore[no-untyped-def]
    text: str, heard: str, edit, seed: int
) -> None:
    one = edited(started(), "c", ruleset=to_json(load(own_rules({"c": heard})["c"])))
    two = edit(one, Random(seed), text)
    first, second = side_of(Reach(one)), side_of(Reach(two))
    found = first.differing(two)
    for difference in found:
        arrives = [device for device in NAMES if first.arrives(difference.packet, device)]
        later = [device for device in NAMES if second.arrives(difference.packet, device)]
        assert arrives != later, str(difference.packet)
    if not found:
        names = [name for name in NAMES if two.devices[name].state is not None]
        ours = [[bool(row) for row in rows] for rows in first.matrix(names)]
        assert ours == [[bool(row) for row in rows] for rows in second.matrix(names)]
