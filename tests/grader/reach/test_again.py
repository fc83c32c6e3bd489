"""An analysis that takes over what it knows of a similar site says what one made from nothing says, after any edit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Packet, Reach
from grader.reach.analysis import Analysis, Delivery
from labs.model.addresses import InterfaceAddress, IPv4
from labs.model.services import Service
from labs.model.site import Device, Site
from labs.model.state import DeviceState, Listener, StaticNeighbour
from labs.net.nftables import NftError, to_json
from labs.net.nftables.apply import load
from tests.grader.reach.rulesets import RULESETS
from tests.grader.reach.small_site import NAMES, V4, engine_of, small_site

FORWARD = "table inet f {{\nchain forward {{ type filter hook forward priority 0; policy drop;\n{}\n}}\n}}\n"


@cache
def started() -> Site:
    return engine_of(small_site(FORWARD.format("ip saddr 10.0.1.0/24 tcp dport 22 accept"))).observe()


def edited(site: Site, name: str, **values: object) -> Site:
    device = site.devices[name]
    assert device.state is not None
    return site.with_device(replace(device, state=replace(device.state, **values)))  # type: ignore[arg-type]


def state(site: Site, name: str) -> DeviceState:
    found = site.devices[name].state
    assert found is not None
    return found


def rules(site: Site, random: Random, text: str) -> Site:
    try:
        ruleset = load(text)
    except NftError:  # rules that contradict themselves
        return site
    return edited(site, random.choice(("r", "r", "s", "a")), ruleset=to_json(ruleset))


def port_down(site: Site, random: Random, text: str) -> Site:
    name = random.choice((*NAMES, "sw"))
    shown = list(state(site, name).interfaces)
    number = random.randrange(len(shown))
    shown[number] = replace(shown[number], up=not shown[number].up)
    return edited(site, name, interfaces=tuple(shown))


def other_address(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("a", "b", "c", "d"))
    moved = InterfaceAddress.parse(random.choice(("10.0.1.11/24", "10.0.1.10/24", "10.0.2.20/24", "10.0.3.77/16")))
    return edited(
        site,
        name,
        interfaces=tuple(
            replace(i, addresses=(moved,)) if i.kind == "ether" else i for i in state(site, name).interfaces
        ),
    )


def route_gone(site: Site, random: Random, text: str) -> Site:
    name = random.choice(NAMES)
    routes = list(state(site, name).routes)
    if routes:
        del routes[random.randrange(len(routes))]
    return edited(site, name, routes=tuple(routes))


def setting(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("r", "s", "a"))
    key = random.choice(("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.proxy_arp"))
    return edited(site, name, sysctls={**state(site, name).sysctls, key: str(random.randrange(2))})


def neighbour(site: Site, random: Random, text: str) -> Site:
    """The router is told that b has the address of a."""
    mac = next(i.mac for i in state(site, "b").interfaces if i.kind == "ether")
    return edited(site, "r", static_neighbours=(StaticNeighbour("lan", IPv4.parse("10.0.1.10"), mac),))


def listener(site: Site, random: Random, text: str) -> Site:
    """Nothing that any packet of another device could notice on its way."""
    return edited(site, random.choice(NAMES), listeners=(Listener("tcp", IPv4(0), 8080, "nc"),))


def lead_pulled(site: Site, random: Random, text: str) -> Site:
    pulled = random.choice(site.links)
    return replace(site, links=tuple(link for link in site.links if link is not pulled))


def power(site: Site, random: Random, text: str) -> Site:
    device: Device = site.devices[random.choice(NAMES)]
    return site.with_device(replace(device, powered=False, state=None))


EDITS = (rules, rules, rules, port_down, other_address, route_gone, setting, neighbour, listener, lead_pulled, power)


def everything(reach: Reach) -> dict[tuple[str, int, int], set[Delivery]]:
    """Where all that anybody can send arrives, and what had to be doubted on the way."""
    return {
        (name, source, target): set(deliveries)
        for name in reach.site.devices
        for source in reach.sources_of(name)
        for target, deliveries in reach.sent_by(name, source)
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(RULESETS[V4], min_size=3, max_size=3),
    st.lists(st.sampled_from(EDITS), min_size=3, max_size=3),
    st.integers(0, 1 << 32),
)
def test_edits_in_a_row_known_analysis_and_fresh_one_agree(texts: list[str], edits, seed: int) -> None:  # type: ignore[no-untyped-def]
    site, random = started(), Random(seed)
    reach = Reach(site)
    for text, edit in zip(texts, edits, strict=True):
        before, doubted = everything(reach), reach.limits
        try:
            site = edit(site, random, text)
        except AssertionError:  # the device has no power any more
            continue
        again, fresh = Reach(site, like=reach), Reach(site)
        names = [name for name in NAMES if site.devices[name].state is not None]
        assert list(again.matrix(names)) == list(fresh.matrix(names))
        assert again.limits == fresh.limits
        assert everything(again) == everything(fresh)
        assert again.limits == fresh.limits
        assert (everything(reach), reach.limits) == (before, doubted)  # the older one can still be asked
        for name in names:
            packet = Packet(name, IPv4.parse("10.0.3.30"), "tcp", 22)
            one, two = again.tracer.converse(packet), fresh.tracer.converse(packet)
            assert (one.answered, len(one.notes)) == (two.answered, len(two.notes))
        reach = again


def test_device_that_is_observed_anew_and_the_same_is_not_read_again() -> None:
    site = started()
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
    reach = Reach(started())
    again = Reach(started(), like=reach, services=[Service("tcp", 4711)])
    assert len(again.analysis.services) > len(reach.analysis.services)
    assert again.arrives(Packet("a", IPv4.parse("10.0.2.20"), "tcp", 22), "c")
    assert not again.arrives(Packet("a", IPv4.parse("10.0.2.20"), "tcp", 4711), "c")


def test_conversation_that_is_refused_again_and_again_is_always_told_the_same() -> None:
    reach = Reach(edited(started(), "r", ruleset=to_json(load(FORWARD.format("reject")))))
    talks = [reach.tracer.converse(Packet("a", IPv4.parse("10.0.3.30"), "tcp", 22)) for _ in range(20)]
    assert len({tuple((name, type(note)) for name, note in talk.notes) for talk in talks}) == 1
    assert talks[0].notes[-1][0] == "a"  # it is told each time


def fates(analysis: Analysis, name: str, source: int, target: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in analysis.send(name, source, target, analysis.services.full):
        found[delivery.device] = found.get(delivery.device, 0) | delivery.services
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(RULESETS[V4], min_size=2, max_size=2),
    st.lists(st.sampled_from(EDITS), min_size=2, max_size=2),
    st.integers(),
)
def test_difference_of_similar_sites_is_found_at_every_destination(texts: list[str], edits, seed: int) -> None:  # type: ignore[no-untyped-def]
    random = Random(seed)
    one = edits[0](started(), random, texts[0])
    try:
        two = edits[1](one, random, texts[1])
    except AssertionError:  # the device has no power any more
        two = started()
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
