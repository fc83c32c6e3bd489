"""A small site that speaks IPv4, or both versions of IP, and what tests of either must say in their own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from grader.reach import Reach
from grader.reach.side import Side
from labs.engines.sim import SimEngine
from labs.model.addresses import parse_address
from labs.model.site import Device, Site
from tests.sites import machine, site

SECOND = 1_000_000_000
ON = "net.ipv6.conf.all.disable_ipv6 = 0"
FORWARD = "net.ipv6.conf.all.forwarding = 1"
NAMES = ("a", "b", "c", "d", "r", "s")


@dataclass(frozen=True, eq=False)
class Version:
    """A version of IP on the small site."""

    name: str
    hosts: Mapping[str, str]
    spare: str
    """An address beside that of a, which nobody has."""
    others: tuple[str, ...]
    """Of r towards a and towards c, one that nobody has, and one that r refuses."""

    def __str__(self) -> str:
        return self.name

    @property
    def targets(self) -> tuple[str, ...]:
        """Where packets go."""
        return (*self.hosts.values(), *self.others)

    def site(self, rules: str, own: Mapping[str, str] | None = None, *, rp_filter: int = 0) -> Site:
        """The small site; where this is IPv6 it speaks both."""
        return _built(rules, own or {}, rp_filter, wide=self is V6)

    def side_of(self, reach: Reach) -> Side:
        """What an analysis knows of this version."""
        found = reach.side_of(parse_address(self.spare))
        assert found is not None
        return found


V4 = Version(
    "IPv4",
    {"a": "10.0.1.10", "b": "10.0.1.11", "c": "10.0.2.20", "d": "10.0.3.30"},
    "10.0.1.99",
    ("10.0.1.1", "10.0.2.1", "10.0.2.77", "192.0.2.9"),
)
V6 = Version(
    "IPv6",
    {"a": "2001:db8:1::10", "b": "2001:db8:1::11", "c": "2001:db8:2::20", "d": "2001:db8:3::30"},
    "2001:db8:1::99",
    ("2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::77", "2001:db8:66::9"),
)
VERSIONS = (V4, V6)


def small_site(rules: str, *, rp_filter: int = 0) -> Site:
    """Hosts a and b on one side of router r, c on another, d behind router s; `rules` are those of r."""
    return V4.site(rules, rp_filter=rp_filter)


def small_site6(rules: str, own: Mapping[str, str] | None = None) -> Site:
    """The small site, which speaks both versions. `own` are the rules of others than r."""
    return V6.site(rules, own)


def engine_of(made: Site) -> SimEngine:
    """A simulator on which nobody has objected to any address."""
    engine = SimEngine()
    engine.start(made)
    engine.wait(4 * SECOND)
    return engine


def add(port: str, address: str) -> str:
    """A line that gives a port an address of IPv6 that is used at once."""
    return f"ip address add {address} dev {port} nodad"


def _built(rules: str, own: Mapping[str, str], rp_filter: int, *, wide: bool) -> Site:
    settings = (ON, FORWARD) if wide else ()
    towards_s, towards_r = ["ip route add 10.0.3.0/24 via 10.0.9.2", "ip route add blackhole 192.0.2.0/24"], []
    if wide:
        towards_s += [
            add("lan", "2001:db8:1::1/64"),
            add("dmz", "2001:db8:2::1/64"),
            add("wan", "2001:db8:9::1/64"),
            "ip route add 2001:db8:3::/64 via 2001:db8:9::2",
            "ip route add blackhole 2001:db8:66::/64",
        ]
        towards_r += [
            add("wan", "2001:db8:9::2/64"),
            add("lan", "2001:db8:3::1/64"),
            "ip route add ::/0 via 2001:db8:9::1",
        ]
    return site(
        [
            _host("a", own, wide=wide),
            _host("b", own, wide=wide),
            machine("sw", {"p1": "", "p2": "", "p3": ""}, bridge=True),
            machine(
                "r",
                {"lan": "10.0.1.1/24", "dmz": "10.0.2.1/24", "wan": "10.0.9.1/30"},
                up=towards_s,
                forward=True,
                rules=rules,
                settings=(f"net.ipv4.conf.all.rp_filter = {rp_filter}", *settings),
            ),
            machine(
                "s",
                {"wan": "10.0.9.2/30", "lan": "10.0.3.1/24"},
                gateway="10.0.9.1",
                up=towards_r,
                forward=True,
                rules=own.get("s", ""),
                settings=settings,
            ),
            _host("c", own, wide=wide),
            _host("d", own, wide=wide),
        ],
        ["a:eth0 sw:p1", "b:eth0 sw:p2", "sw:p3 r:lan", "r:dmz c:eth0", "r:wan s:wan", "s:lan d:eth0"],
    )


def _host(name: str, own: Mapping[str, str], *, wide: bool) -> Device:
    old, new = V4.hosts[name], V6.hosts[name]
    gateway = new.rpartition(":")[0] + ":1"
    return machine(
        name,
        {"eth0": f"{old}/24"},
        gateway=old.rpartition(".")[0] + ".1",
        up=[add("eth0", f"{new}/64"), f"ip route add ::/0 via {gateway}"] if wide else (),
        rules=own.get(name, ""),
        settings=[ON] if wide else (),
    )
