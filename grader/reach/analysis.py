"""All packets of a site at once: where each goes, and what stops it.

The header space is cut into atoms; a walk carries the services of one pair of address atoms through the devices as one
integer. Before changing this file read `labs.net.linux.ip_layer`, whose path of a packet it follows; each decision on
the way is asked of the same functions. A packet here is one that begins a conversation: an echo request, the SYN of a
TCP connection, a UDP datagram.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from grader.reach.atoms import AddressAtoms, Intervals, ServiceCells
from grader.reach.discovery import SolicitingNeighbours
from grader.reach.hooks import Hooks, Situation, Stage
from grader.reach.neighbours import ArpNeighbours, Neighbours
from grader.reach.packets import Delivery, Packets
from grader.reach.roads import Gate, Guard, Road, Roads
from grader.reach.scope import Limit, OutOfScope
from grader.reach.survey import Survey, cuts_of
from grader.reach.versions import V4, V6, Version
from grader.reach.wiring import Arrival, Wiring
from labs.model.addresses import Address, Network
from labs.model.services import Service
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP
from labs.net.linux.ip_layer import GROUPS
from labs.net.linux.way import Fate

if TYPE_CHECKING:
    from grader.reach.program import Translation
    from labs.model.site import Site
    from labs.model.state import DeviceState
    from labs.net.linux.node import LinuxNode

__all__ = ["Analysis", "Changed", "Delivery"]

MAX_HOPS = 64  # the TTL that Linux begins with
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP}


Changed = tuple[tuple[Gate, Gate], ...]
"""Chains on one road, here and there, that differ."""


class Analysis:
    """One observed site, cut into atoms. Raises nothing: what cannot be decided is in `limits`.

    `also` are further sites whose boundaries are cut too, so that the atoms of both are the same; `services` those of a
    policy, `networks` address ranges that questions will be asked about. `like` is the analysis of a similar site: what
    it knows of devices that are the same is taken over, and it can still be asked. `beside` is the analysis of the same
    site for the other version of IP: machines and wiring are shared.
    """

    def __init__(
        self,
        site: Site,
        *,
        also: Sequence[Analysis] = (),
        services: Iterable[Service] = (),
        networks: Iterable[Network] = (),
        like: Analysis | None = None,
        version: Version = V4,
        beside: Analysis | None = None,
    ) -> None:
        self.site, self.version = site, version
        self._unread: list[OutOfScope] = []
        self.surveys: dict[str, Survey] = {}
        for name, device in site.devices.items():
            known = like.surveys.get(name) if like is not None else None
            if known is not None and known.holds(device):
                self.surveys[name] = known
            elif device.state is not None:
                try:
                    node = beside.machines.get(name) if beside is not None else None
                    self.surveys[name] = Survey(device, version, node)
                except (KeyError, TypeError, ValueError) as error:
                    self._unread.append(OutOfScope(name, Limit.UNREADABLE_RULES, str(error)))
        self.machines: dict[str, LinuxNode] = {name: survey.machine for name, survey in self.surveys.items()}
        self.wiring, self.neighbours = self._around(like, beside)
        self._services, self._networks = tuple(services), tuple(networks)
        parts = (self, *also)
        self.addresses = AddressAtoms((cut for part in parts for cut in part.address_cuts()), version.kind)
        self.services = ServiceCells((found for part in parts for found in part.port_predicates()), version.icmp)
        self._settle(like)

    def _around(self, like: Analysis | None, beside: Analysis | None) -> tuple[Wiring, Neighbours]:
        """Leads, bridges and neighbours: those of a similar site, if frames go the same ways there."""
        if like is not None and like.site.links == self.site.links and [*like.surveys] == [*self.surveys]:
            pairs = [(survey, like.surveys[name]) for name, survey in self.surveys.items()]
            if all(survey.wired_as(other) for survey, other in pairs):
                wiring = like.wiring.again(self.machines)
                if all(survey.asks_as(other) for survey, other in pairs):
                    return wiring, like.neighbours.again(wiring, self.machines)
                return wiring, self._neighbours_over(wiring)
        wiring = Wiring(self.site, self.machines) if beside is None else beside.wiring
        return wiring, self._neighbours_over(wiring)

    def _neighbours_over(self, wiring: Wiring) -> Neighbours:
        kind = SolicitingNeighbours if self.version is V6 else ArpNeighbours
        return kind(self.site, wiring, self.machines, self.version)

    # The header space

    def _settle(self, like: Analysis | None) -> None:
        """Everything that hangs on the atoms."""
        known: dict[str, Hooks] = {}
        roads: Roads | None = None
        if like is not None:
            if like.addresses.starts == self.addresses.starts:
                self.addresses = like.addresses
            if like.services.key == self.services.key:
                self.services = like.services
            known = {name: like.hooks[name] for name, found in self.surveys.items() if like.surveys.get(name) is found}
            if like.addresses is self.addresses and self.neighbours.shares(like.neighbours):
                roads = like.roads
        self.hooks: dict[str, Hooks] = {
            name: known.get(name, survey.hooks).bound(self.addresses, self.services)
            for name, survey in self.surveys.items()
        }
        self._rows: dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[int, ...]]] = {}
        """By sources and columns of a road: what the chains on it know the sources by."""
        self._minds = self.neighbours.minds
        self._links: dict[tuple[str, int], list[str]] = {}
        """By device and address of a link: the interfaces over which something may get there."""
        self.roads: Roads = Roads(self.surveys, self.hooks, self.neighbours, self.addresses, self.version, roads)

    def share(self, other: Analysis) -> None:
        """Take over the atoms of another analysis that was made with this one in `also`."""
        self.addresses, self.services = other.addresses, other.services
        self._settle(other)

    def address_cuts(self) -> set[int]:
        """Every address at which something begins that anything on the site tells apart."""
        version = self.version
        networks = (*self._networks, *self.site.subnets.values(), *version.special)
        mine = [network for network in networks if isinstance(network.address, version.kind)]
        return set().union(
            cuts_of(((int(n.address), int(n.broadcast)) for n in mine), version),
            *(survey.cuts for survey in self.surveys.values()),
        )

    def port_predicates(self) -> Iterator[tuple[int, str, Intervals]]:
        """Every test of a port that anything on the site makes, as protocol, field and intervals."""
        for survey in self.surveys.values():
            yield from survey.ports
        for service in self._services:
            if service.protocol in PROTOCOLS:
                yield PROTOCOLS[service.protocol], "dport", ((service.port, service.port),)

    @property
    def limits(self) -> frozenset[OutOfScope]:
        """What lies outside the exact scope: rules and settings, and of layer 2 what walks have met."""
        return self.neighbours.found.union(self._unread, *(survey.limits for survey in self.surveys.values()))

    def mask_of(self, service: Service) -> int:
        """The cells of a service: all of them for `any`."""
        if service.protocol == "any":
            return self.services.full
        if service.protocol not in PROTOCOLS:
            return self.services.icmp
        protocol = PROTOCOLS[service.protocol]
        return self.services.mask(protocol, "dport", ((service.port, service.port),))

    def state(self, device: str) -> DeviceState | None:
        """The observed state of a device."""
        return self.site.devices[device].state

    # The walk

    def send(self, device: str, source: int, target: int, services: int, over: str = "") -> list[Delivery]:
        """Where packets arrive that a device itself sends; `over` is the interface towards an address of a link."""
        found: list[Delivery] = []
        survey = self.surveys.get(device)
        if survey is None or not services:
            return found
        if not self.roads.is_plain(device, target):
            destination = self.addresses.first(target)
            if survey.layer.is_local(destination):
                return [Delivery(device, services, source, target)]
            if survey.layer.type_of(destination) in GROUPS:
                return found
            if self.roads.is_scoped(target):
                self._send_near(device, Packets(source, target, services), found, over)
                return found
        if self.hooks[device].programs:
            self._send_filtered(device, Packets(source, target, services), found)
            return found
        arrival = self.roads.exit_of(device, target, self._asker(device, source))
        if arrival is not None:
            self._arrive(arrival, Packets(source, target, services), found, 1)
        return found

    def _asker(self, device: str, source: int) -> Address | None:
        """The address from which a device asks for the next hop of what it sends from a source."""
        if not self._minds:
            return None
        return self.neighbours.asks_as(device, self.addresses.first(source))

    def _links_to(self, device: str, target: int) -> list[str]:
        """The interfaces over which a device may get something to an address that means something on a link alone."""
        known = self._links.get((device, target))
        if known is None:
            destination = self.addresses.first(target)
            askers, translates = self.neighbours.ways_to_ask(device), self.surveys[device].translates
            known = self._links[device, target] = [
                name
                for name, interface in self.machines[device].interfaces.items()
                if interface.kind != "loopback"
                and interface.master is None
                and interface.up
                and (translates or any(self.neighbours.look(device, name, destination, one).onward for one in askers))
            ]
        return known

    def _send_near(self, device: str, sent: Packets, found: list[Delivery], over: str) -> None:
        """Send to an address that means something on a link alone: over every interface, as the sender says which."""
        layer, destination = self.surveys[device].layer, self.addresses.first(sent.target)
        for name in self._links_to(device, sent.target):
            if over not in ("", name):
                continue
            for packets in self._pass(device, Situation("output", outgoing=name), sent):
                if packets.target != sent.target:
                    self._send_again(device, packets, found)
                    continue
                situation = Situation("postrouting", None, name, None, packets.status)
                self._leave(device, situation, packets, found, hop=layer.next_hop(None, destination), depth=0)

    def targets_of(self, device: str) -> Sequence[int]:
        """The destination atoms at which something that a device sends may arrive; at others nothing does."""
        if device not in self.surveys:
            return ()
        if self.hooks[device].programs:
            return range(len(self.addresses))
        own = (self.addresses.of(address) for address in self.surveys[device].own)
        return sorted({*own, *self.roads.targets_of(device)})

    def apart(
        self, other: Analysis, device: str, sources: Sequence[int], target: int, known: dict[object, Changed | None]
    ) -> Sequence[int]:
        """Those of some sources whose packets may fare otherwise on another site with the same atoms.

        Where frames go the same ways on both, packets do too, and only chains that were changed can tell them apart.
        `known` is kept from one question about the two sites to the next.
        """
        if not self.neighbours.shares(other.neighbours) or self.surveys[device] is not other.surveys.get(device):
            return sources
        if self.hooks[device].programs:
            return sources
        if not self.roads.is_plain(device, target):
            layer, destination = self.surveys[device].layer, self.addresses.first(target)
            if layer.is_local(destination) or layer.type_of(destination) in GROUPS:
                return ()  # the sender decides that alone
            if self.roads.is_scoped(target):
                return sources
        askers = {self._asker(device, source): None for source in sources}
        if len(askers) > 1:
            return sources
        arrival = self.roads.exit_of(device, target, *askers)
        if arrival is None:
            return ()
        key = (self.roads.place_of(arrival, target), target)
        if key not in known:
            known[key] = self._changed(other, arrival, target)
        changed = known[key]
        if changed is None:
            return sources
        for (a, b, c), (d, e, f) in changed:
            if any(c[a[source] & b] != f[d[source] & e] for source in sources):
                return sources
        return ()

    def _changed(self, other: Analysis, arrival: Arrival, target: int) -> Changed | None:
        """The chains on a road that differ from those on the other site; None where the roads themselves may."""
        mine, theirs = self.roads.road(arrival, target)[1], other.roads.road(arrival, target)[1]
        if mine is None or theirs is None:
            return () if mine is theirs else None
        if mine.onward is not None or len(mine.gates) != len(theirs.gates) or mine[2:5] != theirs[2:5]:
            return None
        pairs = zip(mine.gates, theirs.gates, strict=True)
        return tuple(
            (one, two) for one, two in pairs if one.answers is not two.answers or one.candidates != two.candidates
        )

    def get_through(self, device: str, sources: Sequence[int], target: int, to: str) -> Iterator[tuple[int, int]]:
        """Of everything that a device sends from some addresses, what arrives at another: source and services."""
        for source in sources:
            for delivery in self.send(device, source, target, self.services.full):
                if delivery.device == to:
                    yield source, delivery.services

    def services_through(self, device: str, sources: tuple[int, ...], target: int, to: str) -> int:
        """The services with which a device gets to a destination at another from any of some addresses.

        The same as all that `get_through` finds; what does not depend on the source is asked once, and sources that no
        chain on the road tells apart are one.
        """
        roads = self.roads
        if device in self.surveys and not self.hooks[device].programs and roads.is_plain(device, target):
            if not self._minds:
                arrival = roads.exit_of(device, target)
            elif len(askers := {self._asker(device, source) for source in sources}) == 1:
                arrival = roads.exit_of(device, target, *askers)
            else:
                return self._through_any(device, sources, target, to)
            if arrival is None:
                return 0
            entrance, road = roads.road(arrival, target)
            if road is None:
                return 0
            if road.onward is None and not road.doubts and road.hops < MAX_HOPS:
                return self._over(entrance, road, sources) if road.device == to else 0
        return self._through_any(device, sources, target, to)

    def _through_any(self, device: str, sources: Sequence[int], target: int, to: str) -> int:
        found = 0
        for _, services in self.get_through(device, sources, target, to):
            found |= services
        return found

    def _over(self, entrance: Guard, road: Road, sources: tuple[int, ...]) -> int:
        if not (entrance.trusts(sources) and road.guard.trusts(sources) and self.roads.are_hosts(sources)):
            sources = tuple(source for source in sources if entrance[source] and road.guard[source])
            if road.hops > 1 and self.roads.scoped:
                sources = tuple(source for source in sources if source not in self.roads.scoped)
        asked = (sources, road.columns)
        rows = self._rows.get(asked)
        if rows is None:
            columns = [gate.by_source for gate in road.gates]
            rows = self._rows[asked] = list({tuple(column[source] for column in columns) for source in sources})
        found = 0
        for row in rows:
            services = self.services.full
            for bits, (_, candidates, answers) in zip(row, road.gates, strict=True):
                services &= answers[bits & candidates]
                if not services:
                    break
            else:
                found |= services
        return found

    def _send_filtered(self, device: str, sent: Packets, found: list[Delivery]) -> None:
        """Send from a device with rules of its own."""
        layer = self.surveys[device].layer
        destination = self.addresses.first(sent.target)
        route = layer.routes.lookup(destination)
        if route is None or route.device is None or not layer.goes_out(destination, route):
            return
        self.neighbours.met.update(self.neighbours.choices(device, destination, answered=True))
        for packets in self._pass(device, Situation("output", outgoing=route.device), sent):
            if packets.target != sent.target:  # translated on the way out: the way is looked for again
                self._send_again(device, packets, found)
                continue
            hop = layer.next_hop(route, destination)
            situation = Situation("postrouting", None, route.device, None, packets.status)
            self._leave(device, situation, packets, found, hop=hop, depth=0)

    def _send_again(self, device: str, packets: Packets, found: list[Delivery]) -> None:
        """Send on what the output hook translated."""
        layer, to = self.surveys[device].layer, self.addresses.first(packets.target)
        if layer.is_local(to):
            found.append(Delivery(device, packets.services, packets.source, packets.target))
            return
        way = layer.routes.lookup(to)
        if way is None or way.device is None or not layer.goes_out(to, way):
            return
        situation = Situation("postrouting", None, way.device, None, packets.status)
        self._leave(device, situation, packets, found, hop=layer.next_hop(way, to), depth=0)

    def _leave(
        self, device: str, situation: Situation, packets: Packets, found: list[Delivery], *, hop: Address, depth: int
    ) -> None:
        outgoing = situation.outgoing
        assert outgoing is not None
        if not self.machines[device].interfaces[outgoing].up:
            return
        for left in self._pass(device, situation, packets, hop):
            arrival = self.neighbours.answer(device, outgoing, hop, self._asker(device, left.source))
            if arrival is not None:
                self._arrive(arrival, left._replace(status=frozenset()), found, depth + 1)

    def _arrive(self, arrival: Arrival, packets: Packets, found: list[Delivery], depth: int) -> None:
        """Follow the road from where packets come in as device number `depth` on their way."""
        source, target, services, _ = packets
        entrance, road = self.roads.road(arrival, target)
        if road is None or depth + road.hops > MAX_HOPS:
            return
        if road.doubts:
            self._meet(entrance, road, source, services)
        for by_source, candidates, answers in road.gates:
            services &= answers[by_source[source] & candidates]
            if not services:
                return
        if not entrance[source] or not road.guard[source] or not road.device:
            return
        if road.hops > (road.onward is None) and self.roads.is_scoped(source):
            return  # it would have to be passed on
        if road.onward is None:
            found.append(Delivery(road.device, services, source, target))
        else:
            self._arrive_translated(road.onward, Packets(source, target, services), found, depth + road.hops)

    def _meet(self, entrance: Guard, road: Road, source: int, services: int) -> None:
        """Note the doubts of a road that some packet gets as far as."""
        for gates, devices, doubts in road.doubts:
            left = services
            for by_source, candidates, answers in road.gates[:gates]:
                left &= answers[by_source[source] & candidates]
            passed = (*entrance.arrivals, *road.guard.arrivals)[:devices]
            if self.roads.is_scoped(source):
                return
            if left and all(self.roads.believes(arrival, source) for arrival in passed):
                self.neighbours.met.update(doubts)

    def _arrive_translated(self, arrival: Arrival, packets: Packets, found: list[Delivery], depth: int) -> None:
        device, name, mac = arrival
        if depth >= MAX_HOPS:
            return
        for here in self._pass(device, Situation("prerouting", name, None, mac), packets):
            if not self.roads.believes(arrival, here.source):
                continue
            way = self.roads.way(device, name, here.target)
            if way.fate is Fate.LOCAL:
                if self.surveys[device].layer.type_of(self.addresses.first(here.target)) in GROUPS:
                    continue
                taken = self._pass(device, Situation("input", name, None, mac, here.status), here)
                found += [Delivery(device, t.services, t.source, t.target) for t in taken]
            elif way.outgoing is not None and not self.roads.is_scoped(here.source):
                out = way.outgoing.name
                for on in self._pass(device, Situation("forward", name, out, mac, here.status), here):
                    leaving = Situation("postrouting", name, out, None, on.status)
                    self._leave(device, leaving, on, found, hop=way.next_hop, depth=depth)

    def _pass(self, device: str, situation: Situation, packets: Packets, hop: Address | None = None) -> list[Packets]:
        """Run one hook; what comes out."""
        out: list[Packets] = []
        queue = [(packets, 0)]
        while queue:
            now, number = queue.pop()
            here = situation._replace(status=now.status)
            stages = self.hooks[device].stages(here)
            if number == len(stages):
                out.append(now)
            elif stages[number].nat:
                queue += [(more, number + 1) for more in self._translated(device, here, stages[number], now, hop)]
            else:
                services = now.services
                for program, candidates in stages[number].chains:
                    candidates &= program.by_source[now.source] & program.by_target[now.target]  # noqa: PLW2901
                    services &= program.answers[candidates]
                if services:
                    queue.append((now._replace(services=services), number + 1))
        return out

    def _translated(
        self, device: str, situation: Situation, stage: Stage, packets: Packets, hop: Address | None
    ) -> list[Packets]:
        """The first chain that translates decides; each translation gives a set of its own."""
        out = []
        left = packets.services
        for program, candidates in stage.chains:
            candidates &= program.by_source[packets.source] & program.by_target[packets.target]  # noqa: PLW2901
            for made, mask in program.decide(candidates).translated:
                taken = left & mask
                if taken:
                    left ^= taken
                    out.append(self._translate(device, situation, made, packets._replace(services=taken), hop))
        if left:
            out.append(packets._replace(services=left))
        return out

    def _translate(
        self, device: str, situation: Situation, made: Translation, packets: Packets, hop: Address | None
    ) -> Packets:
        address = made.address
        node = self.machines[device]
        if made.own:
            incoming = node.interfaces.get(situation.incoming or "")
            outgoing = node.interfaces.get(situation.outgoing or "")
            to = self.addresses.first(packets.target)
            address = self.version.own_address(node, situation.hook, incoming, outgoing, hop, to)
        atom = None if address is None else self.addresses.of(address)
        if made.of_source:
            source = packets.source if atom is None else atom
            services = self.services.moved(packets.services, sport=made.port)
            return packets._replace(source=source, services=services, status=packets.status | {"snat"})
        target = packets.target if atom is None else atom
        services = self.services.moved(packets.services, dport=made.port)
        return packets._replace(target=target, services=services, status=packets.status | {"dnat"})
