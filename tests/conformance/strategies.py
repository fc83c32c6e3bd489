"""Random sites, healthy and broken: a chain or ring of routers with networks of hosts, and the mistakes people make.

At most eight devices. Every mistake is drawn by itself, so that a shrunk example says which of them matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from labs.model.site import Site
from tests.sites import machine, site, switch

MAX_DEVICES = 8
HOSTS = (10, 200)
REJECTS = [
    "reject",
    *(f"reject with icmp type {kind}" for kind in ("host-unreachable", "net-unreachable", "admin-prohibited")),
    *(f"reject with icmp type {kind}" for kind in ("host-prohibited", "net-prohibited", "prot-unreachable")),
    "reject with icmpx type no-route",
]
MATCHES = [
    "",
    "tcp dport 7",
    "tcp dport != 7 meta l4proto tcp",
    "udp dport { 7, 443 }",
    "tcp dport 1-100",
    "icmp type echo-request",
    "icmp type echo-reply",
    "meta l4proto icmp",
    "meta l4proto { tcp, udp }",
    "ct state new",
    "ct state established",
    "ct state invalid",
    "ct state related",
    "ip ttl < 63",
    "meta length > 80",
]


@dataclass
class Part:
    """What `tests.sites.machine` is told about one device."""

    addresses: dict[str, str]
    gateway: str = ""
    up: list[str] = field(default_factory=list)
    forward: bool = False
    rules: str = ""
    settings: list[str] = field(default_factory=list)


@dataclass
class Draft:
    """A site under construction. Networks are 10.0.N.0/24 with the router at .1; routers meet in 10.9.N.0/30."""

    routers: dict[str, Part] = field(default_factory=dict)
    hosts: dict[str, Part] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)
    leads: list[str] = field(default_factory=list)
    lans: dict[int, str] = field(default_factory=dict)
    """Number of a network to its router."""
    network: dict[str, int] = field(default_factory=dict)
    """Host to the number of its network."""

    def build(self) -> Site:
        """The site."""
        devices = [
            machine(
                name,
                part.addresses,
                gateway=part.gateway,
                up=part.up,
                forward=part.forward,
                rules=part.rules,
                settings=part.settings,
            )
            for name, part in (self.routers | self.hosts).items()
        ]
        devices += [switch(name, ports) for name, ports in self.switches.items()]
        return site(devices, self.leads)


@st.composite
def healthy(draw: st.DrawFn) -> Draft:
    """Everything works: every router knows every network."""
    count = draw(st.sampled_from([2, 3, 3, 1]))
    names = [f"r{number}" for number in range(1, count + 1)]
    draft = Draft(routers={name: Part({}, forward=True) for name in names})
    wires = [(names[i], names[i + 1], i) for i in range(count - 1)]
    if count == 3 and draw(st.booleans()):
        wires.append((names[2], names[0], 2))
    for a, b, number in wires:
        draft.routers[a].addresses[f"w{number}"] = f"10.9.{number}.1/30"
        draft.routers[b].addresses[f"w{number}"] = f"10.9.{number}.2/30"
        draft.leads.append(f"{a}:w{number} {b}:w{number}")
    for number in range(1, draw(st.sampled_from([2, 1] if count > 1 else [3, 2])) + 1):
        _network(draw, draft, number, names[0] if number == 1 else names[-1])
    for name in names:
        for number, router in draft.lans.items():
            hop = _hop(wires, name, router)
            if hop:
                draft.routers[name].up.append(f"ip route add 10.0.{number}.0/24 via {hop}")
    return draft


def _network(draw: st.DrawFn, draft: Draft, number: int, router: str) -> None:
    room = MAX_DEVICES - len(draft.routers) - len(draft.hosts) - len(draft.switches)
    if room < 1:
        return
    hosts = [f"h{number}{letter}" for letter in "ab"[: draw(st.sampled_from([2, 1])) if room >= 3 else 1]]
    draft.lans[number] = router
    draft.routers[router].addresses[f"l{number}"] = f"10.0.{number}.1/24"
    for name, place in zip(hosts, HOSTS, strict=False):
        draft.hosts[name] = Part({"eth0": f"10.0.{number}.{place}/24"}, gateway=f"10.0.{number}.1")
        draft.network[name] = number
    if len(hosts) == 1:
        draft.leads.append(f"{router}:l{number} {hosts[0]}:eth0")
        return
    draft.switches[f"s{number}"] = len(hosts) + 1
    draft.leads.append(f"{router}:l{number} s{number}:p1")
    draft.leads += [f"{name}:eth0 s{number}:p{place}" for place, name in enumerate(hosts, 2)]


def _hop(wires: Iterable[tuple[str, str, int]], here: str, there: str) -> str:
    """The next router on the shortest way."""
    ways = {here: ""}
    while there not in ways:
        for a, b, number in wires:
            for one, other, place in ((a, b, 2), (b, a, 1)):
                if one in ways and other not in ways:
                    ways[other] = ways[one] or f"10.9.{number}.{place}"
    return ways[there]


# Rules


@st.composite
def filters(draw: st.DrawFn, ports: list[str], networks: list[int]) -> str:
    """A table inet filter with a handful of rules."""
    matches = MATCHES + [f"ip saddr 10.0.{n}.0/24" for n in networks] + [f"ip daddr 10.0.{n}.10" for n in networks]
    interfaces = [f'iifname "{port}"' for port in ports]
    chains = []
    for hook in draw(st.lists(st.sampled_from(["input", "forward", "output"]), min_size=1, max_size=2, unique=True)):
        policy = draw(st.sampled_from(["accept", "accept", "drop"]))
        lines = ["ct state established,related accept"] if draw(st.booleans()) else []
        for _ in range(draw(st.integers(0, 3))):
            match = draw(st.sampled_from(matches))
            if hook != "output" and draw(st.integers(0, 3)) == 0:
                match = f"{draw(st.sampled_from(interfaces))} {match}"
            verdicts = ["accept", "drop", "drop", *draw(st.permutations(REJECTS))[:2]]
            if "tcp dport" in match:
                verdicts.append("reject with tcp reset")
            counter = "counter " if draw(st.booleans()) else ""
            lines.append(f"{match} {counter}{draw(st.sampled_from(verdicts))}")
        body = "\n    ".join(lines)
        chains.append(
            f"  chain {hook} {{\n    type filter hook {hook} priority filter; policy {policy};\n    {body}\n  }}"
        )
    return "table inet filter {\n" + "\n".join(chains) + "\n}\n"


@st.composite
def translations(draw: st.DrawFn, ports: list[str], networks: list[int]) -> str:
    """A table ip nat."""
    post, pre = [], []
    target = f"10.0.{draw(st.sampled_from(networks))}.{draw(st.sampled_from(HOSTS))}"
    port = draw(st.sampled_from(ports))
    kinds = st.sampled_from(["masquerade", "port", "all", "redirect", "source"])
    for kind in draw(st.lists(kinds, min_size=1, max_size=2, unique=True)):
        if kind == "masquerade":
            post.append(f'oifname "{port}" masquerade')
        elif kind == "source":
            post.append(f"ip daddr {target} snat to {draw(st.sampled_from(['10.9.0.1', '10.0.1.1', '10.0.1.55']))}")
        elif kind == "port":
            where = draw(st.sampled_from([target, f"{target}:8", f"{target}:7"]))
            pre.append(f'iifname "{port}" {draw(st.sampled_from(["tcp", "udp"]))} dport 443 dnat to {where}')
        elif kind == "redirect":
            pre.append("tcp dport 8 redirect to :7")
        else:
            pre.append(f"ip daddr 172.16.0.1 dnat to {target}")
    chains = []
    if pre:
        chains.append(
            "  chain pre {\n    type nat hook prerouting priority dstnat;\n    " + "\n    ".join(pre) + "\n  }"
        )
    if post:
        chains.append(
            "  chain post {\n    type nat hook postrouting priority srcnat;\n    " + "\n    ".join(post) + "\n  }"
        )
    return "table ip nat {\n" + "\n".join(chains) + "\n}\n"


# Mistakes


def _spoil_host(draw: st.DrawFn, draft: Draft, name: str) -> None:
    part, number = draft.hosts[name], draft.network[name]
    other = draw(st.sampled_from(sorted(draft.lans)))
    match draw(st.sampled_from(["mask", "gateway", "down", "route", "twice", "more", "foreign", "quiet"])):
        case "mask":
            part.addresses["eth0"] = part.addresses["eth0"].replace("/24", f"/{draw(st.sampled_from([8, 16, 25, 28]))}")
        case "gateway":
            wrong = ["", f"10.0.{number}.77", f"10.0.{other}.1", f"10.0.{number}.200", "10.9.0.1"]
            part.gateway = draw(st.sampled_from(wrong))
        case "down":
            part.up.append("ip link set eth0 down")
        case "route":
            part.up.append(draw(_routes(other, [f"10.0.{number}.1", f"10.0.{number}.200"])))
        case "twice":
            part.addresses["eth0"] = f"10.0.{number}.10/24"
        case "more":
            part.addresses["eth0"] += draw(st.sampled_from([f" 10.0.{number}.33/24", " 192.168.9.9/24", " 10.0.0.9/8"]))
        case "foreign":
            part.addresses["eth0"] = f"192.168.{number}.10/24"
        case _:
            part.settings.append("net.ipv4.icmp_echo_ignore_all = 1")


def _routes(number: int, hops: list[str]) -> st.SearchStrategy[str]:
    prefixes = [f"10.0.{number}.0/24", f"10.0.{number}.0/25", f"10.0.{number}.200/32", "10.0.0.0/8", "172.16.0.0/12"]
    kinds = [*(f"via {hop}" for hop in hops), "dev eth0", "blackhole", "unreachable", "prohibit"]
    return st.builds(
        lambda prefix, kind: f"ip route add {prefix} {kind}" if " " in kind else f"ip route add {kind} {prefix}",
        st.sampled_from(prefixes),
        st.sampled_from(kinds),
    )


def _spoil_router(draw: st.DrawFn, draft: Draft, name: str) -> None:
    part = draft.routers[name]
    ports = sorted(part.addresses)
    port = draw(st.sampled_from(ports))
    ends = {f"{r}:{p}": a.partition("/")[0] for r, q in draft.routers.items() for p, a in q.addresses.items()}
    hops = [ends[_far(draft, f"{name}:{p}")] for p in ports if _far(draft, f"{name}:{p}") in ends]
    match draw(st.sampled_from(["forward", "path", "down", "mask", "forget", "default", "route", "address"])):
        case "forward":
            part.forward = False
        case "path":
            part.settings.append(f"net.ipv4.conf.all.rp_filter = {draw(st.sampled_from([1, 2]))}")
        case "down":
            part.up.append(f"ip link set {port} down")
        case "mask":
            address = part.addresses[port].partition("/")[0]
            part.addresses[port] = f"{address}/{draw(st.sampled_from([8, 16, 24, 28, 30, 32]))}"
        case "forget":
            part.up = part.up[1:]
        case "default":
            part.up.append(f"ip route add default via {draw(st.sampled_from([*hops, '10.0.1.10', '10.9.0.2']))}")
        case "route":
            number = draw(st.sampled_from(sorted(draft.lans)))
            part.up.append(draw(_routes(number, hops or ["10.0.1.10"])).replace("dev eth0", f"dev {port}"))
        case _:
            part.addresses[port] = draw(st.sampled_from(["", "10.0.1.1/24", "10.0.2.1/24"]))


def _far(draft: Draft, end: str) -> str:
    for lead in draft.leads:
        a, b = lead.split()
        if end in (a, b):
            return b if end == a else a
    return ""


def _firewall(draw: st.DrawFn, draft: Draft, name: str) -> None:
    part = (draft.routers | draft.hosts)[name]
    ports, networks = sorted(part.addresses), sorted(draft.lans)
    kind = draw(st.sampled_from(["filter", "nat", "both"]))
    if kind != "nat":
        part.rules += draw(filters(ports, networks))
    if kind != "filter":
        part.rules += draw(translations(ports, networks))


@st.composite
def sites(draw: st.DrawFn) -> Site:
    """A site with up to four mistakes and up to two firewalls."""
    draft = draw(healthy())
    for _ in range(draw(st.integers(0, 2))):
        _spoil_host(draw, draft, draw(st.sampled_from(sorted(draft.hosts))))
    for _ in range(draw(st.integers(0, 2))):
        _spoil_router(draw, draft, draw(st.sampled_from(sorted(draft.routers))))
    walls = st.lists(st.sampled_from([*draft.routers, *draft.hosts]), max_size=2, unique=True)
    for name in draw(walls):
        _firewall(draw, draft, name)
    if draw(st.integers(0, 5)) == 0:
        draft.leads.remove(draw(st.sampled_from(draft.leads)))
    return draft.build()
