"""Spanning tree on a device: link events and BPDUs go into the machine of a bridge, its wishes come out here.

The commands and outputs are those of the kernel's bridge, the behaviour is RSTP, as mstpd gives it to that bridge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.bridge import PortState, port_cost
from labs.net.ethernet import Frame
from labs.net.stp import (
    BRIDGE_GROUP,
    LLC_LENGTH,
    Bpdu,
    BridgeId,
    Effect,
    Flush,
    Guarded,
    Send,
    SetState,
    SpanningTree,
    StpPort,
)

if TYPE_CHECKING:
    from labs.net.bridge import Bridge
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["bpdu_arrived", "refresh", "switch"]

LEARNS = (PortState.LEARNING, PortState.FORWARDING)


def identity_of(interface: Interface) -> BridgeId:
    """Priority and address of a bridge."""
    assert interface.bridge is not None
    return BridgeId(interface.bridge.priority, interface.mac)


def switch(node: LinuxNode, interface: Interface, *, on: bool) -> None:
    """`ip link set BRIDGE type bridge stp_state 1`; without the protocol every port forwards."""
    bridge = interface.bridge
    assert bridge is not None
    if on == (bridge.tree is not None):
        return
    bridge.tree = SpanningTree(identity_of(interface)) if on else None
    for port in bridge.ports:
        if port.bridge_port is not None:
            port.bridge_port.state = PortState.DISABLED if on else PortState.FORWARDING
    refresh(node, interface)


def refresh(node: LinuxNode, interface: Interface) -> None:
    """Tell the machine what became of ports, settings and the bridge itself."""
    bridge = interface.bridge
    if bridge is None or bridge.tree is None:
        return
    tree = bridge.tree
    live = {p.bridge_port.number: p for p in bridge.ports if p.bridge_port and p.running and interface.up}
    for number in [number for number in tree.ports if number not in live]:
        _perform(node, interface, tree.port_down(number, node.now))
    for port in bridge.ports:
        if port.bridge_port is not None and port.bridge_port.number not in live:
            _enter(node, interface, port, PortState.DISABLED)
    _perform(node, interface, tree.configure(identity_of(interface), node.now))
    for number, port in live.items():
        settings = port.bridge_port
        assert settings is not None
        known = tree.ports.get(number)
        if known is None:
            fresh = StpPort(number, settings.identifier, port_cost(port), settings.guard, settings.root_block)
            _perform(node, interface, tree.port_up(fresh, node.now))
            continue
        known.identifier, known.cost = settings.identifier, port_cost(port)
        known.guard, known.root_block = settings.guard, settings.root_block
    _perform(node, interface, tree.configure(identity_of(interface), node.now))
    _schedule(node, interface, bridge)


def bpdu_arrived(node: LinuxNode, interface: Interface, port: Interface, bpdu: Bpdu) -> None:
    """A BPDU came in at a port of a bridge that speaks the protocol."""
    bridge = interface.bridge
    if bridge is None or bridge.tree is None or port.bridge_port is None:
        return
    _perform(node, interface, bridge.tree.receive(port.bridge_port.number, bpdu, node.now))
    _schedule(node, interface, bridge)


def _schedule(node: LinuxNode, interface: Interface, bridge: Bridge) -> None:
    tree = bridge.tree
    when = tree.next_wake() if tree is not None else None
    if when is None or (bridge.wake_at_ns is not None and bridge.wake_at_ns <= when):
        return
    bridge.wake_at_ns = when
    node.call_at(when, lambda: _wake(node, interface, bridge, when))


def _wake(node: LinuxNode, interface: Interface, bridge: Bridge, when: int) -> None:
    if bridge.wake_at_ns != when:
        return
    bridge.wake_at_ns = None
    if bridge.tree is not None and interface.bridge is bridge:
        _perform(node, interface, bridge.tree.wake(node.now))
        _schedule(node, interface, bridge)


def _perform(node: LinuxNode, interface: Interface, effects: list[Effect]) -> None:
    bridge = interface.bridge
    assert bridge is not None
    ports = {port.bridge_port.number: port for port in bridge.ports if port.bridge_port}
    for effect in effects:
        port = ports.get(effect.port)
        if port is None:
            continue
        match effect:
            case Send(_, bpdu):
                node.link.transmit(port, Frame(BRIDGE_GROUP, port.mac, LLC_LENGTH, bpdu))
            case SetState(number, state):
                _enter(node, interface, port, state)
            case Flush():
                bridge.forget(port)
            case Guarded(number):
                _log(node, f"{interface.name}: BPDU received on blocked port {number}({port.name})")


def _enter(node: LinuxNode, interface: Interface, port: Interface, state: PortState) -> None:
    settings = port.bridge_port
    if settings is not None and settings.state is not state:
        if settings.state in LEARNS and state not in LEARNS and interface.bridge is not None:
            interface.bridge.forget(port)  # IEEE 802.1D-2004 clause 17.30, INACTIVE
        settings.state = state
        _log(node, f"{interface.name}: port {settings.number}({port.name}) entered {state.word} state")


def _log(node: LinuxNode, text: str) -> None:
    node.units.log("kernel", text, 0)
