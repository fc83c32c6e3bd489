"""What a device learned about the way to single destinations: path MTUs and better gateways.

Linux calls them exceptions of a next hop (net/ipv4/route.c: update_or_create_fnhe); `ip route show cache` lists them.
Before changing this file read RFC 1191 and RFC 1122 §3.2.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labs.model.addresses import IPv4
    from labs.model.state import Route
    from labs.net.interface import Interface

__all__ = ["Learned", "PathCache"]

SECOND = 1_000_000_000
MTU_EXPIRES_NS = 600 * SECOND  # net.ipv4.route.mtu_expires
REDIRECT_EXPIRES_NS = 300 * SECOND  # net.ipv4.route.gc_timeout
MIN_PMTU = 552  # net.ipv4.route.min_pmtu
MAX_LEARNED = 4096


@dataclass(slots=True)
class Learned:
    """About one destination: a path MTU (0 for none), a gateway, until when, and the route that it belongs to."""

    route: Route
    until_ns: int
    mtu: int = 0
    locked: bool = False
    """The MTU was below what is believed (min_pmtu): packets then go without DF."""
    gateway: IPv4 | None = None


class PathCache:
    """The table; `active` is False while nothing departs from the routes, so that a packet need not ask."""

    def __init__(self) -> None:
        self.active = False
        self._learned: dict[IPv4, Learned] = {}

    def find(self, destination: IPv4, route: Route | None, now: int) -> Learned | None:
        """What is known of a destination, while its route is still the same."""
        found = self._learned.get(destination)
        if found is None:
            return None
        if found.until_ns <= now or found.route != route:
            del self._learned[destination]
            return None
        return found

    def mtu(self, destination: IPv4, route: Route | None, interface: Interface, now: int) -> int:
        """The path MTU as far as it is known: learned, of the route, or of the interface."""
        found = self.find(destination, route, now)
        if found is not None and found.mtu:
            return min(found.mtu, interface.mtu)
        return min(route.mtu, interface.mtu) if route is not None and route.mtu else interface.mtu

    def locked(self, destination: IPv4, route: Route | None, now: int) -> bool:
        """True where packets must go without DF whatever their program wishes."""
        found = self.find(destination, route, now)
        return (found is not None and found.locked) or (route is not None and route.mtu_locked)

    def gateway(self, destination: IPv4, route: Route | None, now: int) -> IPv4 | None:
        """The gateway that a redirect named."""
        found = self.find(destination, route, now)
        return found.gateway if found is not None else None

    def learn_mtu(self, destination: IPv4, route: Route, mtu: int, old: int, now: int) -> None:
        """A router said that its next link takes no more than `mtu` bytes (__ip_rt_update_pmtu)."""
        if route.mtu_locked or old < mtu:
            return
        locked = mtu < min(old, MIN_PMTU)
        if locked:
            mtu = min(old, MIN_PMTU)
        entry = self._entry(destination, route, now)
        entry.mtu, entry.locked, entry.until_ns = mtu, locked, now + MTU_EXPIRES_NS

    def learn_gateway(self, destination: IPv4, route: Route, gateway: IPv4, now: int) -> None:
        """A router said that another one is nearer (__ip_do_redirect)."""
        entry = self._entry(destination, route, now)
        entry.gateway = gateway
        if not entry.mtu:
            entry.until_ns = now + REDIRECT_EXPIRES_NS

    def _entry(self, destination: IPv4, route: Route, now: int) -> Learned:
        found = self.find(destination, route, now)
        if found is None:
            if len(self._learned) >= MAX_LEARNED:
                del self._learned[next(iter(self._learned))]
            found = self._learned[destination] = Learned(route, now)
        self.active = True
        return found

    def entries(self, now: int) -> Iterator[tuple[IPv4, Learned]]:
        """Everything that holds now."""
        return iter([(to, known) for to, known in self._learned.items() if known.until_ns > now])

    def flush(self) -> None:
        """`ip route flush cache`."""
        self._learned.clear()

    def refresh(self, *, metrics: bool) -> None:
        """Routes changed; `metrics` says whether one of them has an MTU of its own."""
        self.active = metrics or bool(self._learned)
