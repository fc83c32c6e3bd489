"""Network interfaces of a device: physical ports, loopback, bridges and VLANs, with the counters of `ip -s link`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv4, Mac, Network
from labs.model.state import InterfaceState
from labs.net.phy import UNTOUCHED, Transceiver
from labs.net.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from labs.net.bridge import Bridge, BridgePort
    from labs.net.ethernet import Frame
    from labs.net.inet6_address import Inet6Address
    from labs.net.linux.wireguard import WireGuard
    from labs.net.tunnel import Tunnel

__all__ = ["Counters", "Interface"]

DEFAULT_MTU = 1500  # RFC 894
LOOPBACK_MTU = 65536  # Linux drivers/net/loopback.c


@dataclass(slots=True)
class Counters:
    """Packets and bytes of one direction, as in /proc/net/dev."""

    packets: int = 0
    bytes: int = 0
    errors: int = 0
    dropped: int = 0
    too_long: int = 0
    """Frames longer than the MTU allows; among `errors`."""
    damaged: int = 0
    """Frames whose check sequence was wrong; among `errors`."""
    collisions: int = 0
    late_collisions: int = 0
    """Collisions after the first 64 bytes, which no card repeats; among `errors`."""

    def add(self, packets: int, length: int) -> None:
        """Count many frames of one length."""
        self.packets += packets
        self.bytes += packets * length

    def damage(self) -> None:
        """A frame came whose check sequence is wrong."""
        self.errors += 1
        self.damaged += 1

    def collide(self, *, late: bool) -> None:
        """A frame that was being sent met another one; after a late collision it is lost (IEEE 802.3, 4.2.3.2)."""
        self.collisions += 1
        self.late_collisions += late
        self.errors += late


@dataclass(slots=True)
class Interface(Watched):
    """One interface. `kind` is ether, loopback, bridge, vlan, gre, ipip or wireguard.

    `carrier` comes from the transceiver.
    """

    name: str
    index: int
    kind: str
    mac: Mac
    permanent_mac: Mac
    up: bool = False
    carrier: bool = False
    mtu: int = DEFAULT_MTU
    master: Interface | None = None
    parent: Interface | None = None
    vlan: int | None = None
    bridge: Bridge | None = None
    tunnel: Tunnel | None = None
    wireguard: WireGuard | None = None
    """The machine behind an interface of kind wireguard, whose `tunnel` says no more than that it is one."""
    bridge_port: BridgePort | None = None
    """What the bridge that it is a port of keeps about it."""
    addresses: list[InterfaceAddress] = field(default_factory=list)
    labels: dict[InterfaceAddress, dict[str, str]] = field(default_factory=dict)
    """Per address what `ip addr` shows besides it: label, brd, peer, scope, metric, noprefixroute, and for an address
    that runs out dynamic, valid_until_ns and preferred_until_ns (simulated time)."""
    inet6: list[Inet6Address] = field(default_factory=list)
    """IPv6 addresses, the newest of the widest scope first, as the kernel keeps them."""
    activated: bool = False
    """True once it has been up: from then on it has a queue (`ip link` says noop before)."""
    rx: Counters = field(default_factory=Counters)
    tx: Counters = field(default_factory=Counters)
    speed_bps: int = 1_000_000_000
    """The speed of the link, or what the port can do at best while there has been none."""
    full_duplex: bool = True
    phy: Transceiver = UNTOUCHED
    """How the transceiver is set (`ethtool -s`)."""
    carrier_changes: int = 0
    alias: str = ""
    """What somebody wrote down about it (`ip link set … alias`)."""
    arp: bool = True
    """False is IFF_NOARP: it asks for nobody and answers nobody."""
    multicast: bool = True
    promiscuous: bool = False
    all_multicast: bool = False
    queue_length: int = 1000
    """DEFAULT_TX_QUEUE_LEN; of no effect, since Debian's queue (fq_codel) does not ask for it."""
    taps: list[Callable[[str, Frame], None]] = field(default_factory=list)
    """Captures: called with "in" or "out" and the frame."""

    def parts(self) -> tuple[Watched, ...]:
        """The bridge that it is, and what the bridge that it is a port of keeps about it."""
        return tuple(part for part in (self.bridge, self.bridge_port) if part is not None)

    @property
    def running(self) -> bool:
        """Administratively up and with a carrier."""
        return self.up and self.has_carrier

    @property
    def has_carrier(self) -> bool:
        """Loopback and tunnels always; a VLAN follows its parent; a bridge needs one running port."""
        if self.kind == "loopback" or self.tunnel is not None:
            return True
        if self.parent is not None:
            return self.parent.running
        if self.bridge is not None:
            return any(port.running for port in self.bridge.ports)
        return self.carrier

    def detail(self, address: InterfaceAddress, key: str) -> str | None:
        """One of the `labels` of an address."""
        return self.labels.get(address, {}).get(key)

    def prefix_of(self, address: InterfaceAddress) -> Network:
        """The network an address makes reachable: its own, or that of its peer."""
        peer = self.detail(address, "peer")
        return address.network if peer is None else Network.of(IPv4.parse(peer), address.length)

    def secondaries(self, address: InterfaceAddress) -> list[InterfaceAddress]:
        """The addresses that live and die with this one: later ones of the same network (IFA_F_SECONDARY)."""
        if self.is_secondary(address):
            return []
        network = self.prefix_of(address)
        return [other for other in self.addresses if other != address and self.prefix_of(other) == network]

    def is_secondary(self, address: InterfaceAddress) -> bool:
        """True where an earlier address is in the same network."""
        network = self.prefix_of(address)
        for other in self.addresses:
            if other == address:
                return False
            if self.prefix_of(other) == network:
                return True
        return False

    def snapshot(self, now: int = 0) -> InterfaceState:
        """The frozen picture for tables, observers and grader."""
        return InterfaceState(
            name=self.name,
            index=self.index,
            kind=self.kind,
            mac=self.mac,
            up=self.up,
            carrier=self.has_carrier,
            mtu=self.mtu,
            master=self.master.name if self.master else None,
            addresses=(*self.addresses, *(InterfaceAddress(known.address, known.length) for known in self.inet6)),
            parent=self.parent.name if self.parent else None,
            vlan=self.vlan,
            bridge=self.bridge.snapshot() if self.bridge else None,
            bridge_port=self.bridge_port.snapshot() if self.bridge_port else None,
            tentative=frozenset(known.address for known in self.inet6 if known.tentative or known.failed),
            deprecated=frozenset(known.address for known in self.inet6 if known.deprecated(now)),
            arp=self.arp,
        )
