"""Edits of the observed small site, as a trainee or a fault makes them; each is drawn by a random generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from labs.model.addresses import InterfaceAddress, IPv4, IPv6, parse_address
from labs.model.site import Device, Site
from labs.model.state import DeviceState, Listener, StaticNeighbour
from labs.net.nftables import to_json
from labs.net.nftables.apply import load
from tests.grader.reach.rulesets import own_rules
from tests.grader.reach.small_site import NAMES, V4, V6, Version

Edit = Callable[[Site, Random, str], Site]


@dataclass(frozen=True)
class OfVersion:
    """Edits that say other words over another version."""

    version: Version
    moves: tuple[str, ...]
    """Addresses that a host gets."""
    keeps: bool
    """It has the old ones too."""
    settings: tuple[str, ...]

    def other_address(self, site: Site, random: Random, text: str) -> Site:
        name = random.choice(("a", "b", "c", "d"))
        moved = InterfaceAddress.parse(random.choice(self.moves))
        return edited(
            site,
            name,
            interfaces=tuple(
                replace(i, addresses=(*(i.addresses if self.keeps else ()), moved)) if i.kind == "ether" else i
                for i in state(site, name).interfaces
            ),
        )

    def setting(self, site: Site, random: Random, text: str) -> Site:
        name = random.choice(("r", "s", "a"))
        key = random.choice(self.settings)
        return edited(site, name, sysctls={**state(site, name).sysctls, key: str(random.randrange(2))})

    def neighbour(self, site: Site, random: Random, text: str) -> Site:
        """The router is told that b has the address of a."""
        mac = next(i.mac for i in state(site, "b").interfaces if i.kind == "ether")
        known = StaticNeighbour("lan", parse_address(self.version.hosts["a"]), mac)
        return edited(site, "r", static_neighbours=(known,))


def edited(site: Site, name: str, **values: object) -> Site:
    device = site.devices[name]
    assert device.state is not None
    return site.with_device(replace(device, state=replace(device.state, **values)))  # type: ignore[arg-type]


def state(site: Site, name: str) -> DeviceState:
    found = site.devices[name].state
    assert found is not None
    return found


def rules(site: Site, random: Random, text: str) -> Site:
    return edited(site, random.choice(("r", "r", "s", "a")), ruleset=to_json(load(text)))


def port_down(site: Site, random: Random, text: str) -> Site:
    name = random.choice((*NAMES, "sw"))
    shown = list(state(site, name).interfaces)
    number = random.randrange(len(shown))
    shown[number] = replace(shown[number], up=not shown[number].up)
    return edited(site, name, interfaces=tuple(shown))


def route_gone(site: Site, random: Random, text: str) -> Site:
    name = random.choice(NAMES)
    routes = list(state(site, name).routes)
    if routes:
        del routes[random.randrange(len(routes))]
    return edited(site, name, routes=tuple(routes))


def listener(site: Site, random: Random, text: str) -> Site:
    """Nothing that any packet of another device could notice on its way."""
    return edited(site, random.choice(NAMES), listeners=(Listener("tcp", IPv4(0), 8080, "nc"),))


def lead_pulled(site: Site, random: Random, text: str) -> Site:
    pulled = random.choice(site.links)
    return replace(site, links=tuple(link for link in site.links if link is not pulled))


def power(site: Site, random: Random, text: str) -> Site:
    device: Device = site.devices[random.choice(NAMES)]
    return site.with_device(replace(device, powered=False, state=None))


def deaf(site: Site, random: Random, text: str) -> Site:
    """A host with a firewall that hears its neighbours, or not."""
    kinds = ("policy accept;", "policy drop; icmpv6 type nd-neighbor-advert accept", "policy drop; ct state new accept")
    made = own_rules({"c": random.choice(kinds)})["c"]
    return edited(site, random.choice(("a", "c", "r")), ruleset=to_json(load(made)))


def under_test(site: Site, random: Random, text: str) -> Site:
    name = random.choice(("a", "c", "r"))
    own = frozenset(known.address for known in state(site, name).addresses() if isinstance(known.address, IPv6))
    return edited(site, name, interfaces=tuple(replace(i, tentative=own) for i in state(site, name).interfaces))


OLD = OfVersion(
    V4,
    ("10.0.1.11/24", "10.0.1.10/24", "10.0.2.20/24", "10.0.3.77/16"),
    False,
    ("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.proxy_arp"),
)
NEW = OfVersion(
    V6,
    ("2001:db8:1::11/64", "2001:db8:2::20/64", "2001:db8:3::77/48"),
    True,
    ("net.ipv6.conf.all.forwarding", "net.ipv6.conf.eth0.disable_ipv6", "net.ipv6.conf.lan.disable_ipv6"),
)
EDITS: dict[Version, tuple[Edit, ...]] = {
    V4: (
        rules, rules, rules, port_down, OLD.other_address, route_gone, OLD.setting, OLD.neighbour, listener,
        lead_pulled, power,
    ),
    V6: (
        rules, rules, deaf, deaf, port_down, NEW.other_address, under_test, route_gone, NEW.setting, NEW.neighbour,
        lead_pulled, power,
    ),
}  # fmt: skip
