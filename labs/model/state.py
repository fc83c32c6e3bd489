"""The running configuration of a device, as `Engine.observe()` reads it back, in the words of ip, ss and systemctl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.model.addresses import Address, InterfaceAddress, Mac, Network

__all__ = ["DeviceState", "InterfaceState", "Listener", "Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the main routing table. `prefix` 0.0.0.0/0 is the default route; `kind` is ip-route's type.

    `onlink` means that the gateway is taken to be a neighbour, whatever the addresses say. Of IPv6 alone are
    `preference` (RFC 4191), `expires_ns` (simulated time; None is for ever) and the `hop_limit` a router told.
    """

    prefix: Network
    device: str | None
    via: Address | None = None
    source: Address | None = None
    metric: int = 0
    protocol: str = "boot"
    scope: str = "global"
    kind: str = "unicast"
    onlink: bool = False
    preference: str = ""
    expires_ns: int | None = None
    hop_limit: int = 0
    mtu: int = 0
    """The path MTU of this route, 0 for that of its interface; a locked one is never lowered by what routers say."""
    mtu_locked: bool = False
    advmss: int = 0
    """The MSS that TCP offers over this route, 0 for what fits the MTU."""


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """One network interface as `ip -d addr` shows it. `kind` is ether, loopback, bridge or vlan."""

    name: str
    index: int
    kind: str
    mac: Mac
    up: bool
    carrier: bool
    mtu: int = 1500
    master: str | None = None
    addresses: tuple[InterfaceAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that accepts: `ss -ltun`. `address` 0.0.0.0 or :: means every address of the device."""

    protocol: str
    address: Address
    port: int
    program: str


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Everything that decides what a device does with a packet, and which services it runs."""

    interfaces: tuple[InterfaceState, ...] = ()
    routes: tuple[Route, ...] = ()
    ruleset: Mapping[str, Any] = field(default_factory=dict)  # libnftables JSON
    sysctls: Mapping[str, str] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)  # unit -> active | inactive | failed
    stale_units: frozenset[str] = frozenset()
    """Running services whose configuration file was changed after they read it."""
    dynamic_addresses: frozenset[Address] = frozenset()
    """Addresses that a DHCP server gave."""
    clock_offset_ns: int = 0

    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Every configured address except loopback."""
        return tuple(a for i in self.interfaces if i.kind != "loopback" for a in i.addresses)
