"""What becomes of packets that do not fit, and what a device learns from the routers on the way.

Before changing this file read RFC 1191, RFC 792 (redirect), RFC 1122 §3.3.2 and §3.2.2.2, and net/ipv4/route.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net import icmp
from labs.net.actions import DropReason
from labs.net.fragmentation import REASSEMBLY_NS, Reassembler, fragments
from labs.net.linux.path_cache import PathCache
from labs.net.tcp import HEADERS_BYTES

if TYPE_CHECKING:
    from labs.model.addresses import IPv4
    from labs.model.state import Route
    from labs.net.icmp import IcmpMessage
    from labs.net.interface import Interface
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.linux.ip_layer import IpLayer
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.path_cache import Learned

__all__ = ["Paths"]

MILLISECOND = 1_000_000
REDIRECT_LOAD_NS = 20 * MILLISECOND  # net.ipv4.route.redirect_load, HZ/50
REDIRECT_NUMBER = 9  # net.ipv4.route.redirect_number
REDIRECT_SILENCE_NS = REDIRECT_LOAD_NS << (REDIRECT_NUMBER + 1)
MAX_PEERS = 1024
MIN_ADVERTISED_MSS = 256  # net.ipv4.route.min_adv_mss
LARGEST = 65_535
LEAST_MTU = 68  # RFC 791 §3.2: every link takes that much


class Paths:
    """Path MTUs, better gateways, fragments: of one device."""

    def __init__(self, node: LinuxNode, ip: IpLayer) -> None:
        self._node = node
        self._ip = ip
        self.cache = PathCache()
        self._pieces = Reassembler()
        self._redirected: dict[IPv4, tuple[int, int]] = {}  # of each peer: how many redirects, and when the last

    def forget(self) -> None:
        """As if nothing had been learned, begun or advised yet."""
        self.cache.flush()
        self.cache.refresh(metrics=any(route.mtu for route in self._ip.routes))
        self._pieces = Reassembler()
        self._redirected.clear()

    # Fragments

    def collect(self, packet: Ipv4Packet, interface: Interface) -> Ipv4Packet | None:
        """Take a fragment; the whole packet when it was the last that was missing (ip_defrag)."""
        found = self._pieces.add(packet)
        if isinstance(found, int):
            key = self._pieces.key(packet)
            self._node.call_at(self._node.now + REASSEMBLY_NS, lambda: self._expired(key, found, interface))
            return None
        return found

    def _expired(self, key: tuple[IPv4, IPv4, int, int], serial: int, interface: Interface) -> None:
        """A packet stayed incomplete: its sender is told, if the first fragment came (ip_expire)."""
        waiting, first = self._pieces.expire(key, serial)
        if not waiting:
            return
        self._node.drop(DropReason.FRAGMENTS, interface.name, packet=first)
        if first is not None and self._ip.is_local(first.dst):
            self._ip.errors.send(first, icmp.TIME_EXCEEDED, icmp.REASSEMBLY_TIME)

    @staticmethod
    def pieces(packet: Ipv4Packet, mtu: int) -> list[Ipv4Packet]:
        """The fragments in which a packet leaves (ip_do_fragment)."""
        return fragments(packet, max(mtu, LEAST_MTU))

    # Path MTU

    def mtu(self, destination: IPv4, route: Route | None, interface: Interface) -> int:
        """The path MTU of what this device itself sends."""
        return self.cache.mtu(destination, route, interface, self._node.now)

    def mtu_to(self, destination: IPv4) -> int:
        """The path MTU to a destination, by the route that leads there (tcp_current_mss)."""
        if self._ip.is_local(destination):
            return LARGEST
        route = self._ip.routes.lookup(destination)
        if route is None or route.device is None:
            return LEAST_MTU
        return self.mtu(destination, route, self._node.interfaces[route.device])

    def is_locked(self, destination: IPv4) -> bool:
        """True where a path MTU is so small that TCP lets its segments be cut (ip_mtu_locked)."""
        if not self.cache.active:
            return False
        return self.cache.locked(destination, self._ip.routes.lookup(destination), self._node.now)

    def mss_to(self, destination: IPv4) -> int:
        """The MSS to offer to a peer (ipv4_default_advmss)."""
        route = self._ip.routes.lookup(destination)
        if route is not None and route.advmss and not self._ip.is_local(destination):
            return route.advmss
        return max(self.mtu_to(destination) - HEADERS_BYTES, MIN_ADVERTISED_MSS)

    def too_big(self, message: IcmpMessage) -> None:
        """A router needs smaller packets to one of our destinations: believe it (ip_rt_update_pmtu)."""
        original = message.original
        assert original is not None
        route = self._ip.routes.lookup(original.dst)
        if route is None or route.device is None or not self._ip.is_local(original.src):
            return
        old = self.mtu(original.dst, route, self._node.interfaces[route.device])
        self.cache.learn_mtu(original.dst, route, message.sequence, old, self._node.now)

    def known(self, destination: IPv4) -> Learned | None:
        """What was learned of a destination, for `ip route get`."""
        return self.cache.find(destination, self._ip.routes.lookup(destination), self._node.now)

    # Redirects

    def advise(self, packet: Ipv4Packet, gateway: IPv4) -> None:
        """Tell a neighbour that another gateway is nearer, less and less often (ip_rt_send_redirect)."""
        now = self._node.now
        sent, last = self._redirected.get(packet.src, (0, -REDIRECT_SILENCE_NS))
        if now - last > REDIRECT_SILENCE_NS:
            sent = 0
        if sent >= REDIRECT_NUMBER:
            self._redirected[packet.src] = (sent, now)
            return
        if sent and now - last <= REDIRECT_LOAD_NS << sent:
            return
        if len(self._redirected) > MAX_PEERS:
            self._redirected.clear()
        self._redirected[packet.src] = (sent + 1, now)
        self._ip.errors.send(packet, icmp.REDIRECT, icmp.REDIRECT_HOST, gateway=gateway)

    def redirected(self, adviser: IPv4, message: IcmpMessage, interface: Interface) -> None:
        """A router says that another one is nearer: believe it, if it is the one we use (__ip_do_redirect)."""
        original, gateway = message.original, message.gateway
        assert original is not None
        route = self._ip.routes.lookup(original.dst)
        if route is None or route.device is None or not self._accepts(interface):
            return
        device = self._node.interfaces[route.device]
        old = self.cache.gateway(original.dst, route, self._node.now) or route.via
        if adviser != old or gateway == old or not self._is_station(gateway):
            return
        entry = self._node.link.neighbours.get(device, gateway)
        if entry is not None and entry.usable and entry.mac is not None:
            self.cache.learn_gateway(original.dst, route, gateway, self._node.now)
        else:
            self._node.link.look_for(device, gateway)

    def _accepts(self, interface: Interface) -> bool:
        """IN_DEV_RX_REDIRECTS: a router wants `all` and its interface, a host either of them."""
        sysctl = self._node.sysctl
        values = [sysctl.number(f"net.ipv4.conf.{where}.accept_redirects") for where in ("all", interface.name)]
        return all(values) if sysctl.number(f"net.ipv4.conf.{interface.name}.forwarding") else any(values)

    def _is_station(self, gateway: IPv4) -> bool:
        """Linux believes in gateways outside its own networks too (shared_media), but only in single machines."""
        return not (self._ip.is_local(gateway) or self._ip.is_broadcast(gateway) or gateway.is_multicast)
