"""`ip route`: show, add, change, replace, append, delete, flush."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Network
from labs.model.state import Route
from labs.shell.commands.ip.inet6_route import route6_command
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.route_change import modify
from labs.shell.commands.ip.route_get import add_metrics, cached, get_route
from labs.shell.commands.ip.route_words import (
    OTHER_TYPES,
    TABLES,
    TYPES,
    USAGE,
    metric_of,
    protocol_of,
    scope_of,
)
from labs.shell.commands.ip.words import (
    EXIT_KERNEL,
    EXIT_USAGE,
    IpError,
    Words,
    matches,
    no_device,
    number,
    parse_address,
    parse_network,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process

__all__ = ["route_command"]


def route_command(process: Process, style: Style, words: Words) -> int:
    """`ip route …`."""
    if style.family == "inet6" or (not style.family and words.about_ipv6):
        return route6_command(process, style, words)
    if not words.more:
        return _list(process, style, words)
    word = words.take()
    if matches(word, "list") or matches(word, "show") or matches(word, "lst"):
        return _list(process, style, words)
    if matches(word, "get"):
        return get_route(process, style, words)
    for name in ("add", "delete", "change", "replace", "append"):
        if matches(word, name) or (name == "change" and word == "chg"):
            return modify(process, words, name)
    if matches(word, "flush"):
        return _flush(process, style, words)
    for name in ("prepend", "test", "save", "restore", "showdump"):
        if matches(word, name):
            raise refused(f"route {name}")
    if matches(word, "help"):
        return _usage(process)
    message = f'Command "{word}" is unknown, try "ip route help".'
    raise IpError(message, status=EXIT_USAGE)


def _usage(process: Process) -> int:
    process.error(*USAGE)
    return EXIT_USAGE


# Show


@dataclass(slots=True)
class Selector:
    """Which routes `list` and `flush` mean."""

    table: str = "main"
    device: str | None = None
    via: IPv4 | None = None
    source: IPv4 | None = None
    protocol: str | None = None
    scope: str | None = None
    kind: str | None = None
    metric: int | None = None
    root: Network | None = None
    match: Network | None = None
    cache: bool = False
    hidden: set[str] = field(default_factory=set)
    """What need not be printed because it was asked for."""


def _selector(process: Process, words: Words) -> Selector:  # noqa: PLR0915 - one branch per keyword
    want = Selector()
    while words.more:
        word = words.take()
        if matches(word, "table"):
            _select_table(want, words.value())
        elif matches(word, "protocol"):
            want.protocol = protocol_of(words.value())
            want.hidden.add("proto")
        elif matches(word, "scope"):
            text = words.value()
            want.scope = None if text == "all" else scope_of(text)
            want.hidden.add("scope")
        elif matches(word, "type"):
            text = words.value()
            if text not in TYPES and text not in OTHER_TYPES:
                raise wrong(text, '"type" value is invalid')
            want.kind = text
        elif word in ("dev", "oif"):
            want.device = words.value()
            want.hidden.add("dev")
        elif word == "via":
            text = words.value()
            want.via = parse_address(words.value() if text == "inet" else text, "inet prefix")
            want.hidden.add("via")
        elif word == "src":
            want.source = parse_address(words.value())
            want.hidden.add("src")
        elif matches(word, "metric") or matches(word, "priority"):
            want.metric = metric_of(words.value())
        elif matches(word, "cache"):
            want.cache = True
        elif word in ("tos", "dsfield", "iif", "from", "realms", "vrf", "nhid", "cloned"):
            raise refused(f"route show {word}")
        else:
            keyword = word if word in ("to", "root", "match", "exact") else "exact"
            if keyword == word:
                word = words.value()
                if word in ("root", "match", "exact"):
                    keyword, word = word, words.value()
            if keyword in ("to", "exact") and matches(word, "help"):
                process.error(*USAGE)
                raise IpError(status=EXIT_USAGE)
            prefix = parse_network(word)
            if keyword != "match":
                want.root = prefix
            if keyword != "root":
                want.match = prefix
            if keyword in ("to", "exact") and word in ("any", "all"):
                want.root, want.match = None, None
    if want.device is not None and want.device not in process.node.interfaces:
        raise no_device(want.device)
    return want


def _select_table(want: Selector, text: str) -> None:
    if text == "cache":
        want.cache = True
        return
    name = TABLES.get(text, text)
    if name not in TABLES.values():
        if number(text) is None:
            raise wrong(text, "table id value is invalid")
        raise IpError("Error: ipv4: FIB table does not exist.", "Dump terminated", status=EXIT_KERNEL)
    if name == "default":
        raise IpError("Error: ipv4: FIB table does not exist.", "Dump terminated", status=EXIT_KERNEL)
    want.table = name


def _selected(route: Route, want: Selector) -> bool:
    return (
        want.device in (None, route.device)
        and want.via in (None, route.via)
        and want.source in (None, route.source)
        and want.protocol in (None, route.protocol)
        and want.scope in (None, route.scope)
        and want.kind in (None, route.kind)
        and want.metric in (None, route.metric)
        and (want.root is None or (route.prefix.address in want.root and route.prefix.length >= want.root.length))
        and (want.match is None or (want.match.address in route.prefix and route.prefix.length <= want.match.length))
    )


def _rows(node: LinuxNode, want: Selector) -> list[tuple[Route, str]]:
    """Routes with the table they are in."""
    rows = []
    if want.table in ("main", "all"):
        rows += [(route, "main") for route in node.routes()]
    if want.table in ("local", "all"):
        rows += [(route, "local") for route in local_table(node)]
    return [(route, table) for route, table in rows if _selected(route, want)]


def local_table(node: LinuxNode) -> list[Route]:
    """The table `local`, which the kernel keeps from the addresses (fib_add_ifaddr)."""
    found: list[Route] = []
    for interface in node.interfaces.values():
        for address in interface.addresses:
            if not isinstance(address.address, IPv4):
                continue
            primary = next(a for a in interface.addresses if interface.prefix_of(a) == interface.prefix_of(address))
            source = primary.address
            name = interface.name
            found.append(Route(Network(address.address, 32), name, None, source, 0, "kernel", "host", "local"))
            if primary != address or not interface.up:
                continue
            prefix = interface.prefix_of(address)
            if interface.kind == "loopback" and prefix.length < 32:
                found.append(Route(prefix, name, None, source, 0, "kernel", "host", "local"))
            if prefix.length < 31:
                top = Network(prefix.broadcast, 32)
                found.append(Route(top, name, None, source, 0, "kernel", "link", "broadcast"))
    return sorted(found, key=lambda route: (int(route.prefix.address), -route.prefix.length))


def prefix_text(prefix: Network) -> str:
    """`default`, an address, or a prefix."""
    if prefix.length == 0:
        return "default"
    return str(prefix.address) if prefix.length == prefix.address.bits else str(prefix)


def route_record(
    node: LinuxNode, style: Style, route: Route, *, table: str = "", hidden: frozenset[str] | set[str] = frozenset()
) -> Record:
    """One line."""
    record = Record(style)
    if route.kind != "unicast" or style.details:
        record.add("type", route.kind)
    record.add("dst", prefix_text(route.prefix))
    if route.via is not None and "via" not in hidden:
        record.add("gateway", str(route.via), f"via {route.via} ")
    if route.device is not None and "dev" not in hidden:
        record.add("dev", route.device, f"dev {route.device} ")
    if table:
        record.add("table", table, f"table {table} ")
    if (route.protocol != "boot" or style.details) and "proto" not in hidden:
        record.add("protocol", route.protocol, f"proto {route.protocol} ")
    if (route.scope != "global" or style.details) and "scope" not in hidden:
        record.add("scope", route.scope, f"scope {route.scope} ")
    if route.source is not None and "src" not in hidden:
        record.add("prefsrc", str(route.source), f"src {route.source} ")
    if route.metric:
        record.add("metric", route.metric, f"metric {route.metric} ")
    flags = ["onlink"] if route.onlink else []
    interface = node.interfaces.get(route.device) if route.device is not None else None
    if interface is not None and route.kind not in ("local", "broadcast") and not interface.has_carrier:
        flags.append("linkdown")
    record.add("flags", flags, "".join(f"{flag} " for flag in flags))
    add_metrics(record, route.mtu, route.advmss, locked=route.mtu_locked)
    return record


def _list(process: Process, style: Style, words: Words) -> int:
    want = _selector(process, words)
    if want.cache:
        print_records(process, style, [record for _, record in cached(process.node, style, want.match)])
        return 0
    rows = _rows(process.node, want)
    records = [
        route_record(
            process.node,
            style,
            route,
            table="local" if table == "local" and want.table == "all" else "",
            hidden=want.hidden,
        )
        for route, table in rows
    ]
    print_records(process, style, records)
    return 0


def _flush(process: Process, style: Style, words: Words) -> int:
    if not words.more:
        message = '"ip route flush" requires arguments.'
        raise IpError(message)
    want = _selector(process, words)
    if want.cache:
        process.node.ip.paths.cache.flush()
        return 0
    if want.table == "local":
        raise refused("route flush table local")
    doomed = [route for route, table in _rows(process.node, want) if table == "main"]
    process.node.ip.routes.remove_where(doomed)
    if style.statistics:
        if doomed:
            process.print(
                "", f"*** Round 1, deleting {len(doomed)} entries ***", "*** Flush is complete after 1 round ***"
            )
        else:
            process.print("Nothing to flush.")
    return 0
