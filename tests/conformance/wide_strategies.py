"""Random sites with both IP versions: the draft of `strategies`, IPv6 beside it, and the mistakes people make there.

Network N is 2001:db8:N::/64 with the router at ::1, wire N between routers 2001:db8:90N::/64. Hosts are static or
listen to the router (radvd).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from labs.model.site import Site
from labs.net.linux.units import enabled_path
from tests.conformance.strategies import Draft, healthy

REJECTS6 = [
    "reject",
    *(f"reject with icmpv6 type {kind}" for kind in ("no-route", "admin-prohibited", "addr-unreachable")),
    *(f"reject with icmpv6 type {kind}" for kind in ("port-unreachable", "policy-fail", "reject-route")),
]
REJECTSX = [
    "reject",
    *(f"reject with icmpx type {kind}" for kind in ("no-route", "port-unreachable", "admin-prohibited")),
]
MATCHES6 = [
    "",
    "tcp dport 7",
    "udp dport { 7, 443 }",
    "tcp dport 1-100",
    "icmpv6 type echo-request",
    "icmpv6 type echo-reply",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "icmpv6 type nd-neighbor-solicit",
    "icmpv6 type nd-neighbor-advert",
    "icmpv6 type nd-router-advert",
    "icmpv6 type destination-unreachable",
    "meta l4proto ipv6-icmp",
    "meta l4proto { tcp, udp }",
    "meta nfproto ipv6",
    "ct state new",
    "ct state established",
    "ct state untracked",
    "ct state invalid",
    "ct state related",
    "ip6 hoplimit < 63",
    "ip6 nexthdr tcp",
    "ip6 saddr fe80::/10",
    "meta length > 100",
]
RADVD = """interface {port}
{{
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultLifetime {lifetime};
    prefix {prefix}
    {{
        AdvOnLink {on_link};
        AdvAutonomous {autonomous};
    }};
}};
"""


@dataclass
class Six:
    """The IPv6 part of one device. `listens` holds the ports that take addresses from a router."""

    addresses: dict[str, str]
    gateway: str = ""
    listens: set[str] = field(default_factory=set)
    up: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    rules: str = ""
    radvd: str = ""
    forward: bool = False

    def paragraphs(self) -> str:
        """What is added to /etc/network/interfaces."""
        texts = []
        for port, address in self.addresses.items():
            if port in self.listens:
                texts.append(f"iface {port} inet6 auto\n")
            elif address:
                first, *others = address.split()
                text = f"iface {port} inet6 static\n    address {first}\n"
                text += "".join(f"    up ip -6 address add {other} dev {port}\n" for other in others)
                text += f"    gateway {self.gateway}\n" if self.gateway else ""
                texts.append(text)
        if texts and self.up:
            texts[-1] += "".join(f"    up {line}\n" for line in self.up)
        return "\n".join(texts)


def wide(number: int, place: str) -> str:
    """An address in network N."""
    return f"2001:db8:{number}::{place}"


def six_of(draft: Draft) -> dict[str, Six]:
    """Everything works over IPv6 as well."""
    made = {}
    for name, part in draft.routers.items():
        own = {
            port: f"{_wire(port, text)}/64" if port[0] == "w" else f"{wide(int(port[1:]), '1')}/64"
            for port, text in part.addresses.items()
        }
        up = [_route(line) for line in part.up]
        made[name] = Six(own, forward=True, up=up)
    for name, number in draft.network.items():
        place = draft.hosts[name].addresses["eth0"].partition("/")[0].rpartition(".")[2]
        made[name] = Six({"eth0": f"{wide(number, place)}/64"}, gateway=wide(number, "1"))
    return made


def _wire(port: str, text: str) -> str:
    return wide(900 + int(port[1:]), text.partition("/")[0].rpartition(".")[2])


def _route(line: str) -> str:
    """`ip route add 10.0.2.0/24 via 10.9.0.2` for IPv6."""
    words = line.split()
    number, hop = words[3].split(".")[2], words[5].split(".")
    return f"ip -6 route add 2001:db8:{number}::/64 via {wide(900 + int(hop[2]), hop[3])}"


# Mistakes


def _routes(number: int, hops: list[str], port: str) -> st.SearchStrategy[str]:
    prefixes = [
        f"2001:db8:{number}::/64",
        f"2001:db8:{number}::/65",
        wide(number, "200/128"),
        "2001:db8::/32",
        "2002::/16",
    ]
    kinds = [*(f"via {hop}" for hop in hops), f"dev {port}", "blackhole", "unreachable", "prohibit"]
    return st.builds(
        lambda prefix, kind: f"ip -6 route add {prefix} {kind}" if " " in kind else f"ip -6 route add {kind} {prefix}",
        st.sampled_from(prefixes),
        st.sampled_from(kinds),
    )


def _listen(draw: st.DrawFn, draft: Draft, made: dict[str, Six], number: int) -> None:
    """The hosts of a network take their addresses from its router, which may tell them odd things."""
    router = made[draft.lans[number]]
    odd = draw(st.sampled_from(["", "", "lifetime", "autonomous", "on_link", "prefix"]))
    router.radvd += RADVD.format(
        port=f"l{number}",
        lifetime=0 if odd == "lifetime" else 1800,
        prefix=f"2001:db8:{number + (50 if odd == 'prefix' else 0)}::/64",
        on_link="off" if odd == "on_link" else "on",
        autonomous="off" if odd == "autonomous" else "on",
    )
    for name, at in draft.network.items():
        if at == number:
            made[name].listens.add("eth0")
            made[name].gateway = ""


def _spoil_host(draw: st.DrawFn, draft: Draft, made: dict[str, Six], name: str) -> None:
    part, number = made[name], draft.network[name]
    other = draw(st.sampled_from(sorted(draft.lans)))
    match draw(st.sampled_from(["length", "gateway", "off", "route", "more", "foreign", "deaf", "neighbour"])):
        case "length":
            part.addresses["eth0"] = part.addresses["eth0"].replace(
                "/64", f"/{draw(st.sampled_from([32, 48, 80, 128]))}"
            )
        case "gateway":
            part.gateway = draw(st.sampled_from(["", wide(number, "77"), wide(other, "1"), "2001:db8:900::1"]))
        case "off":
            part.up.append("sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1")
        case "route":
            part.up.append(draw(_routes(other, [wide(number, "1"), wide(number, "200")], "eth0")))
        case "more":
            part.addresses["eth0"] += draw(st.sampled_from([f" {wide(number, '33')}/64", " 2001:db8:ff::9/64"]))
        case "foreign":
            part.addresses["eth0"] = "2001:db8:ee::10/64"
        case "deaf":
            part.settings.append("net.ipv6.icmp.echo_ignore_all = 1")
        case _:
            part.up.append(f"ip -6 neigh add {wide(number, '200')} lladdr 02:00:00:00:77:77 dev eth0")
    if part.listens:
        part.up = [line for line in part.up if "via" not in line]


def _spoil_router(draw: st.DrawFn, draft: Draft, made: dict[str, Six], name: str) -> None:
    part = made[name]
    ports = sorted(part.addresses)
    port = draw(st.sampled_from(ports))
    hops = [six.addresses[end].partition("/")[0] for far, six in made.items() for end in six.addresses
            if far != name and end[0] == "w" and end in ports]  # fmt: skip
    match draw(st.sampled_from(["forward", "forward one", "length", "forget", "default", "route", "address", "off"])):
        case "forward":
            part.forward = False
        case "forward one":
            part.settings.append(f"net.ipv6.conf.{port}.forwarding = 0")
        case "length":
            part.addresses[port] = part.addresses[port].replace("/64", f"/{draw(st.sampled_from([48, 80, 126, 128]))}")
        case "forget":
            part.up = part.up[1:]
        case "default":
            part.up.append(f"ip -6 route add default via {draw(st.sampled_from([*hops, wide(1, '10')]))}")
        case "route":
            part.up.append(draw(_routes(draw(st.sampled_from(sorted(draft.lans))), hops or [wide(1, "10")], port)))
        case "address":
            part.addresses[port] = draw(st.sampled_from(["", f"{wide(1, '1')}/64", f"{wide(2, '1')}/64"]))
        case _:
            part.up.append(f"sysctl -q -w net.ipv6.conf.{port}.disable_ipv6=1")


@st.composite
def filters6(draw: st.DrawFn, ports: list[str], networks: list[int]) -> str:
    """A table inet or ip6 with a handful of rules."""
    family = draw(st.sampled_from(["inet", "ip6"]))
    matches = MATCHES6 + [f"ip6 saddr 2001:db8:{n}::/64" for n in networks]
    matches += [f"ip6 daddr {wide(n, '10')}" for n in networks]
    chains = []
    for hook in draw(st.lists(st.sampled_from(["input", "forward", "output"]), min_size=1, max_size=2, unique=True)):
        policy = draw(st.sampled_from(["accept", "accept", "drop"]))
        lines = ["ct state established,related accept"] if draw(st.booleans()) else []
        if policy == "drop" and draw(st.booleans()):
            lines.append("icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept")
        for _ in range(draw(st.integers(0, 3))):
            match = draw(st.sampled_from(matches))
            if match.endswith(" accept"):
                lines.append(match)
                continue
            if hook != "output" and not draw(st.integers(0, 3)):
                match = f'iifname "{draw(st.sampled_from(ports))}" {match}'
            rejects = REJECTS6 if family == "ip6" else REJECTSX
            verdicts = ["accept", "drop", "drop", *draw(st.permutations(rejects))[:2]]
            if "tcp dport" in match:
                verdicts.append("reject with tcp reset")
            lines.append(f"{match} {'counter ' if draw(st.booleans()) else ''}{draw(st.sampled_from(verdicts))}")
        body = "\n    ".join(lines)
        chains.append(
            f"  chain {hook} {{\n    type filter hook {hook} priority filter; policy {policy};\n    {body}\n  }}"
        )
    return f"table {family} six {{\n" + "\n".join(chains) + "\n}\n"


@st.composite
def translations6(draw: st.DrawFn, ports: list[str], networks: list[int]) -> str:
    """A table ip6 nat."""
    target = wide(draw(st.sampled_from(networks)), draw(st.sampled_from(["10", "200"])))
    post = draw(
        st.sampled_from(
            [f'oifname "{draw(st.sampled_from(ports))}" masquerade', f"ip6 daddr {target} snat to {wide(1, '55')}"]
        )
    )
    pre = draw(
        st.sampled_from(
            [
                f"tcp dport 443 dnat to [{target}]:7",
                "tcp dport 8 redirect to :7",
                f"ip6 daddr 2001:db8:ab::1 dnat to {target}",
            ]
        )
    )
    return (
        "table ip6 nat6 {\n  chain pre {\n    type nat hook prerouting priority dstnat;\n    " + pre
        + "\n  }\n  chain post {\n    type nat hook postrouting priority srcnat;\n    " + post + "\n  }\n}\n"
    )  # fmt: skip


@dataclass
class Wide:
    """A site, and the addresses that each device has by its files (those that it makes itself are read on the way)."""

    site: Site
    listens: set[str]


@st.composite
def wide_sites(draw: st.DrawFn) -> Wide:
    """A site of both versions with up to four mistakes and up to two firewalls."""
    draft = draw(healthy())
    made = six_of(draft)
    for number in sorted(draft.lans):
        if draw(st.booleans()):
            _listen(draw, draft, made, number)
    for _ in range(draw(st.integers(0, 2))):
        _spoil_host(draw, draft, made, draw(st.sampled_from(sorted(draft.hosts))))
    for _ in range(draw(st.integers(0, 2))):
        _spoil_router(draw, draft, made, draw(st.sampled_from(sorted(draft.routers))))
    for name in draw(st.lists(st.sampled_from([*draft.routers, *draft.hosts]), max_size=2, unique=True)):
        ports, networks = sorted(made[name].addresses), sorted(draft.lans)
        kind = draw(st.sampled_from(["filter", "filter", "nat", "both"]))
        made[name].rules += draw(filters6(ports, networks)) if kind != "nat" else ""
        made[name].rules += draw(translations6(ports, networks)) if kind != "filter" else ""
    return Wide(build(draft, made), {name for name, six in made.items() if six.listens})


def build(draft: Draft, made: dict[str, Six]) -> Site:
    """The site of both versions."""
    site = draft.build()
    for name, six in made.items():
        device = site.devices[name]
        files = dict(device.files)
        files["/etc/network/interfaces"] += "\n" + six.paragraphs()
        on = [
            "net.ipv6.conf.all.disable_ipv6 = 0",
            "net.ipv6.conf.default.disable_ipv6 = 0",
            "net.ipv6.icmp.ratelimit = 0",
        ]
        on += [f"net.ipv6.conf.{port}.accept_redirects = 0" for port in six.addresses]
        on += [f"net.ipv6.conf.all.forwarding = {int(six.forward)}", *six.settings]
        files["/etc/sysctl.conf"] += "\n".join(on) + "\n"
        if six.rules:
            files["/etc/nftables.conf"] = files.get("/etc/nftables.conf", "") + six.rules
            files[enabled_path("nftables")] = ""
        if six.radvd:
            files |= {"/etc/radvd.conf": six.radvd, enabled_path("radvd"): ""}
        site = site.with_device(replace(device, files=files))
    return site
