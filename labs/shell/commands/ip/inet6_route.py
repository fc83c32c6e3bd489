"""`ip -6 route`: the IPv6 table shown and changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv6, Network
from labs.model.state import Route
from labs.net.ipv6_routes import USER_METRIC
from labs.net.linux.ip_layer import NETWORK_UNREACHABLE
from labs.net.linux.ipv6_layer import NO_ADDRESS, REFUSING
from labs.net.ndp import PREFERENCES
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    answers,
    duplicate,
    kernel,
    matches,
    no_device,
    number,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process

__all__ = ["route6_command"]

TYPES = ("unicast", "blackhole", "unreachable", "prohibit")
SECOND = 1_000_000_000
DEFAULT = Network(IPv6(0), 0)
REFUSED = frozenset(
    "mtu advmss reordering"
    " rtt rttvar window cwnd initcwnd initrwnd features quickack congctl realms rto_min nexthop nhid"
    " encap weight equalize tos dsfield ttl-propagate fastopen_no_cookie as pervasive hoplimit scope".split()
)


def route6_command(process: Process, style: Style, words: Words) -> int:
    """`ip -6 route …`."""
    word = words.take() if words.more else "show"
    if matches(word, "list") or matches(word, "show") or matches(word, "lst"):
        return _list(process, style, words)
    if matches(word, "get"):
        return _get(process, style, words)
    for name in ("add", "delete", "change", "replace", "append"):
        if matches(word, name) or (name == "change" and word == "chg"):
            return _modify(process, words, name)
    if matches(word, "flush"):
        return _flush(process, words)
    for name in ("prepend", "test", "save", "restore", "showdump"):
        if matches(word, name):
            raise refused(f"route {name}")
    message = f'Command "{word}" is unknown, try "ip route help".'
    raise IpError(message, status=EXIT_USAGE)


@dataclass(slots=True)
class Wish:
    """What was said about a route: to choose one, or to make one."""

    prefix: Network | None = None
    kind: str | None = None
    via: IPv6 | None = None
    device: str | None = None
    source: IPv6 | None = None
    metric: int | None = None
    protocol: str | None = None
    preference: str | None = None
    expires_s: int | None = None
    onlink: bool = False
    table: str = "main"
    within: bool = False
    """`root`: also what lies inside the prefix."""
    around: bool = False
    """`match`: also what holds the prefix."""


def _address(text: str, expected: str = "inet6 address") -> IPv6:
    try:
        return IPv6.parse(text)
    except ValueError:
        message = f'Error: {expected} is expected rather than "{text}".'
        raise IpError(message) from None


def _network(text: str) -> Network:
    if text in ("default", "any", "all"):
        return DEFAULT
    try:
        found = InterfaceAddress.parse(text)
    except ValueError:
        found = None
    if found is None or not isinstance(found.address, IPv6):
        message = f'Error: inet6 prefix is expected rather than "{text}".'
        raise IpError(message)
    return found.network


def _number(text: str, what: str) -> int:
    found = number(text)
    if found is None:
        raise wrong(text, f'"{what}" value is invalid')
    return found


def _wish(process: Process, words: Words) -> Wish:
    wish = Wish()
    while words.more:
        word = words.take()
        if word == "via":
            text = words.value()
            wish.via = _address(words.value() if text == "inet6" else text)
        elif word in ("dev", "oif"):
            wish.device = words.value()
        elif word == "src":
            wish.source = _address(words.value())
        elif any(matches(word, name) for name in ("metric", "priority", "preference")) and word != "pref":
            wish.metric = _number(words.value(), "metric")
        elif len(word) > 1 and matches(word, "protocol"):
            wish.protocol = words.value()
        elif word == "pref":
            wish.preference = words.value()
            if wish.preference not in PREFERENCES:
                raise wrong(wish.preference, '"pref" value is invalid')
        elif word == "expires":
            wish.expires_s = _number(words.value(), "expires")
        elif word == "onlink":
            wish.onlink = True
        elif word == "type":
            wish.kind = words.value()
        elif len(word) > 2 and matches(word, "table"):
            wish.table = {"254": "main", "255": "local", "0": "all"}.get(text := words.value(), text)
            if wish.table not in ("main", "local", "all"):
                raise refused(f"route table {wish.table}")
        elif word in REFUSED:
            raise refused(f"route {word}")
        elif word in TYPES and wish.kind is None:
            wish.kind = word
        elif word in ("root", "match", "exact", "to"):
            text = words.value()
            wish.prefix, wish.within, wish.around = _network(text), word == "root", word == "match"
        else:
            if wish.prefix is not None:
                raise duplicate("to", word)
            wish.prefix = _network(word)
    if wish.device is not None and wish.device not in process.node.interfaces:
        raise no_device(wish.device)
    return wish


def _meant(route: Route, wish: Wish) -> bool:
    return (
        wish.kind in (None, route.kind)
        and wish.via in (None, route.via)
        and wish.device in (None, route.device)
        and wish.source in (None, route.source)
        and wish.metric in (None, route.metric)
        and wish.protocol in (None, route.protocol)
        and (wish.prefix is None or _prefix_fits(route.prefix, wish))
    )


def _prefix_fits(prefix: Network, wish: Wish) -> bool:
    asked = wish.prefix
    assert asked is not None
    if wish.within:
        return prefix.address in asked and prefix.length >= asked.length
    if wish.around:
        return asked.address in prefix and prefix.length <= asked.length
    return prefix == asked


# Show


def _local_table(node: LinuxNode) -> list[Route]:
    """The table `local`, which the kernel keeps from the addresses."""
    found = []
    for interface in node.interfaces.values():
        for known in interface.inet6:
            if not known.tentative and not known.failed:
                route = Route(Network(known.address, 128), interface.name, protocol="kernel", kind="local", metric=0)
                found.append(route)
    found.sort(key=lambda route: int(route.prefix.address))
    for interface in node.interfaces.values():
        if interface.kind != "loopback" and interface.up and interface.inet6:
            group = Network(IPv6(0xFF << 120), 8)
            found.append(Route(group, interface.name, protocol="kernel", kind="multicast", metric=256))
    return found


def route_record6(
    node: LinuxNode,
    style: Style,
    route: Route,
    *,
    table: str = "",
    asked: str = "",
    hidden: frozenset[str] = frozenset(),
) -> Record:
    """One line. `asked` is the source that `route get` was told, :: where it was not."""
    record = Record(style)
    if route.kind != "unicast" or style.details:
        record.add("type", route.kind)
    whole = route.prefix.length == 128
    default = "default" if route.prefix.length == 0 and not asked else str(route.prefix)
    record.add("dst", str(route.prefix.address) if whole or asked else default)
    if asked:
        record.add("from", asked, f"from {asked} ")
    if route.via is not None and "via" not in hidden:
        record.add("gateway", str(route.via), f"via {route.via} ")
    if "dev" not in hidden:
        record.add("dev", route.device or "lo", f"dev {route.device or 'lo'} ")
    if table:
        record.add("table", table, f"table {table} ")
    if (route.protocol != "boot" or style.details) and "proto" not in hidden:
        record.add("protocol", route.protocol, f"proto {route.protocol} ")
    if style.details:
        record.add("scope", "global", "scope global ")
    if route.source is not None:
        record.add("prefsrc", str(route.source), f"src {route.source} ")
    record.add("metric", route.metric, f"metric {route.metric} ")
    flags = ["onlink"] if route.onlink else []
    interface = node.interfaces.get(route.device) if route.device is not None else None
    if interface is not None and route.kind in ("unicast", "multicast") and not interface.has_carrier:
        flags.append("linkdown")
    record.add("flags", flags, "".join(f"{flag} " for flag in flags))
    if route.expires_ns is not None:
        left = max(0, -((node.now - route.expires_ns) // SECOND))
        record.add("expires", left, f"expires {left}sec ")
    if route.hop_limit:
        record.add("metrics", [{"hoplimit": route.hop_limit}], f"hoplimit {route.hop_limit} ")
    record.add("pref", route.preference or "medium", f"pref {route.preference or 'medium'}")
    return record


def _list(process: Process, style: Style, words: Words) -> int:
    node = process.node
    wish = _wish(process, words)
    if wish.prefix == DEFAULT and not (wish.within or wish.around):
        wish.within = False
    rows = [(route, "main") for route in node.ipv6.routes.routes()] if wish.table in ("main", "all") else []
    if wish.table in ("local", "all"):
        rows += [(route, "local") for route in _local_table(node)]
    pairs = (("dev", wish.device), ("via", wish.via), ("proto", wish.protocol))
    hidden = frozenset(word for word, value in pairs if value is not None)
    records = [
        route_record6(
            node, style, route, table=table if wish.table == "all" and table == "local" else "", hidden=hidden
        )
        for route, table in rows
        if _meant(route, wish)
    ]
    print_records(process, style, records)
    return 0


def _flush(process: Process, words: Words) -> int:
    if not words.more:
        message = '"ip route flush" requires arguments.'
        raise IpError(message)
    if matches(words.word, "cache"):
        return 0
    wish = _wish(process, words)
    table = process.node.ipv6.routes
    table.remove_where([route for route in table if _meant(route, wish)])
    return 0


def _get(process: Process, style: Style, words: Words) -> int:
    node = process.node
    destination: IPv6 | None = None
    source: IPv6 | None = None
    device: str | None = None
    while words.more:
        word = words.take()
        if word == "from":
            source = _address(words.value(), "inet6 prefix")
        elif word in ("oif", "dev"):
            device = words.value()
        elif word in (
            "fibmatch",
            "iif",
            "mark",
            "tos",
            "vrf",
            "uid",
            "ipproto",
            "sport",
            "dport",
            "notify",
            "connected",
        ):
            raise refused(f"route get {word}")
        else:
            destination = _address(words.value() if word == "to" else word, "any valid prefix")
    if destination is None:
        message = "need at least a destination address"
        raise IpError(message)
    if device is not None and device not in node.interfaces:
        raise no_device(device)
    print_records(process, style, [_answer(node, style, destination, source, device)])
    return 0


def _answer(node: LinuxNode, style: Style, destination: IPv6, source: IPv6 | None, device: str | None) -> Record:
    ipv6 = node.ipv6
    target = Network(destination, 128)
    asked = str(source or "::")
    if ipv6.is_local(destination):
        found = Route(target, "lo", source=destination, protocol="kernel", kind="local", metric=0)
        return route_record6(node, style, found, table="local", asked=asked)
    route = ipv6.route_to(destination)
    if device is not None and (route is None or route.device != device):
        usable = [r for r in ipv6.routes.routes() if r.device == device and destination in r.prefix]
        route = max(usable, key=lambda r: (r.prefix.length, -r.metric), default=None)
    if route is None:
        raise answers(NETWORK_UNREACHABLE)
    if route.kind != "unicast":
        raise answers(REFUSING[route.kind][1])
    chosen = source or ipv6.source_of(route, destination)
    if chosen is None:
        raise answers(NO_ADDRESS)
    group = destination.is_multicast
    found = Route(
        target, route.device, route.via, chosen, route.metric, route.protocol, kind="multicast" if group else "unicast",
        preference=route.preference, expires_ns=None, hop_limit=route.hop_limit,
    )  # fmt: skip
    return route_record6(node, style, found, table="local" if group else "", asked=asked)


# Change


def _modify(process: Process, words: Words, verb: str) -> int:
    wish = _wish(process, words)
    if wish.table != "main":
        raise refused(f"route table {wish.table}")
    prefix = wish.prefix or DEFAULT
    table = process.node.ipv6.routes
    if verb == "delete":
        wish.prefix = prefix
        doomed = next((route for route in table.routes() if _meant(route, wish)), None)
        if doomed is None:
            raise answers("No such process")
        table.remove(doomed)
        return 0
    route = _resolve(process.node, wish, prefix)
    present = table.find(route.prefix, route.metric) is not None
    if verb == "add" and present:
        raise answers("File exists")
    if verb == "change" and not present:
        raise answers("No such file or directory")
    if verb in ("add", "append"):
        if not table.append(route):
            raise answers("File exists")
    else:
        table.replace(route)
    return 0


def _resolve(node: LinuxNode, wish: Wish, prefix: Network) -> Route:
    """The route to enter, or the kernel's refusal (ip6_route_info_create, fib6_nh_init)."""
    metric = wish.metric or USER_METRIC
    protocol = wish.protocol or "boot"
    if wish.kind not in (None, "unicast"):
        return Route(prefix, "lo", metric=metric, protocol=protocol, kind=wish.kind or "", preference="medium")
    device = wish.device
    via = wish.via
    if via is not None:
        if node.ipv6.is_local(via):
            raise kernel("Gateway can not be a local address.")
        if via.is_multicast:
            raise kernel("Invalid gateway address.")
        if via.is_link_local and device is None:
            raise kernel("Egress device not specified.")
        if not via.is_link_local and not wish.onlink:
            near = node.ipv6.routes.connected6(via, device)
            if near is None:
                raise answers("No route to host")
            device = near.device
    if device is None:
        raise kernel("Egress device not specified.")
    interface = node.interfaces[device]
    if not node.ipv6.enabled(interface):
        raise kernel("IPv6 is disabled on nexthop device.")
    if not interface.up:
        raise kernel("Nexthop device is not up.")
    if wish.source is not None and not node.ipv6.is_local(wish.source):
        raise kernel("Invalid source address.")
    until = None if wish.expires_s is None else node.now + wish.expires_s * SECOND
    return Route(
        prefix, device, via, wish.source, metric, protocol, onlink=wish.onlink and via is not None,
        preference=wish.preference or "medium", expires_ns=until,
    )  # fmt: skip
