"""One version of IP on a site: who can send what over it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from grader.reach.analysis import PROTOCOLS, Analysis, Changed, Delivery
from grader.reach.atoms import bits, describe_protocol
from grader.reach.classes import numbered, sender_classes, target_classes
from grader.reach.crafted import variants
from grader.reach.scope import OutOfScope
from grader.reach.senders import Senders
from grader.reach.trace import CLIENT_PORT, Conversation, Packet, Tracer
from grader.reach.versions import V4, Version
from grader.reach.witness import Answer, Narrator, Opening, Witness
from labs.model.addresses import Address, Network
from labs.model.services import Service
from labs.model.site import Site
from labs.net.ipv4 import PROTO_TCP

__all__ = ["Difference", "Side"]

FAMILIAR_PORTS = (22, 80, 443, 8080, 23, 1883, 53, 161, 502)  # what a reader recognises
EPHEMERAL = (32_768, 60_999)  # net.ipv4.ip_local_port_range
MAX_CLIENT_PORTS = 6
Sent = tuple[int, list[Delivery]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A packet that two sites treat differently: where it ends on each."""

    packet: Packet
    here: str
    there: str


class Side:
    """What one version of IP can carry on an observed site; for the arguments see `grader.reach.Reach`."""

    def __init__(
        self,
        site: Site,
        *,
        services: Iterable[Service] = (),
        networks: Iterable[Network] = (),
        also: Sequence[Analysis] = (),
        like: Side | None = None,
        version: Version = V4,
        beside: Analysis | None = None,
    ) -> None:
        self.site, self.version = site, version
        self._services, self._networks = tuple(services), tuple(networks)
        self.analysis: Analysis = Analysis(
            site,
            also=also,
            services=self._services,
            networks=self._networks,
            like=None if like is None else like.analysis,
            version=version,
            beside=beside,
        )
        self.tracer = Tracer(self.analysis.machines, self.analysis.neighbours, version)
        self._narrator = Narrator(site)
        self.senders = Senders(site, self.analysis)
        self.plain: dict[str, Hashable | None] = {}
        """What `classes` knows of each device."""
        self._sent: dict[tuple[str, int], list[Sent]] = {}

    # Who can send what

    def addresses_of(self, device: str) -> list[Address]:
        """The addresses of a device, loopback left out."""
        return self.senders.addresses_of(device)

    def sources_of(self, device: str) -> list[int]:
        """Atoms of the addresses that a device may take (see `Senders.sources_of`)."""
        return self.senders.sources_of(device)

    def is_owned(self, atom: int) -> bool:
        """Some device has the lowest address of the atom."""
        return self.senders.is_owned(atom)

    def signature(self, atom: int) -> tuple[object, ...]:
        """Two source atoms with the same signature have the same fate everywhere."""
        return self.senders.signature(atom)

    def sent_by(self, device: str, source: int) -> list[Sent]:
        """Where everything arrives that a device sends from an address, by destination atom."""
        key = (device, source)
        known = self._sent.get(key)
        if known is None:
            full, targets = self.analysis.services.full, self.analysis.targets_of(device)
            known = self._sent[key] = [(j, self.analysis.send(device, source, j, full)) for j in targets]
        return known

    def matrix(self, names: Sequence[str]) -> Iterator[list[int]]:
        """For each device the services with which it, from any address it may take, gets to each of the others.

        A service is a bit of `analysis.services`, as it was sent; targets are the addresses of the devices.
        """
        senders, targets = numbered(sender_classes(self, names)), numbered(target_classes(self, names))
        rows: dict[int, dict[int, int]] = {}
        for name, sender in zip(names, senders, strict=True):
            known = rows.setdefault(sender, {})
            row = []
            for other, target in zip(names, targets, strict=True):
                if other == name:
                    row.append(0)
                    continue
                if target not in known:
                    known[target] = self._gets_to(name, other)
                row.append(known[target])
            yield row

    def _gets_to(self, name: str, other: str) -> int:
        """The services with which a device gets to the addresses of another."""
        found = 0
        sources = tuple(self.sources_of(name))
        for target in self.senders.atoms_of(other):
            found |= self.analysis.services_through(name, sources, target, other)
        return found

    def arriving(self, a: str, b: str) -> Iterator[tuple[int, int, int, int]]:
        """What gets from one device to another: source and destination as sent, destination and services on arrival."""
        for source in self.sources_of(a):
            for target, deliveries in self.sent_by(a, source):
                for delivery in deliveries:
                    if delivery.device == b:
                        yield source, target, delivery.target, delivery.services

    @property
    def own_limits(self) -> tuple[OutOfScope, ...]:
        """What lies outside the exact scope, as far as was met, for this version of IP."""
        return tuple(sorted(self.analysis.limits))

    # Questions

    def can(self, a: str, b: str, service: Service | str) -> Answer:
        """Whether a conversation that one device begins reaches another, and its answer comes back.

        It must work from the device's own address and every client port. The witness tells how it goes, or how far.
        """
        wanted = Service.parse(service) if isinstance(service, str) else service
        packets = [self.packet(a, address, wanted) for address in self.near(a, b)]
        if not packets:
            return Answer(holds=False, limits=self.own_limits)
        failed: Packet | None = None
        for packet in packets:
            conversations = [
                self.tracer.converse(replace(packet, source_port=port)) for port in self._client_ports(wanted)
            ]
            bad = [found for found in conversations if not (found.answered and found.arrived_at(b))]
            if not bad:
                return Answer(holds=True, witness=self.tell(packet), classes=len(conversations), limits=self.own_limits)
            failed = failed or bad[0].packet
        assert failed is not None
        return Answer(holds=False, witness=self.tell(failed), classes=len(packets), limits=self.own_limits)

    def converse(self, a: str, target: Address, service: Service) -> Conversation:
        """One conversation from a device's own address, there and back."""
        return self.tracer.converse(self.packet(a, target, service))

    @staticmethod
    def packet(a: str, target: Address, service: Service) -> Packet:
        """The packet that begins a conversation of a service."""
        protocol = service.protocol if service.protocol in ("tcp", "udp") else "ping"
        return Packet(a, target, protocol, service.port)

    def near(self, a: str, b: str) -> list[Address]:
        """The addresses of a device, those in a network of the asker first; of a link only where it has no other."""
        state = self.site.devices[a].state
        networks = [address.network for address in state.addresses()] if state is not None else []
        atoms = self.analysis.addresses
        known = [(address, self.analysis.roads.is_scoped(atoms.of(address))) for address in self.addresses_of(b)]
        found = [address for address, of_link in known if not of_link] or [address for address, _ in known]
        return sorted(found, key=lambda address: not any(address in network for network in networks))

    def _client_ports(self, service: Service) -> list[int]:
        """Client ports that stand for all that a client may be given."""
        if service.protocol not in ("tcp", "udp"):
            return [CLIENT_PORT]
        cuts = {CLIENT_PORT}
        for protocol, _, intervals in self.analysis.port_predicates():
            if describe_protocol(protocol) == service.protocol:
                for low, high in intervals:
                    cuts.update(cut for cut in (low, high + 1) if EPHEMERAL[0] < cut <= EPHEMERAL[1])
        if len(cuts) > 1:
            cuts.add(EPHEMERAL[0])
        return sorted(cuts)[:MAX_CLIENT_PORTS]

    def packet_through(self, a: str, b: str, service: Service | str = "any") -> Packet | None:
        """A packet of a service that gets from one device to another, from any address that it may take.

        None is a proof that there is none, as far as `own_limits` is empty; the way back is not looked at.
        """
        wanted = self.analysis.mask_of(Service.parse(service) if isinstance(service, str) else service)
        sources = self.sources_of(a)
        for target in range(len(self.analysis.addresses)) if self.translates else self.senders.atoms_of(b):
            for source, services in self.analysis.get_through(a, sources, target, b):
                if services & wanted and self.translates:
                    return self.example_of(a, source, target, b, services & wanted)
                if services & wanted:
                    return self.example(a, source, target, next(iter(bits(services & wanted))), to=b)
        return None

    @property
    def translates(self) -> bool:
        """Some device translates addresses or ports."""
        return any(survey.translates for survey in self.analysis.surveys.values())

    def all_that_can(self, a: str, b: str) -> tuple[Opening, ...]:
        """Every class of packets from a device (and from addresses it may take) that reaches another."""
        atoms, cells = self.analysis.addresses, self.analysis.services
        found: dict[Opening, None] = {}
        for source, _, target, services in self.arriving(a, b):
            for number in bits(services):
                cell = cells.cells[number]
                opening = Opening(
                    (str(atoms.first(source)), str(atoms.last(source))),
                    (str(atoms.first(target)), str(atoms.last(target))),
                    describe_protocol(cell.protocol),
                    tuple(cells.source_ports(number)),
                    tuple(cells.destination_ports(number)),
                )
                found.setdefault(opening)
        return tuple(found)

    def tell(self, packet: Packet) -> Witness:
        """The story of a packet."""
        return self._narrator.tell(packet)

    def arrives(self, packet: Packet, device: str) -> bool:
        """Whether a packet gets to a device, by the analysis of all packets."""
        survey = self.analysis.surveys.get(packet.device)
        source = packet.source
        if source is None and survey is not None:
            source = survey.layer.preferred_source(packet.target)
        if source is None:
            return False
        atoms = self.analysis.addresses
        protocol = PROTOCOLS.get(packet.protocol, self.version.icmp)
        cell = self.analysis.services.cell(protocol, packet.source_port, packet.port)
        target, over = atoms.of(packet.target), packet.over
        if survey is not None and not over and self.analysis.roads.is_scoped(target):
            route = survey.layer.routes.lookup(packet.target)
            over = route.device or "" if route is not None else ""
        found = self.analysis.send(packet.device, atoms.of(source), target, 1 << cell, over)
        return any(delivery.device == device for delivery in found)

    def crafted(self, packet: Packet, device: str) -> Packet | None:
        """A packet like this one that arrives, where this one need not: with other fields, or after others.

        What rules ask beyond the scope of the proof is tried, not proved: None is no proof.
        """
        for found in variants(self.analysis, packet):
            if self.tracer.converse(found).arrived_at(device):
                return self._shortened(found, device)
        return None

    def _shortened(self, packet: Packet, device: str) -> Packet:
        """The packet without those before it that it does not need to arrive."""
        for knock in packet.after:
            at = packet.after.index(knock)
            less = replace(packet, after=packet.after[:at] + packet.after[at + 1 :])
            if self.tracer.converse(less).arrived_at(device):
                packet = less
        return packet

    def example_of(self, device: str, source: int, target: int, to: str, services: int) -> Packet | None:
        """A packet that arrives at a device as one of `services`, if it can be towards a port that listens there."""
        state = self.analysis.state(to)
        ports = [listener.port for listener in state.listeners if listener.protocol == "tcp"] if state else []
        ports += [port for port in FAMILIAR_PORTS if port not in ports]
        cells = self.analysis.services
        order = sorted(range(len(cells)), key=lambda number: self._dull(number, ports, services))
        for number in order:
            if _delivered(self.analysis.send(device, source, target, 1 << number)).get(to, 0) & services:
                return self.example(device, source, target, number, ports, to)
        return None

    def _dull(self, number: int, ports: Sequence[int], services: int) -> tuple[bool, bool, int]:
        """How little a cell tells a reader: best one that arrives as it was sent, at a port that listens, of TCP."""
        parts = self.analysis.services.destination_ports(number)
        rank = next((n for n, port in enumerate(ports) if any(low <= port <= high for low, high in parts)), len(ports))
        protocol = self.analysis.services.cells[number].protocol
        return not services >> number & 1, protocol != PROTO_TCP, rank

    def example(
        self, device: str, source: int, target: int, cell: int, ports: Sequence[int] = (), to: str = ""
    ) -> Packet:
        """A packet that stands for a class. `ports` are destination ports to prefer, `to` is where it arrives."""
        atoms, cells = self.analysis.addresses, self.analysis.services
        sport, dport = cells.ports(cell, ports)
        return Packet(
            device,
            atoms.first(target),
            describe_protocol(cells.cells[cell].protocol),
            dport,
            atoms.first(source),
            sport or CLIENT_PORT,
            self._over(device, source, target, to) if self.analysis.roads.is_scoped(target) else "",
        )

    def _over(self, device: str, source: int, target: int, to: str) -> str:
        """The interface by which a device gets to an address of a link."""
        full = self.analysis.services.full
        for name, interface in self.analysis.machines[device].interfaces.items():
            found = self.analysis.send(device, source, target, full, name) if interface.kind != "loopback" else []
            if any(delivery.device == to or not to for delivery in found):
                return name
        return ""

    def differing(self, site: Site, devices: Iterable[str] = ()) -> tuple[Difference, ...]:
        """Packets that another site treats differently (see `Reach.difference`)."""
        services, networks, version = self._services, self._networks, self.version
        bare = Analysis(site, services=services, networks=networks, like=self.analysis, version=version)
        here = Side(self.site, services=services, networks=networks, also=(bare,), like=self, version=version)
        bare.share(here.analysis)
        found: dict[tuple[str, int, str, str], Difference] = {}
        names = list(devices) or [name for name in here.analysis.machines if name in bare.machines]
        full = here.analysis.services.full
        known: dict[object, Changed | None] = {}
        for name in names:
            sources = here.sources_of(name)
            for target in sorted({*here.analysis.targets_of(name), *bare.targets_of(name)}):
                for source in here.analysis.apart(bare, name, sources, target, known):
                    mine = _delivered(here.analysis.send(name, source, target, full))
                    theirs = _delivered(bare.send(name, source, target, full))
                    if mine == theirs:
                        continue
                    for device in {*mine, *theirs}:
                        odd = mine.get(device, 0) ^ theirs.get(device, 0)
                        if odd:
                            cell = next(iter(bits(odd)))
                            packet = here.example(name, source, target, cell)
                            arrives = bool(mine.get(device, 0) >> cell & 1)
                            words = (f"reaches {device}", f"does not reach {device}")
                            key = (name, target, device, words[not arrives])
                            found.setdefault(key, Difference(packet, words[not arrives], words[arrives]))
        return tuple(found.values())


def _delivered(deliveries: Sequence[Delivery]) -> dict[str, int]:
    found: dict[str, int] = {}
    for delivery in deliveries:
        found[delivery.device] = found.get(delivery.device, 0) | delivery.services
    return found
