"""An observed site of IPv4 written anew in IPv6: each address becomes the last 32 bits of one of IPv6."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from labs.model.addresses import Address, InterfaceAddress, IPv4, IPv6, Network
from labs.model.site import Device, Site
from labs.model.state import InterfaceState, Route
from labs.net.ipv6 import LINK_LOCAL, interface_identifier
from labs.net.nftables import from_json, render_ruleset, to_json
from labs.net.nftables.apply import load

BASE = int(IPv6.parse("2001:db8::"))
_IPV4 = re.compile(r"\b(\d+\.\d+\.\d+\.\d+)(?:/(\d+))?")


def wide(address: Address) -> IPv6:
    """The address in IPv6."""
    return IPv6(BASE | int(address))


def narrow(address: Address) -> IPv4:
    """The address that it was."""
    return IPv4(int(address) & 0xFFFFFFFF)


def wide_network(network: Network) -> Network:
    """The network in IPv6; everywhere is everywhere."""
    return Network(wide(network.address), network.length + 96) if network.length else Network(IPv6(0), 0)


def wide_rules(text: str) -> str:
    """Rules with their addresses in IPv6."""

    def changed(found: re.Match[str]) -> str:
        length = f"/{int(found[2]) + 96}" if found[2] else ""
        return f"{wide(IPv4.parse(found[1]))}{length}"

    return _IPV4.sub(changed, re.sub(r"\bip (saddr|daddr)", r"ip6 \1", text))


def mirrored(site: Site, taken: Iterable[int] = ()) -> Site:
    """The same site with IPv6 alone. `taken` are last octets of addresses that routers have besides their own."""
    for name, device in site.devices.items():
        site = site.with_device(_device(device, tuple(taken)))
        assert site.devices[name].state is not None
    return site


def _device(device: Device, taken: tuple[int, ...]) -> Device:
    state = device.state
    assert state is not None
    forward = state.sysctls.get("net.ipv4.ip_forward", "0")
    settings = {
        "net.ipv6.conf.all.disable_ipv6": "0",
        "net.ipv6.conf.default.disable_ipv6": "0",
        "net.ipv6.conf.all.forwarding": forward,
    }
    ruleset = state.ruleset
    if ruleset:
        ruleset = to_json(load(wide_rules(render_ruleset(from_json(ruleset)))))
    shown = tuple(_interface(i, taken if forward == "1" else ()) for i in state.interfaces)
    routes = tuple(_route(route) for route in state.routes)
    return replace(
        device,
        state=replace(state, interfaces=shown, routes=routes, ruleset=ruleset, sysctls={**state.sysctls, **settings}),
    )


def _interface(shown: InterfaceState, taken: tuple[int, ...]) -> InterfaceState:
    if shown.kind == "loopback":
        return replace(shown, addresses=(InterfaceAddress(IPv6(1), 128),))
    found = [InterfaceAddress(wide(a.address), a.length + 96) for a in shown.addresses]
    for address in shown.addresses[:1] if shown.addresses and shown.addresses[0].length == 24 else ():
        whole = address.network.address
        found += [InterfaceAddress(wide(IPv4(int(whole) + octet)), 120) for octet in taken]
    own = IPv6(int(LINK_LOCAL.address) | interface_identifier(shown.mac))
    return replace(shown, addresses=(*found, InterfaceAddress(own, 64)))


def _route(route: Route) -> Route:
    via = None if route.via is None else wide(route.via)
    return replace(
        route, prefix=wide_network(route.prefix), via=via, source=None, scope="global", metric=route.metric or 1024
    )
