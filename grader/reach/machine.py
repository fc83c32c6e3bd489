"""A device as it was observed, rebuilt from its state: the simulator's own machine, asked and never run.

Whatever the analysis wants to know of one device (a route, a rule, a port of a bridge) it asks this machine, so that
proof and simulator are one piece of code.
"""

# ruff: noqa: SLF001 - sockets of an observed device are put where programs would have opened them
from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4, IPv6
from labs.net.bridge import Bridge, BridgePort, PortState
from labs.net.inet6_address import Inet6Address
from labs.net.interface import Interface
from labs.net.linux.node import LinuxNode
from labs.net.nftables import from_json
from labs.net.sockets import TcpListener, UdpSocket
from labs.net.vlan import VlanTable
from labs.things.nowhere import Nowhere

if TYPE_CHECKING:
    from labs.model.addresses import Address
    from labs.model.site import Device
    from labs.model.state import BridgePortState, DeviceState, InterfaceState
    from labs.net.process import Process

__all__ = ["machine"]


def _nothing(_process: Process) -> int:
    return 0


def machine(device: Device) -> LinuxNode:
    """The machine of a device that was observed with power. Raises ValueError where its rules cannot be read."""
    state = device.state
    if state is None:
        message = f"{device.name} has no power"
        raise ValueError(message)
    node = LinuxNode(device.name, (), device.files, world=Nowhere(), units={}, boot=_nothing)
    node.powered = True
    node.interfaces.clear()
    for shown in state.interfaces:
        node.interfaces[shown.name] = _interface(shown)
    for shown in state.interfaces:
        _connect(node.interfaces, shown)
    node.ip.routes.attach(node.interfaces)
    node.ipv6.routes.attach(node.interfaces)
    node.sysctl.restore(state.sysctls)
    for route in state.routes:
        (node.ip if isinstance(route.prefix.address, IPv4) else node.ipv6).routes.append(route)
    node.ipv6.on = any(node.ipv6.enabled(interface) for interface in node.interfaces.values())
    if state.ruleset:
        node.netfilter.replace(from_json(state.ruleset))
    _open(node, state)
    return node


def _interface(shown: InterfaceState) -> Interface:
    found = Interface(shown.name, shown.index, shown.kind, shown.mac, shown.mac)
    found.up, found.carrier, found.mtu = shown.up, shown.carrier, shown.mtu
    found.addresses = [address for address in shown.addresses if isinstance(address.address, IPv4)]
    found.inet6 = [
        _wide(shown, known.address, known.length) for known in shown.addresses if known not in found.addresses
    ]
    found.vlan, found.arp = shown.vlan, shown.arp
    if shown.bridge is not None:
        bridge = found.bridge = Bridge()
        bridge.vlan_filtering = shown.bridge.vlan_filtering
        bridge.vlans = VlanTable(dict(shown.bridge.vlans), shown.bridge.pvid)
    return found


def _wide(shown: InterfaceState, address: Address, length: int) -> Inet6Address:
    """An address of IPv6 as it stood; its lifetimes do not run."""
    assert isinstance(address, IPv6)
    tentative, old = address in shown.tentative, address in shown.deprecated
    return Inet6Address(address, length, shown.name, tentative=tentative, preferred_until_ns=0 if old else None)


def _connect(interfaces: dict[str, Interface], shown: InterfaceState) -> None:
    here = interfaces[shown.name]
    here.parent = interfaces.get(shown.parent or "")
    master = interfaces.get(shown.master or "")
    if master is None or master.bridge is None:
        return
    here.master = master
    master.bridge.add_port(here)
    if here.bridge_port is not None and shown.bridge_port is not None:
        _settings(here.bridge_port, shown.bridge_port)


def _settings(port: BridgePort, shown: BridgePortState) -> None:
    port.state = PortState[shown.state.upper()]
    port.vlans = VlanTable(dict(shown.vlans), shown.pvid)
    port.hairpin, port.isolated = shown.hairpin, shown.isolated
    port.learning, port.flood, port.bcast_flood = shown.learning, shown.flood, shown.bcast_flood


def _open(node: LinuxNode, state: DeviceState) -> None:
    """The same ports are open, held by nobody."""
    transport = node.transport
    for shown in state.listeners:
        if shown.protocol == "tcp":
            listener = TcpListener(shown.address, shown.port, shown.program)
            transport._listeners.setdefault(shown.port, []).append(listener)
        else:
            socket = UdpSocket(shown.port, shown.address, shown.interface, shown.program)
            transport._udp.setdefault(shown.port, []).append(socket)
