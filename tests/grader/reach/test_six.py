"""What IPv6 has of its own: neighbours that firewalls judge, links, addresses that are tested, several of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Limit, Packet, Reach
from grader.reach.side import Side
from labs.engines.base import Probe
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv6
from labs.model.site import Device, Site
from labs.model.state import DeviceState, InterfaceState
from labs.net.nftables import to_json
from labs.net.nftables.apply import load
from tests.grader.reach.rulesets import own_rules
from tests.grader.reach.small_site import NAMES, ON, SECOND, V6, add, engine_of, small_site, small_site6
from tests.sites import machine, site

FORWARD = """table inet filter {{
  chain forward {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    {}
  }}
}}
"""


def side_of(made: Site) -> Side:
    found = Reach(engine_of(made).observe()).six
    assert found is not None
    return found


def filtered(*rules: str, **own: str) -> Side:
    """The small site with rules in the forward chain of the router, and firewalls of hosts."""
    return side_of(small_site6(FORWARD.format("\n    ".join(rules)), own_rules(own)))


def state(device: Device) -> DeviceState:
    assert device.state is not None
    return device.state


def edited(
    observed: Site, name: str, change: Callable[[InterfaceState], InterfaceState] | None = None, **more: object
) -> Site:
    """The site with the interfaces of a device changed, or other parts of its state."""
    device = observed.devices[name]
    old = state(device)
    if change is not None:
        more["interfaces"] = tuple(change(shown) for shown in old.interfaces)
    return observed.with_device(replace(device, state=replace(old, **more)))  # type: ignore[arg-type]


def link_local(reach: Reach, device: str, port: str = "eth0") -> IPv6:
    shown = next(i for i in state(reach.site.devices[device]).interfaces if i.name == port)
    return next(a.address for a in shown.addresses if isinstance(a.address, IPv6) and a.address.is_link_local)


# Neighbours


def test_firewall_without_discovery_stops_everything_and_the_story_says_so() -> None:
    six = filtered("accept", c="policy drop; ct state established,related accept")
    answer = six.can("a", "c", "ping")
    assert not answer
    assert answer.witness is not None
    assert "c: the neighbour solicitation for 2001:db8:2::20 dies: input: drop" in "\n".join(answer.witness.lines())
    talk = six.tracer.converse(six.packet("a", IPv6.parse(V6.hosts["c"]), six_service("tcp", 80)))
    assert talk.death is not None
    assert (talk.death[0], talk.death[1].by) == ("c", "ip6 own input: policy drop")


def six_service(protocol: str, port: int):  # type: ignore[no-untyped-def]
    from labs.model.services import Service

    return Service(protocol, port, wide=True)


@pytest.mark.parametrize(
    "heard",
    [
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
        "meta l4proto ipv6-icmp accept",
        "ip6 nexthdr ipv6-icmp accept",
        "ct state untracked accept",
    ],
)
def test_firewall_that_hears_its_neighbours_is_reached_where_it_lets_in(heard: str) -> None:
    six = filtered("accept", c=f"policy drop; ct state established accept; {heard}")
    assert six.packet_through("a", "c", "tcp/80") is not None
    assert six.packet_through("a", "c", "tcp/81") is None
    assert not any(not limit.cautious for limit in six.own_limits)


def test_neighbour_that_asks_and_is_not_asked_is_a_doubt_on_one_side() -> None:
    six = filtered("accept", c="policy drop; icmpv6 type nd-neighbor-advert accept")
    assert six.packet_through("a", "c", "tcp/80") is not None  # while the router remembers what c asked
    assert not six.can("a", "c", six_service("tcp", 80))
    assert {limit.limit for limit in six.own_limits if limit.limit is not Limit.HEADER_FIELD} == {Limit.ASKED_ITSELF}


def test_router_that_drops_what_its_neighbours_say_passes_nothing_on() -> None:
    rules = (
        FORWARD.format("accept")
        + "table ip6 own { chain input { type filter hook input priority 0; policy drop; }\n}\n"
    )
    six = side_of(small_site6(rules))
    assert six.packet_through("a", "c") is None
    assert six.packet_through("d", "a") is None
    assert all(limit.cautious for limit in six.own_limits)
    assert six.packet_through("a", "b") is not None


def test_edit_of_what_judges_neighbours_is_noticed_by_a_known_analysis() -> None:
    site_ = engine_of(small_site6("", own_rules({"c": "policy accept;"}))).observe()
    reach = Reach(site_)
    assert reach.can("a", "c", "ipv6/ping")
    deaf = load("table ip6 own { chain input { type filter hook input priority 0; policy drop; }\n}\n")
    again = Reach(edited(site_, "c", ruleset=to_json(deaf)), like=reach)
    assert not again.can("a", "c", "ipv6/ping")
    assert reach.can("a", "c", "ipv6/ping")
    assert Reach(site_, like=again).can("a", "c", "ipv6/ping")


# Links


def test_address_of_a_link_is_reached_on_the_link_and_nowhere_else() -> None:
    made = small_site6("")
    engine = engine_of(made)
    reach = Reach(engine.observe())
    near, far = link_local(reach, "b"), link_local(reach, "c")
    assert reach.arrives(Packet("a", near, "tcp", 22), "b")
    assert not reach.arrives(Packet("a", far, "tcp", 22), "c")
    assert reach.arrives(Packet("r", far, "tcp", 22, over="dmz"), "c")
    assert not reach.arrives(Packet("r", far, "tcp", 22, over="lan"), "c")
    assert not reach.arrives(Packet("a", IPv6.parse(V6.hosts["c"]), source=link_local(reach, "a")), "c")
    assert reach.arrives(Packet("a", IPv6.parse(V6.hosts["b"]), source=link_local(reach, "a")), "b")
    asked = [("a", f"{near}%eth0", "b"), ("r", f"{far}%dmz", "c"), ("r", f"{far}%lan", "c")]
    probes = [Probe(device, target, "tcp", 22, SECOND, "::", 40_000) for device, target, _ in asked]
    seen = engine.probe(probes)
    assert [found.arrived_at(to) for found, (_, _, to) in zip(seen, asked, strict=True)] == [True, True, False]


def test_witness_to_an_address_of_a_link_says_over_which_interface() -> None:
    heard = "policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    rules = own_rules({"r": heard + "; ip6 daddr fe80::/10 tcp dport 4711 accept"})["r"].replace(
        "{ 22, 80 } accept", "1 drop"
    )
    engine = engine_of(small_site6(rules))
    six = Reach(engine.observe()).six
    assert six is not None
    packet = six.packet_through("c", "r")
    assert packet is not None
    assert (packet.over, packet.port, packet.target.is_link_local) == ("eth0", 4711, True)  # type: ignore[union-attr]
    probe = Probe("c", packet.zoned, "tcp", packet.port, SECOND, str(packet.source), packet.source_port)
    assert engine.probe([probe])[0].arrived_at("r")
    assert six.packet_through("d", "r") is None


# Addresses


def test_address_that_is_tested_or_has_another_owner_is_nobodys() -> None:
    observed = engine_of(small_site6("")).observe()
    target = IPv6.parse(V6.hosts["c"])
    tested = edited(observed, "c", lambda shown: replace(shown, tentative=frozenset({target})))
    reach = Reach(tested, like=Reach(observed))
    assert not reach.arrives(Packet("a", target), "c")
    assert reach.six is not None
    assert target not in reach.six.addresses_of("c")


def test_second_owner_of_an_address_does_not_get_it() -> None:
    made = site(
        [
            machine("a", {"eth0": ""}, up=["ip address add 2001:db8:1::1/64 dev eth0"], settings=[ON]),
            machine("b", {"eth0": ""}, up=["ip address add 2001:db8:1::2/64 dev eth0"], settings=[ON]),
            machine("c", {"eth0": ""}, up=["ip address add 2001:db8:1::2/64 dev eth0"], settings=[ON]),
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2", "c:eth0 sw:p3"],
    )
    six = side_of(made)
    owners = [name for name in "bc" if IPv6.parse("2001:db8:1::2") in six.addresses_of(name)]
    assert len(owners) <= 1
    assert Limit.DUPLICATE_ADDRESS not in {limit.limit for limit in six.own_limits}


def test_two_owners_of_an_address_that_nobody_tested_are_named() -> None:
    made = site(
        [
            machine("a", {"eth0": ""}, up=[add("eth0", "2001:db8:1::1/64")], settings=[ON]),
            machine("b", {"eth0": ""}, up=[add("eth0", "2001:db8:1::2/64")], settings=[ON]),
            machine("c", {"eth0": ""}, up=[add("eth0", "2001:db8:1::2/64")], settings=[ON]),
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2", "c:eth0 sw:p3"],
    )
    six = side_of(made)
    assert not six.can("a", "b", "ping").proved
    assert {limit.limit for limit in six.own_limits} == {Limit.DUPLICATE_ADDRESS}


def test_old_address_is_not_the_one_that_a_sender_takes() -> None:
    made = small_site6(FORWARD.format("ip6 saddr 2001:db8:1::10 accept"))
    engine = engine_of(made)
    engine.run("a", "ip address add 2001:db8:1::77/64 dev eth0 nodad preferred_lft 0")
    observed = engine.observe()
    assert Reach(observed).can("a", "c", "ipv6/ping")
    engine.run("a", "ip address change 2001:db8:1::10/64 dev eth0 nodad preferred_lft 0")
    engine.run("a", "ip address change 2001:db8:1::77/64 dev eth0 nodad preferred_lft forever")
    assert not Reach(engine.observe()).can("a", "c", "ipv6/ping")


def test_sender_may_take_any_address_of_its_prefix_that_nobody_has() -> None:
    six = filtered("ip6 saddr 2001:db8:1::/64 ip6 saddr != { 2001:db8:1::10, 2001:db8:1::11 } tcp dport 4711 accept")
    packet = six.packet_through("a", "d")
    assert packet is not None
    assert packet.source not in six.addresses_of("a")
    assert packet.source != IPv6.parse("2001:db8:1::")  # that means any router
    assert six.packet_through("c", "d") is None
    only = filtered("ip6 saddr 2001:db8:1::11 tcp dport 4711 accept")
    assert only.packet_through("a", "d") is None  # somebody else's
    assert only.packet_through("b", "d") is not None


# Routes


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_refusing_route_ends_the_way_of_one_address(kind: str) -> None:
    engine = engine_of(small_site6(""))
    engine.run("r", f"ip -6 route add {kind} 2001:db8:3::30")
    reach = Reach(engine.observe())
    assert not reach.can("a", "d", "ipv6/ping")
    assert reach.can("a", "d", "ping")
    assert reach.can("s", "d", "ipv6/ping")


def test_address_off_the_link_is_sent_to_the_router_and_one_on_it_is_not() -> None:
    engine = engine_of(small_site6(""))
    engine.run("a", "ip -6 route del 2001:db8:1::/64")
    reach = Reach(engine.observe())
    answer = reach.can("a", "b", "ipv6/ping")
    assert answer
    assert answer.witness is not None
    assert any(line.startswith("r: is forwarded from lan to lan") for line in answer.witness.lines())


def test_two_routers_that_are_equal_are_a_doubt() -> None:
    engine = engine_of(small_site6(""))
    engine.run("a", f"ip -6 route append default via {V6.hosts['b']} dev eth0")
    six = Reach(engine.observe()).six
    assert six is not None
    assert not six.can("a", "d", "ping").proved
    assert {limit.limit for limit in six.own_limits} == {Limit.EQUAL_ROUTES}


# Both versions


def test_neighbour_that_was_entered_by_hand_need_not_be_asked() -> None:
    engine = engine_of(small_site6("", own_rules({"c": "policy drop; icmpv6 type nd-neighbor-advert accept"})))
    mac = next(i.mac for i in state(engine.observe().devices["c"]).interfaces if i.name == "eth0")
    packet = Packet("a", IPv6.parse(V6.hosts["c"]), "tcp", 80)
    assert not Reach(engine.observe()).converse_packet(packet).arrived_at("c")
    engine.run("r", f"ip -6 neigh replace {V6.hosts['c']} lladdr {mac} dev dmz")
    assert Reach(engine.observe()).converse_packet(packet).arrived_at("c")


def test_rule_that_decides_over_one_version_is_not_shadowed() -> None:
    rules = ["meta nfproto ipv4 accept", "tcp dport 22 accept", "ip6 saddr 2001:db8:1::10 tcp dport 22 drop"]
    reach = Reach(engine_of(small_site6(FORWARD.format("\n    ".join(rules)))).observe())
    assert [rule.rule for rule in reach.shadowed()] == ["ip6 saddr 2001:db8:1::10 tcp dport 22 drop"]


def test_difference_over_one_version_comes_with_its_packet() -> None:
    one = engine_of(small_site6(FORWARD.format("meta nfproto ipv4 accept"))).observe()
    two = engine_of(small_site6(FORWARD.format("meta nfproto ipv4 accept\n tcp dport 4711 accept"))).observe()
    found = Reach(one).difference(two)
    assert found
    assert all(isinstance(difference.packet.target, IPv6) for difference in found)
    assert {difference.packet.port for difference in found} == {4711}


def test_site_survives_what_its_flows_over_both_versions_do() -> None:
    engine = engine_of(small_site6(""))
    reach = Reach(engine.observe())
    wide = six_service("icmp", 0)
    assert not reach.survives("r:wan", [("a", "d", wide)])
    assert reach.survives("r:wan", [("a", "c", wide)])


def test_bridge_that_blocks_a_port_blocks_both_versions() -> None:
    engine = engine_of(small_site6(""))
    engine.run("sw", "ip link set p2 down")
    reach = Reach(engine.observe())
    assert not reach.can("a", "b", "ping")
    assert not reach.can("a", "b", "ipv6/ping")
    assert reach.can("a", "c", "ipv6/ping")


def test_router_on_one_lead_has_the_same_address_of_a_link_in_every_vlan() -> None:
    """VLAN interfaces have the hardware address of their port, and so one link-local address between them."""
    vlans = [
        "ip link add link eth0 name eth0.10 type vlan id 10",
        "ip link add link eth0 name eth0.20 type vlan id 20",
        "ip link set eth0.10 up",
        "ip link set eth0.20 up",
        add("eth0.10", "2001:db8:10::1/64"),
        add("eth0.20", "2001:db8:20::1/64"),
    ]
    router = machine("r", {"eth0": ""}, up=vlans, settings=[ON, "net.ipv6.conf.all.forwarding = 1"])
    hosts = [
        machine(
            name,
            {"eth0": ""},
            up=[
                f"ip link add link eth0 name eth0.{vid} type vlan id {vid}",
                f"ip link set eth0.{vid} up",
                add(f"eth0.{vid}", f"2001:db8:{vid}::2/64"),
                f"ip route add ::/0 via 2001:db8:{vid}::1",
            ],
            settings=[ON],
        )
        for name, vid in (("a", 10), ("b", 20))
    ]
    switch = machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True)
    engine = engine_of(site([router, switch, *hosts], ["r:eth0 sw:p1", "a:eth0 sw:p2", "b:eth0 sw:p3"]))
    reach = Reach(engine.observe())
    assert reach.can("a", "b", "ipv6/ping")
    assert reach.can("b", "a", "ipv6/ping")
    seen = engine.probe([Probe("a", "2001:db8:20::2"), Probe("b", "2001:db8:10::2")])
    assert [found.delivered for found in seen] == [True, True]


OLD = {
    "2001:db8:1::10": "10.0.1.10", "2001:db8:1::11": "10.0.1.11", "2001:db8:2::20": "10.0.2.20",
    "2001:db8:3::30": "10.0.3.30", "2001:db8:1::/64": "10.0.1.0/24", "2001:db8:2::/64": "10.0.2.0/24",
    "2001:db8:3::/64": "10.0.3.0/24", "2001:db8::/32": "10.0.0.0/8",
}  # fmt: skip
parts = st.one_of(
    st.sampled_from(list(OLD)).map(lambda a: f"IP saddr {a}"),
    st.sampled_from(list(OLD)).map(lambda a: f"IP daddr {a}"),
    st.sampled_from(list(OLD)).map(lambda a: f"IP daddr != {a}"),
    st.sampled_from(
        ["tcp dport 22", "tcp dport != 22-80", "udp dport { 53, 100-200 }", "iifname lan", "oifname != dmz"]
    ),
    st.sampled_from(["ECHO type echo-request", "meta l4proto { tcp, udp } th sport < 1024", "ct state new"]),
)
lines = st.builds(
    lambda found, verdict: " ".join([*found, verdict]),
    st.lists(parts, max_size=2, unique=True),
    st.sampled_from(["accept", "drop", "reject", "return", "counter accept"]),
).filter(lambda line: not ("tcp" in line and "udp dport" in line) and not ("ECHO" in line and "dport" in line))


def mirrored(found: list[str], policy: str) -> str:
    """The same rules for both versions, each in a table of its own."""
    tables = []
    for family, echo in (("ip", "icmp"), ("ip6", "icmpv6")):
        text = [line.replace("IP ", f"{family} ").replace("ECHO", echo) for line in found]
        for new, old in sorted(OLD.items(), key=lambda pair: -len(pair[0])) if family == "ip" else ():
            text = [line.replace(new, old) for line in text]
        body = "\n    ".join([f"type filter hook forward priority 0; policy {policy};", *text])
        tables.append(f"table {family} f {{\n  chain forward {{\n    {body}\n  }}\n}}\n")
    return "".join(tables)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(lines, min_size=1, max_size=6), st.sampled_from(["accept", "drop"]))
def test_rules_that_are_mirrored_get_mirrored_answers(found: list[str], policy: str) -> None:
    reach = Reach(engine_of(small_site6(mirrored(found, policy))).observe())
    assert reach.six is not None
    hosts = list(V6.hosts)
    for a in hosts:
        for b in hosts:
            for service in ("ping", "tcp/22", "tcp/80", "tcp/81", "udp/53", "udp/150", "udp/201"):
                old = reach.packet_through(a, b, service) if a != b else None
                new = reach.six.packet_through(a, b, service) if a != b else None
                assert (old is None or isinstance(old.target, IPv6)) == (new is None), (a, b, service)


def test_site_without_ipv6_has_one_side() -> None:

    reach = Reach(engine_of(small_site("")).observe())
    assert reach.six is None
    assert reach.sides == (reach,)
    assert not reach.can("a", "b", "ipv6/ping")
    assert NAMES


def test_engine_is_left_as_it_was() -> None:
    engine: SimEngine = engine_of(small_site6(""))
    before = engine.observe()
    reach = Reach(before)
    assert reach.can("a", "d", "ipv6/ping")
    assert engine.observe().devices == before.devices
