"""The running configuration of a device, read back from the kernel into the values of the model."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labs.engines.kernel.device.machine import Machine
from labs.model.addresses import Address, InterfaceAddress, IPv4, IPv6, Mac, Network, parse_address
from labs.model.state import (
    BridgePortState,
    BridgeState,
    DeviceState,
    InterfaceState,
    Listener,
    Route,
    StaticNeighbour,
)
from labs.net.linux.sysctl import Sysctl

__all__ = ["device_state", "speaks_six"]

SECOND = 1_000_000_000
IP, BRIDGE = "/usr/sbin/ip", "/usr/sbin/bridge"
KINDS = {"bridge": "bridge", "vlan": "vlan", "gre": "gre", "ipip": "ipip"}
TUNNELS = ("gre", "ipip")
UNFILTERED = {1: True}  # what a port has from the start; a kernel that cannot filter does not tell
ENTERED = ("static", "permanent")  # states of stations that nobody learned
OWNER = re.compile(r'users:\(\("([^"]*)"')


async def _json(machine: Machine, *argv: str) -> Any:
    return json.loads(await machine.capture(*argv) or "[]")


async def device_state(machine: Machine) -> DeviceState:
    """Everything that decides what the device does with a packet, and the services it runs."""
    links = await _json(machine, IP, "-j", "-d", "addr")
    routes = await _json(machine, IP, "-j", "route", "show", "table", "main")
    six = await _json(machine, IP, "-6", "-j", "route", "show", "table", "main")
    neighbours = await _json(machine, IP, "-j", "neigh", "show", "nud", "permanent")
    ruleset = await _json(machine, "nft", "-j", "list", "ruleset")
    own = machine.vlans if machine.vlans is not None and machine.vlans.active else None
    if own is not None:
        from labs.engines.kernel.vlans.ip_view import as_json

        own.look()
        links = as_json(links, own)
    if machine.tunnels is not None:
        from labs.engines.kernel.tunnels.view import as_json as with_tunnels

        machine.tunnels.look()
        links = with_tunnels(links, machine.tunnels)
    bridges: dict[str, _Bridge] = {}
    if any(_kind(link) == "bridge" for link in links):
        vlans = await _json(machine, BRIDGE, "-j", "vlan")
        stations = await _json(machine, BRIDGE, "-j", "fdb")
        if own is not None:
            vlans, stations = own.memberships(), [*stations, *own.entered()]
        bridges = _bridges(links, vlans, stations)
    sockets = await machine.capture("ss", "-Hlntuep", extra=("CAP_SYS_PTRACE",))
    names = [link["ifname"] for link in links]
    return DeviceState(
        interfaces=tuple(_interface(link, bridges) for link in sorted(links, key=lambda link: int(link["ifindex"]))),
        routes=(
            *(_route(route, "0.0.0.0/0", machine.now) for route in routes),
            *(_route(route, "::/0", machine.now) for route in six),
        ),
        ruleset=ruleset or {"nftables": []},
        sysctls={name: value for name in Sysctl("", lambda: names).names() if (value := _setting(name))},
        listeners=tuple(
            sorted(_listeners(sockets, six=speaks_six()), key=lambda s: (s.protocol, s.port, int(s.address)))
        ),
        units=machine.units.snapshot(),
        stale_units=machine.units.stale(),
        dynamic_addresses=frozenset(
            parse_address(found["local"])
            for link in links
            for found in link.get("addr_info", ())
            if found.get("dynamic")
        ),
        clock_offset_ns=machine.clock_offset_ns,
        static_neighbours=tuple(
            StaticNeighbour(entry["dev"], parse_address(entry["dst"]), Mac.parse(entry["lladdr"]))
            for entry in neighbours
            if "lladdr" in entry
        ),
    )


# Interfaces and bridges


def _kind(link: Mapping[str, Any]) -> str:
    if link.get("link_type") == "loopback":
        return "loopback"
    return KINDS.get(link.get("linkinfo", {}).get("info_kind", ""), "ether")


class _Bridge:
    """What `bridge -j` tells of a bridge and its ports."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.vlans: dict[str, Sequence[Mapping[str, Any]]] = {}
        self.stations: list[Mac] = []


def _bridges(
    links: Sequence[Mapping[str, Any]], vlans: Sequence[Mapping[str, Any]], stations: Sequence[Mapping[str, Any]]
) -> dict[str, _Bridge]:
    found = {}
    for link in links:
        if _kind(link) == "bridge":
            name = link["ifname"]
            own = {part["address"] for part in links if part["ifname"] == name or part.get("master") == name}
            found[name] = _Bridge(own)
            found[name].vlans = {entry["ifname"]: entry["vlans"] for entry in vlans}
    for station in stations:
        bridge = found.get(station.get("master", ""))
        if bridge is not None and station.get("state") in ENTERED and station["mac"] not in bridge.own:
            bridge.stations.append(Mac.parse(station["mac"]))
    return found


def _vlans(bridge: _Bridge, name: str) -> tuple[dict[int, bool], int]:
    """VLANs of a port or of the bridge itself, and which of them untagged frames get."""
    if not bridge.vlans:
        return dict(UNFILTERED), 1
    allowed: dict[int, bool] = {}
    pvid = 0
    for entry in bridge.vlans.get(name, ()):
        flags = entry.get("flags", ())
        for vlan in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
            allowed[vlan] = "Egress Untagged" in flags
            pvid = vlan if "PVID" in flags else pvid
    return allowed, pvid


def _interface(link: Mapping[str, Any], bridges: Mapping[str, _Bridge]) -> InterfaceState:
    name, kind = link["ifname"], _kind(link)
    details = link.get("linkinfo", {})
    data = details.get("info_data", {})
    bridge = None
    if kind == "bridge":
        vlans, pvid = _vlans(bridges[name], name)
        bridge = BridgeState(
            vlan_filtering=bool(data.get("vlan_filtering")),
            vlans=vlans,
            pvid=pvid,
            stp=bool(data.get("stp_state")),
            static_stations=tuple(dict.fromkeys(bridges[name].stations)),
        )
    above = bridges.get(link.get("master", ""))
    return InterfaceState(
        name=name,
        index=link["ifindex"],
        kind=kind,
        mac=Mac(0) if kind in TUNNELS else Mac.parse(link.get("address", "00:00:00:00:00:00")),
        up="UP" in link["flags"],
        carrier="LOWER_UP" in link["flags"] or kind in TUNNELS,
        mtu=link["mtu"],
        master=link.get("master"),
        addresses=tuple(
            InterfaceAddress(parse_address(found["local"]), found["prefixlen"])
            for found in link.get("addr_info", ())
            if "local" in found
        ),
        parent=link.get("link") if kind == "vlan" else None,
        vlan=data.get("id") if kind == "vlan" else None,
        bridge=bridge,
        bridge_port=_bridge_port(above, name, details.get("info_slave_data", {})) if above is not None else None,
        tentative=_marked(link, "tentative", "dadfailed"),
        deprecated=_marked(link, "deprecated"),
    )


def _marked(link: Mapping[str, Any], *flags: str) -> frozenset[Address]:
    """The addresses that `ip addr` shows with one of some words."""
    found = link.get("addr_info", ())
    return frozenset(parse_address(one["local"]) for one in found if any(one.get(flag) for flag in flags))


def _bridge_port(bridge: _Bridge, name: str, data: Mapping[str, Any]) -> BridgePortState:
    vlans, pvid = _vlans(bridge, name)
    return BridgePortState(
        state=data.get("state", "forwarding"),
        vlans=vlans,
        pvid=pvid,
        hairpin=bool(data.get("hairpin")),
        isolated=bool(data.get("isolated")),
        learning=bool(data.get("learning", True)),
        flood=bool(data.get("flood", True)),
        bcast_flood=bool(data.get("bcast_flood", True)),
    )


def _route(route: Mapping[str, Any], everything: str, now: int) -> Route:
    prefix = everything if route["dst"] == "default" else route["dst"]
    via = route.get("gateway") or route.get("via", {}).get("host")
    metrics: dict[str, Any] = {key: value for part in route.get("metrics", ()) for key, value in part.items()}
    return Route(
        prefix=Network.parse(prefix),
        device=route.get("dev"),
        via=parse_address(via) if via else None,
        source=parse_address(route["prefsrc"]) if "prefsrc" in route else None,
        metric=route.get("metric", 0),
        protocol=route.get("protocol", "boot"),
        scope=route.get("scope", "global"),
        kind=route.get("type", "unicast"),
        onlink="onlink" in route.get("flags", ()),
        preference=route.get("pref", ""),
        expires_ns=now + route["expires"] * SECOND if "expires" in route else None,
        hop_limit=metrics.get("hoplimit", 0),
        mtu=metrics.get("mtu", 0),
        advmss=metrics.get("advmss", 0),
    )


# Settings and sockets


def _setting(name: str) -> str:
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return " ".join(file.read().split())
    except OSError:
        return ""


def speaks_six() -> bool:
    """True where IPv6 is switched on at any interface but loopback."""
    return any(
        name not in ("all", "default", "lo") and _setting(f"net.ipv6.conf.{name}.disable_ipv6") == "0"
        for name in (os.listdir("/proc/sys/net/ipv6/conf") if os.path.isdir("/proc/sys/net/ipv6/conf") else ())
    )


def _listeners(text: str, *, six: bool) -> Iterator[Listener]:
    """The lines of `ss -Hlntuep`. A socket for both families is told as :: where the device speaks both."""
    seen: set[tuple[str, Listener]] = set()  # by its words, too: 0.0.0.0 equals ::
    for line in text.splitlines():
        words = line.split()
        if len(words) < 5 or words[1] not in ("LISTEN", "UNCONN"):
            continue
        host, _, port = words[4].rpartition(":")
        host, _, interface = host.partition("%")
        if ":" in host and not six:
            continue  # nobody can reach it
        owner = OWNER.search(line)
        found = Listener(
            words[0],
            _bound(host.strip("[]"), six=six),
            int(port),
            owner[1] if owner else "",
            interface.rstrip("]") or None,
        )
        if (str(found.address), found) not in seen:
            seen.add((str(found.address), found))
            yield found


def _bound(host: str, *, six: bool) -> Address:
    if host == "*":
        return IPv6(0) if six else IPv4(0)
    return parse_address(host)
