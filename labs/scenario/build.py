"""From the site as written to the site as it stands: ports, addresses, leads and the files every device boots from.

Everything an author may leave out is worked out here, and what cannot be worked out is asked for with the line it is
missing on. The result is plain `Site` values; no short form survives.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

from labs.model.addresses import InterfaceAddress, IPv4, IPv6, Mac, Network
from labs.model.site import Device, Kind, Port, Site
from labs.model.world import Room, World
from labs.net.ifupdown import Allow, InterfacesFile, Stanza, render_interfaces
from labs.net.linux.units import enabled_path
from labs.scenario import files
from labs.scenario.buses import build_buses, bus_files, on_buses
from labs.scenario.dhcp_relay import first_address, relay_address, relay_lines
from labs.scenario.field_document import build_loops
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
        self._subnets = subnets
        self._seed = seed
        self._report = report
        self._drafts: dict[str, Draft] = {}

    def _wrong(self, name: str, message: str, *parts: str) -> None:
        path = ".".join(["site.devices", name, *parts])
        self._report.add(self._spec.devices[name].line, path, message)

    def build(self) -> Site | None:
        for name, spec in self._spec.devices.items():
            self._drafts[name] = Draft(name, spec)
            self._place(self._drafts[name])
        self._check_unique_addresses()
        wiring = Wiring(self._spec, self._drafts, self._subnets, self._report)
        links = wiring.links()
        if links is None:
            return None
        self._wide = Wide(self._spec, self._drafts, self._interface)
        self._switching = Switching(self._spec, self._drafts, wiring, links, self._report)
        self._buses = build_buses(self._spec.buses, self._drafts, self._report)
        devices = {draft.name: self._device(index, draft) for index, draft in enumerate(self._drafts.values())}
        check_rooms(self._spec.rooms, self._report)
        rooms = dict(self._spec.rooms)
        for draft in self._drafts.values():
            room = draft.spec.room
            if room and room not in rooms:
                if self._spec.rooms:
                    self._wrong(
                        draft.name, f'"{room}" is not a room; rooms: {", ".join(rooms)}{suggest(room, rooms)}', "room"
                    )
                rooms[room] = Room(room)
        world = World(rooms) if self._spec.start_s is None else World(rooms, self._spec.start_s)
        plan = build_plan(self._spec.radio, self._report)
        loops = build_loops(self._spec.loops, self._spec.devices, self._report)
        return Site(devices, tuple(links), dict(self._subnets), world, self._seed, loops, self._buses, plan)

    # Addresses

    def _resolve(self, name: str, subnet: str, place: Place, *parts: str) -> IPv4 | None:
        """The address of `.40` or `192.168.1.40` in a subnet."""
        network = self._subnets.get(subnet)
        if network is None:
            known = self._spec.subnets
            if subnet not in known:
                self._wrong(
                    name, f'"{subnet}" is not a subnet; subnets: {", ".join(known)}{suggest(subnet, known)}', *parts
                )
            return None
        if isinstance(place, IPv4):
            address = place
            if address not in network:
                self._wrong(name, f"{address} is not in {subnet} ({network})", *parts)
                return None
        elif isinstance(place, HostNumber):
            try:
                host = network.host(place.number)
            except ValueError as error:
                self._wrong(name, str(error), *parts)
                return None
            address = IPv4(host)
        else:
            return None
        if network.length < 31 and address in (network.address, network.broadcast):
            self._wrong(name, f"{address} is the network or broadcast address of {network}", *parts)
        return address

    def _place(self, draft: Draft) -> None:
        for subnet, place in draft.spec.at.items():
            address = self._resolve(draft.name, subnet, place, "at", subnet)
            if subnet in self._subnets and (address is not None or place == "dhcp"):
                draft.addresses[subnet] = address
        spec = draft.spec
        alone = spec.kind == Kind.SWITCH or "transmitter" in spec.services or self._leadless(draft)
        if not spec.at and not alone:
            message = (
                'the key "at" is missing (subnet -> address); only a switch and what hangs on a bus or line go without'
            )
            self._wrong(draft.name, message, "at")

    def _leadless(self, draft: Draft) -> bool:
        return draft.name in on_buses(self._spec.buses) or without_lead(draft.spec.services)

    def _check_unique_addresses(self) -> None:
        owners: dict[IPv4, str] = {}
        for draft in self._drafts.values():
            for address in draft.addresses.values():
                if address is None:
                    continue
                if address in owners:
                    self._wrong(
                        draft.name,
                        f"{address} is already the address of {owners[address]}; a healthy site has one owner",
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
            purpose=str(draft.spec.purpose),
        )

    def _interface(self, draft: Draft, subnet: str) -> str:
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
            "/etc/network/interfaces": render_interfaces(self._interfaces(draft)),
            "/etc/hosts": self._hosts(draft),
        }
        resolver = self._resolver(draft)
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
            interface = self._interface(draft, subnet)
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
        text = str(InterfaceAddress(address, self._subnets[subnet].length))
        found: list[tuple[str, str]] = [("address", text)]
        gateway = self._gateway(draft)
        if gateway is not None and gateway in self._subnets[subnet]:
            found.append(("gateway", str(gateway)))
        found += [
            ("up", f"ip route add {network} via {via}")
            for network, via in self._routes(draft)
            if via in self._subnets[subnet]
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
            self._wrong(draft.name, f"{text} is in none of the subnets of {draft.name}", *parts)
            return None
        try:
            address = IPv4.parse(text)
        except ValueError:
            self._wrong(draft.name, f'"{text}" is neither a device nor an address{suggest(text, self._drafts)}', *parts)
            return None
        if not any(address in self._subnets[subnet] for subnet in draft.addresses):
            self._wrong(draft.name, f"{address} is in none of the subnets of {draft.name}", *parts)
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
                self._wrong(
                    draft.name,
                    f"several ways out ({', '.join(map(str, found))}); say which: gateway: …, or none",
                    "gateway",
                )
            if found:
                return found[0]
        return None

    # Names

    def _name_server(self) -> Draft | None:
        """The device inside that answers names, if there is one."""
        return next(
            (d for d in self._drafts.values() if "dns" in d.spec.services and d.spec.kind != Kind.INTERNET), None
        )

    def _resolver(self, draft: Draft) -> IPv4 | None:
        if draft.spec.kind == Kind.INTERNET:
            return IPv4.parse("127.0.0.1") if "dns" in draft.spec.services else None
        server = self._name_server()
        if server is None:
            outside = [d for d in self._drafts.values() if "dns" in d.spec.services]
            server = outside[0] if outside else None
        if server is None:
            return None
        if server is draft:
            forward = draft.spec.services["dns"]["forward"]
            upstream = self._drafts.get(forward)
            if upstream is None:
                return None
            return next((a for a in upstream.addresses.values() if a is not None), None)
        for subnet in draft.addresses:
            address = server.addresses.get(subnet)
            if address is not None:
                return address
        return next((a for a in server.addresses.values() if a is not None), None)

    def _site_names(self) -> dict[str, IPv4]:
        """Every fixed address by the name of its device (the first address counts)."""
        names = {}
        for draft in self._drafts.values():
            fixed = [a for a in draft.addresses.values() if a is not None]
            if fixed and draft.spec.kind != Kind.INTERNET:
                inside = [a for s, a in draft.addresses.items() if a is not None and not self._is_outside(s)]
                names[draft.name] = (inside or fixed)[0]
        return names

    def _is_outside(self, subnet: str) -> bool:
        return any(d.spec.kind == Kind.INTERNET and subnet in d.addresses for d in self._drafts.values())

    def _hosts(self, draft: Draft) -> str:
        lines = ["127.0.0.1\tlocalhost", f"127.0.1.1\t{draft.name}"]
        if self._name_server() is None and draft.spec.kind != Kind.INTERNET:
            lines += [f"{address}\t{name}" for name, address in self._site_names().items() if name != draft.name]
        return "\n".join(lines) + "\n"

    # Services

    def _nat_rules(self, draft: Draft) -> str:
        if draft.spec.nat is None:
            return ""
        inside, outside = draft.spec.nat["inside"], draft.spec.nat["out"]
        for subnet in [*inside, outside]:
            if subnet not in draft.addresses:
                self._wrong(draft.name, f'the device is not in the subnet "{subnet}"', "nat")
                return ""
        return files.home_router_rules(
            [(self._interface(draft, s), self._subnets[s]) for s in inside],
            self._interface(draft, outside),
            wide=bool(self._wide.subnets(draft)),
        )

    def _target(self, draft: Draft, text: str, *parts: str) -> str:
        """A device name stands for its address where no name service knows it; other names stay names."""
        other = self._drafts.get(text)
        if other is not None and not any(a is not None for a in other.addresses.values()):
            self._wrong(draft.name, f"{text} has no fixed address", *parts)
        return text

    def _service_files(self, draft: Draft, made: dict[str, str], enabled: list[str]) -> None:
        services = draft.spec.services
        if services.keys() & {"dhcp", "dhcp_relay", "dns"}:
            made["/etc/dnsmasq.conf"] = self._dnsmasq(draft)
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
        made.update(radio_files(draft, self._drafts, self._seed, enabled, partial(self._wrong, draft.name)))
        made.update(bus_files(draft, self._drafts, self._buses, enabled, partial(self._wrong, draft.name)))

    def _has_tls(self) -> bool:
        return any(d.spec.services.get("broker", {}).get("tls") for d in self._drafts.values())

    def _dnsmasq(self, draft: Draft) -> str:
        services = draft.spec.services
        lines: list[str] = []
        dhcp, dns = services.get("dhcp", ()), services.get("dns")
        if dns is None:
            lines.append("port=0")
        else:
            lines.append("no-hosts")
            lines += self._dns_lines(draft, dns)
        for served in dhcp:
            lines += self._dhcp_lines(draft, served, alone=len(dhcp) == 1)
        lines += relay_lines(draft, self._drafts, self._wrong)
        if dhcp:
            lines += ["dhcp-authoritative", "no-ping"]
        return "\n".join(lines) + "\n"

    def _dns_lines(self, draft: Draft, dns: dict[str, Any]) -> list[str]:
        lines = []
        if dns["forward"]:
            upstream = self._drafts.get(dns["forward"])
            address = next((a for a in upstream.addresses.values() if a is not None), None) if upstream else None
            if address is None:
                known = self._drafts
                self._wrong(
                    draft.name,
                    f'"{dns["forward"]}" is not a device with a fixed address{suggest(dns["forward"], known)}',
                    "services.dns.forward",
                )
            else:
                lines += ["no-resolv", f"server={address}"]
        else:
            lines.append("no-resolv")
        if draft.spec.kind != Kind.INTERNET:
            lines += [f"host-record={name},{address}" for name, address in self._site_names().items()]
        own_subnet = next(iter(draft.addresses), "")
        for name, place in dns["names"].items():
            address = self._resolve(draft.name, own_subnet, place, "services.dns.names", name)
            if address is not None:
                lines.append(f"host-record={name},{address}")
        return lines

    def _dhcp_lines(self, draft: Draft, dhcp: dict[str, Any], *, alone: bool) -> list[str]:
        """One range. Where there are several, dnsmasq tells each subnet its own address there as router and server."""
        subnet = dhcp["on"]
        own = draft.addresses.get(subnet)
        if own is None and relay_address(self._drafts, draft, subnet) is None:
            self._wrong(draft.name, f'{draft.name} has no fixed address in "{subnet}"', "services.dhcp.on")
            return []
        pool = [self._resolve(draft.name, subnet, place, "services.dhcp.pool") for place in dhcp["pool"]]
        if len(pool) != 2 or None in pool:
            self._wrong(draft.name, "the pool is two addresses: first and last", "services.dhcp.pool")
            return []
        network = self._subnets[subnet]
        gateway = own if draft.spec.kind == Kind.ROUTER else None
        lines = [
            *([f"interface={self._interface(draft, subnet)}"] if self._serves_own(draft) else []),
            f"dhcp-range={pool[0]},{pool[1]},{network.netmask},{dhcp['lease']}",
        ]
        if gateway is not None and alone:
            lines.append(f"dhcp-option=option:router,{gateway}")
        resolver = self._resolver_for_clients(draft, subnet)
        if resolver is not None and (alone or resolver != own):
            lines.append(f"dhcp-option=option:dns-server,{resolver}")
        for name, place in dhcp["reserve"].items():
            client = self._drafts.get(name)
            address = self._resolve(draft.name, subnet, place, "services.dhcp.reserve", name)
            if client is None or subnet not in client.addresses:
                self._wrong(
                    draft.name,
                    f'"{name}" is not a device in {subnet}{suggest(name, self._drafts)}',
                    "services.dhcp.reserve",
                )
            elif address is not None:
                lines.append(f"dhcp-host={self._mac(client, subnet)},{address},{name}")
        return lines

    def _serves_own(self, draft: Draft) -> bool:
        """No subnet is served through a relay: requests come from the networks of the server alone."""
        return all(draft.addresses.get(served["on"]) is not None for served in draft.spec.services["dhcp"])

    def _resolver_for_clients(self, draft: Draft, subnet: str) -> IPv4 | None:
        server = self._name_server()
        if server is draft:
            return draft.addresses.get(subnet) or first_address(draft)
        return self._resolver(draft)

    def _mac(self, draft: Draft, subnet: str) -> Mac:
        index = list(self._drafts).index(draft.name)
        salt = Random(f"{self._seed}/mac").randrange(256)  # noqa: S311 - not a secret
        number = draft.all_ports.index(draft.ports[subnet][0])
        return Mac.parse(f"02:4e:{salt:02x}:00:{index + 1:02x}:{number:02x}")
