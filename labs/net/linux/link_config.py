"""Changes to interfaces (`ip link add|set|del`), with everything in the device that follows them.

Errors are those of the kernel: strerror(3), or the sentence of its extended acknowledgement.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from labs.model.addresses import Mac
from labs.net.bridge import Bridge, PortState
from labs.net.interface import DEFAULT_MTU
from labs.net.linux import spanning
from labs.net.linux.wireguard import WireGuard
from labs.net.sockets import SocketError
from labs.net.tunnel import Tunnel
from labs.net.vlan import MAX_VLAN_ID

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = [
    "LinkError",
    "add_bridge",
    "add_tunnel",
    "add_vlan",
    "add_wireguard",
    "enslave",
    "port_state",
    "release",
    "remove_interface",
    "rename",
    "set_bridge",
    "set_bridge_port",
    "set_mac",
    "set_mtu",
    "set_up",
]

MAX_INTERFACES = 256
WIREGUARD_MTU = 1420  # 1500 less 40 for IPv6, 8 for UDP and 32 of its own (wg_setup, drivers/net/wireguard/device.c)
MAX_COST = 65535  # Linux net/bridge/br_private_stp.h: BR_MAX_PATH_COST
MAX_PORT_PRIORITY = 63  # BR_MAX_PORT_PRIORITY
MTU_RANGE = {
    "ether": (68, 9216), "bridge": (68, 65535), "vlan": (0, 65535),
    "loopback": (0, 2147483647), "gre": (68, 65511), "ipip": (68, 65515),
    "wireguard": (0, 2147483552),
}  # fmt: skip


class LinkError(Exception):
    """A refused change. `explained` is true where the kernel gives a sentence instead of an error number."""

    def __init__(self, text: str, *, explained: bool = False) -> None:
        super().__init__(text)
        self.explained = explained


def _check_name(node: LinuxNode, name: str) -> None:
    if name in node.interfaces:
        message = "File exists"
        raise LinkError(message)
    if len(node.interfaces) >= MAX_INTERFACES:
        message = "Cannot allocate memory"
        raise LinkError(message)


def add_bridge(node: LinuxNode, name: str, mac: Mac | None = None) -> Interface:
    """`ip link add NAME type bridge`. Raises LinkError.

    Linux draws a random MAC address; ours is a function of the names, so that a lab can be replayed.
    """
    _check_name(node, name)
    drawn = Mac(0x02 << 40 | zlib.crc32(f"{node.name}/{name}".encode()) << 8 | 0x5E)
    interface = node.add_interface(name, "bridge", mac or drawn)
    interface.bridge = Bridge()
    interface.bridge.fixed_mac = mac is not None
    return interface


def add_vlan(node: LinuxNode, parent: Interface, name: str, vlan: int, mac: Mac | None = None) -> Interface:
    """`ip link add link PARENT name NAME type vlan id VLAN`. Raises LinkError."""
    _check_name(node, name)
    if not 0 <= vlan <= MAX_VLAN_ID:
        message = "Numerical result out of range"
        raise LinkError(message)
    if parent.kind == "loopback":
        message = "VLANs not supported on device"
        raise LinkError(message, explained=True)
    if any(other.parent is parent and other.vlan == vlan for other in node.interfaces.values()):
        message = "VLAN device already exists"
        raise LinkError(message, explained=True)
    interface = node.add_interface(name, "vlan", mac or parent.mac, parent)
    interface.vlan = vlan
    interface.mtu = parent.mtu
    return interface


def add_tunnel(node: LinuxNode, name: str, settings: Tunnel, mtu: int = 0) -> Interface:
    """`ip tunnel add`, `ip link add … type gre|ipip`. Raises LinkError.

    The MTU is what is left of that of the interface towards the other end (ip_tunnel_bind_dev).
    """
    _check_name(node, name)
    if any(other.tunnel is not None and other.tunnel.same_ends(settings) for other in node.interfaces.values()):
        message = "File exists"
        raise LinkError(message)
    route = node.ip.routes.lookup(settings.remote) if settings.remote else None
    beyond = settings.link or (route.device if route is not None else None)
    interface = node.add_interface(name, settings.mode, Mac(0))
    interface.tunnel = settings
    outer = node.interfaces[beyond].mtu if beyond is not None else DEFAULT_MTU
    interface.mtu = mtu or max(outer - settings.overhead, MTU_RANGE[settings.mode][0])
    return interface


def add_wireguard(node: LinuxNode, name: str) -> Interface:
    """`ip link add … type wireguard`. Raises LinkError."""
    _check_name(node, name)
    interface = node.add_interface(name, "wireguard", Mac(0))
    interface.tunnel = Tunnel("wireguard")
    interface.wireguard = WireGuard(node, interface)
    interface.mtu = WIREGUARD_MTU
    return interface


def remove_interface(node: LinuxNode, interface: Interface) -> None:
    """`ip link del`. Raises LinkError for what is soldered on."""
    if interface.kind in ("loopback", "ether"):
        message = "Operation not supported"
        raise LinkError(message)
    if interface.wireguard is not None:
        interface.wireguard.set_up(up=False)
    if interface.bridge is not None:
        interface.bridge.tree = None
    for child in [other for other in node.interfaces.values() if other.parent is interface]:
        remove_interface(node, child)
    if interface.bridge is not None:
        for port in list(interface.bridge.ports):
            release(node, port)
    if interface.master is not None:
        release(node, interface)
    node.set_up(interface, up=False)
    for address in list(interface.addresses):
        if address in interface.addresses:
            node.remove_address(interface, address)
    del node.interfaces[interface.name]
    node.ip.routes.forget_answers()


def set_up(node: LinuxNode, interface: Interface, *, up: bool) -> None:
    """`ip link set … up|down`; the VLANs on an interface go up and down with it. Raises LinkError."""
    if up and interface.parent is not None and not interface.parent.up:
        message = "Network is down"
        raise LinkError(message)
    if interface.wireguard is not None:
        try:
            interface.wireguard.set_up(up=up)
        except SocketError as error:
            raise LinkError(str(error)) from None
    node.set_up(interface, up=up)


def enslave(node: LinuxNode, port: Interface, master: Interface) -> None:
    """`ip link set PORT master BRIDGE`. Raises LinkError."""
    if port.master is master:
        return
    if master.bridge is None:
        message = "Operation not supported"
        raise LinkError(message)
    if port.kind == "loopback":
        message = "Invalid argument"
        raise LinkError(message)
    if port.bridge is not None:
        message = "Can not enslave a bridge to a bridge"
        raise LinkError(message, explained=True)
    if port.parent is master:
        message = "Too many levels of symbolic links"
        raise LinkError(message)
    if port.master is not None:
        release(node, port)
    port.master = master
    master.bridge.add_port(port)
    _follow_ports(node, master)


def release(node: LinuxNode, port: Interface) -> None:
    """`ip link set PORT nomaster`."""
    master, port.master = port.master, None
    if master is not None and master.bridge is not None:
        master.bridge.remove_port(port)
        _follow_ports(node, master)


def port_state(port: Interface) -> PortState:
    """The state of a bridge port: disabled while it, its lead or its bridge is down."""
    assert port.bridge_port is not None
    assert port.master is not None
    return port.bridge_port.state if port.running and port.master.up else PortState.DISABLED


def set_bridge(
    node: LinuxNode,
    interface: Interface,
    *,
    vlan_filtering: bool | None = None,
    ageing_time_ns: int | None = None,
    priority: int | None = None,
    stp: bool | None = None,
) -> None:
    """`ip link set BRIDGE type bridge …`. Raises LinkError."""
    bridge = interface.bridge
    if bridge is None:
        message = "Operation not supported"
        raise LinkError(message)
    if ageing_time_ns is not None:
        bridge.ageing_time_ns = ageing_time_ns
    if priority is not None:
        bridge.priority = priority
    if stp is not None:
        spanning.switch(node, interface, on=stp)
    if vlan_filtering is not None and vlan_filtering != bridge.vlan_filtering:
        bridge.vlan_filtering = vlan_filtering
        for port in bridge.ports:
            bridge.forget(port)
    node.link.ports_changed(interface)
    node.ip.routes.forget_answers()


def set_bridge_port(
    node: LinuxNode,
    port: Interface,
    switches: Mapping[str, bool],
    *,
    cost: int | None = None,
    priority: int | None = None,
    state: PortState | None = None,
) -> None:
    """`bridge link set dev PORT …`; `switches` are the on-off fields of BridgePort. Raises LinkError."""
    settings = port.bridge_port
    if settings is None or port.master is None or port.master.bridge is None:
        message = "Operation not supported"
        raise LinkError(message)
    if (cost is not None and not 1 <= cost <= MAX_COST) or (priority is not None and priority > MAX_PORT_PRIORITY):
        message = "Numerical result out of range"
        raise LinkError(message)
    if state is not None:
        if port.master.bridge.tree is not None:
            message = "Device or resource busy"
            raise LinkError(message)
        if not port.running and state is not PortState.DISABLED:
            message = "Network is down"
            raise LinkError(message)
        settings.state = state
    for name, on in switches.items():
        setattr(settings, name, on)
    settings.cost = cost if cost is not None else settings.cost
    settings.priority = priority if priority is not None else settings.priority
    node.link.ports_changed(port)
    node.ip.routes.forget_answers()


def _follow_ports(node: LinuxNode, interface: Interface) -> None:
    """A bridge takes the lowest MAC address and the lowest MTU of its ports, unless it was told otherwise."""
    bridge = interface.bridge
    assert bridge is not None
    if bridge.ports:
        if not bridge.fixed_mac:
            interface.mac = min(port.mac for port in bridge.ports)
        if not bridge.fixed_mtu:
            interface.mtu = min(port.mtu for port in bridge.ports)
    node.link.ports_changed(interface)
    node.ip.routes.forget_answers()


def set_mac(node: LinuxNode, interface: Interface, mac: Mac) -> None:
    """`ip link set … address`. Raises LinkError for a group or zero address."""
    if interface.kind != "loopback" and (mac.is_group or mac == 0):
        message = "Cannot assign requested address"
        raise LinkError(message)
    old, interface.mac = interface.mac, mac
    if interface.bridge is not None:
        interface.bridge.fixed_mac = True
    for other in node.interfaces.values():
        if other.parent is interface and other.mac == old:
            other.mac = mac
    master = interface.master
    if master is not None and master.bridge is not None:
        master.bridge.remove_own(interface, old)
        master.bridge.add_own(interface)
        _follow_ports(node, master)


def set_mtu(node: LinuxNode, interface: Interface, mtu: int) -> None:
    """`ip link set … mtu`. Raises LinkError."""
    low, high = MTU_RANGE[interface.kind]
    if interface.tunnel is not None and not low <= mtu <= high:
        message = "Invalid argument"
        raise LinkError(message)
    if mtu < low:
        message = "mtu less than device minimum"
        raise LinkError(message, explained=True)
    if mtu > high:
        message = "mtu greater than device maximum"
        raise LinkError(message, explained=True)
    if interface.parent is not None and mtu > interface.parent.mtu:
        message = "Numerical result out of range"
        raise LinkError(message)
    interface.mtu = mtu
    node.ip.routes.forget_answers()
    if interface.bridge is not None:
        interface.bridge.fixed_mtu = True
    for other in node.interfaces.values():
        if other.parent is interface and other.mtu > mtu:
            other.mtu = mtu
    if interface.master is not None:
        _follow_ports(node, interface.master)


def rename(node: LinuxNode, interface: Interface, name: str) -> None:
    """`ip link set … name`. Raises LinkError."""
    if name == interface.name:
        return
    _check_name(node, name)
    old = interface.name
    node.link.interface_down(interface)
    interface.name = name
    renamed = {name if key == old else key: value for key, value in node.interfaces.items()}
    node.interfaces.clear()
    node.interfaces.update(renamed)
    for route in node.ip.routes.routes():
        if route.device == old:
            node.ip.routes.remove(route)
            node.ip.routes.append(replace(route, device=name))
