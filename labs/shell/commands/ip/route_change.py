"""`ip route add|change|replace|append|delete`: what was told, and the route to enter or the kernel's refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, Network
from labs.model.state import Route
from labs.shell.commands.ip.route_words import (
    ATTRIBUTES,
    OTHER_TYPES,
    TABLES,
    TYPES,
    USAGE,
    metric_of,
    protocol_of,
    scope_of,
)
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    answers,
    duplicate,
    is_ipv6,
    kernel,
    matches,
    no_device,
    number,
    parse_address,
    parse_prefix,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process

__all__ = ["modify"]


ANY_FAMILY = "any valid address"  # family_name_verbose()


@dataclass(slots=True)
class Order:
    """What `add`, `replace` or `del` was told. None: not mentioned."""

    prefix: Network | None = None
    kind: str | None = None
    via: IPv4 | None = None
    device: str | None = None
    source: IPv4 | None = None
    metric: int = 0
    protocol: str | None = None
    scope: str | None = None
    onlink: bool = False
    wanted: str = ANY_FAMILY
    """What the words after the prefix have to be, once it has told the family."""
    exact: bool = True
    """The prefix has no host bits."""
    mtu: int = 0
    mtu_locked: bool = False
    advmss: int = 0


def _order(process: Process, words: Words) -> Order:
    order = Order()
    while words.more:
        word = words.take()
        if word == "src":
            order.source = parse_address(words.value(), order.wanted)
        elif word == "via":
            text = words.value()
            if text == "inet6" or is_ipv6(text):
                raise refused("IPv6")
            order.via = (
                parse_address(words.value(), "inet address") if text == "inet" else parse_address(text, order.wanted)
            )
        elif any(matches(word, name) for name in ("metric", "priority", "preference")):
            order.metric = metric_of(words.value())
        elif word == "scope":
            order.scope = scope_of(words.value())
        elif len(word) > 1 and matches(word, "protocol"):
            order.protocol = protocol_of(words.value())
        elif len(word) > 2 and matches(word, "table"):
            text = words.value()
            if TABLES.get(text, text) != "main":
                if TABLES.get(text, text) not in TABLES.values() and number(text) is None:
                    raise wrong(text, '"table" value is invalid')
                raise refused(f"route table {text}")
        elif word in ("dev", "oif"):
            order.device = words.value()
        elif word == "onlink":
            order.onlink = True
        elif word in ("mtu", "advmss"):
            _metric_word(order, word, words)
        elif word in ATTRIBUTES:
            raise refused(f"route {word}")
        else:
            if word == "to":
                word = words.value()
            if order.kind is None and order.prefix is None and word in TYPES + OTHER_TYPES:
                if word in OTHER_TYPES:
                    raise refused(f"route type {word}")
                order.kind = word
                word = words.value()
            if matches(word, "help"):
                process.error(*USAGE)
                raise IpError(status=EXIT_USAGE)
            if order.prefix is not None:
                raise duplicate("to", word)
            order.prefix, order.exact = _destination(word)
            order.wanted = ANY_FAMILY if parse_prefix(word) is None else "inet address"
    if order.device is not None and order.device not in process.node.interfaces:
        raise no_device(order.device)
    if not order.exact:
        raise kernel("Invalid prefix for given prefix length.")
    return order


def _metric_word(order: Order, word: str, words: Words) -> None:
    """`mtu [lock] N` and `advmss [lock] N`."""
    text = words.value()
    locked = text == "lock"
    if locked:
        text = words.value()
    found = number(text)
    if found is None:
        raise wrong(text, f'"{word}" value is invalid')
    if word == "mtu":
        order.mtu, order.mtu_locked = min(found, 65_535 - 15), locked
    else:
        order.advmss = min(found, 65_535 - 40)


def _destination(text: str) -> tuple[Network, bool]:
    """The prefix to change, and whether it has no host bits; the kernel refuses those after `ip` has read the rest."""
    found = parse_prefix(text)
    if found is None:
        return Network(IPv4(0), 0), True
    network = Network.of(found[0], found[1])
    return network, network.address == found[0]


def modify(process: Process, words: Words, verb: str) -> int:
    """Carry out one of the five verbs. Raises IpError."""
    if not words.more:
        return _usage(process)
    order = _order(process, words)
    if order.prefix is None:
        if verb == "delete":
            return _usage(process)
        order.prefix = Network(IPv4(0), 0)
    table = process.node.ip.routes
    if verb == "delete":
        route = next((route for route in table.routes() if _meant(route, order)), None)
        if route is None:
            raise answers("No such process")
        table.remove(route)
        return 0
    route = _resolve(process.node, order, order.prefix)
    present = table.find(route.prefix, route.metric) is not None
    if verb == "add":
        if present:
            raise answers("File exists")
        table.append(route)
    elif verb == "append":
        if not table.append(route):
            raise answers("File exists")
    elif verb == "change" and not present:
        raise answers("No such file or directory")
    else:
        table.replace(route)
    return 0


def _meant(route: Route, order: Order) -> bool:
    """What `ip route del` compares (fib_table_delete); what was not said does not count."""
    return (
        route.prefix == order.prefix
        and order.kind in (None, route.kind)
        and order.scope in (None, route.scope)
        and order.source in (None, route.source)
        and order.protocol in (None, route.protocol)
        and order.metric in (0, route.metric)
        and order.via in (None, route.via)
        and order.device in (None, route.device)
    )


def _resolve(node: LinuxNode, order: Order, prefix: Network) -> Route:
    """The route to enter, or the kernel's refusal (fib_create_info, fib_check_nh)."""
    kind = order.kind or "unicast"
    protocol = order.protocol or "boot"
    if kind != "unicast":
        if order.via is not None or order.device is not None:
            raise kernel("Gateway, device and multipath can not be specified for this route type.")
        return Route(prefix, None, metric=order.metric, protocol=protocol, scope=order.scope or "global", kind=kind)
    via = None if order.via == IPv4(0) else order.via
    device = order.device
    scope = order.scope or ("link" if order.via is None else "global")
    if via is not None and order.onlink:
        _check_onlink(node, via, device)
    elif via is not None:
        near = node.ip.routes.connected(via, device) if scope == "global" else None
        own = _holder(node, via) if scope == "global" and near is None else None
        if own is not None and device in (None, own):
            device = own
        elif near is None or node.ip.is_broadcast(via) or via.is_multicast:
            raise kernel("Nexthop has invalid gateway.")
        else:
            device = near.device
    elif device is None:
        raise answers("No such device")
    elif not node.interfaces[device].up:
        raise kernel("Device for nexthop is not up.")
    if order.source is not None and not node.ip.is_local(order.source):
        raise kernel("Invalid prefsrc address.")
    return Route(
        prefix,
        device,
        via,
        order.source,
        order.metric,
        protocol,
        scope,
        onlink=order.onlink and via is not None,
        mtu=order.mtu,
        mtu_locked=order.mtu_locked and order.mtu > 0,
        advmss=order.advmss,
    )


def _holder(node: LinuxNode, address: IPv4) -> str | None:
    """The interface whose own address it is: a gateway that is the device itself is let through (fib_check_nh)."""
    for interface in node.interfaces.values():
        own = any(address == a.address or (address.is_loopback and address in a.network) for a in interface.addresses)
        if own and not interface.up:
            raise answers("Network is down")
        if own:
            return interface.name
    return None


def _check_onlink(node: LinuxNode, via: IPv4, device: str | None) -> None:
    if device is None:
        raise kernel("Nexthop device required for onlink.")
    if not node.interfaces[device].up:
        raise kernel("Nexthop device is not up.")
    if node.ip.is_local(via) or node.ip.is_broadcast(via) or via.is_multicast:
        raise kernel("Nexthop has invalid gateway.")


def _usage(process: Process) -> int:
    process.error(*USAGE)
    return EXIT_USAGE
