"""The relay of dnsmasq: DHCP requests of one network are carried to a server in another, and its answers back.

Before changing this file read RFC 1542 §4.1 and relay_upstream4, relay_reply4 in dnsmasq 2.90 (dhcp.c), whose order of
checks and log lines these are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from labs.net import dhcp
from labs.net.dhcp import DhcpMessage
from labs.net.dnsmasq_values import DhcpRelay
from labs.net.ipv4 import ANY, LIMITED_BROADCAST
from labs.shell.daemons.dhcp_delivery import deliver, send

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode
    from labs.net.sockets import Datagram

__all__ = ["Relay"]

MOST_HOPS = 20  # relay_upstream4


class Relay:
    """Every `dhcp-relay` line of one dnsmasq. `allows` says where DHCP is served at all."""

    def __init__(
        self,
        node: LinuxNode,
        relays: Sequence[DhcpRelay],
        allows: Callable[[str], bool],
        log: Callable[[str], None],
        *,
        verbose: bool,
    ) -> None:
        self._node = node
        self._relays = tuple(reversed(relays))  # dnsmasq puts each line before the others
        self._allows = allows
        self._log = log
        self._verbose = verbose

    def greet(self) -> None:
        """The lines of the start."""
        for relay in self._relays:
            to = f" to {relay.server}" if relay.server is not None else ""
            via = f" via {relay.interface}" if relay.interface else ""
            self._log(f"DHCP relay from {relay.local}{to}{via}")

    def take(self, datagram: Datagram) -> bool:
        """Pass on a message from port 67; False where it is the server's business."""
        try:
            message = dhcp.decode(datagram.data)
        except ValueError:
            return False
        if message.operation == dhcp.BOOTREPLY:
            return self._answered(message, datagram)
        if not self._allows(datagram.interface):
            return False
        concerned = [relay for relay in self._relays if self._place(relay) is self._interface(datagram)]
        for relay in concerned:
            self._pass_up(relay, message)
        return bool(concerned)

    def _interface(self, datagram: Datagram) -> Interface | None:
        return self._node.interfaces.get(datagram.interface)

    def _place(self, relay: DhcpRelay) -> Interface | None:
        """The interface whose clients are served: the one with the local address."""
        for interface in self._node.interfaces.values():
            if any(address.address == relay.local for address in interface.addresses):
                return interface
        return None

    def _pass_up(self, relay: DhcpRelay, message: DhcpMessage) -> None:
        """Towards the server, with our address in it unless another relay was first."""
        if message.giaddr == relay.local or message.hops > MOST_HOPS:
            return
        giaddr = relay.local if message.giaddr == ANY else message.giaddr
        way = None
        if relay.server is None:
            way = self._node.interfaces.get(relay.interface)
            if way is None:
                return
        target = (relay.server or LIMITED_BROADCAST, relay.port)
        message = message._replace(giaddr=giaddr, hops=message.hops + 1)
        send(self._node, message, relay.local, target, self._log, way)
        if self._verbose:
            self._log(f"DHCP relay at {relay.local} -> {target[0]}")

    def _answered(self, message: DhcpMessage, datagram: Datagram) -> bool:
        """From a server that was asked through us, to the client."""
        for relay in self._relays:
            if relay.local == message.giaddr and relay.interface in ("", datagram.interface):
                interface = self._place(relay)
                if interface is not None:
                    deliver(self._node, message, interface, relay.local, self._log)
                return True
        return False
