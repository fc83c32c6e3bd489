"""The running configuration of a device, read back from the kernel into the values of the model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from labs.engines.kernel.machine import Machine
from labs.model.addresses import InterfaceAddress, IPv4, Mac, Network, parse_address
from labs.model.state import DeviceState, InterfaceState, Listener, Route

__all__ = ["device_state"]

KINDS = {"loopback": "loopback", "bridge": "bridge", "vlan": "vlan"}
SETTINGS = ("net.ipv4.ip_forward", "net.ipv4.icmp_echo_ignore_all", "net.ipv4.conf.all.rp_filter")


async def _json(machine: Machine, *argv: str) -> Any:
    return json.loads(await machine.capture(*argv) or "[]")


async def device_state(machine: Machine) -> DeviceState:
    """Everything that decides what the device does with a packet, and the services it runs."""
    links = await _json(machine, "ip", "-j", "-d", "addr")
    routes = await _json(machine, "ip", "-j", "route", "show", "table", "main")
    ruleset = await _json(machine, "nft", "-j", "list", "ruleset")
    interfaces = tuple(_interface(link) for link in links)
    dynamic = frozenset(
        parse_address(found["local"])
        for link in links
        for found in link.get("addr_info", ())
        if found.get("dynamic") and found["family"] == "inet"
    )
    return DeviceState(
        interfaces=interfaces,
        routes=tuple(_route(route) for route in routes),
        ruleset=ruleset or {"nftables": []},
        sysctls={name: _setting(name) for name in SETTINGS},
        listeners=_listeners(machine),
        units=machine.units.snapshot(),
        stale_units=machine.units.stale(),
        dynamic_addresses=dynamic,
        clock_offset_ns=machine.clock_offset_ns,
    )


def _interface(link: dict[str, Any]) -> InterfaceState:
    kind = link.get("linkinfo", {}).get("info_kind", "ether")
    return InterfaceState(
        name=link["ifname"],
        index=link["ifindex"],
        kind="loopback" if link.get("link_type") == "loopback" else KINDS.get(kind, "ether"),
        mac=Mac.parse(link.get("address", "00:00:00:00:00:00")),
        up="UP" in link["flags"],
        carrier="LOWER_UP" in link["flags"],
        mtu=link["mtu"],
        master=link.get("master"),
        addresses=tuple(
            InterfaceAddress(parse_address(found["local"]), found["prefixlen"])
            for found in link.get("addr_info", ())
            if found["family"] == "inet"
        ),
    )


def _route(route: dict[str, Any]) -> Route:
    prefix = "0.0.0.0/0" if route["dst"] == "default" else route["dst"]
    via = route.get("gateway")
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
    )


def _setting(name: str) -> str:
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _listeners(machine: Machine) -> tuple[Listener, ...]:
    del machine
    owners: dict[int, str] = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as file:
                program = file.read().strip()
            for descriptor in os.listdir(f"/proc/{name}/fd"):
                target = os.readlink(f"/proc/{name}/fd/{descriptor}")
                if target.startswith("socket:["):
                    owners.setdefault(int(target[8:-1]), program)
        except OSError:
            continue
    return tuple(
        dict.fromkeys(
            Listener(protocol, address, port, owners.get(inode, ""))
            for protocol, state in (("tcp", "0A"), ("udp", "07"))
            for suffix in ("", "6")
            for address, port, inode in _accepting(protocol + suffix, state)
        )
    )


def _accepting(table: str, state: str) -> Iterator[tuple[IPv4, int, int]]:
    """Address, port and socket of each line of /proc/net/TABLE in a state; of IPv6 those that take all."""
    try:
        with open(f"/proc/net/{table}", encoding="ascii") as file:
            lines = file.readlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        address, _, port = words[1].partition(":")
        if words[3] != state or (len(address) > 8 and set(address) != {"0"}):
            continue
        yield IPv4(int.from_bytes(bytes.fromhex(address[:8]), "little")), int(port, 16), int(words[9])
