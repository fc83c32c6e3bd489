"""Roads: the way of packets to one destination, over every device, until one keeps them or translates them.

Where packets go does not depend on their source, only whether they pass. So the way is followed once for each place
they come in and each destination, and then costs one step for each chain of rules on it, whatever the source.
"""

# ruff: noqa: SLF001 - roads take over what other roads know
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from grader.reach.hooks import Situation
from grader.reach.wiring import Arrival
from labs.net.linux.ip_layer import GROUPS
from labs.net.linux.way import Fate

if TYPE_CHECKING:
    from grader.reach.atoms import AddressAtoms
    from grader.reach.hooks import Hooks
    from grader.reach.neighbours import Neighbours
    from grader.reach.program import Answers
    from grader.reach.survey import Survey
    from grader.reach.versions import Version
    from grader.reach.wiring import Doubts
    from labs.model.addresses import Address
    from labs.net.linux.way import Way

__all__ = ["Gate", "Guard", "Road", "Roads"]


class Gate(NamedTuple):
    """A chain on the way: by source the entries that ask for it, those that ask for this destination, and answers."""

    by_source: list[int]
    candidates: int
    answers: Answers


class Guard(dict[int, bool]):
    """Whether every device on a road believes a source."""

    def __init__(
        self,
        arrivals: tuple[Arrival, ...],
        believes: Callable[[Arrival, int], bool],
        local: frozenset[int] | None,
    ) -> None:
        """`local`: the only sources that may not be believed; None where there is no telling (rp_filter)."""
        super().__init__()
        self.arrivals, self._local = arrivals, local
        self._believes = believes

    def trusts(self, sources: Iterable[int]) -> bool:
        """All of these are believed for certain."""
        return self._local is not None and self._local.isdisjoint(sources)

    def __missing__(self, source: int) -> bool:
        found = self[source] = all(self._believes(arrival, source) for arrival in self.arrivals)
        return found


class Road(NamedTuple):
    """What stands between a device where packets come in and `device`, which keeps them ("": they get nowhere).

    `guard` is of the devices behind the first. `onward` is where packets come in at a device that translates; there the
    road ends. `hops` counts the devices.
    """

    gates: tuple[Gate, ...]
    guard: Guard
    device: str
    onward: Arrival | None
    hops: int
    columns: tuple[int, ...] = ()
    """The identities of what its gates know sources by: roads with the same ask for the same of a source."""
    doubts: tuple[tuple[int, int, Doubts], ...] = ()
    """After how many gates and devices a packet meets which doubt."""


class _Step(NamedTuple):
    """One device: its gates, and where its packets come in next; if not, whether it keeps them or they get nowhere."""

    gates: tuple[Gate, ...]
    onward: Arrival | None = None
    kept: bool = False
    doubts: Doubts = ()


NOWHERE = _Step(())
Place = Arrival | tuple[str, bool]
"""Where packets come in; where no rule of a device asks for that, the device and whether it forwards."""


_Key = int | tuple[int, "Address"]
"""A part or an atom; with the address that asks for the next hop where that makes a difference."""


@dataclass(slots=True)
class _Known:
    """What was found out about one device. A part is a stretch of addresses that none of its routes tells apart."""

    exits: dict[_Key, tuple[Arrival | None, Doubts]] = field(default_factory=dict)
    """Part -> where everything goes that it sends there, by way of a gateway."""
    near: dict[_Key, tuple[Arrival | None, Doubts]] = field(default_factory=dict)
    """Destination atom -> the same."""
    ways: dict[tuple[bool, int], Way] = field(default_factory=dict)
    believed: dict[tuple[str, int], bool] = field(default_factory=dict)
    wary: dict[str, bool] = field(default_factory=dict)
    """Interface -> whether sources are judged there (rp_filter)."""


class Roads:
    """Every road of a site, found when it is first asked for. None is a road on which nothing arrives."""

    def __init__(
        self,
        surveys: Mapping[str, Survey],
        hooks: Mapping[str, Hooks],
        neighbours: Neighbours,
        addresses: AddressAtoms,
        version: Version,
        like: Roads | None = None,
    ) -> None:
        """`like` are those of a similar site with the same atoms and the same neighbours."""
        self._surveys, self._hooks, self._addresses = surveys, hooks, addresses
        self._neighbours, self._version = neighbours, version
        self._asks = {name: found.asks for name, found in hooks.items()}
        self._roads: dict[tuple[Place, int], Road | None] = {}
        self._entrances: dict[Arrival, tuple[Place, Guard]] = {}
        self._live: dict[Place, list[int]] = {}
        self._guards: dict[tuple[Arrival, ...], Guard] = {}
        self._known: dict[str, _Known] = {}
        self._steps: dict[str, dict[tuple[Place, int], _Step]] = {}
        self._own: dict[str, frozenset[int]] = {}
        for name, survey in surveys.items():
            if like is not None and like._surveys.get(name) is survey:
                self._known[name], self._own[name] = like._known[name], like._own[name]
            else:
                self._known[name] = _Known()
                self._own[name] = frozenset(addresses.of(address) for address in survey.own)
            same = like is not None and like._hooks.get(name) is hooks[name] and self._known[name] is like._known[name]
            self._steps[name] = like._steps[name] if like is not None and same else {}
        self.scoped = {n for a, b in version.of_link for n in range(addresses.of(a), addresses.of(b) + 1)}
        """Addresses that mean something else on each link."""
        self._odd = {addresses.of(end) for survey in surveys.values() for end in survey.ends}
        for low, high in version.nobody:
            self._odd.update(range(addresses.of(low), addresses.of(high) + 1))
        if like is not None:
            self._take_over(like)

    def _take_over(self, like: Roads) -> None:
        """Every guard and every road on which no device has changed."""
        known = {name for name, survey in self._surveys.items() if like._surveys.get(name) is survey}
        same = {name for name in known if like._hooks[name] is self._hooks[name]}
        self._guards = {
            arrivals: guard for arrivals, guard in like._guards.items() if known.issuperset([a[0] for a in arrivals])
        }
        for (place, target), road in like._roads.items():
            if road is None or road.onward is not None or road.doubts:
                continue
            if place[0] in same and same.issuperset([a[0] for a in road.guard.arrivals]):
                self._roads[place, target] = road

    def are_hosts(self, sources: Iterable[int]) -> bool:
        """Addresses that are a host's for certain, whoever has them."""
        return self._odd.isdisjoint(sources)

    def is_scoped(self, atom: int) -> bool:
        """An address that means something on its link alone."""
        return atom in self.scoped

    def is_plain(self, device: str, target: int) -> bool:
        """An address that is a host's for certain, and not the device's own."""
        return target not in self._own[device] and target not in self._odd

    # Out of the sender

    def exit_of(self, device: str, target: int, asker: Address | None = None) -> Arrival | None:
        """Where packets of a device without rules of its own come in first; None where they do not leave it.

        `asker` is the address from which it asks for the next hop (`Neighbours.asks_as`).
        """
        known, survey = self._known[device], self._surveys[device]
        part: _Key = survey.part(self._addresses.starts[target])
        near: _Key = target
        if asker is not None:
            part, near = (survey.part(self._addresses.starts[target]), asker), (target, asker)
        found = known.exits.get(part) if target not in self._odd else None
        found = found or known.near.get(near)
        if found is None:
            found = self._find_exit(device, target, (part, near), asker)
        if found[1]:
            self._neighbours.met.update(found[1])
        return found[0]

    def _find_exit(
        self, device: str, target: int, keys: tuple[_Key, _Key], asker: Address | None
    ) -> tuple[Arrival | None, Doubts]:
        known, survey = self._known[device], self._surveys[device]
        node, layer = survey.machine, survey.layer
        destination = self._addresses.first(target)
        found: tuple[Arrival | None, Doubts] = (None, ())
        route = layer.routes.lookup(destination)
        if route is not None and route.device is not None and layer.goes_out(destination, route):
            hop = layer.next_hop(route, destination)
            if node.interfaces[route.device].up:
                seen = self._neighbours.look(device, route.device, hop, asker)
                found = (
                    seen.onward,
                    seen.doubts + self._neighbours.choices(device, destination, answered=seen.onward is not None),
                )
            if hop != destination and target not in self._odd:
                known.exits[keys[0]] = found
        known.near[keys[1]] = found
        return found

    def targets_of(self, device: str) -> list[int]:
        """The destinations, among those that are no address of its own, at which something that it sends may arrive."""
        found: list[int] = []
        atoms, survey = self._addresses, self._surveys[device]
        for asker in self._neighbours.ways_to_ask(device):
            for low, high in survey.stretches():
                inside = atoms.within(low, high)
                first = next((target for target in inside if target not in self._odd), None)
                arrival = None if first is None else self.exit_of(device, first, asker)
                part = survey.part(low)
                if (part if asker is None else (part, asker)) not in self._known[device].exits:
                    found += [target for target in inside if target not in self._own[device]]
                else:
                    live = [] if arrival is None else self._live_from(arrival)
                    found += live[bisect_left(live, inside.start) : bisect_left(live, inside.stop)]
                    found += [target for target in inside if target in self._odd]
        return sorted(set(found))

    def _live_from(self, arrival: Arrival) -> list[int]:
        """The destinations at which something may arrive that comes in somewhere, in order."""
        place, _ = self._entrances.get(arrival) or self._enter(arrival)
        live = self._live.get(place)
        if live is None:
            every = range(len(self._addresses))
            live = self._live[place] = [target for target in every if self.road(arrival, target)[1] is not None]
        return live

    # Over the devices

    def place_of(self, arrival: Arrival, target: int) -> Place:
        """What roads to a destination are told by that begin somewhere."""
        return arrival if target in self.scoped else (self._entrances.get(arrival) or self._enter(arrival))[0]

    def road(self, arrival: Arrival, target: int) -> tuple[Guard, Road | None]:
        """The road of packets that come in somewhere, and whom the device there believes."""
        place, guard = self._entrances.get(arrival) or self._enter(arrival)
        if target in self.scoped:
            place = arrival
        try:
            return guard, self._roads[place, target]
        except KeyError:
            return guard, self._follow(arrival, target)

    def _enter(self, arrival: Arrival) -> tuple[Place, Guard]:
        place: Place = arrival
        if not self._asks[arrival.device] and not self._surveys[arrival.device].translates:
            place = (arrival.device, self._forwards(arrival.device, arrival.interface))
        found = self._entrances[arrival] = (place, self._guard((arrival,)))
        return found

    def _follow(self, arrival: Arrival, target: int) -> Road | None:
        passed: dict[Place, _Step] = {}
        while True:
            place = self.place_of(arrival, target)
            if (place, target) in self._roads:
                road = self._roads[place, target]
                break
            if place in passed:  # routes in a circle
                road = None
                break
            if self._surveys[arrival.device].translates:
                road = Road((), self._guard(()), arrival.device, arrival, 0)
                break
            step = passed[place] = self._step(place, arrival, target)
            if step.onward is None:
                road = None
                break
            arrival = step.onward
        for place, step in reversed(passed.items()):
            road = self._roads[place, target] = self._longer(step, road, place[0])
        return road

    def _longer(self, step: _Step, road: Road | None, device: str) -> Road | None:
        """The road that begins a device earlier."""
        if step.kept:
            return Road(step.gates, self._guard(()), device, None, 1, _columns(step.gates))
        if road is None and not step.doubts:
            return None
        doubts = [(len(step.gates), 1, step.doubts)] if step.doubts else []
        if road is None or step.onward is None:
            return Road(step.gates, self._guard(()), "", None, 1, (), tuple(doubts))
        doubts += [(len(step.gates) + gates, devices + 1, more) for gates, devices, more in road.doubts]
        after = () if road.onward == step.onward else (step.onward,)  # a device that translates asks for itself
        guard = self._guard((*after, *road.guard.arrivals))
        gates = step.gates + road.gates
        return Road(gates, guard, road.device, road.onward, road.hops + 1, _columns(gates), tuple(doubts))

    def _guard(self, arrivals: tuple[Arrival, ...]) -> Guard:
        found = self._guards.get(arrivals)
        if found is None:
            found = self._guards[arrivals] = Guard(arrivals, self.believes, self._local(arrivals))
        return found

    def _local(self, arrivals: tuple[Arrival, ...]) -> frozenset[int] | None:
        """The addresses of the devices on a road."""
        for device, interface, _ in arrivals:
            wary = self._known[device].wary
            if interface not in wary:
                wary[interface] = self._version.is_wary(self._surveys[device].machine, interface)
            if wary[interface]:
                return None
        return frozenset().union(*(self._own[device] for device, _, _ in arrivals))

    def believes(self, arrival: Arrival, source: int) -> bool:
        """Whether a device takes the source of what comes in for real."""
        device, name, _ = arrival
        survey = self._surveys[device]
        node = survey.machine
        key = (name, -1 - source)
        if self.is_plain(device, source):
            if not self._version.is_wary(node, name):
                return True
            key = (name, survey.part(self._addresses.starts[source]))
        believed = self._known[device].believed
        if key not in believed:
            believed[key] = survey.layer.believes(node.interfaces[name], self._addresses.first(source))
        return believed[key]

    def way(self, device: str, interface: str, target: int) -> Way:
        """The routing decision about what comes in over an interface."""
        survey = self._surveys[device]
        node, layer = survey.machine, survey.layer
        destination = self._addresses.first(target)
        if not self.is_plain(device, target):
            return layer.way_to(node.interfaces[interface], destination)
        ways = self._known[device].ways
        key = (self._forwards(device, interface), survey.part(destination))
        found = ways.get(key)
        if found is None:
            found = ways[key] = layer.way_to(node.interfaces[interface], destination)
        if found.outgoing is None:
            return found
        return found._replace(next_hop=layer.next_hop(found.route, destination))

    def _forwards(self, device: str, interface: str) -> bool:
        return self._version.forwards(self._surveys[device].machine, interface)

    def _step(self, place: Place, arrival: Arrival, target: int) -> _Step:
        """The way through a device that translates nothing: the same for every source."""
        steps = self._steps[arrival.device]
        found = steps.get((place, target))
        if found is None:
            found = steps[place, target] = self._make_step(arrival, target)
        return found

    def _make_step(self, arrival: Arrival, target: int) -> _Step:
        device, name, mac = arrival
        way = self.way(device, name, target)
        gates = [*self._gates(device, Situation("prerouting", name, None, mac), target)]
        if way.fate is Fate.LOCAL:
            if self._surveys[device].layer.type_of(self._addresses.first(target)) in GROUPS:
                return NOWHERE
            gates += self._gates(device, Situation("input", name, None, mac), target)
            return _Step(tuple(gates), kept=True)
        if way.outgoing is None or not way.outgoing.up:
            return NOWHERE
        out = way.outgoing.name
        seen = self._neighbours.look(device, out, way.next_hop)
        gates += self._gates(device, Situation("forward", name, out, mac), target)
        gates += self._gates(device, Situation("postrouting", name, out), target)
        doubts = seen.doubts
        doubts += self._neighbours.choices(device, self._addresses.first(target), answered=seen.onward is not None)
        return _Step(tuple(gates), seen.onward, doubts=doubts)

    def _gates(self, device: str, situation: Situation, target: int) -> Iterator[Gate]:
        for stage in self._hooks[device].stages(situation):
            for program, candidates in stage.chains if not stage.nat else ():
                yield Gate(program.by_source, program.by_target[target] & candidates, program.answers)


def _columns(gates: tuple[Gate, ...]) -> tuple[int, ...]:
    return tuple(id(gate.by_source) for gate in gates)
