"""The same site, the same packets, in the simulator and in a real Linux kernel: every sender is told the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.engines.sim import SimEngine
from labs.model.site import Site
from tests.kernel_lab import KernelLab, judged, lasting
from tests.sites import machine, site, switch, unlimited
from tests.traffic import CLOSED_PORT, Flow, serve, simulate

pytestmark = [pytest.mark.kernel, judged()]

KNOWN = {"REACHABLE", "STALE", "DELAY", "PROBE"}
FAR, NEAR = "10.0.2.20", "10.0.1.10"


def attempts(sources: str, targets: list[str]) -> list[Flow]:
    """Everything everybody can try: ping, a port that answers and one that does not."""
    kinds = [("ping", 0), ("tcp", 7), ("tcp", CLOSED_PORT), ("udp", 7), ("udp", CLOSED_PORT)]
    return [
        Flow(source, target, protocol, port or 7)
        for source in sources.split()
        for target in targets
        for protocol, port in kinds
    ]


def simulated_neighbours(engine: SimEngine, device: str) -> set[tuple[str, str, str]]:
    node = engine.node(device)
    return {
        (str(entry.address), entry.interface.name, str(entry.mac) if entry.state in KNOWN else "")
        for entry in node.link.neighbours.entries(engine.now)
    }


def real_neighbours(lab: KernelLab, device: str) -> set[tuple[str, str, str]]:
    return {
        (str(entry["dst"]), str(entry["dev"]), str(entry.get("lladdr", "")) if KNOWN & set(entry["state"]) else "")  # type: ignore[call-overload]
        for entry in lab.neighbours(device)
        if ":" not in str(entry["dst"])
    }


def judge(made: Site, flows: list[Flow], *, neighbours: bool = True, redirects: bool = True) -> dict[Flow, str]:
    """Both engines' answers, which must be the same; returns them."""
    made = unlimited(made, redirects=redirects)
    engine = SimEngine()
    engine.start(made)
    serve(engine)
    simulated = simulate(engine, flows)
    real: dict[Flow, str] = {}

    def look(patience: int) -> dict[object, object]:
        with KernelLab(made, patience) as lab:
            real.update(lab.send(flows))
            found: dict[object, object] = {f: (simulated[f], real[f]) for f in flows if simulated[f] != real[f]}
            for device in made.devices if neighbours else ():
                pair = simulated_neighbours(engine, device), real_neighbours(lab, device)
                found |= {f"neighbours of {device}": pair} if pair[0] != pair[1] else {}
        return found

    assert lasting(look) == {}, "(simulated, real)"
    return real


def near_and_far(**far: object) -> list:
    """Host a, router r, router s, host d in a row: 10.0.1.0/24, 10.0.0.0/30, 10.0.2.0/24."""
    parts = {
        "a": {"addresses": {"eth0": "10.0.1.10/24"}, "gateway": "10.0.1.1"},
        "r": {
            "addresses": {"lan": "10.0.1.1/24", "wan": "10.0.0.1/30"},
            "up": ["ip route add 10.0.2.0/24 via 10.0.0.2"],
            "forward": True,
        },
        "s": {
            "addresses": {"lan": "10.0.2.1/24", "wan": "10.0.0.2/30"},
            "up": ["ip route add 10.0.1.0/24 via 10.0.0.1"],
            "forward": True,
        },
        "d": {"addresses": {"eth0": "10.0.2.20/24"}, "gateway": "10.0.2.1"},
    }
    for name, changes in far.items():
        parts[name] = {**parts[name], **changes}  # type: ignore[dict-item]
    return [machine(name, **values) for name, values in parts.items()]  # type: ignore[arg-type]


LEADS = ["a:eth0 r:lan", "r:wan s:wan", "s:lan d:eth0"]
TARGETS = [
    "10.0.1.10",
    "10.0.1.1",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.2.1",
    "10.0.2.20",
    "10.0.2.99",
    "10.0.1.99",
    "172.16.0.1",
]

FIREWALL = """table inet filter {
  chain input { type filter hook input priority filter; policy accept; %(input)s }
  chain forward { type filter hook forward priority filter; policy accept; %(forward)s }
  chain output { type filter hook output priority filter; policy accept; %(output)s }
}
"""


def filtering(**chains: str) -> str:
    return FIREWALL % (
        {"input": "", "forward": "", "output": ""} | {k: v.replace(";", "\n") for k, v in chains.items()}
    )


def translating(hook: str, rule: str) -> str:
    priority = 100 if hook == "postrouting" else -100
    return f"table ip n {{\n chain c {{\n type nat hook {hook} priority {priority}; {rule}\n }}\n}}\n"


def early(priority: str, rule: str) -> str:
    return f"table ip t {{\n chain c {{\n type filter hook prerouting priority {priority}; {rule}\n }}\n}}\n"


MASQUERADE = """table ip nat {
  chain post { type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" masquerade
  }
}
"""
FORWARDING_PORT = """table ip nat {
  chain pre { type nat hook prerouting priority dstnat; policy accept;
    iifname "wan" tcp dport 7 dnat to 10.0.1.10
    iifname "wan" udp dport 7 dnat to 10.0.1.10:8
  }
}
"""
UNREACHABLES = ["icmp type host-unreachable", "icmp type net-unreachable", "icmp type admin-prohibited",
                "icmp type host-prohibited", "icmp type net-prohibited", "icmp type port-unreachable",
                "icmp type prot-unreachable", "icmpx type admin-prohibited", "icmpx type no-route", ""]  # fmt: skip

CASES = {
    "everything right": near_and_far(),
    "no return route": near_and_far(s={"up": []}),
    "no gateway at the far host": near_and_far(d={"gateway": ""}),
    "no gateway at the near host": near_and_far(a={"gateway": ""}),
    "gateway that nobody has": near_and_far(a={"gateway": "10.0.1.77"}),
    "gateway outside the network": near_and_far(a={"gateway": "10.9.9.1"}),
    "mask too wide": near_and_far(a={"addresses": {"eth0": "10.0.1.10/16"}}),
    "mask too wide, the router answers for the others": near_and_far(
        d={"addresses": {"eth0": "10.0.2.20/16"}}, s={"settings": ["net.ipv4.conf.all.proxy_arp = 1"]}
    ),
    "mask too narrow": near_and_far(a={"addresses": {"eth0": "10.0.1.10/29"}}),
    "mask too wide at the router": near_and_far(r={"addresses": {"lan": "10.0.1.1/16", "wan": "10.0.0.1/30"}}),
    "default routes that point at each other": near_and_far(
        r={"up": ["ip route add default via 10.0.0.2"]}, s={"up": ["ip route add default via 10.0.0.1"]}
    ),
    "blackhole at the router": near_and_far(r={"up": ["ip route add blackhole 10.0.2.0/24"]}),
    "unreachable at the router": near_and_far(r={"up": ["ip route add unreachable 10.0.2.0/24"]}),
    "prohibit at the router": near_and_far(r={"up": ["ip route add prohibit 10.0.2.0/24"]}),
    "blackhole at the host": near_and_far(a={"up": ["ip route add blackhole 10.0.2.0/24"]}),
    "unreachable at the host": near_and_far(a={"up": ["ip route add unreachable 10.0.2.0/24"]}),
    "prohibit at the host": near_and_far(a={"up": ["ip route add prohibit 10.0.2.0/24"]}),
    "ip_forward off": near_and_far(r={"forward": False}),
    "ip_forward off behind": near_and_far(s={"forward": False}),
    "a lead's interface down": near_and_far(r={"up": ["ip link set wan down"]}),
    "the far interface down": near_and_far(d={"up": ["ip link set eth0 down"]}),
    "the near interface down": near_and_far(a={"up": ["ip link set eth0 down"]}),
    "input dropped": near_and_far(d={"rules": filtering(input="drop;")}),
    "input of one protocol": near_and_far(
        d={"rules": filtering(input="tcp dport 7 accept; icmp type echo-request reject; drop;")}
    ),
    "established only": near_and_far(a={"rules": filtering(input="ct state established,related accept; drop;")}),
    "established without related": near_and_far(a={"rules": filtering(input="ct state established accept; drop;")}),
    "forward dropped": near_and_far(r={"rules": filtering(forward="drop;")}),
    "forward one way": near_and_far(
        r={"rules": filtering(forward='ct state established,related accept; iifname "wan" drop;')}
    ),
    "output dropped": near_and_far(
        a={"rules": filtering(output="udp dport 7 drop; tcp dport 7 drop; icmp type echo-request drop;")}
    ),
    "output of a router dropped": near_and_far(r={"rules": filtering(output="drop;")}),
    "tcp reset": near_and_far(
        r={"rules": filtering(forward="meta l4proto tcp reject with tcp reset; udp dport 7 reject;")},
        d={"rules": filtering(input="meta l4proto tcp reject with tcp reset;")},
    ),
    "tcp reset on the way out": near_and_far(
        a={"rules": filtering(output="tcp dport { 7, 8 } reject with tcp reset;")}
    ),
    "resets reset on the way out": near_and_far(
        a={"rules": filtering(output="meta l4proto tcp reject with tcp reset;")}
    ),
    "masquerade": near_and_far(r={"rules": MASQUERADE, "up": ["ip route add default via 10.0.0.2"]}, s={"up": []}),
    "masquerade and filter": near_and_far(
        r={
            "rules": MASQUERADE + filtering(forward='ct state established,related accept; iifname "lan" accept; drop;'),
            "up": ["ip route add default via 10.0.0.2"],
        },
        s={"up": []},
        d={"rules": filtering(input="tcp dport 8 reject; ")},
    ),
    "destination translated": near_and_far(r={"rules": FORWARDING_PORT}),
    "destination translated on the way out": near_and_far(
        a={"rules": translating("output", "ip daddr 172.16.0.1 dnat to 10.0.2.20")}
    ),
    "redirected to the router": near_and_far(r={"rules": translating("prerouting", "tcp dport 8 redirect to :7")}),
    "source translated to another address": near_and_far(
        s={"rules": translating("postrouting", 'oifname "lan" snat to 10.0.2.1')}
    ),
    "untracked": near_and_far(
        r={
            "rules": early("raw", "ip protocol icmp notrack")
            + filtering(
                forward="ct state new,established accept; ct state untracked icmp type echo-request accept; drop;"
            )
        }
    ),
    "early drop before conntrack": near_and_far(r={"rules": early("-310", "tcp dport 7 drop")}),
    "two tables, the first accepts": near_and_far(
        d={
            "rules": "table ip one { chain i { type filter hook input priority -10; accept \n }\n}\n"
            "table ip two { chain i { type filter hook input priority 10; udp dport 7 drop \n }\n}\n"
        }
    ),
    "loopback filtered": near_and_far(
        a={"rules": filtering(input='iifname "lo" tcp dport 7 reject; iifname "lo" udp dport 7 drop;')}
    ),
}
CASES |= {
    f"forward rejected {kind or 'plainly'}": near_and_far(
        r={"rules": filtering(forward=f"reject {'with ' + kind if kind else ''};")}
    )
    for kind in UNREACHABLES
}
CASES |= {
    f"{chain} rejected": near_and_far(
        **{
            host: {
                "rules": filtering(**{chain: "tcp dport 7 reject; udp dport 7 reject; icmp type echo-request reject;"})
            }
        }
    )
    for chain, host in (("input", "d"), ("output", "a"))
}


@pytest.mark.parametrize("name", CASES)
def test_chain_of_routers_any_sender_is_told_the_same(name):
    judge(site(CASES[name], LEADS), attempts("a d", TARGETS))


@pytest.mark.parametrize("ttl", [1, 2, 3, 4])
def test_low_ttl_the_error_comes_from_the_same_address(ttl):
    flows = [flow._replace(ttl=ttl) for flow in attempts("a", TARGETS) if flow.protocol != "tcp"]
    judge(site(CASES["everything right"], LEADS), flows)


def one_lan(**changes: dict) -> Site:
    parts = {
        "a": {"addresses": {"eth0": "10.0.1.10/24"}},
        "b": {"addresses": {"eth0": "10.0.1.11/24"}},
        "c": {"addresses": {"eth0": "10.0.1.12/24"}},
    }
    for name, values in changes.items():
        parts[name] = {**parts[name], **values}
    devices = [machine(name, **values) for name, values in parts.items()]  # type: ignore[arg-type]
    return site([*devices, switch("sw", 3)], [f"{name}:eth0 sw:p{place}" for place, name in enumerate("abc", 1)])


LAN_CASES = {
    "everything right": {},
    "mask too narrow": {"a": {"addresses": {"eth0": "10.0.1.10/31"}}},
    "mask too wide": {"a": {"addresses": {"eth0": "10.0.1.10/8"}}},
    "another network": {"c": {"addresses": {"eth0": "10.0.2.12/24"}}},
    "another network, one says onlink": {
        "a": {"up": ["ip route add 10.0.2.12 dev eth0"]},
        "c": {"addresses": {"eth0": "10.0.2.12/24"}, "up": ["ip route add 10.0.1.0/24 dev eth0"]},
    },
    "two addresses": {"c": {"addresses": {"eth0": "10.0.1.12/24 10.0.1.13/24 10.0.9.12/24"}}},
    "no address": {"c": {"addresses": {"eth0": ""}}},
    "interface down": {"c": {"up": ["ip link set eth0 down"]}},
    "proxy for what is on the same interface": {
        "b": {
            "forward": True,
            "settings": ["net.ipv4.conf.eth0.proxy_arp = 1"],
            "up": ["ip route add 10.0.1.200 dev eth0"],
        },
    },
    "host address with a point-to-point mask": {
        "b": {"addresses": {"eth0": "10.0.1.11/32"}, "up": ["ip route add 10.0.1.0/24 dev eth0 src 10.0.1.11"]}
    },
}


@pytest.mark.parametrize("name", LAN_CASES)
def test_one_lan_any_sender_is_told_the_same(name):
    targets = ["10.0.1.10", "10.0.1.11", "10.0.1.12", "10.0.1.13", "10.0.1.99", "10.0.2.12", "10.0.1.255", "127.0.0.1"]
    judge(one_lan(**LAN_CASES[name]), attempts("a b c", targets))


def triangle(mode: int) -> Site:
    """Two ways between hosts: answers come back over the other interface."""
    return site(
        [
            machine(
                "a",
                {"one": "10.0.1.10/24", "two": "10.0.2.10/24"},
                up=["ip route add 10.0.3.0/24 via 10.0.1.1"],
                settings=[f"net.ipv4.conf.all.rp_filter = {mode}"],
            ),
            machine("r", {"lan": "10.0.1.1/24", "out": "10.0.3.1/24"}, forward=True),
            machine(
                "s",
                {"lan": "10.0.2.1/24", "out": "10.0.3.2/24"},
                forward=True,
                settings=["net.ipv4.conf.out.rp_filter = 0"],
            ),
            machine("d", {"eth0": "10.0.3.20/24"}, gateway="10.0.3.2", up=["ip route add 10.0.1.0/24 via 10.0.3.2"]),
            switch("sw", 3),
        ],
        ["a:one r:lan", "a:two s:lan", "r:out sw:p1", "s:out sw:p2", "d:eth0 sw:p3"],
    )


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_asymmetric_way_reverse_path_filter_judges_alike(mode):
    judge(triangle(mode), attempts("a d", ["10.0.3.20", "10.0.1.10", "10.0.2.10", "10.0.1.1", "10.0.2.1"]))


def test_address_used_twice_somebody_answers_in_both():
    """Who wins is a race in life; that one of the two answers is not."""
    made = one_lan(c={"addresses": {"eth0": "10.0.1.11/24"}})
    flows = attempts("a", ["10.0.1.11"])
    real = judge(made, flows, neighbours=False)
    assert real[flows[0]] == "reply ttl=64"


@st.composite
def small_sites(draw) -> Site:
    """Two routers, four hosts, and mistakes."""
    length = st.sampled_from([24, 24, 24, 16, 25, 28, 8])
    rules = st.sampled_from(
        [
            "",
            "",
            MASQUERADE,
            filtering(forward="ct state established,related accept; tcp dport 7 accept; drop;"),
            filtering(input="icmp type echo-request drop; tcp dport 7 reject;"),
            filtering(forward="reject with icmp type admin-prohibited;"),
            FORWARDING_PORT,
            MASQUERADE + filtering(forward='iifname "wan" ct state new drop;'),
        ]
    )
    routes = {
        "r": [
            "ip route add 10.0.2.0/24 via 10.0.0.2",
            "ip route add default via 10.0.0.2",
            "ip route add prohibit 10.0.2.0/25",
        ],
        "s": [
            "ip route add 10.0.1.0/24 via 10.0.0.1",
            "ip route add default via 10.0.0.1",
            "ip route add blackhole 10.0.1.0/28",
        ],
    }
    devices = []
    for router, net, place in (("r", 1, 1), ("s", 2, 2)):
        devices.append(
            machine(
                router,
                {"lan": f"10.0.{net}.1/{draw(length)}", "wan": f"10.0.0.{place}/{draw(st.sampled_from([30, 24]))}"},
                up=draw(st.lists(st.sampled_from(routes[router]), unique=True, max_size=2)),
                forward=draw(st.sampled_from([True, True, True, False])),
                rules=draw(rules),
                settings=[f"net.ipv4.conf.all.rp_filter = {draw(st.sampled_from([0, 0, 1, 2]))}"],
            )
        )
    for name, net, number in (("a", 1, 10), ("b", 1, 200), ("c", 2, 10), ("d", 2, 200)):
        devices.append(
            machine(
                name,
                {"eth0": f"10.0.{net}.{number}/{draw(length)}"},
                gateway=draw(st.sampled_from([f"10.0.{net}.1"] * 3 + ["", f"10.0.{net}.77", f"10.0.{3 - net}.1"])),
                rules=draw(
                    st.sampled_from(
                        ["", "", "", filtering(input="tcp dport 7 reject with tcp reset; udp dport 7 drop;")]
                    )
                ),
            )
        )
    devices += [switch("x", 3), switch("y", 3)]
    return site(
        devices,
        ["a:eth0 x:p1", "b:eth0 x:p2", "r:lan x:p3", "c:eth0 y:p1", "d:eth0 y:p2", "s:lan y:p3", "r:wan s:wan"],
    )


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(small_sites())
def test_random_site_any_sender_is_told_the_same(made):
    targets = ["10.0.1.10", "10.0.1.200", "10.0.2.10", "10.0.2.200", "10.0.1.1", "10.0.0.2", "10.0.2.99"]
    judge(made, attempts("a b d", targets), neighbours=False, redirects=False)
