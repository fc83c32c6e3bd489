"""The main routing table and the choice of a route and a source address.

Before changing this file read RFC 1812 §5.2.4 (longest match), RFC 1122 §3.3.4.3 (source address) and ip-route(8).
`longest_match` is pure: the device and the analysis of all packets share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv4, Network
from labs.model.state import Route
from labs.net.ipv4 import LIMITED_BROADCAST

if TYPE_CHECKING:
    from labs.net.interface import Interface

__all__ = ["AddressType", "RoutingTable", "longest_match", "route_text"]


def longest_match(routes: Iterable[Route], destination: Address) -> Route | None:
    """The most specific route that covers `destination`; among equals the lowest metric, then the oldest."""
    best: Route | None = None
    for route in routes:
        if (
            best is None or (route.prefix.length, -route.metric) > (best.prefix.length, -best.metric)
        ) and destination in route.prefix:
            best = route
    return best


def route_text(route: Route) -> str:
    """One line as `ip route` prints it, without the trailing blank of the real tool."""
    parts = [] if route.kind == "unicast" else [route.kind]
    if route.prefix.length == 0:
        parts.append("default")
    elif route.prefix.length == route.prefix.address.bits:
        parts.append(str(route.prefix.address))
    else:
        parts.append(str(route.prefix))
    if route.via is not None:
        parts += ["via", str(route.via)]
    if route.device is not None:
        parts += ["dev", route.device]
    if route.protocol != "boot":
        parts += ["proto", route.protocol]
    if route.scope != "global":
        parts += ["scope", route.scope]
    if route.source is not None:
        parts += ["src", str(route.source)]
    if route.metric:
        parts += ["metric", str(route.metric)]
    if route.onlink:
        parts.append("onlink")
    if route.mtu:
        parts.append(f"mtu {'lock ' if route.mtu_locked else ''}{route.mtu}")
    if route.advmss:
        parts.append(f"advmss {route.advmss}")
    return " ".join(parts)


class AddressType(Enum):
    """What an address is to a device: the types of Linux's local table."""

    LOCAL = "local"
    BROADCAST = "broadcast"
    MULTICAST = "multicast"
    UNICAST = "unicast"


class RoutingTable:
    """Routes in the order they were added, with a cache of answers that every change empties."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._routes: list[Route] = []
        self._cache: dict[Address, Route | None] = {}
        self._changed = changed
        self._interfaces: dict[str, Interface] = {}

    def attach(self, interfaces: dict[str, Interface]) -> None:
        """Say which interfaces exist: a route over one that is down does not count."""
        self._interfaces = interfaces

    def __iter__(self) -> Iterator[Route]:
        return iter(list(self._routes))

    def routes(self) -> list[Route]:
        """All routes in the order of `ip route`: by address, then the longer prefix, then the metric (fib_trie.c)."""
        return sorted(self._routes, key=lambda r: (int(r.prefix.address), -r.prefix.length, r.metric))

    def forget_answers(self) -> None:
        """Empty the cache: a route, an address or an interface changed. Whoever else keeps answers is told."""
        self._cache.clear()
        self._changed()

    def add(self, route: Route) -> bool:
        """Add a route; False where one with the same prefix and metric exists (EEXIST)."""
        if any(self._same(route, old) for old in self._routes):
            return False
        self._routes.append(route)
        self.forget_answers()
        return True

    def append(self, route: Route) -> bool:
        """Add a route after those with the same prefix and metric; False where exactly this one exists."""
        if route in self._routes:
            return False
        self._routes.append(route)
        self.forget_answers()
        return True

    def find(self, prefix: Network, metric: int) -> Route | None:
        """The first route with this prefix and metric."""
        return next((old for old in self._routes if old.prefix == prefix and old.metric == metric), None)

    def replace(self, route: Route) -> None:
        """Add, or take the place of the first route with the same prefix and metric."""
        old = self.find(route.prefix, route.metric)
        if old is None:
            self._routes.append(route)
        else:
            self._routes = [
                route if other is old else other for other in self._routes if other is old or other != route
            ]
        self.forget_answers()

    @staticmethod
    def _same(a: Route, b: Route) -> bool:
        return a.prefix == b.prefix and a.metric == b.metric

    def remove(self, route: Route) -> None:
        """Delete exactly this route. Raises ValueError where it is not there."""
        self._routes.remove(route)
        self.forget_answers()

    def remove_where(self, doomed: Iterable[Route]) -> None:
        """Delete several."""
        gone = set(doomed)
        self._routes = [route for route in self._routes if route not in gone]
        self.forget_answers()

    def lookup(self, destination: Address) -> Route | None:
        """The route for a destination, or None."""
        try:
            return self._cache[destination]
        except KeyError:
            route = longest_match(filter(self._usable, self._routes), destination)
            if len(self._cache) > 4096:
                self._cache.clear()
            self._cache[destination] = route
            return route

    def over(self, destination: IPv4, device: str) -> Route | None:
        """The route over one interface; None where there is none: then the destination is taken to be on the link."""
        if destination == LIMITED_BROADCAST or destination.is_multicast:
            return None
        pinned = (r for r in self._routes if r.device == device and r.kind == "unicast" and self._usable(r))
        return longest_match(pinned, destination)

    def _usable(self, route: Route) -> bool:
        if route.device is None:
            return True
        interface = self._interfaces.get(route.device)
        return interface is not None and interface.up

    def connected(self, destination: Address, device: str | None = None) -> Route | None:
        """The on-link route that would reach a gateway, if any; over `device` where it is given (fib_check_nh)."""
        near = (
            route
            for route in self._routes
            if route.scope in ("link", "host") and route.kind == "unicast" and self._usable(route)
        )
        return longest_match((route for route in near if device in (None, route.device)), destination)
