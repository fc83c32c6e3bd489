"""What the map says of a site before anything is drawn: who has which address, and which subnet runs over which lead.

Facts come from the running configuration where an engine read it back, else from the files a device boots from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.model.site import Device, Endpoint, Kind, Link, Site
from labs.net.ifupdown import Stanza, parse_interfaces

__all__ = ["Facts", "Owned", "facts_of"]

INTERFACES = "/etc/network/interfaces"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Owned:
    """An address of a device; `address` is None where DHCP still has to give one. `port` is its interface."""

    port: str
    address: InterfaceAddress | None
    subnet: str
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Addresses by device, the subnet behind each plugged port, and the letter of each subnet."""

    addresses: dict[str, tuple[Owned, ...]]
    subnet_at: dict[Endpoint, str]
    letters: dict[str, str]
    live: frozenset[Link]

    def subnets_of(self, device: Device) -> list[str]:
        """The subnets that a device has a lead or an address in, in the order of the site."""
        found = {owned.subnet for owned in self.addresses[device.name]}
        found |= {self.subnet_at.get(Endpoint(device.name, port.name), "") for port in device.ports}
        return [name for name in self.letters if name in found]


def facts_of(site: Site) -> Facts:
    """Everything the drawings need to know beyond the site itself."""
    addresses = {name: tuple(_owned(device, site)) for name, device in site.devices.items()}
    letters = {name: LETTERS[index % 26] for index, name in enumerate(site.subnets)}
    return Facts(addresses, _subnet_at(site, addresses), letters, frozenset(k for k in site.links if _is_live(site, k)))


def _subnet_of(address: InterfaceAddress, subnets: dict[str, Network]) -> str:
    return next((name for name, network in subnets.items() if address.address in network), "")


def _owned(device: Device, site: Site) -> list[Owned]:
    subnets = dict(site.subnets)
    if device.state is None:
        return [] if INTERFACES not in device.files else _from_file(device.files[INTERFACES], subnets)
    found = []
    for interface in device.state.interfaces:
        for address in interface.addresses:
            if interface.kind != "loopback" and isinstance(address.address, IPv4):
                dynamic = address.address in device.state.dynamic_addresses
                found.append(Owned(interface.name, address, _subnet_of(address, subnets), dynamic))
    return found


def _from_file(text: str, subnets: dict[str, Network]) -> list[Owned]:
    try:
        stanzas = parse_interfaces(text).stanzas
    except ValueError:  # a broken file configures nothing that could be drawn
        return []
    found = []
    for stanza in stanzas:
        if stanza.family == "inet" and stanza.method == "dhcp":
            found.append(Owned(stanza.name, None, "", dynamic=True))
        elif stanza.family == "inet" and stanza.method == "static":
            address = _static(stanza)
            if address is not None:
                found.append(Owned(stanza.name, address, _subnet_of(address, subnets)))
    return found


def _static(stanza: Stanza) -> InterfaceAddress | None:
    text, mask = stanza.get("address") or "", stanza.get("netmask") or ""
    try:
        if mask and "/" not in text:
            bits = mask if mask.isdecimal() else str(int(IPv4.parse(mask)).bit_count())
            text = f"{text}/{bits}"
        return InterfaceAddress.parse(text)
    except ValueError:
        return None


def _is_live(site: Site, link: Link) -> bool:
    """Both ends have power and, where that was observed, a carrier."""
    for end in link.ends:
        device = site.devices.get(end.device)
        if device is None or not device.powered:
            return False
        if device.state is not None:
            interface = next((i for i in device.state.interfaces if i.name == end.port), None)
            if interface is not None and not interface.carrier:
                return False
    return True


def _subnet_at(site: Site, addresses: dict[str, tuple[Owned, ...]]) -> dict[Endpoint, str]:
    """The subnet that most addresses of each segment belong to; a segment is what a broadcast reaches."""
    parent: dict[Endpoint, Endpoint] = {}

    def root(end: Endpoint) -> Endpoint:
        while parent.setdefault(end, end) != end:
            end = parent[end]
        return end

    for link in site.links:
        parent[root(link.a)] = root(link.b)
    for device in site.devices.values():
        for group in _bridges(device):
            for port in group[1:]:
                parent[root(Endpoint(device.name, port))] = root(Endpoint(device.name, group[0]))
    votes: dict[Endpoint, Counter[str]] = {}
    for name, owned in addresses.items():
        for one in owned:
            if one.subnet:
                port = _port_under(site.devices[name], one.port)
                votes.setdefault(root(Endpoint(name, port)), Counter())[one.subnet] += 1
    order = list(site.subnets)
    found = {}
    for link in site.links:
        for end in link.ends:
            counted = votes.get(root(end))
            found[end] = min(counted, key=lambda s: (-counted[s], order.index(s))) if counted else ""
    return found


def _bridges(device: Device) -> list[list[str]]:
    """Groups of ports that are one segment: all ports of a switch, the ports of each bridge of another device."""
    if device.kind is Kind.SWITCH:
        return [[port.name for port in device.ports]] if device.ports else []
    if device.state is not None:
        groups: dict[str, list[str]] = {}
        for interface in device.state.interfaces:
            if interface.master is not None:
                groups.setdefault(interface.master, []).append(interface.name)
        return [[name, *members] for name, members in groups.items()]
    try:
        stanzas = parse_interfaces(device.files.get(INTERFACES, "")).stanzas
    except ValueError:
        return []
    listed = ((stanza.name, (stanza.get("bridge_ports") or "").split()) for stanza in stanzas)
    return [[name, *members] for name, members in listed if members]


def _port_under(device: Device, interface: str) -> str:
    """The port of `eth0.20` is eth0; every other interface is its own."""
    names = {port.name for port in device.ports}
    base = interface.partition(".")[0]
    return base if interface not in names and base in names else interface
