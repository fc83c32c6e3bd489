"""The problem: routers in a row with random filters, subnets at each, and in each subnet a machine.

The question about a pair of subnets: is there any packet of TCP or UDP that the machine of the first can send (from any
address of its subnet that is no router's, any port) and that every router on the way lets through to an address of the
machine of the second? Headers have 104 bits: two addresses, the protocol, two ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from labs.model.addresses import InterfaceAddress, IPv4, Mac, Network
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.state import DeviceState, InterfaceState, Route
from labs.net.linux.sysctl import DEFAULTS
from labs.net.nftables import to_json
from labs.net.nftables.apply import load

__all__ = ["Row", "Rule", "device", "filter_of", "interface", "single_hosts", "whole_subnets"]

PORTS = (22, 53, 80, 123, 443, 502, 1883, 5060, 8080, 8883)
NOBODY = (0, 1, 255)  # the last octets that no machine of a subnet may have: its ends, and the router
BROAD = (8, 16, 20, 22, 24, 24)
DEEP = (8, 16, 20, 22, 24, 24, 25, 26, 28, 30, 32, 32)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: any of some sources, any of some targets, a protocol, ranges of ports."""

    permit: bool
    sources: tuple[Network, ...]
    targets: tuple[Network, ...]
    protocol: int
    ports: tuple[int, int]
    sports: tuple[int, int]

    def __str__(self) -> str:
        verdict = "accept" if self.permit else "drop"
        protocol = "tcp" if self.protocol == 6 else "udp"
        sport = f" {protocol} sport {self.sports[0]}-{self.sports[1]}" if self.sports != (0, 65535) else ""
        ports = f"{protocol} dport {self.ports[0]}-{self.ports[1]}{sport}"
        return f"ip saddr {_any(self.sources)} ip daddr {_any(self.targets)} {ports} {verdict}"


def _any(networks: tuple[Network, ...]) -> str:
    return str(networks[0]) if len(networks) == 1 else f"{{ {', '.join(str(network) for network in networks)} }}"


@dataclass(frozen=True)
class Row:
    """The problem. `hosts` are the last octets of the machine of each subnet, router by router."""

    rules: tuple[tuple[Rule, ...], ...]
    hosts: tuple[tuple[int, ...], ...]

    @property
    def routers(self) -> int:
        """How many there are."""
        return len(self.rules)

    @property
    def each(self) -> int:
        """Subnets at each router."""
        return len(self.hosts) // len(self.rules)

    def place(self, subnet: int) -> tuple[int, int]:
        """Router and number there."""
        return divmod(subnet, self.each)

    def base(self, subnet: int) -> int:
        """The first address of a subnet."""
        router, number = self.place(subnet)
        return (10 << 24) | router << 16 | number << 8

    def addresses(self, subnet: int) -> list[int]:
        """The addresses of its machine."""
        return [self.base(subnet) + octet for octet in self.hosts[subnet]]

    def name(self, subnet: int) -> str:
        """Its machine."""
        router, number = self.place(subnet)
        return f"h{router}x{number}"

    @cached_property
    def names(self) -> list[str]:
        """Every machine."""
        return [self.name(subnet) for subnet in range(len(self.hosts))]

    def path(self, a: int, b: int) -> list[int]:
        """The routers between two subnets, in order."""
        first, last = self.place(a)[0], self.place(b)[0]
        return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))

    def site(self) -> Site:
        """The whole site, as an engine would have observed it."""
        devices, links = [], []
        for router in range(self.routers):
            interfaces = []
            for number in range(self.each):
                subnet = router * self.each + number
                base, name = self.base(subnet), self.name(subnet)
                interfaces.append(interface(number + 2, f"s{number}", 0x020000000000 + base, [f"{IPv4(base + 1)}/24"]))
                own = [f"{IPv4(address)}/24" for address in self.addresses(subnet)]
                far = interface(2, "eth0", 0x020100000000 + base, own)
                default = Route(Network(IPv4(0), 0), "eth0", IPv4(base + 1))
                devices.append(device(name, [far], [default], forward=False))
                links.append(Link(Endpoint(f"r{router}", f"s{number}"), Endpoint(name, "eth0")))
            routes = []
            for side, other in (("left", router - 1), ("right", router + 1)):
                if 0 <= other < self.routers:
                    base = (192 << 24 | 168 << 16) + min(router, other) * 4 + 1 + (router > other)
                    number = self.each + 30 + (side == "right")
                    interfaces.append(interface(number, side, 0x020200000000 + base, [f"{IPv4(base)}/30"]))
                    hop = IPv4(base - 1 if router > other else base + 1)
                    beyond = range(router) if side == "left" else range(router + 1, self.routers)
                    routes += [Route(Network(IPv4(10 << 24 | far << 16), 16), side, hop) for far in beyond]
            if router + 1 < self.routers:
                links.append(Link(Endpoint(f"r{router}", "right"), Endpoint(f"r{router + 1}", "left")))
            devices.append(device(f"r{router}", interfaces, routes, filter_of(self.rules[router]), forward=True))
        return Site({found.name: found for found in devices}, tuple(links))


def single_hosts(routers: int = 5, each: int = 20, rules: int = 200) -> Row:
    """One host in each subnet, and no prefix longer than /24."""
    return _drawn("rules", routers, each, rules, BROAD, [(10,)] * (routers * each))


def whole_subnets(routers: int = 5, each: int = 20, rules: int = 200, seed: str = "") -> Row:
    """Four hosts in each subnet and prefixes down to /32, half of them about a host that is there."""
    random = Random(f"hosts{seed}")
    hosts = [tuple(sorted(random.sample(range(2, 255), 4))) for _ in range(routers * each)]
    return _drawn(f"deep{seed}", routers, each, rules, DEEP, hosts)


def _drawn(
    seed: str, routers: int, each: int, rules: int, lengths: Sequence[int], hosts: Sequence[tuple[int, ...]]
) -> Row:
    found = []
    for router in range(routers):
        random = Random(f"{seed}/{router}")
        found.append(tuple(_rule(random, routers, each, lengths, hosts) for _ in range(rules)))
    return Row(tuple(found), tuple(hosts))


def _rule(random: Random, routers: int, each: int, lengths: Sequence[int], hosts: Sequence[tuple[int, ...]]) -> Rule:
    permit = random.random() < 0.4
    source, target = (_prefix(random, routers, each, lengths, hosts) for _ in range(2))
    protocol, low = random.choice((6, 17)), random.choice(PORTS)
    ports = (low, min(65535, low + random.choice((0, 0, 0, 10, 1000))))
    sports = random.choice(((0, 65535), (0, 65535), (1024, 65535), (32768, 60999), (1, 1023)))
    return Rule(permit, (source,), (target,), protocol, ports, sports)


def _prefix(
    random: Random, routers: int, each: int, lengths: Sequence[int], hosts: Sequence[tuple[int, ...]]
) -> Network:
    length = random.choice(lengths)
    router, number = random.randrange(routers), random.randrange(each)
    octet = 0
    if length > 24:
        there = hosts[router * each + number]
        octet = random.choice(there) if random.random() < 0.5 else random.randrange(256)
    return Network.of(IPv4((10 << 24) | router << 16 | number << 8 | octet), length)


def filter_of(rules: Sequence[Rule]) -> str:
    """A forward chain."""
    text = "\n".join(str(rule) for rule in rules)
    return f"table inet f {{ chain forward {{ type filter hook forward priority 0; policy drop;\n{text}\n}}\n}}\n"


def interface(number: int, name: str, mac: int, addresses: list[str], kind: str = "ether") -> InterfaceState:
    """An interface in operation."""
    found = tuple(InterfaceAddress.parse(address) for address in addresses)
    return InterfaceState(name, number, kind, Mac(mac), up=True, carrier=True, addresses=found)


def device(
    name: str, interfaces: list[InterfaceState], routes: list[Route], rules: str = "", *, forward: bool
) -> Device:
    """A device as it would be observed."""
    ports = tuple(Port(i.name, i.mac) for i in interfaces if i.kind == "ether")
    sysctls = dict(DEFAULTS) | {"net.ipv4.ip_forward": str(int(forward))}
    shown = [interface(1, "lo", 0, ["127.0.0.1/8"], "loopback"), *interfaces]
    connected = {(a.network, i.name): a.address for i in reversed(interfaces) for a in reversed(i.addresses)}
    every = [Route(n, name, source=a, protocol="kernel", scope="link") for (n, name), a in connected.items()] + routes
    ruleset = to_json(load(rules)) if rules else {}
    state = DeviceState(tuple(shown), tuple(every), ruleset, sysctls)
    return Device(name, Kind.ROUTER if forward else Kind.HOST, ports, {}, state=state)
