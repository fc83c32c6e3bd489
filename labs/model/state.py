"""The running configuration of a device, as `Engine.observe()` reads it back, in the words of ip, ss and systemctl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.model.addresses import Address, InterfaceAddress, Mac, Network

__all__ = ["BridgePortState", "BridgeState", "DeviceState", "InterfaceState", "Listener", "Route", "StaticNeighbour"]


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
class BridgePortState:
    """What a bridge keeps about one of its ports: `bridge -d link` and `bridge vlan`. `state` is that word's."""

    state: str = "forwarding"
    vlans: Mapping[int, bool] = field(default_factory=dict)
    """VLAN -> whether its frames leave untagged."""
    pvid: int = 0
    hairpin: bool = False
    isolated: bool = False
    learning: bool = True
    flood: bool = True
    bcast_flood: bool = True


@dataclass(frozen=True, slots=True)
class BridgeState:
    """A bridge: whether it filters VLANs and speaks the spanning tree protocol, and the VLANs of the device itself."""

    vlan_filtering: bool = False
    vlans: Mapping[int, bool] = field(default_factory=dict)
    pvid: int = 0
    stp: bool = False
    static_stations: tuple[Mac, ...] = ()
    """Addresses that were entered by hand (`bridge fdb add`)."""


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """One network interface as `ip -d addr` shows it. `kind` is ether, loopback, bridge or vlan.

    `parent` and `vlan` are those of a VLAN interface, `bridge` and `bridge_port` the bridge it is or is a port of.
    """

    name: str
    index: int
    kind: str
    mac: Mac
    up: bool
    carrier: bool
    mtu: int = 1500
    master: str | None = None
    addresses: tuple[InterfaceAddress, ...] = ()
    parent: str | None = None
    vlan: int | None = None
    bridge: BridgeState | None = None
    bridge_port: BridgePortState | None = None
    tentative: frozenset[Address] = frozenset()
    """Addresses of IPv6 that cannot be used: duplicate detection is at work, or found another owner."""
    deprecated: frozenset[Address] = frozenset()
    """Addresses of IPv6 that nothing new is to begin from, since their preferred lifetime is over."""
    arp: bool = True
    """False where neither ARP is sent nor answered: `ip link set arp off`."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that accepts: `ss -ltun`. `address` 0.0.0.0 or :: means every address of the device."""

    protocol: str
    address: Address
    port: int
    program: str
    interface: str | None = None
    """The only interface it hears (SO_BINDTODEVICE)."""


@dataclass(frozen=True, slots=True)
class StaticNeighbour:
    """A neighbour that was entered by hand: `ip neigh show nud permanent`."""

    interface: str
    address: Address
    mac: Mac


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
    static_neighbours: tuple[StaticNeighbour, ...] = ()
    left_until_ns: int | None = None
    """When the first thing that somebody left to happen by itself, and more than a minute ahead, happens: a job of a
    shell that sleeps, an address or an element of a set that ends. Engines in real time do not say."""

    def addresses(self) -> tuple[InterfaceAddress, ...]:
        """Every configured address except loopback."""
        return tuple(a for i in self.interfaces if i.kind != "loopback" for a in i.addresses)
