"""A copy of what decides about packets in a device, to be asked "what if" and thrown away.

The shadow is a `LinuxNode` of its own: interfaces, bridges, neighbours, routes, rules and connections are copied,
sockets that listen are stood in for, programs are left out. So it decides with the very code of the device, and
whatever happens to it happens to nobody else.
"""

# ruff: noqa: SLF001 - a copy is made of what a device keeps to itself
from __future__ import annotations

from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from labs.net.ipv6_routes import Ipv6Routes
from labs.net.linux.autoconf import Autoconf
from labs.net.linux.discovery import Discovery
from labs.net.linux.icmpv6_sender import Icmpv6Sender
from labs.net.linux.node import LinuxNode
from labs.net.linux.transport import Transport
from labs.net.neighbour import NeighbourState
from labs.net.netfilter import Filtered, Netfilter, P
from labs.net.process import Scheduler
from labs.net.sockets import TcpListener, UdpSocket

if TYPE_CHECKING:
    from labs.net.conntrack import Tracked
    from labs.net.ipv4 import Ipv4Packet
    from labs.net.ipv6 import Ipv6Packet
    from labs.net.linux.ipv6_layer import Ipv6Layer
    from labs.net.nftables import Chain, Context, Outcome, Ruleset

__all__ = ["Judged", "shadow"]


class Judged(NamedTuple):
    """What one hook made of a packet: `outcomes` of its base chains in order, `after` None where it died."""

    hook: str
    packet: Ipv4Packet | Ipv6Packet
    after: Ipv4Packet | Ipv6Packet | None
    tracked: Tracked
    outcomes: tuple[Outcome, ...]
    ruleset: Ruleset


class _WatchedNetfilter(Netfilter):
    """Reports every hook to its device."""

    def __init__(self, node: LinuxNode) -> None:
        super().__init__()
        self._node = node
        self._outcomes: list[Outcome] = []

    def _run(self, chain: Chain, context: Context) -> Outcome:
        outcome = super()._run(chain, context)
        self._outcomes.append(outcome)
        return outcome

    def hook(self, name: str, packet: P, **about: Any) -> Filtered[P]:
        self._outcomes = []
        filtered = super().hook(name, packet, **about)
        judged = Judged(name, packet, filtered.packet, filtered.tracked, tuple(self._outcomes), self.ruleset)
        self._node.emit(judged)  # type: ignore[arg-type]
        return filtered


def shadow(node: LinuxNode, now: int) -> LinuxNode:
    """The copy of a device, as it is at a time."""
    twin: LinuxNode = LinuxNode.__new__(LinuxNode)
    vars(twin).update(vars(node))  # files, settings and surroundings are only read on the way of a packet
    twin.now = now
    twin.tracing = True
    twin.oracle = None
    twin.processes = Scheduler()
    twin._timers = []
    twin._cancelled = set()
    twin._out = []
    memo: dict[int, Any] = {id(node): twin, id(node.link._captures): []}
    for interface in node.interfaces.values():
        memo[id(interface.taps)] = []
    twin.interfaces = deepcopy(node.interfaces, memo)
    twin.ip = deepcopy(node.ip, memo)
    twin.link = deepcopy(node.link, memo)
    twin.ipv6 = _layer6(node.ipv6, twin)
    for entry in twin.link.neighbours.entries(now):
        entry.waiting.clear()
        if entry.state is NeighbourState.INCOMPLETE:  # its timer was left behind: ask anew
            twin.link.neighbours.remove(entry)
    twin.netfilter = _WatchedNetfilter(twin)
    twin.netfilter.replace(node.netfilter.ruleset)
    twin.netfilter.state = deepcopy(node.netfilter.state)
    twin.netfilter.conntrack = deepcopy(node.netfilter.conntrack)
    twin.transport = Transport(twin)
    _copy_sockets(node.transport, twin.transport)
    return twin


def _layer6(real: Ipv6Layer, twin: LinuxNode) -> Ipv6Layer:
    """Layer 3 for IPv6; nobody advertises to a shadow, so addresses and routers stay as they are."""
    layer = copy(real)
    layer._node, layer._mine, layer._paths = twin, None, dict(real._paths)
    layer.routes = Ipv6Routes(layer._forget_answers, layer._alive)
    layer.routes.attach(twin.interfaces)
    layer.routes._routes = list(real.routes)
    layer.errors = Icmpv6Sender(twin, layer)
    layer.errors._credit = dict(real.errors._credit)
    layer.discovery = Discovery(twin, layer)
    layer.autoconf = Autoconf(twin, layer)
    return layer


def _copy_sockets(real: Transport, stand_in: Transport) -> None:
    """The same ports are open, held by nobody."""
    for listener in real.listeners():
        same = TcpListener(listener.address, listener.port, listener.program)
        stand_in._listeners.setdefault(listener.port, []).append(same)
    for port, group in real._udp.items():
        stand_in._udp[port] = [UdpSocket(port, s.address, s.interface, s.program, s.broadcast) for s in group]
    stand_in._next_port = real._next_port
    stand_in._next_identifier = real._next_identifier
    stand_in._sequence = real._sequence
