"""`ip route get`: the way that one packet would take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Network
from labs.model.state import Route
from labs.net.linux.ip_layer import NETWORK_UNREACHABLE, REFUSING
from labs.net.routing import longest_match
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    answers,
    duplicate,
    no_device,
    parse_prefix,
    refused,
)

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.path_cache import Learned
    from labs.net.process import Process

__all__ = ["add_metrics", "cached", "get_route"]

LOOPBACK = IPv4.parse("127.0.0.1")


def get_route(process: Process, style: Style, words: Words) -> int:
    """`ip route get [fibmatch] ADDRESS [from ADDRESS] [oif DEV]`."""
    destination: IPv4 | None = None
    length = 32
    source: IPv4 | None = None
    device: str | None = None
    fibmatch = False
    while words.more:
        word = words.take()
        if word == "from":
            found = parse_prefix(words.value())
            source = found[0] if found else None
        elif word in ("oif", "dev"):
            device = words.value()
        elif word == "fibmatch":
            fibmatch = True
        elif word in (
            "iif",
            "mark",
            "tos",
            "dsfield",
            "vrf",
            "uid",
            "ipproto",
            "sport",
            "dport",
            "notify",
            "connected",
        ):
            raise refused(f"route get {word}")
        elif word == "help":
            raise IpError("Usage: ip route get [ fibmatch ] ADDRESS [ from ADDRESS ] [ oif STRING ]", status=EXIT_USAGE)
        else:
            if word == "to":
                word = words.value()
            if destination is not None:
                raise duplicate("to", word)
            found = parse_prefix(word)
            destination, length = (found[0], found[1]) if found else (IPv4(0), 32)
    if destination is None:
        message = "need at least a destination address"
        raise IpError(message)
    if device is not None and device not in process.node.interfaces:
        raise no_device(device)
    if length != 32:
        process.error(f"Warning: /{length} as prefix is invalid, only /32 (or none) is supported.")
    print_records(process, style, [_answer(process.node, style, destination, source, device, fibmatch=fibmatch)])
    return 0


def _answer(
    node: LinuxNode, style: Style, destination: IPv4, source: IPv4 | None, device: str | None, *, fibmatch: bool
) -> Record:
    from labs.shell.commands.ip.route import route_record

    if source is not None and not node.ip.is_local(source):
        raise answers(NETWORK_UNREACHABLE)
    target = Network(destination, 32)
    if destination == IPv4(0):  # the device itself (ip_route_output_key_hash_rcu)
        if fibmatch:
            raise answers("No route to host")
        over = node.interfaces[device or "lo"]
        own = source or node.ip.source_for(over, LOOPBACK if over.name == "lo" else destination)
        return _record(style, Route(target, "lo", source=own, kind="local"), source, ["local"])
    if fibmatch and node.ip.is_local(destination):
        return route_record(node, style, _own_route(node, destination))
    if node.ip.is_local(destination):
        own = (
            destination
            if destination in node.local_addresses()
            else node.ip.source_for(node.interfaces["lo"], destination)
        )
        return _record(style, Route(target, "lo", source=source or own, kind="local"), source, ["local"])
    if node.ip.is_broadcast(destination) or destination.is_multicast:
        return _record(style, *_group(node, target, destination, device), ask=source)
    route = _lookup(node, destination, device)
    if route is None:
        raise answers(NETWORK_UNREACHABLE)
    if route.kind != "unicast":
        raise answers(REFUSING[route.kind][1] if route.kind in REFUSING else NETWORK_UNREACHABLE)
    if fibmatch:
        return route_record(node, style, route)
    assert route.device is not None
    chosen = source or node.ip.source_of(route, destination)
    via = None if isinstance(route.via, IPv4) and node.ip.is_local(route.via) else route.via
    shown = Route(target, route.device, via, chosen, mtu=route.mtu, mtu_locked=route.mtu_locked)
    known = node.ip.paths.known(destination) if device in (None, route.device) else None
    flags = ["local"] if route.device == "lo" else []
    return _record(style, replace(shown, advmss=route.advmss), source, flags, known=known, now=node.now)


def _own_route(node: LinuxNode, destination: IPv4) -> Route:
    """The route of table local that an own address has."""
    held = [(i, a) for i in node.interfaces.values() for a in i.addresses if isinstance(a.address, IPv4)]
    for interface, address in held:
        if address.address == destination:
            prefix = Network(destination, 32)
            return Route(prefix, interface.name, None, destination, protocol="kernel", scope="host", kind="local")
    interface, address = next((i, a) for i, a in held if destination in a.network)
    return Route(address.network, interface.name, None, address.address, protocol="kernel", scope="host", kind="local")


def _lookup(node: LinuxNode, destination: IPv4, device: str | None) -> Route | None:
    """The route; a device that no route names is taken to reach everything itself (ip_route_output_key_hash_rcu)."""
    if device is None:
        return node.ip.routes.lookup(destination)
    usable = [route for route in node.routes() if route.device == device and node.interfaces[device].up]
    found = longest_match(usable, destination)
    if found is None and node.interfaces[device].up:
        return Route(Network(destination, 32), device)
    return found


def _group(node: LinuxNode, target: Network, destination: IPv4, device: str | None) -> tuple[Route, None, list[str]]:
    """A broadcast or multicast destination goes out by the interface it belongs to."""
    if destination.is_multicast:
        route = _lookup(node, destination, device)
        if route is None or route.device is None:
            raise answers(NETWORK_UNREACHABLE)
        chosen = node.ip.source_of(route, destination)
        return Route(target, route.device, source=chosen, kind="multicast"), None, ["mc"]
    for interface in node.interfaces.values():
        for address in interface.addresses:
            if address.network.broadcast == destination and device in (None, interface.name):
                found = Route(target, interface.name, source=address.address, kind="broadcast")
                return found, None, ["local", "brd"]
    route = _lookup(node, destination, device)
    if route is None or route.device is None:
        raise answers(NETWORK_UNREACHABLE)
    return Route(target, route.device, source=node.ip.source_of(route, destination), kind="broadcast"), None, ["brd"]


def add_metrics(record: Record, mtu: int, advmss: int = 0, *, locked: bool = False) -> None:
    """`mtu` and `advmss` of a route or of what was learned (print_rta_metrics)."""
    values = {key: value for key, value in (("mtu", mtu), ("advmss", advmss)) if value}
    if not values:
        return
    words = [f"{key} {'lock ' if locked and key == 'mtu' else ''}{value} " for key, value in values.items()]
    record.add("metrics", [values], "".join(words))


def cached(node: LinuxNode, style: Style, match: Network | None) -> list[tuple[IPv4, Record]]:
    """The lines of `ip route show cache`."""
    found = []
    for destination, known in node.ip.paths.cache.entries(node.now):
        if match is None or destination in match:
            route = Route(Network(destination, 32), known.route.device, known.route.via)
            found.append((destination, _record(style, route, None, [], known=known, now=node.now, brief=True)))
    return found


def _record(
    style: Style,
    route: Route,
    asked: IPv4 | None,
    cache: list[str],
    *,
    ask: IPv4 | None = None,
    known: Learned | None = None,
    now: int = 0,
    brief: bool = False,
) -> Record:
    record = Record(style)
    asked = asked or ask
    if route.kind != "unicast" or style.details:
        record.add("type", route.kind)
    record.add("dst", str(route.prefix.address))
    if asked is not None:
        record.add("from", str(asked), f"from {asked} ")
    via = known.gateway if known is not None and known.gateway is not None else route.via
    if via is not None:
        record.add("gateway", str(via), f"via {via} ")
    record.add("dev", route.device, f"dev {route.device} ")
    if known is not None and known.gateway is not None:
        cache = [*cache, "redirected"]
    if style.details and not brief:
        record.add(
            "table",
            "local" if route.kind == "local" else "main",
            f"table {'local' if route.kind == 'local' else 'main'} ",
        )
        record.add("protocol", "unspec", "proto unspec ")
        record.add("scope", "global", "scope global ")
    if asked is None and route.source is not None:
        record.add("prefsrc", str(route.source), f"src {route.source} ")
    record.only_json("flags", [])
    if not brief:
        record.add("uid", 0, "uid 0 ")
    flags = f"<{','.join(cache)}> " if cache else ""
    record.add("cache", cache, f"{style.newline}    cache {flags}")
    if known is not None:
        seconds = (known.until_ns - now) // 1_000_000_000
        record.add("expires", seconds, f"expires {seconds}sec ")
        add_metrics(record, known.mtu or route.mtu, route.advmss, locked=known.locked or route.mtu_locked)
    else:
        add_metrics(record, route.mtu, route.advmss, locked=route.mtu_locked)
    return record
