"""From the site as written to the site as it stands: ports, addresses, leads and the files every device boots from.

Everything an author may leave out is worked out here, and what cannot be worked out is asked for with the line it is
missing on. The result is plain `Site` values; no short form survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random

from labs.messages import Message, message
from labs.model.addresses import InterfaceAddress, IPv4, IPv6, Mac, Network
from labs.model.site import Device, Kind, Port, Site
from labs.model.world import Room, World
from labs.net.ifupdown import Allow, InterfacesError, InterfacesFile, Stanza, parse_interfaces, render_interfaces
from labs.net.linux.units import enabled_path
from labs.scenario import files
from labs.scenario.buses import build_buses, bus_files, on_buses
from labs.scenario.dnsmasq_file import DnsmasqFile
from labs.scenario.field_document import build_loops
from labs.scenario.naming import Names
from labs.scenario.radios import build_plan, radio_files, without_lead
from labs.scenario.rooms_document import check_rooms
from labs.scenario.scenario import HostNumber, Place, SiteSpec
from labs.scenario.schema import Report, suggest
from labs.scenario.subnets import draw_subnets
from labs.scenario.switching import Switching, stp_options
from labs.scenario.thing_services import thing_files
from labs.scenario.wide import Wide
from labs.scenario.wiring import Draft, Wiring

__all__ = ["build_site", "draw_subnets"]

SPEED_BPS = 100_000_000
INTERFACES = "/etc/network/interfaces"


def build_site(spec: SiteSpec, seed: str, report: Report) -> Site | None:
    """The healthy site of a variant, or None after reporting what is missing or contradictory."""
    before = len(report.problems)
    subnets = draw_subnets(spec, seed, report)
    builder = _Builder(spec, subnets, seed, report)
    site = builder.build()
    return site if len(report.problems) == before else None


class _Builder:
    def __init__(self, spec: SiteSpec, subnets: Mapping[str, Network], seed: str, report: Report) -> None:
        self._spec = spec
        self.subnets = subnets
        self._seed = seed
        self._report = report
        self._drafts: dict[str, Draft] = {}
        self._names = Names(self._drafts)
        self._dnsmasq = DnsmasqFile(self, self._drafts, self._names)

    def wrong(self, name: str, said: Message | str, *parts: str) -> None:
        """Report a mistake at a device."""
        path = ".".join(["site.devices", name, *parts])
        self._report.add(self._spec.devices[name].line, path, said)

    def build(self) -> Site | None:
        for name, spec in self._spec.devices.items():
            self._drafts[name] = Draft(name, spec)
            self._place(self._drafts[name])
        self._check_unique_addresses()
        wiring = Wiring(self._spec, self._drafts, self.subnets, self._report)
        links = wiring.links()
        if links is None:
            return None
        self._wide = Wide(self._spec, self._drafts, self.interface)
        self._switching = Switching(self._spec, self._drafts, wiring, links, self._report)
        self._buses = build_buses(self._spec.buses, self._drafts, self._report)
        devices = {draft.name: self._device(index, draft) for index, draft in enumerate(self._drafts.values())}
        check_rooms(self._spec.rooms, self._report)
        rooms = dict(self._spec.rooms)
        for draft in self._drafts.values():
            room = draft.spec.room
            if room and room not in rooms:
                if self._spec.rooms:
                    self.wrong(
                        draft.name,
                        message(
                            '"{room}" is not a room; rooms: {rooms}{near}',
                            room=room,
                            rooms=", ".join(rooms),
                            near=suggest(room, rooms),
                        ),
                        "room",
                    )
                rooms[room] = Room(room)
        world = World(rooms) if self._spec.start_s is None else World(rooms, self._spec.start_s)
        plan = build_plan(self._spec.radio, self._report)
        loops = build_loops(self._spec.loops, self._spec.devices, self._report)
        return Site(devices, tuple(links), dict(self.subnets), world, self._seed, loops, self._buses, plan)

    # Addresses

    def resolve(self, name: str, subnet: str, place: Place, *parts: str) -> IPv4 | None:
        """The address of `.40` or `192.168.1.40` in a subnet."""
        network = self.subnets.get(subnet)
        if network is None:
            known = self._spec.subnets
            if subnet not in known:
                self.wrong(
                    name,
                    message(
                        '"{subnet}" is not a subnet; subnets: {known}{near}',
                        subnet=subnet,
                        known=", ".join(known),
                        near=suggest(subnet, known),
                    ),
                    *parts,
                )
            return None
        if isinstance(place, IPv4):
            address = place
            if address not in network:
                self.wrong(
                    name,
                    message(
                        "{address} is not in {subnet} ({network})", address=address, subnet=subnet, network=network
                    ),
                    *parts,
                )
                return None
        elif isinstance(place, HostNumber):
            try:
                host = network.host(place.number)
            except ValueError:
                said = message("{network} has no host .{number}", network=network, number=place.number)
                self.wrong(name, said, *parts)
                return None
            address = IPv4(host)
        else:
            return None
        if network.length < 31 and address in (network.address, network.broadcast):
            self.wrong(
                name,
                message("{address} is the network or broadcast address of {network}", address=address, network=network),
                *parts,
            )
        return address

    def _place(self, draft: Draft) -> None:
        for subnet, place in draft.spec.at.items():
            address = self.resolve(draft.name, subnet, place, "at", subnet)
            if subnet in self.subnets and (address is not None or place == "dhcp"):
                draft.addresses[subnet] = address
        spec = draft.spec
        alone = spec.kind == Kind.SWITCH or "transmitter" in spec.services or self._leadless(draft)
        if not spec.at and not alone:
            said = message(
                'the key "at" is missing (subnet -> address); only a switch and what hangs on a bus or line go without'
            )
            self.wrong(draft.name, said, "at")

    def _leadless(self, draft: Draft) -> bool:
        return draft.name in on_buses(self._spec.buses) or without_lead(draft.spec.services)

    def _check_unique_addresses(self) -> None:
        owners: dict[IPv4, str] = {}
        for draft in self._drafts.values():
            for address in draft.addresses.values():
                if address is None:
                    continue
                if address in owners:
                    self.wrong(
                        draft.name,
                        message(
                            "{address} is already the address of {owners}; a healthy site has one owner",
                            address=address,
                            owners=owners[address],
                        ),
                        "at",
                    )
                owners[address] = draft.name

    # Devices

    def _device(self, index: int, draft: Draft) -> Device:
        salt = Random(f"{self._seed}/mac").randrange(256)  # noqa: S311 - not a secret
        ports = tuple(
            # 02 marks a locally administered address (IEEE 802c), 4e is N for Netwerf.
            Port(name, Mac.parse(f"02:4e:{salt:02x}:00:{index + 1:02x}:{number:02x}"), SPEED_BPS)
            for number, name in enumerate(draft.all_ports)
        )
        return Device(
            name=draft.name,
            kind=Kind(draft.spec.kind),
            ports=ports,
            files=self._files(draft),
            room=draft.spec.room,
            powered=draft.spec.power,
            purpose=draft.spec.purpose,
        )

    def interface(self, draft: Draft, subnet: str) -> str:
        """The interface that carries a subnet: the port, a VLAN on it, or a bridge over several ports."""
        ports = draft.ports[subnet]
        if len(ports) == 1 and len(draft.carried(ports[0])) > 1:
            return f"{ports[0]}.{self._spec.vlan(subnet)}"
        if len(ports) == 1:
            return ports[0]
        bridged = [s for s, group in draft.ports.items() if len(group) > 1]
        return f"br{bridged.index(subnet)}"

    def _files(self, draft: Draft) -> dict[str, str]:
        spec = draft.spec
        made = {
            "/etc/hostname": f"{draft.name}\n",
            INTERFACES: render_interfaces(self._interfaces(draft)),
            "/etc/hosts": self._names.hosts(draft),
        }
        resolver = self._names.resolver(draft)
        if resolver is not None and None not in draft.addresses.values():
            made["/etc/resolv.conf"] = f"nameserver {resolver}\n"
        enabled = ["networking"]
        if spec.kind == Kind.ROUTER:
            made["/etc/sysctl.conf"] = "net.ipv4.ip_forward=1\n"
        made |= self._wide.files(draft)
        if "/etc/radvd.conf" in made:
            enabled.append("radvd")
        firewall = spec.firewall or self._nat_rules(draft)
        if firewall:
            made["/etc/nftables.conf"] = firewall if firewall.endswith("\n") else firewall + "\n"
            enabled.append("nftables")
        self._service_files(draft, made, enabled)
        made.update(spec.files)
        try:
            parse_interfaces(made[INTERFACES])
        except InterfacesError as error:
            self.wrong(draft.name, message("ifup cannot read it: {why}", why=error), f"files.{INTERFACES}")
        for unit in enabled:
            made[enabled_path(unit)] = f"[Unit]\nDescription={unit}\n"
        return made

    def _interfaces(self, draft: Draft) -> InterfacesFile:
        stanzas = [Stanza("lo", method="loopback")]
        if draft.spec.vlans:
            stanzas += self._switching.bridge(draft)
            for subnet in draft.addresses:
                stanzas += self._static(draft, f"br0.{self._spec.vlan(subnet)}", subnet, ())
        elif draft.spec.kind == Kind.SWITCH:
            bridged = ("bridge_ports", " ".join(draft.ports[""]))
            stanzas += self._static(draft, "br0", next(iter(draft.addresses), None), (bridged, *stp_options(draft)))
        for subnet, ports in draft.ports.items():
            if not subnet:
                continue
            if len(ports) == 1 and len(draft.carried(ports[0])) > 1 and not any(s.name == ports[0] for s in stanzas):
                stanzas.append(Stanza(ports[0], method="manual"))
            interface = self.interface(draft, subnet)
            options = () if len(ports) == 1 else (("bridge_ports", " ".join(ports)),)
            stanzas += self._static(draft, interface, subnet, options)
        allowed = tuple(Allow("auto", name) for name in dict.fromkeys(stanza.name for stanza in stanzas))
        stanzas += self._switching.ports(draft) if draft.spec.vlans else []
        return InterfacesFile(allowed, tuple(stanzas))

    def _static(
        self, draft: Draft, interface: str, subnet: str | None, options: tuple[tuple[str, str], ...]
    ) -> list[Stanza]:
        if subnet is None:
            return [Stanza(interface, method="manual", options=options)]
        address = draft.addresses[subnet]
        wide = self._wide.stanzas(draft, subnet, interface)
        if address is None:
            return [Stanza(interface, method="dhcp", options=options), *wide]
        text = str(InterfaceAddress(address, self.subnets[subnet].length))
        found: list[tuple[str, str]] = [("address", text)]
        gateway = self._gateway(draft)
        if gateway is not None and gateway in self.subnets[subnet]:
            found.append(("gateway", str(gateway)))
        found += [
            ("up", f"ip route add {network} via {via}")
            for network, via in self._routes(draft)
            if via in self.subnets[subnet]
        ]
        return [Stanza(interface, options=(*found, *options)), *wide]

    def _routes(self, draft: Draft) -> list[tuple[Network, IPv4]]:
        found = []
        for network, via in draft.spec.routes:
            if isinstance(network.address, IPv6):
                continue
            address = self._address_near(draft, via, "routes")
            if address is not None:
                found.append((network, address))
        return found

    def _address_near(self, draft: Draft, text: str, *parts: str) -> IPv4 | None:
        """A device or address as a next hop: an address in a subnet that both are in."""
        other = self._drafts.get(text)
        if other is not None:
            for subnet in draft.addresses:
                address = other.addresses.get(subnet)
                if address is not None:
                    return address
            self.wrong(
                draft.name, message("{text} is in none of the subnets of {name}", text=text, name=draft.name), *parts
            )
            return None
        try:
            address = IPv4.parse(text)
        except ValueError:
            self.wrong(
                draft.name,
                message(
                    '"{text}" is neither a device nor an address{near}', text=text, near=suggest(text, self._drafts)
                ),
                *parts,
            )
            return None
        if not any(address in self.subnets[subnet] for subnet in draft.addresses):
            self.wrong(
                draft.name,
                message("{address} is in none of the subnets of {name}", address=address, name=draft.name),
                *parts,
            )
            return None
        return address

    def _gateway(self, draft: Draft) -> IPv4 | None:
        spec = draft.spec
        if spec.gateway is not None:
            return None if spec.gateway == "none" else self._address_near(draft, spec.gateway, "gateway")
        if spec.kind == Kind.INTERNET:
            return None
        wanted = (Kind.INTERNET,) if spec.kind == Kind.ROUTER else (Kind.ROUTER, Kind.INTERNET)
        for kind in wanted:
            found = [
                other.addresses[subnet]
                for subnet in draft.addresses
                for other in self._drafts.values()
                if other is not draft and other.spec.kind == kind and other.addresses.get(subnet) is not None
            ]
            if len(found) > 1:
                self.wrong(
                    draft.name,
                    message(
                        "several ways out ({ways}); say which: gateway: …, or none", ways=", ".join(map(str, found))
                    ),
                    "gateway",
                )
            if found:
                return found[0]
        return None

    # Services

    def _nat_rules(self, draft: Draft) -> str:
        if draft.spec.nat is None:
            return ""
        inside, outside = draft.spec.nat["inside"], draft.spec.nat["out"]
        for subnet in [*inside, outside]:
            if subnet not in draft.addresses and subnet not in draft.spec.at:
                self.wrong(draft.name, message('the device is not in the subnet "{subnet}"', subnet=subnet), "nat")
                return ""
        return files.home_router_rules(
            [(self.interface(draft, s), self.subnets[s]) for s in inside],
            self.interface(draft, outside),
            wide=bool(self._wide.subnets(draft)),
        )

    def _target(self, draft: Draft, text: str, *parts: str) -> str:
        """A device name stands for its address where no name service knows it; other names stay names."""
        other = self._drafts.get(text)
        if other is not None and not any(a is not None for a in other.addresses.values()):
            self.wrong(draft.name, message("{text} has no fixed address", text=text), *parts)
        return text

    def _service_files(self, draft: Draft, made: dict[str, str], enabled: list[str]) -> None:
        services = draft.spec.services
        if services.keys() & {"dhcp", "dhcp_relay", "dns"}:
            made["/etc/dnsmasq.conf"] = self._dnsmasq.text(draft)
            enabled.append("dnsmasq")
        if "listen" in services:
            made["/etc/inetd.conf"] = files.inetd(services["listen"], wide=bool(self._wide.subnets(draft)))
            enabled.append("inetd")
        if "heartbeat" in services:
            beat = services["heartbeat"]
            made["/etc/heartbeat.conf"] = files.heartbeat(
                self._target(draft, beat["to"], "services.heartbeat.to"), beat["service"].port, beat["every"]
            )
            enabled.append("heartbeat")
        for name, service in services.items():
            if isinstance(service, Mapping) and "broker" in service:
                self._target(draft, service["broker"], f"services.{name}.broker")
        found, units = thing_files(
            draft.name,
            services,
            address=str(next((a for a in draft.addresses.values() if a is not None), "")),
            epoch_s=World({}).epoch_s if self._spec.start_s is None else self._spec.start_s,
            salt=f"{self._seed}/{draft.name}",
            tls_on_site=draft.spec.kind not in (Kind.SWITCH, Kind.INTERNET) and self._has_tls(),
        )
        made.update(found)
        enabled += units
        made.update(radio_files(draft, self._drafts, self._seed, enabled, partial(self.wrong, draft.name)))
        made.update(bus_files(draft, self._drafts, self._buses, enabled, partial(self.wrong, draft.name)))

    def _has_tls(self) -> bool:
        return any(d.spec.services.get("broker", {}).get("tls") for d in self._drafts.values())

    def mac(self, draft: Draft, subnet: str) -> Mac:
        """The hardware address of the first port in a subnet."""
        index = list(self._drafts).index(draft.name)
        salt = Random(f"{self._seed}/mac").randrange(256)  # noqa: S311 - not a secret
        number = draft.all_ports.index(draft.ports[subnet][0])
        return Mac.parse(f"02:4e:{salt:02x}:00:{index + 1:02x}:{number:02x}")
