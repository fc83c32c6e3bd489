"""The bridges and VLAN interfaces of a device that Open vSwitch stands in for, as the simulator's commands know them.

`Switchboard` stands where `labs.net.linux.link_config` and the commands `ip link` and `bridge` expect a device: its
interfaces are the values of `labs.net.interface`, filled from the kernel by `look`. What the commands changed in them,
`apply` brings about: in the kernel, and in Open vSwitch. So both engines refuse the same things in the same words.

A port of such a bridge is also a port of a Linux bridge that is never switched on (`SINK`): it keeps the device's own
IP stack from hearing what the port hears, which is the bridge's alone.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.device.machine import ENVIRONMENT, Machine
from labs.engines.kernel.device.told import Told
from labs.engines.kernel.sandbox.commands import ACTIVE
from labs.engines.kernel.vlans.flows import bridge_flows, learned_flow, number_of, trunk_flows
from labs.engines.kernel.vlans.openvswitch import OpenVSwitch, Seen, SwitchError
from labs.engines.kernel.vlans.way import HIDDEN, SINK, TRUNKS
from labs.model.addresses import Mac
from labs.net.bridge import Origin, Station, StationKey
from labs.net.interface import Interface
from labs.net.linux import link_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labs.model.addresses import InterfaceAddress

__all__ = ["Switchboard"]

IP = "/usr/sbin/ip"
FIRST_VLAN_NUMBER = 2000  # ports of a bridge are numbered below (labs.net.bridge.MAX_PORTS)
SECOND = 1_000_000_000


class _Nothing:
    """The parts of a device that follow a change in the simulator; here the kernel does."""

    def __init__(self) -> None:
        self.routes = self

    def ports_changed(self, interface: Interface) -> None:
        """Nothing."""

    def interface_down(self, interface: Interface) -> None:
        """Nothing."""

    def forget_answers(self) -> None:
        """Nothing."""


class Switchboard:
    """The device, to those who make bridges and VLANs."""

    def __init__(self, machine: Machine) -> None:
        self.name = machine.name
        self.link = self.ip = _Nothing()
        self.interfaces: dict[str, Interface] = {}
        self._machine = machine
        self._switch = OpenVSwitch(machine, self._revive)
        self._seen: dict[str, tuple[bool, Mac, int]] = {}
        """Of each interface of the kernel: up, MAC address, MTU."""
        self._carriers: dict[str, bool] = {}
        self._numbers: dict[str, int] = {}
        self._made: dict[str, set[str]] = {}
        """Bridge of Open vSwitch to the ports it has."""
        self._flows: dict[str, list[str]] = {}
        self._addresses: dict[str, str] = {}
        self._learned: dict[str, list[Seen]] = {}
        self._parents: dict[str, bool] = {}
        self._used = False

    @property
    def active(self) -> bool:
        """True once there was a bridge or a VLAN interface of ours; what was made for it stays hidden."""
        return self._used or any(self.owns(name) for name in self.interfaces)

    @property
    def now(self) -> int:
        """Nanoseconds since the site was switched on."""
        return self._machine.now

    def owns(self, name: str) -> bool:
        """True for a bridge or VLAN interface that Open vSwitch stands in for."""
        interface = self.interfaces.get(name)
        return interface is not None and interface.kind in ("bridge", "vlan")

    def bridge_of(self, name: str) -> str:
        """The bridge of ours that an interface is a port of, or nothing."""
        interface = self.interfaces.get(name)
        return interface.master.name if interface is not None and interface.master is not None else ""

    @property
    def unmade(self) -> set[str]:
        """Names that exist on the board, but not in the kernel yet."""
        return {name for name in self.interfaces if self.owns(name) and name not in self._seen}

    def begin(self) -> None:
        """Start Open vSwitch before it is needed. Raises SwitchError."""
        self._switch.start()

    # What link_config asks of a device

    def add_interface(self, name: str, kind: str, mac: Mac, parent: Interface | None = None) -> Interface:
        """A new one; `apply` makes it."""
        interface = Interface(name, 0, kind, mac, mac, parent=parent)
        self.interfaces[name] = interface
        return interface

    def set_up(self, interface: Interface, *, up: bool) -> None:
        """Switched on or off; VLAN interfaces follow what they stand on (vlan_device_event)."""
        if interface.up != up:
            interface.up = up
            for other in self.interfaces.values():
                if other.parent is interface:
                    self.set_up(other, up=up)

    def remove_address(self, interface: Interface, address: InterfaceAddress) -> None:
        """The kernel removes addresses with their interface."""

    # From the kernel

    def look(self) -> None:
        """Take over how every interface is now."""
        found: dict[str, Interface] = {}
        self._seen = {}
        for index, name in sorted(socket.if_nameindex()):
            if name in HIDDEN:
                continue
            try:
                told = Told.of(name)
            except OSError:  # gone in the meantime
                continue
            mac, up = told.mac, told.up
            self._seen[name] = (up, mac, told.mtu)
            interface = self.interfaces.get(name)
            if interface is None:
                interface = Interface(name, 0, "loopback" if told.loopback else "ether", mac, mac)
            interface.index, interface.mtu, interface.carrier = index, told.mtu, told.carrier
            interface.activated = interface.activated or up
            if interface.kind != "bridge" or self._addresses.get(name) != str(mac):
                self._moved(interface, mac)
            interface.up = up
            found[name] = interface
        for name, interface in self.interfaces.items():
            if name not in found and self.owns(name) and not any(name in ports for ports in self._made.values()):
                found[name] = interface  # not made yet
            elif name not in found:
                self._vanished(interface)
        self.interfaces = {name: one for name, one in found.items() if self._stands(one, found)}

    def _moved(self, interface: Interface, mac: Mac) -> None:
        """Somebody gave an interface another MAC address."""
        if interface.mac == mac:
            return
        if interface.kind in ("bridge", "vlan") and interface.name not in self._addresses:
            return  # just made
        link_config.set_mac(self, interface, mac)  # type: ignore[arg-type]

    def _vanished(self, interface: Interface) -> None:
        """Somebody deleted a port: its bridge lets it go."""
        if interface.master is not None:
            link_config.release(self, interface)  # type: ignore[arg-type]

    @staticmethod
    def _stands(interface: Interface, found: Mapping[str, Interface]) -> bool:
        return interface.parent is None or found.get(interface.parent.name) is interface.parent

    def load_stations(self) -> None:
        """Take over what Open vSwitch has learned."""
        for name, owner in self.interfaces.items():
            if owner.bridge is None or name not in self._made:
                continue
            bridge = owner.bridge
            ports = {number_of(port): port for port in bridge.ports}
            self._learned[name] = self._switch.stations(name)
            for key in [key for key, one in bridge.stations.items() if not one.permanent]:
                del bridge.stations[key]
            for seen in self._learned[name]:
                key = StationKey(seen.mac, seen.vid)
                if seen.port in ports and key not in bridge.stations and not bridge.stations.get(StationKey(seen.mac)):
                    bridge.stations[key] = Station(ports[seen.port], self.now - seen.silent_ns)

    # To the kernel and to Open vSwitch

    def apply(self, *, flows: bool = True) -> None:
        """Bring about what was changed; `flows` can be left for later. Raises SwitchError."""
        if not self.active:
            return
        self._remember()
        wanted = self._wanted()
        words = list(self._transaction(wanted))
        before, after = self._sinks()
        if before:
            _ip_batch(before)
        if words:
            self._switch.configure(words)
        self._made = {bridge: set(ports) for bridge, ports in wanted.items()}
        fresh = [line for name in sorted(self.unmade) for line in _light_switch(name)]
        lines = [*after, *fresh, *self._set_up()]
        if lines:
            _ip_batch(lines)
        if flows:
            self._flow()

    def _remember(self) -> None:
        """Tell the commands on the PATH that they have to ask."""
        self._used = True
        Path(ACTIVE).touch()

    def _bridges(self) -> list[Interface]:
        return [one for one in self.interfaces.values() if one.bridge is not None]

    def _vlans(self) -> list[Interface]:
        return [one for one in self.interfaces.values() if one.kind == "vlan"]

    def _wanted(self) -> dict[str, list[str]]:
        """Bridges of Open vSwitch and their ports."""
        wanted = {owner.name: [port.name for port in owner.bridge.ports] for owner in self._bridges() if owner.bridge}
        for interface in self._vlans():
            assert interface.parent is not None
            if interface.parent.bridge is not None:
                wanted[interface.parent.name].append(interface.name)
            else:
                ports = wanted.setdefault(TRUNKS, [])
                ports += [name for name in (interface.parent.name, interface.name) if name not in ports]
        return wanted

    def _number(self, name: str) -> int:
        """The OpenFlow number of a VLAN interface or of what it stands on; nobody had it before."""
        return self._numbers.setdefault(name, FIRST_VLAN_NUMBER + len(self._numbers))

    def _transaction(self, wanted: Mapping[str, Sequence[str]]) -> Iterable[Sequence[str]]:
        """What ovs-vsctl has to be told."""
        for bridge, ports in self._made.items():
            if bridge not in wanted:
                yield ("--if-exists", "del-br", bridge)
                for known in (self._flows, self._carriers, self._addresses):
                    known.pop(bridge, None)
                continue
            for gone in sorted(ports - set(wanted[bridge])):
                yield ("--if-exists", "del-port", bridge, gone)
                self._carriers.pop(gone, None)
        for bridge, names in wanted.items():
            if bridge not in self._made:
                yield ("add-br", bridge)
                yield ("set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure")
            owner = self.interfaces.get(bridge)
            if owner is not None and self._addresses.get(bridge) != str(owner.mac):
                self._addresses[bridge] = str(owner.mac)
                yield ("set", "bridge", bridge, f'other_config:hwaddr="{owner.mac}"')
            for name in names:
                if name not in self._made.get(bridge, ()):
                    yield from self._new_port(bridge, self.interfaces[name])

    def _new_port(self, bridge: str, port: Interface) -> Iterable[Sequence[str]]:
        yield ("add-port", bridge, port.name)
        if port.kind == "vlan":
            self._addresses[port.name] = str(port.mac)
            number = self._number(port.name)
            yield ("set", "interface", port.name, "type=internal", f'mac="{port.mac}"', f"ofport_request={number}")
        else:
            number = self._number(port.name) if bridge == TRUNKS else number_of(port)
            yield ("set", "interface", port.name, f"ofport_request={number}")

    def _sinks(self) -> tuple[list[str], list[str]]:
        """Lines that put ports into the sink, and those that let them out again."""
        inside = {path.name for path in Path(f"/sys/class/net/{SINK}/brif").glob("*")}
        wanted = {port.name for owner in self._bridges() if owner.bridge for port in owner.bridge.ports}
        into = [f"link set {name} master {SINK}" for name in sorted(wanted - inside)]
        if into and not Path(f"/sys/class/net/{SINK}").exists():
            into.insert(0, f"link add name {SINK} type bridge")
        return into, [f"link set {name} nomaster" for name in sorted(inside - wanted)]

    def _set_up(self) -> list[str]:
        """What the commands changed about interfaces, and carriers that follow others."""
        lines = []
        for name, interface in self.interfaces.items():
            up, mac, mtu = self._seen.get(name, (False, interface.mac, interface.mtu))
            if interface.mtu != mtu and not (interface.bridge is not None and not interface.bridge.fixed_mtu):
                lines.append(f"link set {name} mtu {interface.mtu}")
            if interface.mac != mac and interface.kind == "ether":
                lines.append(f"link set {name} address {interface.mac}")
            if interface.up != up:
                lines.append(f"link set {name} {'up' if interface.up else 'down'}")
            if self.owns(name) and interface.has_carrier != self._carriers.get(name, True):
                self._carriers[name] = interface.has_carrier
                lines.append(f"link set {name} carrier {'on' if interface.has_carrier else 'off'}")
            self._seen[name] = (interface.up, interface.mac, interface.mtu)
        return lines

    def _flow(self) -> None:
        """The flows of every bridge, and stations that were forgotten or entered."""
        for owner in self._bridges():
            assert owner.bridge is not None
            own = {one.vlan: self._number(one.name) for one in self._vlans() if one.parent is owner and one.vlan}
            self._write(owner.name, bridge_flows(owner, own), self._station_changes(owner))
        if TRUNKS in self._made:
            parents: dict[int, dict[int, int]] = {}
            for one in self._vlans():
                if one.parent is not None and one.parent.bridge is None and one.vlan:
                    parents.setdefault(self._number(one.parent.name), {})[one.vlan] = self._number(one.name)
            self._write(TRUNKS, trunk_flows(parents), [])

    def _station_changes(self, owner: Interface) -> list[str]:
        """The difference between what was learned and what the board says now."""
        assert owner.bridge is not None
        learned = self._learned.pop(owner.name, None)
        if learned is None:
            return []
        stations, lines = owner.bridge.stations, []
        for seen in learned:
            station = stations.get(StationKey(seen.mac, seen.vid))
            if station is None or station.permanent:
                lines.append(f"delete table=10,cookie={seen.port}/-1,reg0={seen.vid},dl_dst={seen.mac}")
        known = {(seen.mac, seen.vid) for seen in learned}
        for (mac, vid), station in stations.items():
            if station.origin is Origin.LEARNED and (mac, vid) not in known:
                age_s = owner.bridge.ageing_time_ns // SECOND
                lines.append(learned_flow(number_of(station.port), vid, mac, age_s))
        return lines

    def _write(self, bridge: str, flows: list[str], more: list[str]) -> None:
        if self._flows.get(bridge) != flows:
            self._switch.replace(bridge, [*flows, *more])
            self._flows[bridge] = flows
        elif more:
            self._switch.replace(bridge, more)

    # What happens by itself

    def changed(self) -> None:
        """Something about a link is new: carriers and VLAN interfaces follow, stations behind a dark port go."""
        before = {name: self._parents.get(name, False) for name in self.interfaces}
        dark = {name for name, one in self.interfaces.items() if one.running and one.bridge_port is not None}
        self.look()
        self._follow(before)
        dark -= {name for name, one in self.interfaces.items() if one.running}
        if dark:
            self.load_stations()
            for owner in self._bridges():
                assert owner.bridge is not None
                for port in owner.bridge.ports:
                    if port.name in dark:
                        owner.bridge.forget(port)
        self.apply()

    def _follow(self, before: Mapping[str, bool]) -> None:
        for one in self._vlans():
            parent = one.parent
            assert parent is not None
            if before.get(parent.name, parent.up) != parent.up and one.up != parent.up:
                one.up = parent.up
        self._parents = {name: one.up for name, one in self.interfaces.items()}

    def _revive(self) -> None:
        """A daemon was started anew: its flows are gone."""
        self._flows.clear()
        self.look()
        self.apply()

    # For whoever reads back

    def entered(self) -> list[dict[str, Any]]:
        """What `bridge -j fdb` would say of stations that were entered by hand."""
        return [
            {"mac": str(mac), "ifname": station.port.name, "master": owner.name, "state": station.origin.value}
            for owner in self._bridges()
            if owner.bridge is not None
            for (mac, _), station in owner.bridge.stations.items()
            if station.permanent
        ]

    def memberships(self) -> list[dict[str, Any]]:
        """What `bridge -j vlan` would say."""
        tables = []
        for name, interface in self.interfaces.items():
            table = interface.bridge.vlans if interface.bridge is not None else None
            table = interface.bridge_port.vlans if interface.bridge_port is not None else table
            if table is not None:
                vlans = [
                    {"vlan": vid, "flags": ["PVID"] * (vid == table.pvid) + ["Egress Untagged"] * untagged}
                    for vid, untagged in table.members.items()
                ]
                tables.append({"ifname": name, "vlans": vlans})
        return tables


def _light_switch(name: str) -> list[str]:
    """A TAP device tells its carrier only after that changed once."""
    return [f"link set {name} carrier off", f"link set {name} carrier on"]


def _ip_batch(lines: Iterable[str]) -> None:
    """Raises SwitchError with what `ip` says."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        [IP, "-force", "-batch", "-"], input=text, capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if not line.startswith("Command failed")]
        raise SwitchError(said[0] if said else "ip failed")
