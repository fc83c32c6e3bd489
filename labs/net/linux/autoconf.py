"""Addresses that come and go: link-local ones, duplicate detection, and what routers advertise.

Before changing this file read RFC 4862 §5, RFC 4861 §6.3, RFC 4191 §3.1 and net/ipv6/addrconf.c.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import IPv6, Mac, Network
from labs.model.state import Route
from labs.net import icmpv6
from labs.net.inet6_address import Inet6Address
from labs.net.ipv6 import ANY6, LINK_LOCAL, LOOPBACK6, interface_identifier, scope_of, solicited_node
from labs.net.ipv6_routes import CONNECTED_METRIC, USER_METRIC
from labs.net.linux.listeners import Listeners
from labs.net.ndp import INFINITE, Prefix, RouterAdvert, Solicit
from labs.net.process import Signal

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.linux.ipv6_layer import Ipv6Layer
    from labs.net.linux.node import LinuxNode

__all__ = ["AddressError", "Autoconf"]

SECOND = 1_000_000_000
DAD_DELAY_NS = SECOND // 2  # Linux draws up to router_solicitation_delay (1 s); we take the mean
RETRANS_NS = SECOND  # retrans_time_ms
SOLICIT_NS = 4 * SECOND  # router_solicitation_interval; it doubles (RFC 7559)
LONGEST_SOLICIT_NS = 3600 * SECOND  # router_solicitation_max_interval
TWO_HOURS_S = 7200  # RFC 4862 §5.5.3 (e)
MAX_ADDRESSES = 16  # net.ipv6.conf.*.max_addresses: of those made from advertisements
DEFAULT = Network(IPv6(0), 0)


class AddressError(ValueError):
    """A refused address, in the kernel's words."""


@dataclass(slots=True)
class _State:
    """What is known about one interface."""

    ready: bool = False
    heard_router: bool = False
    soliciting: int = 0


class Autoconf:
    """Stateless address configuration of one device."""

    def __init__(self, node: LinuxNode, layer: Ipv6Layer) -> None:
        self._node = node
        self._layer = layer
        self.listeners = Listeners(node, layer)
        self._states: dict[int, _State] = {}
        self._nonces: dict[tuple[int, IPv6], int] = {}
        self._sweep_at: int | None = None

        self.settled = Signal()
        """Fires when an address is no longer tentative."""
        self.asked = Signal()
        """Fires when a host asks for routers; the question is in `questions`."""
        self.questions: list[tuple[str, IPv6]] = []

    # Interfaces

    def _state(self, interface: Interface) -> _State:
        return self._states.setdefault(interface.index, _State())

    def refresh(self) -> None:
        """An interface, its lead or a setting changed: begin or stop where that is due."""
        for interface in list(self._node.interfaces.values()):
            state = self._state(interface)
            enabled = interface.up and self._layer.enabled(interface)
            ready = enabled and interface.has_carrier
            if ready and not state.ready:
                state.ready = True
                self._begin(interface, state)
            elif not ready and state.ready:
                state.ready = False
            if not enabled and (interface.inet6 or self._has_routes(interface)):
                self._stop(interface)
            if ready and self._layer.setting(interface, "forwarding"):
                self._forget_routers(interface)

    def _has_routes(self, interface: Interface) -> bool:
        return any(route.device == interface.name and route.kind == "unicast" for route in self._layer.routes)

    def _begin(self, interface: Interface, state: _State) -> None:
        state.heard_router = False
        if interface.kind == "loopback":
            if not interface.inet6:
                self._insert(interface, Inet6Address(LOOPBACK6, 128, interface.name))
            return
        for known in list(interface.inet6):
            self._connect(interface, known)
            if known.tentative and not known.failed:
                self._test(interface, known)
        if not any(known.address.is_link_local for known in interface.inet6):
            own = IPv6(int(LINK_LOCAL.address) | interface_identifier(interface.mac))
            self.add(interface, Inet6Address(own, 64, interface.name))
        self.listeners.changed(interface)

    def _stop(self, interface: Interface) -> None:
        """IPv6 ends on an interface: its addresses and routes go (addrconf_ifdown)."""
        interface.inet6.clear()
        self.listeners.forget(interface)
        self._layer.routes.remove_where(
            [route for route in self._layer.routes if route.device == interface.name and route.kind == "unicast"]
        )
        table = self._node.link.neighbours
        for entry in [entry for entry in table.entries(self._node.now) if entry.interface is interface]:
            if isinstance(entry.address, IPv6):
                self._node.link.forget_neighbour(entry)

    # Addresses

    def add(self, interface: Interface, address: Inet6Address) -> None:
        """Give an interface an address. Raises AddressError."""
        if not self._layer.enabled(interface):
            message = "ipv6: IPv6 is disabled on this device."
            raise AddressError(message)
        if any(known.address == address.address for known in interface.inet6):
            message = "ipv6: address already assigned."
            raise AddressError(message)
        if address.address.is_multicast or address.address == ANY6:
            message = "ipv6: Invalid address."
            raise AddressError(message)
        loopback = interface.kind == "loopback"
        address.tentative = not (loopback or address.nodad or not self._layer.setting(interface, "accept_dad"))
        self._insert(interface, address)
        if interface.up and not loopback:
            self._connect(interface, address)
        if not address.tentative:
            self._usable(interface, address)
        elif self._state(interface).ready:
            self._test(interface, address)
        if address.valid_until_ns is not None:
            self._sweep_by(address.valid_until_ns)

    def _insert(self, interface: Interface, address: Inet6Address) -> None:
        """Before the first of the same or a narrower scope (ipv6_link_dev_addr)."""
        scope = scope_of(address.address)
        at = next(
            (i for i, known in enumerate(interface.inet6) if scope >= scope_of(known.address)), len(interface.inet6)
        )
        interface.inet6.insert(at, address)
        self._layer.routes.forget_answers()
        if self._state(interface).ready:
            self.listeners.changed(interface)

    def remove(self, interface: Interface, address: Inet6Address) -> None:
        """Take an address away, and its prefix route with the last address of the prefix."""
        interface.inet6.remove(address)
        if self._state(interface).ready:
            self.listeners.changed(interface)
        route = self._prefix_route(interface, address.network)
        if route is not None and not any(known.network == address.network for known in interface.inet6):
            self._layer.routes.remove(route)
        self._layer.routes.remove_where([route for route in self._layer.routes if route.source == address.address])

    def _prefix_route(self, interface: Interface, prefix: Network) -> Route | None:
        return self._layer.routes.learned(interface.name, prefix, None, "kernel")

    def _connect(self, interface: Interface, address: Inet6Address) -> None:
        prefix = address.network
        if not address.noprefixroute and not address.learned and self._prefix_route(interface, prefix) is None:
            route = Route(prefix, interface.name, metric=CONNECTED_METRIC, protocol="kernel", preference="medium")
            self._layer.routes.append(route)

    # Duplicate address detection

    def _test(self, interface: Interface, address: Inet6Address) -> None:
        """Ask whether somebody has the address; after a second of silence it is ours (RFC 4862 §5.4)."""
        node = self._node
        probes = self._layer.setting(interface, "dad_transmits")
        nonce = zlib.crc32(f"{interface.mac}{address.address}{node.now}".encode()) | 1
        self._nonces[interface.index, address.address] = nonce

        def still() -> bool:
            return address.tentative and not address.failed and address in interface.inet6 and interface.running

        def ask(left: int) -> None:
            if not still():
                return
            if left == 0:
                address.tentative = False
                self._usable(interface, address)
                return
            question = Solicit(address.address, None, nonce)
            group = solicited_node(address.address)
            self._layer.discovery.send(interface, ANY6, group, icmpv6.NEIGHBOUR_SOLICIT, question)
            node.call_at(node.now + RETRANS_NS, lambda: ask(left - 1))

        node.call_at(node.now + DAD_DELAY_NS, lambda: ask(probes))

    def is_own_question(self, interface: Interface, asked: Solicit) -> bool:
        """True for a question of ours that a loop brought back (RFC 7527)."""
        return bool(asked.nonce) and self._nonces.get((interface.index, asked.target)) == asked.nonce

    def duplicate(self, interface: Interface, address: Inet6Address, owner: Mac | None) -> None:
        """Somebody has the address (addrconf_dad_failure)."""
        by = f" used by {owner}" if owner is not None else ""
        text = f"IPv6: {interface.name}: IPv6 duplicate address {address.address}{by} detected!"
        self._node.units.log("kernel", text, 0)
        if address.learned:
            self.remove(interface, address)
        else:
            address.failed = True
        self.settled.fire()

    def _usable(self, interface: Interface, address: Inet6Address) -> None:
        self._layer.routes.forget_answers()
        self.settled.fire()
        state = self._state(interface)
        if address.address.is_link_local and state.ready:
            self.listeners.complete(interface)
        if address.address.is_link_local and state.ready and not state.heard_router and self._listens(interface):
            state.soliciting += 1
            self._ask_routers(interface, state.soliciting, SOLICIT_NS)

    # Routers

    def _listens(self, interface: Interface) -> bool:
        """accept_ra: 1 listens unless the interface forwards, 2 always (ipv6_accept_ra)."""
        accept = self._layer.setting(interface, "accept_ra")
        return accept == 2 or (accept == 1 and not self._layer.setting(interface, "forwarding"))

    def _ask_routers(self, interface: Interface, serial: int, interval: int) -> None:
        state = self._state(interface)
        if state.heard_router or state.soliciting != serial or not state.ready or not self._listens(interface):
            return
        self._layer.discovery.solicit_routers(interface)
        later = min(2 * interval, LONGEST_SOLICIT_NS)
        self._node.call_at(self._node.now + interval, lambda: self._ask_routers(interface, serial, later))

    def heard_solicit(self, packet: Ipv6Packet, interface: Interface) -> None:
        """A host asks for routers: whoever advertises here answers."""
        if len(self.questions) < 64:
            self.questions.append((interface.name, packet.src))
        self.asked.fire()

    def heard_advert(self, router: IPv6, advert: RouterAdvert, interface: Interface) -> None:
        """A router advertises itself and its prefixes (ndisc_router_discovery)."""
        if not self._listens(interface) or self._layer.is_local(router):
            return
        self._state(interface).heard_router = True
        if self._layer.setting(interface, "accept_ra_defrtr"):
            self._default_router(router, advert, interface)
        if advert.link is not None:
            self._layer.discovery.learn(interface, router, advert.link, router=True)
        if self._layer.setting(interface, "accept_ra_pinfo"):
            for prefix in advert.prefixes:
                self._prefix(prefix, interface)

    def _until(self, seconds: int) -> int | None:
        return None if seconds == INFINITE else self._node.now + seconds * SECOND

    def _default_router(self, router: IPv6, advert: RouterAdvert, interface: Interface) -> None:
        routes = self._layer.routes
        old = routes.learned(interface.name, DEFAULT, router, "ra")
        heeds = self._layer.setting(interface, "accept_ra_rtr_pref")
        preference = advert.preference if heeds else "medium"
        if old is not None and (not advert.lifetime_s or old.preference != preference):
            routes.remove(old)
            old = None
        if not advert.lifetime_s:
            return
        until = self._until(advert.lifetime_s)
        if old is not None:
            routes.renew(old, expires_ns=until, hop_limit=advert.hop_limit)
        else:
            routes.append(
                Route(
                    DEFAULT, interface.name, router, metric=USER_METRIC, protocol="ra", preference=preference,
                    expires_ns=until, hop_limit=advert.hop_limit,
                )
            )  # fmt: skip
        self._sweep_by(until)

    def forget_router(self, interface: Interface, router: IPv6) -> None:
        """It says that it is no router: the routes learned from it go (rt6_clean_tohost)."""
        old = self._layer.routes.learned(interface.name, DEFAULT, router, "ra")
        if old is not None:
            self._layer.routes.remove(old)

    def _forget_routers(self, interface: Interface) -> None:
        """Who became a router takes no default route from others (rt6_purge_dflt_routers)."""
        if not self._listens(interface):
            doomed = [r for r in self._layer.routes if r.protocol == "ra" and r.device == interface.name]
            if doomed:
                self._layer.routes.remove_where(doomed)

    def _prefix(self, prefix: Prefix, interface: Interface) -> None:
        """RFC 4862 §5.5.3 (addrconf_prefix_rcv)."""
        network = prefix.network
        if network.address.is_multicast or LINK_LOCAL.overlaps(network) or prefix.preferred_s > prefix.valid_s:
            return
        if prefix.on_link:
            self._on_link(prefix, interface)
        if prefix.autonomous and self._layer.setting(interface, "autoconf") and network.length == 64:
            self._address(prefix, interface)

    def _on_link(self, prefix: Prefix, interface: Interface) -> None:
        routes = self._layer.routes
        old = self._prefix_route(interface, prefix.network)
        until = self._until(prefix.valid_s)
        if old is not None and not prefix.valid_s:
            routes.remove(old)
        elif old is not None and old.expires_ns is not None:
            routes.renew(old, expires_ns=until)
        elif old is None and prefix.valid_s:
            made = Route(
                prefix.network, interface.name, metric=CONNECTED_METRIC, protocol="kernel", preference="medium",
                expires_ns=until,
            )  # fmt: skip
            routes.append(made)
        self._sweep_by(until)

    def _address(self, prefix: Prefix, interface: Interface) -> None:
        address = IPv6(int(prefix.network.address) | interface_identifier(interface.mac))
        known = next((own for own in interface.inet6 if own.address == address), None)
        valid, preferred = self._until(prefix.valid_s), self._until(prefix.preferred_s)
        if known is None:
            learned = sum(own.learned for own in interface.inet6)
            if prefix.valid_s and learned < MAX_ADDRESSES:
                self.add(
                    interface,
                    Inet6Address(
                        address, 64, interface.name, learned=True, valid_until_ns=valid, preferred_until_ns=preferred
                    ),
                )
            return
        if not known.learned:
            return
        left = INFINITE if known.valid_until_ns is None else (known.valid_until_ns - self._node.now) // SECOND
        if prefix.valid_s > TWO_HOURS_S or prefix.valid_s > left:
            known.valid_until_ns = valid
        elif left > TWO_HOURS_S:  # nobody may take an address away with one forged message
            known.valid_until_ns = self._until(TWO_HOURS_S)
        known.preferred_until_ns = preferred
        self._sweep_by(known.valid_until_ns)

    # Lifetimes

    def _sweep_by(self, when: int | None) -> None:
        if when is not None and (self._sweep_at is None or when < self._sweep_at):
            self._sweep_at = when
            self._node.call_at(when, self._sweep)

    def watch(self, address: Inet6Address) -> None:
        """The lifetime of an address was changed by hand."""
        self._sweep_by(address.valid_until_ns)

    def _sweep(self) -> None:
        """Remove what has run out, and come back for the next."""
        now = self._node.now
        self._sweep_at = None
        dead = [route for route in self._layer.routes if route.expires_ns is not None and route.expires_ns <= now]
        if dead:
            self._layer.routes.remove_where(dead)
        times = [route.expires_ns for route in self._layer.routes if route.expires_ns is not None]
        for interface in self._node.interfaces.values():
            for known in list(interface.inet6):
                if known.valid_until_ns is None:
                    continue
                if known.valid_until_ns <= now:
                    self.remove(interface, known)
                else:
                    times.append(known.valid_until_ns)
        self._sweep_by(min(times, default=None))
