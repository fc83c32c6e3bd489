"""Misconfigured addresses, masks, gateways and routes."""

from __future__ import annotations

import re
from dataclasses import replace

from labs.faults.edit import (
    INTERFACES,
    change_address,
    change_each_line,
    change_stanza,
    fixed_address,
    read_file,
    static_stanza,
)
from labs.faults.fault import FaultError, fault
from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.model.site import Site

__all__ = ["FAULTS"]

FAMILY = "addressing"
ROUTE = re.compile(r"^(\s*up ip route add \S+ via )\S+")
ROUTED = "a device with static routes"
GONE = "02:00:5e:00:53:01"  # a locally administered address that no device of a site has


@fault(
    FAMILY,
    symptom="A device drops in and out, or another one answers in its place",
    shown_by="arping: two MAC addresses answer for one address",
    fix="Give the device its own address and note it in the address list",
)
def duplicate_ip(site: Site, on: str, of: str) -> Site:
    """`on` gets the address of `of`."""
    address = fixed_address(site, of)
    return change_address(site, on, lambda old: InterfaceAddress(address, old.length))


@fault(
    FAMILY,
    symptom="Neighbours answer, everything further away does not",
    shown_by="ip route, and ip neigh: the gateway stays FAILED",
    fix="Set the real gateway",
)
def host_wrong_gateway(site: Site, on: str, gateway: IPv4 | None = None) -> Site:
    """The default gateway points at an address where nobody lives."""
    stanza = static_stanza(site, on)
    old = stanza.get("gateway")
    if old is None:
        message = f"{on} has no gateway to get wrong"
        raise FaultError(message)
    wrong = gateway or _vacant(site, InterfaceAddress.parse(stanza.get("address") or "").network)
    return change_stanza(site, on, stanza.name, lambda s: s.with_option("gateway", str(wrong)))


def _vacant(site: Site, network: Network) -> IPv4:
    """The lowest host address of a network that no interfaces file mentions."""
    written = {
        word.partition("/")[0] for device in site.devices.values() for word in device.files.get(INTERFACES, "").split()
    }
    for number in range(3, 250):
        address = IPv4(network.host(number))
        if str(address) not in written:
            return address
    message = f"{network} is full"
    raise FaultError(message)


@fault(
    FAMILY,
    symptom='Anything outside the own network answers "Network is unreachable" at once',
    shown_by="ip route: no default",
    fix="Add the default route",
)
def host_no_gateway(site: Site, on: str) -> Site:
    """The default gateway is missing."""
    stanza = static_stanza(site, on)
    if stanza.get("gateway") is None:
        message = f"{on} has no gateway to lose"
        raise FaultError(message)
    return change_stanza(site, on, stanza.name, lambda s: s.with_option("gateway", None))


@fault(
    FAMILY,
    symptom="Some neighbours answer and others do not, or another network is out of reach",
    shown_by="ip addr: the prefix length differs from that of the neighbours",
    fix="Set the prefix length of the network",
)
def host_wrong_mask(site: Site, on: str, length: int = 30) -> Site:
    """The prefix length of the first fixed address is wrong."""
    if not 1 <= length <= 31:
        message = f"a prefix length of {length} is not between 1 and 31"
        raise FaultError(message)
    return change_address(site, on, lambda old: InterfaceAddress(old.address, length))


@fault(
    FAMILY,
    symptom="A device that was set up elsewhere reaches nobody",
    shown_by="ip addr: an address of a network that does not exist here",
    fix="Let it ask for an address, or give it one of this network",
)
def host_static_leftover(site: Site, on: str, address: str = "10.0.1.23/24", gateway: str = "10.0.1.1") -> Site:
    """A fixed address of another place on a device that should ask by DHCP."""
    from labs.net.ifupdown import parse_interfaces

    parsed = parse_interfaces(read_file(site, on, INTERFACES, "a device with a network configuration"))
    dynamic = next((s for s in parsed.stanzas if s.method == "dhcp"), None)
    if dynamic is None:
        message = f"{on} does not get its address by DHCP"
        raise FaultError(message)
    InterfaceAddress.parse(address)
    options = (("address", address), ("gateway", gateway))
    return change_stanza(site, on, dynamic.name, lambda s: replace(s, method="static", options=(*options, *s.options)))


@fault(
    FAMILY,
    symptom="One network is out of reach; the router says so",
    shown_by="ip route on the router; ping: Destination Net Unreachable",
    fix="Add the route",
)
def static_route_missing(site: Site, on: str) -> Site:
    """A router lost its static routes."""
    return change_each_line(site, on, INTERFACES, ROUTED, lambda line: None if "ip route add" in line else line)


@fault(
    FAMILY,
    symptom="One network is out of reach; packets for it disappear in the wrong place",
    shown_by="ip route on the router; traceroute: the way goes on to somebody who has no business with it",
    fix="Correct the next hop of the route",
)
def static_route_wrong_nexthop(site: Site, on: str, via: IPv4) -> Site:
    """The static routes of a router lead to another neighbour, or to nobody."""
    return change_each_line(site, on, INTERFACES, ROUTED, lambda line: ROUTE.sub(rf"\g<1>{via}", line))


@fault(
    FAMILY,
    symptom="One device is out of reach from one other since it was replaced; everybody else reaches it",
    shown_by="ip neigh: PERMANENT, with the MAC address of the old device",
    fix="Delete the entry, and the line that makes it",
)
def stale_static_arp(site: Site, on: str, of: str) -> Site:
    """`on` pins the address of `of` to the MAC address of a device that is gone."""
    stanza = static_stanza(site, on)
    line = f"ip neigh replace {fixed_address(site, of)} lladdr {GONE} dev {stanza.name} nud permanent"
    if line in stanza.values("up"):
        message = f"{on} pins that address already"
        raise FaultError(message)
    return change_stanza(site, on, stanza.name, lambda s: replace(s, options=(*s.options, ("up", line))))


@fault(
    FAMILY,
    symptom="The router answers on its own addresses, and nothing behind it does",
    shown_by="sysctl net.ipv4.ip_forward is 0",
    fix="Switch forwarding on, in /etc/sysctl.conf too",
)
def ip_forward_off(site: Site, on: str) -> Site:
    """A router does not forward."""
    yes, no = "net.ipv4.ip_forward=1", "net.ipv4.ip_forward=0"
    return change_each_line(site, on, "/etc/sysctl.conf", "a router", lambda line: line.replace(yes, no))


FAULTS = (
    duplicate_ip,
    host_wrong_gateway,
    host_no_gateway,
    host_wrong_mask,
    host_static_leftover,
    static_route_missing,
    static_route_wrong_nexthop,
    stale_static_arp,
    ip_forward_off,
)
