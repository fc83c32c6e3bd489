"""What the two versions of IP do not share, as far as the analysis asks: everything else is one code for both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from labs.model.addresses import Address, IPv4, IPv6, Network
from labs.net import icmpv6, tcp
from labs.net.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from labs.net.icmp import ECHO_REQUEST, IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, Ipv4Packet
from labs.net.ipv6 import PROTO_ICMPV6, Ipv6Packet
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

if TYPE_CHECKING:
    from labs.model.state import Route
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.way import Way
    from labs.net.routing import AddressType, RoutingTable

__all__ = ["V4", "V6", "Layer", "Version", "version_of"]

_SEGMENT = TcpSegment(40_000, 1, 1, 0, tcp.SYN)
_DATAGRAM = UdpDatagram(40_000, 1, b"")


class Layer(Protocol):
    """What layer 3 of a device is asked; addresses are of its version."""

    @property
    def routes(self) -> RoutingTable:
        """The routing table."""

    def is_local(self, address: Any) -> bool:
        """True for an address of the device."""

    def type_of(self, address: Any) -> AddressType:
        """What an address is to the device."""

    def goes_out(self, destination: Any, route: Route | None) -> bool:
        """Whether a packet of the device can leave by a route."""

    def next_hop(self, route: Route | None, destination: Any) -> Any:
        """Who is asked for its link-layer address."""

    def way_to(self, interface: Interface, destination: Any) -> Way:
        """The half of a routing decision that the destination makes."""

    def believes(self, interface: Interface, source: Any) -> bool:
        """The half that the source makes."""

    def preferred_source(self, destination: Any) -> Any:
        """The source address that a packet would get, or None."""

    def output(self, packet: Any, *, interface: Interface | None = None) -> str | None:
        """Send a packet of a program."""

    def receive(self, interface: Interface, packet: Any, frame: Any) -> None:
        """A packet came in from a neighbour."""


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(Network.parse(text) for text in texts)


def _ranges(*texts: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(network.address), int(network.broadcast)) for network in _networks(*texts))


class Version:
    """A version of IP. There are two: `V4` and `V6`."""

    kind: type[IPv4 | IPv6]
    family: str
    """That of nftables that sees such packets, besides inet."""
    own: frozenset[str]
    """The headers that such packets have and the other version has not."""
    icmp: int
    ethertype: int
    datatype: str
    samples: ClassVar[Mapping[int, Ipv4Packet | Ipv6Packet]]
    special: tuple[Network, ...]
    """Networks in which nobody on the internet lives."""
    nobody: tuple[tuple[int, int], ...]
    """Addresses that are no host's, or that a host has on each of its links."""
    of_link: tuple[tuple[int, int], ...] = ()
    """Those that mean something on their link alone."""
    smallest: int
    """The longest prefix that leaves addresses to be taken."""

    @property
    def domain(self) -> tuple[int, int]:
        """The lowest and the highest address."""
        return 0, (1 << self.kind.bits) - 1

    def layer(self, node: LinuxNode) -> Layer:
        """Layer 3 of a device."""
        raise NotImplementedError

    def addresses(self, node: LinuxNode) -> Iterable[Address]:
        """Every address of a device that it answers to."""
        raise NotImplementedError

    def networks(self, node: LinuxNode) -> list[Network]:
        """The networks that its addresses are in."""
        raise NotImplementedError

    def ends(self, networks: Iterable[Network]) -> Iterable[int]:
        """Addresses that mean everybody on a network."""
        raise NotImplementedError

    def forwards(self, node: LinuxNode, interface: str) -> bool:
        """Whether a device passes on what comes in over an interface."""
        raise NotImplementedError

    def is_wary(self, node: LinuxNode, interface: str) -> bool:
        """Whether sources are judged by the way back to them (rp_filter)."""
        raise NotImplementedError

    def own_address(
        self, node: LinuxNode, hook: str, into: Interface | None, out: Interface | None, hop: Any, destination: Any
    ) -> Address | None:
        """The address that masquerade or redirect would use in a hook."""
        raise NotImplementedError


class _Four(Version):
    kind = IPv4
    family = "ip"
    own = frozenset({"ip", "icmp"})
    icmp = PROTO_ICMP
    ethertype = ETHERTYPE_IPV4
    datatype = "ipv4_addr"
    samples: ClassVar = {
        PROTO_ICMP: Ipv4Packet(IPv4(1), IPv4(2), PROTO_ICMP, IcmpMessage(ECHO_REQUEST, 0, 1, 1, bytes(56))),
        PROTO_TCP: Ipv4Packet(IPv4(1), IPv4(2), PROTO_TCP, _SEGMENT),
        PROTO_UDP: Ipv4Packet(IPv4(1), IPv4(2), PROTO_UDP, _DATAGRAM),
    }
    special = _networks(
        "0.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    )
    nobody = ((127 << 24, (128 << 24) - 1), (224 << 24, (1 << 32) - 1), (0, 0))
    smallest = 30

    def layer(self, node: LinuxNode) -> Layer:
        return node.ip

    def addresses(self, node: LinuxNode) -> Iterable[Address]:
        return node.local_addresses()

    def networks(self, node: LinuxNode) -> list[Network]:
        return [address.network for interface in node.interfaces.values() for address in interface.addresses]

    def ends(self, networks: Iterable[Network]) -> Iterable[int]:
        return [int(network.broadcast) for network in networks]

    def forwards(self, node: LinuxNode, interface: str) -> bool:
        return bool(node.sysctl.number(f"net.ipv4.conf.{interface}.forwarding"))

    def is_wary(self, node: LinuxNode, interface: str) -> bool:
        return bool(node.sysctl.interface_number(interface, "rp_filter"))

    def own_address(
        self, node: LinuxNode, hook: str, into: Interface | None, out: Interface | None, hop: Any, destination: Any
    ) -> Address | None:
        del destination
        return node.ip.own_address(hook, into, out, hop)


class _Six(Version):
    kind = IPv6
    family = "ip6"
    own = frozenset({"ip6", "icmpv6"})
    icmp = PROTO_ICMPV6
    ethertype = ETHERTYPE_IPV6
    datatype = "ipv6_addr"
    samples: ClassVar = {
        PROTO_ICMPV6: Ipv6Packet(
            IPv6(1), IPv6(2), PROTO_ICMPV6, Icmpv6Message(icmpv6.ECHO_REQUEST6, 0, 1, 1, bytes(56))
        ),
        PROTO_TCP: Ipv6Packet(IPv6(1), IPv6(2), PROTO_TCP, _SEGMENT),
        PROTO_UDP: Ipv6Packet(IPv6(1), IPv6(2), PROTO_UDP, _DATAGRAM),
    }
    special = _networks("::/128", "::1/128", "::/3", "4000::/2", "8000::/1", "fc00::/7", "fe80::/10", "ff00::/8")
    nobody = _ranges("::/127", "fe80::/10", "ff00::/8")
    of_link = _ranges("fe80::/10")
    smallest = 126

    def layer(self, node: LinuxNode) -> Layer:
        return node.ipv6

    def addresses(self, node: LinuxNode) -> Iterable[Address]:
        return node.ipv6.addresses()

    def networks(self, node: LinuxNode) -> list[Network]:
        return [known.network for interface in node.interfaces.values() for known in interface.inet6]

    def ends(self, networks: Iterable[Network]) -> Iterable[int]:
        del networks
        return ()

    def forwards(self, node: LinuxNode, interface: str) -> bool:
        del interface
        return node.ipv6.forwards

    def is_wary(self, node: LinuxNode, interface: str) -> bool:
        del node, interface
        return False

    def own_address(
        self, node: LinuxNode, hook: str, into: Interface | None, out: Interface | None, hop: Any, destination: Any
    ) -> Address | None:
        del hop
        return node.ipv6.own_address(hook, into, out, destination)


V4: Version = _Four()
V6: Version = _Six()


def version_of(address: Address) -> Version:
    """The version of an address."""
    return V6 if isinstance(address, IPv6) else V4
