"""The process that carries the packets of a device's tunnels between TUN devices and raw sockets.

Before changing this file read net/ipv4/ip_tunnel.c of Linux (ip_tunnel_xmit, tnl_update_pmtu, ip_tunnel_lookup,
ip_tunnel_rcv), and gre_err of ip_gre.c and ipip_err of ipip.c, which decide who is told of an error.

One process serves all tunnels of a device, because only who knows all of them can say which one a packet is for, and
that it is for none. It learns of tunnels through a socket, and counts in memory that the init of the device reads.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from labs.engines.kernel.tunnels.errors import (
    DEST_UNREACHABLE,
    FRAGMENTATION_NEEDED,
    HOST_UNREACHABLE,
    PORT_UNREACHABLE,
    REDIRECT,
    TIME_EXCEEDED,
    ErrorSender,
)
from labs.engines.kernel.tunnels.header import Inner, marked_congested, outer_tos, unwrap, wrap
from labs.engines.kernel.tunnels.routes import RouteTable
from labs.model.addresses import IPv4
from labs.net.ipv4 import ANY, PROTO_GRE, PROTO_IPIP
from labs.net.tunnel import Tunnel

__all__ = ["COUNTERS", "MAX_TUNNELS", "Counters", "carry", "described"]

MAX_TUNNELS = 64
COUNTERS = ("rx_packets", "rx_bytes", "rx_errors", "tx_packets", "tx_bytes", "tx_errors", "tx_dropped", "collisions")
PROTOCOLS = {"gre": PROTO_GRE, "ipip": PROTO_IPIP}
ERROR_S = 30.0  # IPTUNNEL_ERR_TIMEO
LONGEST = 1 << 16
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO, IP_RECVERR, IP_PKTINFO = 10, 0, 2, 11, 8  # linux/in.h
SO_ATTACH_FILTER = 26
BURST = 32  # packets of one source before others have their turn


class Counters:
    """What one tunnel has counted, in memory that two processes see."""

    def __init__(self, memory: mmap.mmap, slot: int) -> None:
        self._memory = memory
        self._place = slot * 8 * len(COUNTERS)

    def clear(self) -> None:
        """A new tunnel."""
        self._memory[self._place : self._place + 8 * len(COUNTERS)] = bytes(8 * len(COUNTERS))

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        place = self._place + 8 * COUNTERS.index(name)
        value = struct.unpack_from("=Q", self._memory, place)[0]
        struct.pack_into("=Q", self._memory, place, value + amount)

    def get(self, name: str) -> int:
        """What was counted."""
        return int(struct.unpack_from("=Q", self._memory, self._place + 8 * COUNTERS.index(name))[0])

    @staticmethod
    def memory() -> mmap.mmap:
        """For all tunnels of a device."""
        return mmap.mmap(-1, MAX_TUNNELS * 8 * len(COUNTERS))


def described(settings: Tunnel, link: int) -> dict[str, Any]:
    """The settings of a tunnel as a message; `link` is the number of the interface that they name."""
    return {
        "mode": settings.mode,
        "local": int(settings.local),
        "remote": int(settings.remote),
        "ttl": settings.ttl,
        "tos": settings.tos,
        "inherit_tos": settings.inherit_tos,
        "input_key": settings.input_key,
        "output_key": settings.output_key,
        "input_sum": settings.input_sum,
        "output_sum": settings.output_sum,
        "path_mtu": settings.path_mtu,
        "link": link,
    }


@dataclass
class Carried:
    """A tunnel of this process."""

    settings: Tunnel
    link: int
    device: int
    interface: int
    counters: Counters
    errors: int = 0
    error_s: float = 0.0


class Sockets(NamedTuple):
    """Raw sockets of one protocol: both can send, the first receives, the last is told of errors."""

    whole: socket.socket
    pieces: socket.socket
    told: socket.socket


def _raw(protocol: int, discovery: int, *, hears: bool = False, told: bool = False) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    end.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, discovery)
    if not hears:
        nothing = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))  # BPF: return 0
        end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(nothing)))
    if told:
        end.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return end


class Carrier:
    """All tunnels of a device."""

    def __init__(self, control: socket.socket, memory: mmap.mmap) -> None:
        self._control = control
        self._memory = memory
        self._tunnels: dict[int, Carried] = {}
        self._sockets: dict[str, Sockets] = {}
        self._routes = RouteTable()
        self._tell = ErrorSender(self._routes)
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)
        self._devices: dict[int, int] = {}
        self._modes: dict[int, str] = {}
        self._erring: dict[int, str] = {}

    def run(self) -> None:
        """Until the init of the device is gone."""
        while True:
            for descriptor, events in self._poll.poll():
                if descriptor == self._control.fileno():
                    if not self._told():
                        return
                elif descriptor in self._devices:
                    self._from_device(descriptor, events)
                elif descriptor in self._erring:
                    self._failed(self._erring[descriptor])
                elif descriptor in self._modes:
                    self._from_wire(self._modes[descriptor])

    # What the init tells

    def _told(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, LONGEST, 1)
        except OSError:
            return False
        if not data:
            return False
        message = json.loads(data)
        slot = message["slot"]
        if message["do"] == "drop":
            self._drop(slot)
        else:
            known = self._tunnels.get(slot)
            device = descriptors[0] if descriptors else known.device if known is not None else -1
            self._put(slot, device, message)
        self._control.send(b"done")
        return True

    def _put(self, slot: int, device: int, message: dict[str, Any]) -> None:
        words = {name: message[name] for name in message if name not in ("do", "slot", "interface", "link")}
        words |= {"local": IPv4(words["local"]), "remote": IPv4(words["remote"])}
        settings = Tunnel(**words)
        self._open(settings.mode)
        counters = Counters(self._memory, slot)
        self._tunnels[slot] = Carried(settings, message["link"], device, message["interface"], counters)
        if device not in self._devices:
            self._devices[device] = slot
            self._poll.register(device, select.POLLIN)

    def _open(self, mode: str) -> None:
        """The first tunnel of a kind: from now on this device understands such packets."""
        if mode in self._sockets:
            return
        number = PROTOCOLS[mode]
        ends = Sockets(
            _raw(number, IP_PMTUDISC_DO, hears=True),
            _raw(number, IP_PMTUDISC_DONT),
            _raw(number, IP_PMTUDISC_DO, told=True),
        )
        self._sockets[mode] = ends
        self._modes[ends.whole.fileno()] = mode
        self._erring[ends.told.fileno()] = mode
        self._poll.register(ends.whole.fileno(), select.POLLIN)
        self._poll.register(ends.told.fileno(), 0)  # errors come anyway

    def _drop(self, slot: int) -> None:
        gone = self._tunnels.pop(slot, None)
        if gone is None:
            return
        with contextlib.suppress(KeyError):
            self._poll.unregister(gone.device)
        self._devices.pop(gone.device, None)
        os.close(gone.device)
        mode = gone.settings.mode
        if not any(other.settings.mode == mode for other in self._tunnels.values()):
            ends = self._sockets.pop(mode)
            for known in (self._modes, self._erring):
                for end in ends:
                    known.pop(end.fileno(), None)
            for end in (ends.whole, ends.told):
                self._poll.unregister(end.fileno())
            for end in ends:
                end.close()

    # Into a tunnel

    def _from_device(self, descriptor: int, events: int) -> None:
        tunnel = self._tunnels[self._devices[descriptor]]
        for _ in range(BURST):
            try:
                packet = os.read(descriptor, LONGEST)
            except BlockingIOError:
                return
            except OSError:  # the interface is gone, or off
                if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
                    self._poll.unregister(descriptor)
                return
            self.send(tunnel, Inner(packet))

    def send(self, tunnel: Carried, inner: Inner) -> None:
        """A packet was routed into a tunnel (ip_tunnel_xmit)."""
        settings, count, packet = tunnel.settings, tunnel.counters, inner.data
        if inner.version not in ((4,) if settings.mode == "ipip" else (4, 6)) or settings.remote == ANY:
            count.add("tx_errors")
            return
        tos = outer_tos(settings, inner)
        way = self._routes.find(int(settings.remote), int(settings.local), tunnel.link, tos)
        if way is None:
            count.add("tx_errors")
            return
        if way.interface == tunnel.interface:
            count.add("collisions")
            count.add("tx_errors")
            return
        room = way.mtu - settings.overhead
        whole = settings.path_mtu or inner.dont_fragment
        if len(packet) > room and inner.dont_fragment:
            self._tell.about(packet, DEST_UNREACHABLE, FRAGMENTATION_NEEDED, room)
            count.add("tx_errors")
            return
        if tunnel.errors:
            if time.monotonic() < tunnel.error_s + ERROR_S:
                tunnel.errors -= 1
                self._tell.about(packet, DEST_UNREACHABLE, HOST_UNREACHABLE)
            else:
                tunnel.errors = 0
        ends = self._sockets[settings.mode]
        information = struct.pack("=i", tunnel.link) + struct.pack("!I4x", int(settings.local))
        extra = [
            (socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", settings.ttl or max(1, inner.ttl))),
            (socket.IPPROTO_IP, socket.IP_TOS, struct.pack("=i", tos)),
            (socket.IPPROTO_IP, IP_PKTINFO, information),
        ]
        end = ends.whole if whole else ends.pieces
        try:
            end.sendmsg([wrap(settings, packet)], extra, 0, (str(settings.remote), 0))
        except OSError:  # too large for the way, or refused by a rule
            count.add("tx_dropped")
            return
        count.add("tx_packets")
        count.add("tx_bytes", len(packet))

    # Out of a tunnel

    def _from_wire(self, mode: str) -> None:
        end = self._sockets[mode].whole
        for _ in range(BURST):
            try:
                data = end.recv(LONGEST)
            except OSError:
                return
            self.receive(mode, data)

    def receive(self, mode: str, outer: bytes) -> None:
        """A packet for this device with another one in it; without a tunnel for it, its sender is told."""
        found = unwrap(mode, outer[(outer[0] & 15) * 4 :])
        if found is None or not found.intact:
            return
        source, target = struct.unpack_from("!II", outer, 12)
        for tunnel in sorted(self._tunnels.values(), key=_exactness, reverse=True):
            settings = tunnel.settings
            if settings.mode != mode or not _takes(settings, source, target, found.key):
                continue
            inner = marked_congested(outer[1], found.inner)
            if inner is None or settings.input_sum != found.summed:
                tunnel.counters.add("rx_errors")
                return
            try:
                os.write(tunnel.device, inner)
            except OSError as error:
                if error.errno in (errno.EIO, errno.EBADFD):  # switched off, or gone
                    continue
                tunnel.counters.add("rx_errors")
                return
            tunnel.counters.add("rx_packets")
            tunnel.counters.add("rx_bytes", len(inner))
            return
        self._tell.about(outer, DEST_UNREACHABLE, PORT_UNREACHABLE, source=target)

    # Errors about packets of ours

    def _failed(self, mode: str) -> None:
        end = self._sockets[mode].told
        while True:
            try:
                payload, extra, _, target = end.recvmsg(LONGEST, 256, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, data in extra:
                if level == socket.IPPROTO_IP and kind == IP_RECVERR and len(data) >= 16:
                    _, origin, error, code = struct.unpack_from("=IBBB", data)
                    if origin == 2:  # SO_EE_ORIGIN_ICMP
                        self.failed(mode, IPv4.parse(target[0]), payload, error, code)

    def failed(self, mode: str, remote: IPv4, payload: bytes, error: int, code: int) -> None:
        """An ICMP error about a packet of a tunnel: whoever sends through it next is told (ipgre_err, ipip_err)."""
        if error == DEST_UNREACHABLE:
            if code == FRAGMENTATION_NEEDED or (code == PORT_UNREACHABLE and mode == "gre"):
                return
        elif error == REDIRECT or error != TIME_EXCEEDED or code:
            return
        key = None
        if mode == "gre" and len(payload) >= 8 and payload[0] & 0x20:
            key = struct.unpack_from("!I", payload, 8 if payload[0] & 0x80 else 4)[0] if len(payload) >= 12 else None
        for tunnel in self._tunnels.values():
            settings = tunnel.settings
            if settings.mode != mode or settings.remote != remote or settings.input_key != key:
                continue
            if error == TIME_EXCEEDED and not settings.ttl:
                continue
            now = time.monotonic()
            tunnel.errors = tunnel.errors + 1 if now < tunnel.error_s + ERROR_S else 1
            tunnel.error_s = now


def _takes(settings: Tunnel, source: int, target: int, key: int | None) -> bool:
    return (
        int(settings.remote) in (0, source) and int(settings.local) in (0, target) and settings.input_key == key
    )  # ip_tunnel_lookup


def _exactness(tunnel: Carried) -> int:
    """A tunnel that names both ends comes before one that names one (ip_tunnel_lookup)."""
    return 2 * (tunnel.settings.remote != ANY) + (tunnel.settings.local != ANY)


def carry(control: socket.socket, memory: mmap.mmap) -> None:
    """The process."""
    Carrier(control, memory).run()
