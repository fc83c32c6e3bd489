"""All packets of a site at once: where each goes, and what stops it.

The header space is cut into atoms; a walk carries the services of one pair of address atoms through the devices as one
integer. Before changing this file read `labs.net.linux.ip_layer`, whose path of a packet it follows; each decision on
the way is asked of the same functions. A packet here is one that begins a conversation: an echo request, the SYN of a
TCP connection, a UDP datagram.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from grader.reach.atoms import AddressAtoms, Intervals, ServiceCells
from grader.reach.hooks import Hooks, Situation, Stage
from grader.reach.machine import machine
from grader.reach.scope import Limit, OutOfScope
from grader.reach.wiring import Arrival, Wiring
from labs.model.addresses import IPv4, IPv6, Network
from labs.model.services import Service
from labs.net.ipv4 import PROTO_TCP, PROTO_UDP
from labs.net.linux.ip_layer import GROUPS
from labs.net.linux.way import Fate

if TYPE_CHECKING:
    from grader.reach.program import ChainProgram, Translation
    from labs.model.site import Site
    from labs.model.state import DeviceState
    from labs.net.linux.node import LinuxNode

__all__ = ["Analysis", "Ending", "How"]

MAX_HOPS = 64  # the TTL that Linux begins with
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP}
ALL_PORTS = ((1, 65535),)


class How(StrEnum):
    """How a walk ends. Closed."""

    DELIVERED = "delivered"
    FILTERED = "stopped by a rule"
    MARTIAN = "its source cannot be real"
    NO_NEIGHBOUR = "nobody answers for the next hop"
    NO_ROUTE = "no route, or one that refuses"
    NOT_FORWARDING = "a device that is no router"
    DOWN = "an interface that is down"
    LOOP = "routes in a circle"
    GROUP = "for a group"


class Ending(NamedTuple):
    """How a set of packets ended: where, why, and as what (addresses as atoms) they arrived or died."""

    device: str
    how: How
    services: int
    source: int
    target: int
    hook: str = ""


_Filters = tuple[tuple["ChainProgram", int, str], ...]
"""Chains in their order, each with the entries that can match this destination, and the name of the hook."""


class Packets(NamedTuple):
    """A set of packets on its way: source atom, destination atom, services, and what this device translated so far."""

    source: int
    target: int
    services: int
    status: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Step:
    """What a device does with packets for one destination that come in over one interface.

    `before` the routing decision the source is not judged yet, `after` it is.
    """

    before: _Filters
    after: _Filters
    how: How | None
    onward: Arrival | None


class Analysis:
    """One observed site, cut into atoms. Raises nothing: what cannot be decided is in `limits`.

    `also` are further sites whose boundaries are cut too, so that the atoms of both are the same; `services` those of a
    policy, `networks` address ranges that questions will be asked about.
    """

    def __init__(
        self,
        site: Site,
        *,
        also: Sequence[Analysis] = (),
        services: Iterable[Service] = (),
        networks: Iterable[Network] = (),
        like: Analysis | None = None,
    ) -> None:
        self.site = site
        self._unread: list[OutOfScope] = []
        self.machines: dict[str, LinuxNode] = {}
        self.hooks: dict[str, Hooks] = {}
        for name, device in site.devices.items():
            known = like is not None and name in like.machines and like.site.devices.get(name) is device
            if like is not None and known:
                self.machines[name], self.hooks[name] = like.machines[name], like.hooks[name]
            elif device.state is not None:
                try:
                    self.machines[name] = machine(device)
                except (KeyError, TypeError, ValueError) as error:
                    self._unread.append(OutOfScope(name, Limit.UNREADABLE_RULES, str(error)))
                else:
                    self.hooks[name] = Hooks(self.machines[name])
        self.wiring = Wiring(site, self.machines)
        self._translates = {name: hooks.translates for name, hooks in self.hooks.items()}
        self._services, self._networks = tuple(services), tuple(networks)
        self._bind(also)

    # The header space

    def _bind(self, also: Sequence[Analysis]) -> None:
        parts = (self, *also)
        self.addresses = AddressAtoms(interval for part in parts for interval in part.address_intervals())
        self.services = ServiceCells(predicate for part in parts for predicate in part.port_predicates())
        self._settle()

    def _settle(self) -> None:
        """Everything that hangs on the atoms."""
        for hooks in self.hooks.values():
            hooks.bind(self.addresses, self.services)
        self._asks = {name: hooks.asks for name, hooks in self.hooks.items()}
        self._steps: dict[tuple[Arrival, int], _Step] = {}
        self._forwards: dict[tuple[str, str], bool] = {}
        self._alike: dict[tuple[str, bool, int], _Step] = {}
        self._own = {
            name: {self.addresses.of(address) for address in node.local_addresses()}
            for name, node in self.machines.items()
        }
        ends = {
            int(address.network.broadcast)
            for node in self.machines.values()
            for interface in node.interfaces.values()
            for address in interface.addresses
        }
        self._odd = {self.addresses.of(end) for end in ends}  # where an address may be more than a host's
        for low, high in ((127 << 24, (128 << 24) - 1), (224 << 24, (1 << 32) - 1), (0, 0)):
            self._odd.update(range(self.addresses.of(low), self.addresses.of(high) + 1))
        self._believed: dict[tuple[str, str, int], bool] = {}

    def share(self, other: Analysis) -> None:
        """Take over the atoms of another analysis that was made with this one in `also`."""
        self.addresses, self.services = other.addresses, other.services
        self._settle()

    def address_intervals(self) -> Iterator[tuple[int, int]]:
        """Every interval of addresses that anything on the site tells apart."""
        networks = [*self._networks, *self.site.subnets.values()]
        for node in self.machines.values():
            networks += [route.prefix for route in node.ip.routes]
            for interface in node.interfaces.values():
                for address in interface.addresses:
                    networks.append(address.network)
                    if isinstance(address.address, IPv4):
                        yield int(address.address), int(address.address)
                        yield int(address.network.broadcast), int(address.network.broadcast)
                        yield int(address.network.address), int(address.network.address)
        networks += SPECIAL
        for network in networks:
            if isinstance(network.address, IPv4):
                yield int(network.address), int(network.broadcast)
        for hooks in self.hooks.values():
            for program in hooks.all_programs:
                yield from program.address_intervals()

    def port_predicates(self) -> Iterator[tuple[int, str, Intervals]]:
        """Every test of a port that anything on the site makes, as protocol, field and intervals."""
        for hooks in self.hooks.values():
            for program in hooks.all_programs:
                for test in program.port_predicates():
                    for protocol in test.protocols:
                        yield protocol, test.field, test.intervals
        for service in self._services:
            if service.protocol in PROTOCOLS:
                yield PROTOCOLS[service.protocol], "dport", ((service.port, service.port),)

    @cached_property
    def _rule_limits(self) -> frozenset[OutOfScope]:
        return frozenset(limit for hooks in self.hooks.values() for limit in hooks.limits()) | frozenset(self._six())

    def _six(self) -> Iterator[OutOfScope]:
        """Addresses of IPv6 that are more than a link's own: packets between them are not looked at."""
        for name, device in self.site.devices.items():
            for shown in device.state.addresses() if device.state is not None else ():
                if isinstance(shown.address, IPv6) and not shown.address.is_link_local:
                    yield OutOfScope(name, Limit.IPV6, str(shown))

    @property
    def limits(self) -> frozenset[OutOfScope]:
        """What lies outside the exact scope: rules and settings, and of layer 2 what walks have met."""
        return self._rule_limits | self.wiring.found | frozenset(self._unread)

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

    def send(self, device: str, source: int, target: int, services: int) -> list[Ending]:
        """What becomes of packets that a device itself sends."""
        endings: list[Ending] = []
        node = self.machines.get(device)
        if node is None or not services:
            return endings
        destination = self.addresses.first(target)
        if target in self._own[device] or target in self._odd:
            if node.ip.is_local(destination):
                return [Ending(device, How.DELIVERED, services, source, target)]
            if node.ip.type_of(destination) in GROUPS:
                return [Ending(device, How.GROUP, services, source, target)]
        route = node.ip.routes.lookup(destination)
        if not node.ip.goes_out(destination, route) or route is None or route.device is None:
            return [Ending(device, How.NO_ROUTE, services, source, target)]
        if not self.hooks[device].programs and node.interfaces[route.device].up:
            hop = route.via if isinstance(route.via, IPv4) else destination
            arrival = self.wiring.answer(device, route.device, hop)
            if arrival is None:
                return [Ending(device, How.NO_NEIGHBOUR, services, source, target)]
            self._arrive(arrival, Packets(source, target, services), endings, 1)
            return endings
        sent = Packets(source, target, services)
        for packets in self._pass(device, Situation("output", outgoing=route.device), sent, endings):
            way, to = route, destination
            if packets.target != target:  # translated on the way out: the way is looked for again
                to = self.addresses.first(packets.target)
                found = node.ip.routes.lookup(to)
                if node.ip.is_local(to) or found is None or not node.ip.goes_out(to, found):
                    how = How.DELIVERED if node.ip.is_local(to) else How.NO_ROUTE
                    endings.append(Ending(device, how, packets.services, packets.source, packets.target))
                    continue
                way = found
            hop = node.ip.next_hop(way, to)
            situation = Situation("postrouting", None, way.device, None, packets.status)
            self._leave(device, situation, packets, endings, hop=hop, depth=0)
        return endings

    def _leave(
        self, device: str, situation: Situation, packets: Packets, endings: list[Ending], *, hop: IPv4, depth: int
    ) -> None:
        outgoing = situation.outgoing
        assert outgoing is not None
        for left in self._pass(device, situation, packets, endings, hop):
            arrival = None
            if self.machines[device].interfaces[outgoing].up:
                arrival = self.wiring.answer(device, outgoing, hop)
                how = How.NO_NEIGHBOUR
            else:
                how = How.DOWN
            if arrival is None:
                endings.append(Ending(device, how, left.services, left.source, left.target))
            else:
                self._arrive(arrival, left._replace(status=frozenset()), endings, depth + 1)

    def _arrive(self, arrival: Arrival, packets: Packets, endings: list[Ending], depth: int) -> None:
        source, target, services, _ = packets
        while True:
            device = arrival.device
            if depth >= MAX_HOPS:
                endings.append(Ending(device, How.LOOP, services, source, target))
                return
            if self._translates[device]:
                self._arrive_translated(arrival, Packets(source, target, services), endings, depth)
                return
            step = self._steps.get((arrival, target)) or self._step(arrival, target)
            for program, candidates, hook in step.before:
                passed = services & program.accepted(program.by_source[source] & candidates)
                if passed != services:
                    endings.append(Ending(device, How.FILTERED, services & ~passed, source, target, hook))
                    services = passed
            if services and not self._believes(arrival, source):
                endings.append(Ending(device, How.MARTIAN, services, source, target))
                return
            for program, candidates, hook in step.after:
                passed = services & program.accepted(program.by_source[source] & candidates)
                if passed != services:
                    endings.append(Ending(device, How.FILTERED, services & ~passed, source, target, hook))
                    services = passed
            if not services:
                return
            if step.how is not None:
                endings.append(Ending(device, step.how, services, source, target))
                return
            assert step.onward is not None
            arrival = step.onward
            depth += 1

    @staticmethod
    def _filter(filters: _Filters, device: str, packets: Packets, endings: list[Ending]) -> int:
        """The services that pass."""
        source, target, services, _ = packets
        for program, candidates, hook in filters:
            passed = services & program.decide(program.by_source[source] & candidates).accepted
            if passed != services:
                endings.append(Ending(device, How.FILTERED, services & ~passed, source, target, hook))
                services = passed
        return services

    def _believes(self, arrival: Arrival, source: int) -> bool:
        key = (arrival.device, arrival.interface, source)
        known = self._believed.get(key)
        if known is None:
            node = self.machines[arrival.device]
            known = node.ip.believes(node.interfaces[arrival.interface], self.addresses.first(source))
            self._believed[key] = known
        return known

    def _step(self, arrival: Arrival, target: int) -> _Step:
        """The way through a device that translates nothing: the same for every source."""
        found: _Step | None = None
        device = arrival.device
        forwards = self._forwards.get(arrival[:2])
        if forwards is None:
            found_value = self.machines[device].sysctl.number(f"net.ipv4.conf.{arrival.interface}.forwarding")
            forwards = self._forwards[arrival[:2]] = bool(found_value)
        if not self._asks[device]:  # then every interface is alike
            found = self._alike.get((device, forwards, target))
        if found is None:
            found = self._alike[device, forwards, target] = self._make_step(arrival, target)
        self._steps[arrival, target] = found
        return found

    def _make_step(self, arrival: Arrival, target: int) -> _Step:
        device, name, mac = arrival
        node = self.machines[device]
        before = tuple(self._filters(device, Situation("prerouting", name, None, mac), target))
        destination = self.addresses.first(target)
        way = node.ip.way_to(node.interfaces[name], destination)
        if way.fate is Fate.LOCAL:
            if node.ip.type_of(destination) in GROUPS:
                return _Step(before, (), How.GROUP, None)
            inward = self._filters(device, Situation("input", name, None, mac), target)
            return _Step(before, tuple(inward), How.DELIVERED, None)
        if way.outgoing is None:
            return _Step(before, (), _ENDING[way.fate], None)
        out = way.outgoing.name
        after = self._filters(device, Situation("forward", name, out, mac), target)
        after += self._filters(device, Situation("postrouting", name, out), target)
        if not way.outgoing.up:
            return _Step(before, tuple(after), How.DOWN, None)
        onward = self.wiring.answer(device, out, way.next_hop)
        return _Step(before, tuple(after), How.NO_NEIGHBOUR if onward is None else None, onward)

    def _filters(self, device: str, situation: Situation, target: int) -> list[tuple[ChainProgram, int, str]]:
        return [
            (program, program.by_target[target] & candidates, situation.hook)
            for stage in self.hooks[device].stages(situation)
            if not stage.nat
            for program, candidates in stage.chains
        ]

    def _arrive_translated(self, arrival: Arrival, packets: Packets, endings: list[Ending], depth: int) -> None:
        device, name, mac = arrival
        node = self.machines[device]
        for here in self._pass(device, Situation("prerouting", name, None, mac), packets, endings):
            if not self._believes(arrival, here.source):
                endings.append(Ending(device, How.MARTIAN, here.services, here.source, here.target))
                continue
            destination = self.addresses.first(here.target)
            way = node.ip.way_to(node.interfaces[name], destination)
            if way.fate is Fate.LOCAL and node.ip.type_of(destination) in GROUPS:
                endings.append(Ending(device, How.GROUP, here.services, here.source, here.target))
            elif way.fate is Fate.LOCAL:
                taken = self._pass(device, Situation("input", name, None, mac, here.status), here, endings)
                endings += [Ending(device, How.DELIVERED, t.services, t.source, t.target) for t in taken]
            elif way.outgoing is None:
                endings.append(Ending(device, _ENDING[way.fate], here.services, here.source, here.target))
            else:
                out = way.outgoing.name
                for on in self._pass(device, Situation("forward", name, out, mac, here.status), here, endings):
                    leaving = Situation("postrouting", name, out, None, on.status)
                    self._leave(device, leaving, on, endings, hop=way.next_hop, depth=depth)

    def _pass(
        self, device: str, situation: Situation, packets: Packets, endings: list[Ending], hop: IPv4 | None = None
    ) -> list[Packets]:
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
                services = self._filter(self._candidates(stages[number], here.hook, now.target), device, now, endings)
                if services:
                    queue.append((now._replace(services=services), number + 1))
        return out

    @staticmethod
    def _candidates(stage: Stage, hook: str, target: int) -> _Filters:
        return tuple((program, program.by_target[target] & mask, hook) for program, mask in stage.chains)

    def _translated(
        self, device: str, situation: Situation, stage: Stage, packets: Packets, hop: IPv4 | None
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
        self, device: str, situation: Situation, made: Translation, packets: Packets, hop: IPv4 | None
    ) -> Packets:
        address = made.address
        node = self.machines[device]
        if made.own:
            incoming = node.interfaces.get(situation.incoming or "")
            outgoing = node.interfaces.get(situation.outgoing or "")
            address = node.ip.own_address(situation.hook, incoming, outgoing, hop)
        atom = None if address is None else self.addresses.of(address)
        if made.of_source:
            source = packets.source if atom is None else atom
            services = self.services.moved(packets.services, sport=made.port)
            return packets._replace(source=source, services=services, status=packets.status | {"snat"})
        target = packets.target if atom is None else atom
        services = self.services.moved(packets.services, dport=made.port)
        return packets._replace(target=target, services=services, status=packets.status | {"dnat"})


_ENDING = {
    Fate.MARTIAN: How.MARTIAN,
    Fate.LOCAL: How.DELIVERED,
    Fate.NOT_FORWARDING: How.NOT_FORWARDING,
    Fate.REFUSED: How.NO_ROUTE,
}
SPECIAL = tuple(
    Network.parse(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
    )
)
