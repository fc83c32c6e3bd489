"""A host that hears a question to somebody else. Before changing this file read RFC 826, section Packet Reception.

Each host of a broadcast domain hears the questions by ARP of all others: where a thousand ask, a million are heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.arp import REQUEST, ArpPacket
from labs.net.ethernet import BROADCAST
from labs.net.ipv4 import ANY

if TYPE_CHECKING:
    from labs.net.ethernet import Frame
    from labs.net.interface import Counters
    from labs.net.linux.node import LinuxNode
    from labs.net.neighbour import NeighbourTable

__all__ = ["Bystander"]

LEAST_MTU = 68  # RFC 791 §3.2: every link takes that much


class Bystander:
    """One device. What it knows of its ports is good as long as the `version` of the device stands."""

    def __init__(self, node: LinuxNode, neighbours: NeighbourTable) -> None:
        self._node = node
        self._neighbours = neighbours
        self._ports: dict[str, tuple[int, Counters | None]] = {}

    def overhears(self, port: str, frame: Frame, now: int) -> bool:
        """Count a question to somebody else, which is all that LinkLayer.receive would do; False where it did more."""
        packet, node = frame.payload, self._node
        if type(packet) is not ArpPacket or packet.operation != REQUEST or packet.sender == ANY:
            return False
        version, counters = self._ports.get(port, (-1, None))
        if version != node.version:
            counters = self._counters(port)
            self._ports[port] = node.version, counters
        if counters is None or frame.vlan is not None or frame.dst != BROADCAST or node.ip.is_local(packet.target):
            return False
        if self._neighbours.known(port, packet.sender):
            return False
        node.now = now
        counters.packets += 1
        counters.bytes += frame.length
        return True

    def _counters(self, port: str) -> Counters | None:
        """What to count at a port where nothing but the neighbour table and the local addresses decide."""
        node, interface = self._node, self._node.interfaces.get(port)
        if interface is None or not node.powered or not interface.up or interface.master is not None or node.watched:
            return None
        answers = any(node.sysctl.number(f"net.ipv4.conf.{where}.proxy_arp") for where in ("all", port))
        return None if interface.mtu < LEAST_MTU or answers else interface.rx
