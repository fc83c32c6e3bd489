"""The tunnels of a device that the kernel has no part in, as the simulator's commands know them.

`TunnelBoard` stands where `labs.net.linux.link_config` and the commands `ip tunnel` and `ip link` expect a device. A
tunnel is a TUN device with the type, name, MTU and flags that the kernel's own would have, and a place in the table of
the process that carries its packets. What the commands changed, `apply` brings about.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labs.engines.kernel.device.told import Told
from labs.engines.kernel.sandbox.commands import ACTIVE
from labs.engines.kernel.tunnels.carrier import MAX_TUNNELS, Counters, described
from labs.engines.kernel.tunnels.process import CarrierProcess, TunnelError
from labs.engines.kernel.tunnels.routes import RouteTable
from labs.engines.kernel.vlans.way import HIDDEN
from labs.net.interface import Interface
from labs.net.tunnel import Tunnel

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine
    from labs.engines.kernel.tunnels.routes import Way
    from labs.model.addresses import InterfaceAddress, IPv4, Mac

__all__ = ["TunnelBoard"]

TUNSETIFF, TUNSETLINK, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x400454CD, 0x0001, 0x1000  # linux/if_tun.h
SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFTXQLEN = 0x8914, 0x8922, 0x8943  # linux/sockios.h
IFF_NOARP = 0x80
TYPES = {"gre": 778, "ipip": 768}  # ARPHRD_IPGRE, ARPHRD_TUNNEL, linux/if_arp.h
RTNL_DELETE, NLM_F_REQUEST, NLM_F_ACK = 17, 1, 4


@dataclass
class Owned:
    """A TUN device of ours, and what the carrier was told of it."""

    slot: int
    device: int
    settings: Tunnel | None
    mtu: int


class _Routes:
    """Where the commands ask for the way to the other end."""

    def __init__(self) -> None:
        self._table = RouteTable()
        self.routes = self

    def lookup(self, target: IPv4) -> Way | None:
        """As the kernel sends."""
        return self._table.find(int(target))

    def forget_answers(self) -> None:
        """The kernel does."""


class TunnelBoard:
    """The device, to those who make tunnels."""

    def __init__(self, machine: Machine, tun: int) -> None:
        self.name = machine.name
        self.ip = _Routes()
        self.interfaces: dict[str, Interface] = {}
        self._machine = machine
        self._tun = tun  # /dev/net/tun, which the device itself does not have
        self._carrier = CarrierProcess(machine, self._revive)
        self._owned: dict[int, Owned] = {}
        self._handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self._machine.now

    @property
    def active(self) -> bool:
        """True while there is a tunnel."""
        return bool(self._owned)

    def owns(self, name: str) -> bool:
        """True for a tunnel of ours."""
        interface = self.interfaces.get(name)
        return interface is not None and interface.tunnel is not None

    # What link_config asks of a device

    def add_interface(self, name: str, kind: str, mac: Mac, parent: Interface | None = None) -> Interface:
        """A new one; `apply` makes it."""
        interface = Interface(name, 0, kind, mac, mac, parent=parent)
        self.interfaces[name] = interface
        return interface

    def set_up(self, interface: Interface, *, up: bool) -> None:
        """The kernel switches it off when it is removed."""

    def remove_address(self, interface: Interface, address: InterfaceAddress) -> None:
        """The kernel removes addresses with their interface."""

    # From the kernel

    def look(self) -> None:
        """Take over which interfaces there are; one of ours is known by its number, whatever it is called now."""
        known = {interface.index: interface for interface in self.interfaces.values()}
        self.interfaces = {}
        for index, name in sorted(socket.if_nameindex()):
            if name in HIDDEN:
                continue
            try:
                told = Told.of(name)
            except OSError:  # gone in the meantime
                continue
            interface = known.get(index)
            if interface is None or (interface.tunnel is not None) != (index in self._owned):
                interface = Interface(name, index, "loopback" if told.loopback else "ether", told.mac, told.mac)
            interface.name, interface.mtu, interface.up = name, told.mtu, told.up
            if index in self._owned:
                self._owned[index].mtu = told.mtu
                self._count(interface, Counters(self._carrier.memory, self._owned[index].slot))
            self.interfaces[name] = interface
        present = {interface.index for interface in self.interfaces.values()}
        for index in set(self._owned) - present:  # somebody removed it behind our back
            self._forget(index)

    @staticmethod
    def _count(interface: Interface, counters: Counters) -> None:
        for way, one in (("rx", interface.rx), ("tx", interface.tx)):
            one.packets, one.bytes = counters.get(f"{way}_packets"), counters.get(f"{way}_bytes")
            one.errors = counters.get(f"{way}_errors")
        interface.tx.dropped, interface.tx.collisions = counters.get("tx_dropped"), counters.get("collisions")

    # To the kernel

    def apply(self) -> None:
        """Bring about what was changed. Raises TunnelError."""
        wanted = {one.index: one for one in self.interfaces.values() if one.tunnel is not None}
        for index in set(self._owned) - set(wanted):
            self._remove(index)
        for interface in list(wanted.values()):
            if interface.index not in self._owned:
                self._make(interface)
            owned = self._owned[interface.index]
            if owned.settings is not interface.tunnel:
                self._tell(interface, owned)
            if owned.mtu != interface.mtu:
                self._set(SIOCSIFMTU, interface.name, interface.mtu)
                owned.mtu = interface.mtu

    def _set(self, request: int, name: str, value: int) -> None:
        try:
            fcntl.ioctl(self._handle, request, struct.pack("=16si12x", name.encode(), value))
        except OSError as error:
            raise TunnelError(f"{name}: {error.strerror}") from None

    def _make(self, interface: Interface) -> None:
        used = {owned.slot for owned in self._owned.values()}
        slot = next((number for number in range(MAX_TUNNELS) if number not in used), -1)
        if slot < 0:
            del self.interfaces[interface.name]
            raise TunnelError("Cannot allocate memory")
        device = -1
        try:
            device = os.open(f"/proc/self/fd/{self._tun}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("=16sH22x", interface.name.encode(), IFF_TUN | IFF_NO_PI))
            fcntl.ioctl(device, TUNSETLINK, TYPES[interface.kind])
            self._set(SIOCSIFTXQLEN, interface.name, interface.queue_length)
            self._set(SIOCSIFFLAGS, interface.name, IFF_NOARP)  # without IFF_MULTICAST
            interface.index = socket.if_nametoindex(interface.name)
        except (OSError, TunnelError) as error:
            del self.interfaces[interface.name]
            if device >= 0:
                os.close(device)
            raise TunnelError(str(error.strerror if isinstance(error, OSError) else error)) from None
        self._owned[interface.index] = Owned(slot, device, None, 0)
        Counters(self._carrier.memory, slot).clear()
        Path(ACTIVE).touch()

    def _tell(self, interface: Interface, owned: Owned) -> None:
        assert interface.tunnel is not None
        link = self.interfaces[interface.tunnel.link].index if interface.tunnel.link in self.interfaces else 0
        message = described(interface.tunnel, link) | {"do": "put", "slot": owned.slot, "interface": interface.index}
        self._carrier.tell(message, owned.device if owned.settings is None else -1)
        owned.settings = interface.tunnel

    def _remove(self, index: int) -> None:
        """As `ip link del` does, at once; its addresses and routes go with it."""
        body = struct.pack("=BxHiII", 0, 0, index, 0, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as end:
            end.send(struct.pack("=IHHII", 32, RTNL_DELETE, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
            end.recv(4096)
        self._forget(index)

    def _forget(self, index: int) -> None:
        owned = self._owned.pop(index)
        os.close(owned.device)
        if self._owned:
            self._carrier.tell({"do": "drop", "slot": owned.slot})
        else:
            self._carrier.stop()

    def _revive(self) -> None:
        """The process was ended: a new one gets every tunnel."""
        for interface in self.interfaces.values():
            owned = self._owned.get(interface.index)
            if owned is not None and interface.tunnel is not None:
                owned.settings = None
                self._tell(interface, owned)
