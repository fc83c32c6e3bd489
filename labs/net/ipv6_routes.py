"""The IPv6 routing table: several default routers side by side, chosen by preference and by who answers.

Before changing this file read RFC 4191 §3.2, RFC 4861 §6.3.6 and rt6_score_route in net/ipv6/route.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from labs.model.addresses import Address, Network
from labs.model.state import Route
from labs.net.ndp import PREFERENCES
from labs.net.routing import RoutingTable

__all__ = ["CONNECTED_METRIC", "USER_METRIC", "Ipv6Routes"]

CONNECTED_METRIC = 256  # IP6_RT_PRIO_ADDRCONF
USER_METRIC = 1024  # IP6_RT_PRIO_USER, also of routes learned from routers
MAX_ANSWERS = 4096


class Ipv6Routes(RoutingTable):
    """Routes of the main table. `alive` says whether the neighbour that a route leads to may be tried."""

    def __init__(self, changed: Callable[[], None], alive: Callable[[Route], bool]) -> None:
        super().__init__(changed)
        self._alive = alive
        self._best: dict[Address, tuple[Route, ...]] = {}

    def forget_answers(self) -> None:
        """Empty the cache."""
        self._best.clear()
        super().forget_answers()

    def routes(self) -> list[Route]:
        """All routes in the order of `ip -6 route`: what is inside a prefix before the prefix (fib6_walk)."""
        return sorted(self._routes, key=lambda route: (int(route.prefix.broadcast), -route.prefix.length, route.metric))

    def equals(self, destination: Address) -> tuple[Route, ...]:
        """The routes that are equally good for a destination, the preferred first, then the oldest."""
        best = self._best.get(destination)
        if best is None:
            best = self._equals(destination)
            if len(self._best) > MAX_ANSWERS:
                self._best.clear()
            self._best[destination] = best
        return best

    def lookup(self, destination: Address) -> Route | None:
        """The route for a destination: among equals one whose gateway answers, then the preferred, then the oldest."""
        best = self.equals(destination)
        if len(best) > 1:
            return next((route for route in best if self._alive(route)), best[0])
        return best[0] if best else None

    def _equals(self, destination: Address) -> tuple[Route, ...]:
        fitting = [route for route in self._routes if destination in route.prefix and self._usable(route)]
        if not fitting:
            return ()
        top = max((route.prefix.length, -route.metric) for route in fitting)
        equal = [route for route in fitting if (route.prefix.length, -route.metric) == top]
        return tuple(sorted(equal, key=lambda route: -PREFERENCES.index(route.preference or "medium")))

    def learned(self, device: str, prefix: Network, via: Address | None, protocol: str) -> Route | None:
        """The route that an advertisement made before, if any."""
        for route in self._routes:
            if (route.device, route.prefix, route.via, route.protocol) == (device, prefix, via, protocol):
                return route
        return None

    def connected6(self, gateway: Address, device: str | None = None) -> Route | None:
        """The on-link route that would reach a gateway, if any; over `device` where it is given."""
        near = [route for route in self._equals(gateway) if route.via is None and route.kind == "unicast"]
        return next((route for route in near if device in (None, route.device)), None)

    def renew(self, old: Route, **changes: object) -> None:
        """Put a changed route in the place of an old one."""
        self._routes[self._routes.index(old)] = replace(old, **changes)  # type: ignore[arg-type]
        self.forget_answers()
