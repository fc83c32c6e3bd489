"""A small Linux machine without I/O: frames and wake-ups in, actions and notes out.

The node keeps the parts together (interfaces, routing, neighbours, netfilter, sockets, processes, files, services) and
carries each packet along the path of the kernel: prerouting, routing decision, input or forward, output, postrouting.
Before changing the order of anything here read the netfilter packet-flow diagram, RFC 1812 §5.2 and RFC 1122 §3.2.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labs.model.addresses import Address, InterfaceAddress, IPv4, IPv6, Mac
from labs.model.site import Port
from labs.model.state import DeviceState, Route
from labs.net.actions import Action, Dropped, DropReason, Note, RadioSend, SerialSend, SetLink, Transmit, WifiAsk
from labs.net.ethernet import Frame
from labs.net.filesystem import FileSystem
from labs.net.interface import LOOPBACK_MTU, Interface
from labs.net.linux.contract import Oracle, World
from labs.net.linux.ends import Outlet
from labs.net.linux.ip_layer import IpLayer
from labs.net.linux.ipv6_layer import Ipv6Layer
from labs.net.linux.kernel_files import ClassNet, ProcFiles
from labs.net.linux.link_layer import LinkLayer
from labs.net.linux.observation import snapshot
from labs.net.linux.sysctl import ProcSys, Sysctl
from labs.net.linux.transport import Transport
from labs.net.linux.units import Unit, Units
from labs.net.netfilter import Netfilter
from labs.net.phy import LinkMode, Transceiver
from labs.net.process import SIGKILL, Process, Program, Scheduler
from labs.net.radio import HeardFrame, LoraRadio
from labs.net.said import Said
from labs.net.serial import Chunk, SerialFiles, SerialPort
from labs.net.wifi import WifiEvent, WifiRadio
from labs.net.zigbee import ZigbeeEvent, ZigbeeRadio

__all__ = ["LinuxNode"]

SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254}  # /etc/iproute2/rt_scopes


class LinuxNode:
    """One device. Public attributes are its parts; commands and services work on them."""

    def __init__(
        self,
        name: str,
        ports: Sequence[Port],
        files: Mapping[str, str],
        *,
        world: World,
        units: Mapping[str, Unit],
        boot: Program,
        serial: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.world = world
        self.now = 0
        self.powered = False
        self.tracing = False
        self.outlet: Outlet | None = None
        """Where the short way of `labs.net.linux.ends` goes on; None: sockets take the layers."""
        self.oracle: Oracle | None = None
        self.clock_offset_ns = 0
        self.booted_ns = 0
        self.files = FileSystem(files)
        self.modified_ns: dict[str, int] = {}
        self.files.watchers.append(self._file_written)
        self.processes = Scheduler()
        self._boot = boot
        self._ports = tuple(ports)
        self._serial_names = tuple(serial)
        self._timers: list[tuple[int, int, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._serial = 0
        self._life = 0
        self.keys_drawn = 0
        """How many keys `wg genkey` made."""
        self.version = 0
        """Counts changes of the configuration: what was derived from an older one has to be derived anew."""
        self._out: list[Action | Note] = []
        self._cable: dict[str, bool] = {port.name: False for port in ports}
        self._reset_parts()
        self.units = Units(self, units)

    def _file_written(self, path: str) -> None:
        self.modified_ns[path] = self.now

    def _reset_parts(self) -> None:
        """Everything that a power cut wipes."""
        self.interfaces: dict[str, Interface] = {}
        self._next_index = 1
        self.sysctl = Sysctl(self.name, lambda: list(self.interfaces))
        self.files.mount("/proc/sys/", ProcSys(self.sysctl))
        self.files.mount(ClassNet.PREFIX, ClassNet(self))
        self.files.mount("/proc/", ProcFiles(self))
        self.netfilter = Netfilter(self.changed)
        self.link = LinkLayer(self)
        self.ip = IpLayer(self)
        self.ipv6 = Ipv6Layer(self)
        self.transport = Transport(self)
        self.lora = LoraRadio(self)
        self.wifi = WifiRadio(self)
        self.zigbee = ZigbeeRadio(self)
        self.serial = {name: SerialPort(self, name) for name in self._serial_names}
        if self.serial:
            self.files.mount("/dev/tty", SerialFiles(self.serial))
        loopback = self.add_interface("lo", "loopback", Mac(0))
        loopback.mtu = LOOPBACK_MTU
        for port in self._ports:
            interface = self.add_interface(port.name, "ether", port.mac)
            interface.speed_bps = port.speed_bps
            interface.phy = Transceiver(port.speed_bps)

    # The engine's side

    def receive(self, port: str, frame: Frame, now: int) -> list[Action | Note]:
        """A frame arrived at a port."""
        self.now = now
        interface = self.interfaces.get(port)
        if not self.powered:
            self.drop(DropReason.POWERED_OFF, port, frame=frame)
        elif interface is None or not interface.up:
            self.drop(DropReason.ADMIN_DOWN, port, frame=frame)
        else:
            self.link.receive(interface, frame)
        return self._drain()

    def link_changed(
        self,
        port: str,
        up: bool,  # noqa: FBT001
        now: int,
        mode: LinkMode | None = None,
    ) -> list[Action | Note]:
        """The lead in a port came alive, in this mode, or died."""
        self.now = now
        self._cable[port] = up
        if self.powered and port in self.interfaces:
            if mode is not None:
                self.interfaces[port].speed_bps, self.interfaces[port].full_duplex = mode
            self.link.carrier_changed(self.interfaces[port], up=up)
        return self._drain()

    def receive_damaged(self, port: str, frame: Frame, now: int) -> list[Action | Note]:
        """A frame arrived whose check sequence is wrong."""
        self.now = now
        interface = self.interfaces.get(port)
        if self.powered and interface is not None:
            interface.rx.damage()
            self.drop(DropReason.CHECKSUM, port, frame=frame)
        return self._drain()

    def hear(self, port: str, chunk: Chunk, now: int) -> list[Action | Note]:
        """Something was heard on a serial port."""
        self.now = now
        if self.powered and port in self.serial:
            self.serial[port].deliver(chunk)
        return self._drain()

    def hear_radio(self, heard: WifiEvent | HeardFrame | ZigbeeEvent, now: int) -> list[Action | Note]:
        """The air tells one of its radios something."""
        self.now = now
        if self.powered:
            radios: dict[type, Any] = {WifiEvent: self.wifi, HeardFrame: self.lora, ZigbeeEvent: self.zigbee}
            radios[type(heard)].tell(heard)
        return self._drain()

    def wake(self, now: int) -> list[Action | Note]:
        """Run what is due."""
        self.now = now
        timers = self._timers
        while timers and timers[0][0] <= now:
            _, serial, life, action = heapq.heappop(timers)
            if serial in self._cancelled:
                self._cancelled.discard(serial)
            elif life == self._life:
                action()
                if self.processes.queue:
                    self.processes.run_ready()
            timers = self._timers
        return self._drain()

    def due(self, now: int) -> bool:
        """Whether a timer is due; forgets those that were cancelled and come first."""
        timers, cancelled = self._timers, self._cancelled
        while timers and timers[0][1] in cancelled:
            cancelled.discard(heapq.heappop(timers)[1])
        return bool(timers) and timers[0][0] <= now

    def next_wake(self) -> int | None:
        """The earliest timer."""
        return self._timers[0][0] if self._timers else None

    def _drain(self) -> list[Action | Note]:
        if self.processes.queue:
            self.processes.run_ready()
        out = self._out
        if out:
            self._out = []
        return out

    # Power

    def power_on(self, now: int) -> list[Action | Note]:
        """Boot from the files."""
        self.now = now
        if not self.powered:
            self.powered = True
            self.booted_ns = now
            for name, up in self._cable.items():
                self.interfaces[name].carrier = up
            self.spawn(["init"], self._boot, directory="/")
        return self._drain()

    def power_off(self, now: int) -> list[Action | Note]:
        """Pull the plug: everything that is not in a file is gone."""
        self.now = now
        if self.powered:
            self.powered = False
            self._life += 1
            for process in self.processes:
                process.kill(SIGKILL)
            self.processes.queue.clear()
            self._timers.clear()
            self._cancelled.clear()
            # Too late to say goodbye.
            self._out = [
                item for item in self._out if not isinstance(item, (SetLink, Transmit, SerialSend, RadioSend, WifiAsk))
            ]
            self.units.forget()
            self.files.forget_volatile()
            self._reset_parts()
        return self._drain()

    @property
    def watched(self) -> bool:
        """Somebody wants to see every single packet."""
        return self.tracing or self.link.captured

    def changed(self) -> None:
        """The configuration changed, or somebody began or ceased to listen."""
        self.version += 1

    # What the parts and programs use

    def emit(self, item: Action | Note) -> None:
        """Hand something to the engine."""
        self._out.append(item)

    def note(self, item: Note) -> None:
        """Report a fact, while somebody is listening."""
        if self.tracing:
            self._out.append(item)

    def drop(
        self,
        reason: DropReason,
        interface: str,
        *,
        frame: Frame | None = None,
        packet: object = None,
        by: str | Said = "",
    ) -> None:
        """Report a death."""
        if self.tracing:
            self._out.append(Dropped(reason, interface, frame, packet, by))  # type: ignore[arg-type]

    def call_at(self, when: int, action: Callable[[], None]) -> int:
        """Call back at a time; forgotten at a power cut. The number is for `cancel`."""
        self._serial = serial = self._serial + 1
        now = self.now
        heapq.heappush(self._timers, (when if when > now else now, serial, self._life, action))  # noqa: FURB136
        return serial

    def cancel(self, serial: int) -> None:
        """Do not call back, as asked for by a `call_at` whose time has not come."""
        self._cancelled.add(serial)

    def call_soon(self, action: Callable[[], None]) -> None:
        """Call back at this very time, after what is going on now."""
        self.call_at(self.now, action)

    def spawn(self, argv: list[str], program: Program, **streams: object) -> Process:
        """Start a program."""
        process = Process(self, argv, **streams)  # type: ignore[arg-type]
        self.processes.start(process, program)
        return process

    def drain(self, now: int) -> list[Action | Note]:
        """What has to be done after a program was started or killed from outside."""
        self.now = now
        return self._drain()

    def wall_clock(self) -> float:
        """What this device believes the time is, in Unix seconds."""
        return self.world.wall_clock(self.now + self.clock_offset_ns)

    @property
    def hostname(self) -> str:
        """The name in the prompt."""
        return self.sysctl.get("kernel.hostname") or self.name

    # Configuration

    def add_interface(self, name: str, kind: str, mac: Mac, parent: Interface | None = None) -> Interface:
        """Create an interface with the next index."""
        interface = Interface(name, self._next_index, kind, mac, mac, parent=parent)
        interface.watch = self.changed
        self._next_index += 1
        self.interfaces[name] = interface
        self.ip.routes.attach(self.interfaces)
        self.ipv6.routes.attach(self.interfaces)
        return interface

    def set_up(self, interface: Interface, *, up: bool) -> None:
        """`ip link set … up|down`, with everything that hangs on it."""
        if interface.up == up:
            return
        interface.up = up
        interface.activated = True
        if interface.kind == "ether":
            self.emit(SetLink(interface.name, up))
        if up:
            self.ip.interface_up(interface)
        else:
            self.ip.interface_down(interface)
            self.link.interface_down(interface)
        for other in list(self.interfaces.values()):
            if other.parent is interface:  # VLANs follow what they stand on (vlan_device_event)
                self.set_up(other, up=up)
        self.link.ports_changed(interface)
        self.ip.routes.forget_answers()
        self.ipv6.links_changed()

    def add_address(self, interface: Interface, address: InterfaceAddress, **details: str) -> bool:
        """`ip addr add`; False where it is already there. `details` are those of `Interface.labels`.

        Primary addresses stand before secondary ones, the narrower scope first (__inet_insert_ifa).
        """
        if address in interface.addresses:
            return False
        interface.labels.setdefault(address, {}).update(details)
        network = interface.prefix_of(address)
        position = len(interface.addresses)
        if not any(interface.prefix_of(other) == network for other in interface.addresses):
            ahead = [
                index
                for index, other in enumerate(interface.addresses)
                if not interface.is_secondary(other)
                and SCOPES[details.get("scope", "global")] <= SCOPES[interface.detail(other, "scope") or "global"]
            ]
            position = ahead[-1] + 1 if ahead else 0
        interface.addresses.insert(position, address)
        self.ip.address_added(interface, address)
        if "valid_until_ns" in details:
            self.watch_address(interface, address)
        return True

    def watch_address(self, interface: Interface, address: InterfaceAddress) -> None:
        """Remove an address when its `valid_until_ns` has come; call it again after that moment was moved."""
        until = interface.detail(address, "valid_until_ns")
        if until is not None:
            self.call_at(int(until), lambda: self._address_expires(interface, address))

    def _address_expires(self, interface: Interface, address: InterfaceAddress) -> None:
        """The lifetime of an address ran out, unless it was renewed."""
        until = interface.detail(address, "valid_until_ns")
        if address in interface.addresses and until is not None and int(until) <= self.now:
            self.remove_address(interface, address)

    def remove_address(self, interface: Interface, address: InterfaceAddress) -> None:
        """`ip addr del`. Raises ValueError where it is not there.

        Secondary addresses go with it, or the first of them takes its place (promote_secondaries).
        """
        if address not in interface.addresses:
            message = f"{interface.name} does not have {address}"
            raise ValueError(message)
        secondaries = interface.secondaries(address)
        promote = self.sysctl.interface_number(interface.name, "promote_secondaries")
        doomed = [address] if promote else [*reversed(secondaries), address]
        for gone in doomed:
            prefix = interface.prefix_of(gone)
            interface.addresses.remove(gone)
            interface.labels.pop(gone, None)
            self.ip.address_removed(interface, gone, prefix)
        if promote and secondaries:
            self.ip.address_added(interface, secondaries[0])

    def local_addresses(self) -> list[IPv4]:
        """Every address of the device; one of an interface that is down is still an address of the device."""
        return [a.address for i in self.interfaces.values() for a in i.addresses if isinstance(a.address, IPv4)]

    def is_local(self, address: Address) -> bool:
        """True for an address of this device, of either family."""
        return self.ipv6.is_local(address) if isinstance(address, IPv6) else self.ip.is_local(address)

    def is_broadcast(self, address: Address) -> bool:
        """True for an IPv4 broadcast address; IPv6 has none."""
        return isinstance(address, IPv4) and self.ip.is_broadcast(address)

    def preferred_source(self, address: Address) -> Address | None:
        """The source address towards an address of either family, or None without a way."""
        if isinstance(address, IPv6):
            return self.ipv6.preferred_source(address)
        return self.ip.preferred_source(address)

    # Sockets, for programs

    def tcp_connect(self, address: Address, port: int, *, program: str = "", tag: int = 0):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """Begin a connection."""
        return self.transport.tcp_connect(address, port, program=program, tag=tag)

    def tcp_listen(self, port: int, address: Address, *, program: str = ""):  # type: ignore[no-untyped-def]  # noqa: ANN201
        """Listen. Raises SocketError."""
        return self.transport.tcp_listen(port, address, program=program)

    def tcp_unlisten(self, listener) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """Stop listening."""
        self.transport.tcp_unlisten(listener)

    # Observation

    def snapshot(self) -> DeviceState:
        """The running configuration, frozen."""
        return snapshot(self)

    def routes(self) -> list[Route]:
        """The main table."""
        return self.ip.routes.routes()
