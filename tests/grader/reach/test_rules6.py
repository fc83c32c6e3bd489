"""The analysis of IPv6 against exhaustive enumeration: random rule sets, every boundary, packet by packet."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.reach import Packet, Reach
from labs.engines.base import Probe
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv6
from labs.model.site import Site
from labs.net.nftables import NftError
from labs.net.nftables.apply import load
from tests.sites import machine, site

SECOND = 1_000_000_000
ON = "net.ipv6.conf.all.disable_ipv6 = 0"
FORWARD = "net.ipv6.conf.all.forwarding = 1"
HOSTS = {"a": "2001:db8:1::10", "b": "2001:db8:1::11", "c": "2001:db8:2::20", "d": "2001:db8:3::30"}
OLD = {"a": "10.0.1.10", "b": "10.0.1.11", "c": "10.0.2.20", "d": "10.0.3.30"}
SPARE = "2001:db8:1::99"
TARGETS = [*HOSTS.values(), "2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::77", "2001:db8:66::9"]
PORTS = (22, 80, 443, 1024, 8080)
NEAR = sorted({p + step for p in PORTS for step in (-1, 0, 1)})
NAMES = ("a", "b", "c", "d", "r", "s")


def add(port: str, address: str) -> str:
    return f"ip address add {address} dev {port} nodad"


def host(name: str, address: str, gateway: str, **more: object) -> object:
    lines = [add("eth0", f"{address}/64"), f"ip route add ::/0 via {gateway}"]
    old = OLD[name]
    return machine(
        name,
        {"eth0": f"{old}/24"},
        gateway=old.rpartition(".")[0] + ".1",
        up=lines,
        settings=[ON],
        **more,  # type: ignore[arg-type]
    )


def small_site6(rules: str, own: dict[str, str] | None = None, **router: object) -> Site:
    """The small site of IPv4, which speaks both versions: hosts a and b beside router r, c too, d behind router s.

    `rules` are those of r, `own` those of others.
    """
    own = own or {}
    return site(
        [
            host("a", HOSTS["a"], "2001:db8:1::1", rules=own.get("a", "")),  # type: ignore[list-item]
            host("b", HOSTS["b"], "2001:db8:1::1", rules=own.get("b", "")),  # type: ignore[list-item]
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
            machine(
                "r",
                {"lan": "10.0.1.1/24", "dmz": "10.0.2.1/24", "wan": "10.0.9.1/30"},
                up=[
                    "ip route add 10.0.3.0/24 via 10.0.9.2",
                    "ip route add blackhole 192.0.2.0/24",
                    add("lan", "2001:db8:1::1/64"),
                    add("dmz", "2001:db8:2::1/64"),
                    add("wan", "2001:db8:9::1/64"),
                    "ip route add 2001:db8:3::/64 via 2001:db8:9::2",
                    "ip route add blackhole 2001:db8:66::/64",
                ],
                forward=True,
                rules=rules,
                settings=["net.ipv4.conf.all.rp_filter = 0", ON, FORWARD],
            ),
            machine(
                "s",
                {"wan": "10.0.9.2/30", "lan": "10.0.3.1/24"},
                gateway="10.0.9.1",
                up=[
                    add("wan", "2001:db8:9::2/64"),
                    add("lan", "2001:db8:3::1/64"),
                    "ip route add ::/0 via 2001:db8:9::1",
                ],
                forward=True,
                rules=own.get("s", ""),
                settings=[ON, FORWARD],
            ),
            host("c", HOSTS["c"], "2001:db8:2::1", rules=own.get("c", "")),  # type: ignore[list-item]
            host("d", HOSTS["d"], "2001:db8:3::1", rules=own.get("d", "")),  # type: ignore[list-item]
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2", "sw:p3 r:lan", "r:dmz c:eth0", "r:wan s:wan", "s:lan d:eth0"],
    )


def engine_of(made: Site) -> SimEngine:
    engine = SimEngine()
    engine.start(made)
    engine.wait(4 * SECOND)  # until nobody has objected to any address
    return engine


addresses = st.sampled_from(
    [
        "2001:db8:1::10", "2001:db8:1::/64", "2001:db8:1::8-2001:db8:1::12", "2001:db8:2::20", "2001:db8:3::/64",
        "2001:db8::/32", "@friends", "{ 2001:db8:1::11, 2001:db8:3::30 }", "{ 2001:db8:1::/122, 2001:db8:2::/64 }",
        "fe80::/10",
    ]
)  # fmt: skip
ports = st.sampled_from(["22", "80", "{ 22, 443 }", "80-1024", "{ 22, 100-443, 8080 }", "!= 80", "< 1024", "@open"])
interfaces = st.sampled_from(['"lan"', '"dmz"', '"wan"', '{ "lan", "wan" }', '!= "dmz"'])
matches = st.one_of(
    addresses.map(lambda a: f"ip6 saddr {a}"),
    addresses.map(lambda a: f"ip6 daddr {a}"),
    addresses.map(lambda a: f"ip6 saddr != {a}"),
    ports.map(lambda p: f"tcp dport {p}"),
    ports.map(lambda p: f"udp dport {p}"),
    ports.map(lambda p: f"tcp sport {p}"),
    ports.map(lambda p: f"meta l4proto {{ tcp, udp }} th dport {p}"),
    interfaces.map(lambda i: f"iifname {i}"),
    interfaces.map(lambda i: f"oifname {i}"),
    st.sampled_from(
        [
            "icmpv6 type echo-request", "meta l4proto ipv6-icmp", "meta l4proto != tcp", "ip6 nexthdr udp",
            "meta nfproto ipv6", "meta nfproto ipv4", "ip saddr 10.0.1.0/24", "ip protocol tcp",
            "icmp type echo-request",
            "ct state new", "ct state established,related", "ct state != invalid", "ct state { new, untracked }",
            "ip6 saddr . tcp dport { 2001:db8:1::10 . 22, 2001:db8:1::/64 . 80 }", "tcp flags syn",
            "ip6 daddr & ffff:ffff:ffff:ffff:: == 2001:db8:2::", "ct status dnat",
            "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }",
        ]
    ),
)  # fmt: skip
verdicts = st.sampled_from(
    [
        "accept", "drop", "reject", "counter accept", "jump one", "goto one", "jump two", "return",
        "reject with icmp type host-unreachable", "reject with icmpx type admin-prohibited",
        "tcp dport vmap { 22 : accept, 80-443 : drop, 8080 : jump two }",
        "ct state vmap { new : jump one, invalid : drop }",
    ]
)  # fmt: skip
rules = st.builds(
    lambda parts, verdict: " ".join([*parts, verdict]), st.lists(matches, max_size=2, unique=True), verdicts
)
flat = rules.filter(lambda rule: "jump" not in rule and "goto" not in rule)
translations = st.lists(
    st.sampled_from(
        [
            "iifname lan tcp dport 8080 dnat to [2001:db8:2::20]:80",
            "ip6 daddr 2001:db8:2::1 dnat to 2001:db8:3::30",
            "tcp dport 443 redirect to :22",
            "dnat to tcp dport map { 22 : 2001:db8:2::20, 80 : 2001:db8:3::30 }",
        ]
    ),
    max_size=2,
    unique=True,
)
hiding = st.sampled_from(["", "oifname wan masquerade", "ip6 saddr 2001:db8:1::/64 snat to 2001:db8:9::1"])
# What the firewall of a device does with the questions of its neighbours
discovering = st.sampled_from(
    [
        "policy accept;",
        "policy drop; meta l4proto ipv6-icmp accept",
        "policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
        "policy drop; icmpv6 type nd-neighbor-solicit accept",
        "policy drop; icmpv6 type nd-neighbor-advert accept",
        "policy drop; ip6 saddr fe80::/10 accept",
        "policy drop; ct state untracked accept",
        "policy drop; ct state established,related accept",
    ]
)


def ruleset(
    forward: list[str], one: list[str], more: list[str], dnat: list[str], snat: str, policy: str, discovery: str
) -> str:
    def lines(found: list[str]) -> str:
        return "\n    ".join(found)

    one = [rule for rule in one if "one" not in rule]
    first, _, rest = discovery.partition("; ")
    return f"""table inet filter {{
  set friends {{ type ipv6_addr; flags interval; elements = {{ 2001:db8:1::11, 2001:db8:2::/64 }} }}
  set open {{ type inet_service; elements = {{ 22, 8080 }} }}
  chain two {{
    {lines(more)}
  }}
  chain one {{
    {lines(one)}
  }}
  chain input {{
    type filter hook input priority 0; {first.rstrip(";")};
    {rest}
    {lines([rule for rule in more if "oifname" not in rule])}
  }}
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    {lines(forward)}
  }}
}}
table ip6 nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    {lines(dnat)}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100;
    {snat}
  }}
}}
"""


def is_loadable(text: str) -> bool:
    """Rules that contradict themselves are refused as a whole."""
    try:
        load(text)
    except NftError:
        return False
    return True


rulesets = st.builds(
    ruleset,
    st.lists(rules, min_size=1, max_size=6),
    st.lists(rules, max_size=3),
    st.lists(flat, max_size=3),
    translations,
    hiding,
    st.sampled_from(["accept", "drop"]),
    discovering,
).filter(is_loadable)


def packets() -> list[Packet]:
    """From everybody to everybody, at and beside every boundary."""
    found = []
    for name, own in HOSTS.items():
        for source in [own, SPARE] if name == "a" else [own]:
            for target in TARGETS:
                if target == own:
                    continue
                to, own_source = IPv6.parse(target), IPv6.parse(source)
                found.append(Packet(name, to, "ping", 0, own_source))
                for protocol in ("tcp", "udp"):
                    found += [Packet(name, to, protocol, port, own_source) for port in NEAR]
                    found += [Packet(name, to, protocol, 443, own_source, sport) for sport in (22, 80, 1024)]
    return found


EVERYTHING = packets()
firewalls = st.dictionaries(st.sampled_from(["a", "c", "s"]), discovering, max_size=2)


def own_rules(chosen: dict[str, str]) -> dict[str, str]:
    """Firewalls of hosts that judge what comes in."""
    found = {}
    for name, text in chosen.items():
        first, _, rest = text.partition("; ")
        lines = [f"type filter hook input priority 0; {first.rstrip(';')}", rest, "tcp dport { 22, 80 } accept"]
        found[name] = "table ip6 own {\n  chain input {\n    " + "\n    ".join(lines) + "\n  }\n}\n"
    return found


def is_certain(reach: Reach) -> bool:
    assert reach.six is not None
    return not any(limit.cautious for limit in reach.six.own_limits)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rulesets, firewalls, st.randoms(use_true_random=False))
def test_random_rules_every_packet_ends_where_the_machines_say(text: str, own, random) -> None:  # type: ignore[no-untyped-def]
    reach = Reach(engine_of(small_site6(text, own_rules(own))).observe())
    for packet in random.sample(EVERYTHING, 200):
        talk = reach.converse_packet(packet)
        for device in NAMES:
            claimed, real = reach.arrives(packet, device), talk.arrived_at(device)
            if device != packet.device and claimed != real:
                assert claimed, (str(packet), device)  # what cannot flow does not flow
                assert not is_certain(reach), (str(packet), device)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rulesets, firewalls, st.randoms(use_true_random=False))
def test_random_rules_every_packet_ends_where_the_simulator_takes_it(text: str, own, random) -> None:  # type: ignore[no-untyped-def]
    engine = engine_of(small_site6(text, own_rules(own)))
    reach = Reach(engine.observe())
    asked = random.sample(EVERYTHING, 80)
    claims = [{device for device in NAMES if reach.arrives(packet, device)} - {packet.device} for packet in asked]
    seen = engine.probe(
        [Probe(p.device, str(p.target), p.protocol, p.port, SECOND, str(p.source), p.source_port) for p in asked]
    )
    for packet, claim, observation in zip(asked, claims, seen, strict=True):
        real = {device for device in NAMES if observation.arrived_at(device)} - {packet.device}
        assert real <= claim, str(packet)
        assert claim == real or not is_certain(reach), str(packet)
