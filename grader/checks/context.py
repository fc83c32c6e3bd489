"""What a judge has before it: the engine with the replayed site, the variant, and probes that are remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from grader.reach import Reach
from labs.engines.base import BeyondEngine, Engine, Observation, Probe
from labs.lab import engine_named
from labs.model.addresses import Address, InterfaceAddress, IPv4, IPv6
from labs.model.services import Service
from labs.model.site import Site
from labs.scenario import intents
from labs.scenario.variant import Variant
from labs.things.world import LivingWorld

if TYPE_CHECKING:
    from grader.checks.hearing import Recording

__all__ = ["SETTLE_NS", "Context", "Flow", "as_found"]

SETTLE_NS = 60_000_000_000  # how long caches may still point at what was repaired (ARP: gc_stale_time)

LOOK_NS = 1_000_000_000  # how often an engine in real time is looked at

Flow = tuple[str, str, Service]


class Context:
    """One trial of one site."""

    def __init__(
        self,
        engine: Engine,
        variant: Variant,
        again: Callable[[int | None], Engine] | None = None,
        start: Site | None = None,
    ) -> None:
        self.engine = engine
        self.variant = variant
        self.start = variant.broken if start is None else start
        """The site as whoever repaired it found it."""
        self._again = again
        self._site: Site | None = None
        self._site_at = -1
        self._living: LivingWorld | None = None
        self._known: dict[Flow, Observation] = {}
        self.recordings: dict[tuple[object, ...], Recording] = {}
        """What was heard at brokers, by who listened where."""
        self.watched: tuple[int, int] | None = None
        """From when to when the site was left alone, so that one look back serves several checks."""
        self._other_days: dict[int, Context] = {}
        self._reach: Reach | None = None
        self._before: Reach | None = None

    @property
    def site(self) -> Site:
        """The site as it now is; on an engine in real time, as it was when the judge last let time pass."""
        if self._site is None or (self.engine.repeats and self._site_at != self.engine.now):
            self._site = self.engine.observe()
            self._site_at = self.engine.now
        return self._site

    def truth(self, room: str, quantity: str, at_ns: int) -> float:
        """What a perfect instrument in a room reads at a moment, in the base unit of the quantity."""
        world = self.site.world
        if self._living is None or self._living.world.acts != world.acts:
            self._living = LivingWorld(world, self.site.seed)
        return self._living.value(room, quantity, at_ns)

    def level(self, room: str, what: str) -> list[tuple[int, float]]:
        """Every change of what is driven in a room: when, and to which level."""
        return [(act.at_ns, act.level) for act in self.site.world.acts if (act.room, act.what) == (room, what)]

    @property
    def reach(self) -> Reach:
        """The analysis of the site as it now is, cut for the services of the policy and of the checks."""
        site, known = self.site, self._reach
        if known is None or (
            known.site is not site and (known.site.devices, known.site.links) != (site.devices, site.links)
        ):
            scenario = self.variant.scenario
            named = {s for conduit in scenario.policy.allow for s in conduit.services} if scenario.policy else set()
            for check in scenario.checks:
                if isinstance(check.body, (intents.Reach, intents.Refuse)):
                    named.update(check.body.services)
            known = self._reach = Reach(site, services=sorted(named), like=known)
        return known

    @property
    def before(self) -> Reach:
        """The analysis of the site as the trainee found it, to tell what is new."""
        if self._before is None:
            self._before = as_found(self.start)
        return self._before

    def anew(self) -> Context | None:
        """The trial again from the moment at which the judging began; None where the engine does not repeat itself."""
        return self._replayed(None) if self.engine.repeats else None

    def on_another_day(self, start_s: int) -> Context:
        """The repair made again on the site as it is on another day, once for all who ask. Raises BeyondEngine."""
        if start_s not in self._other_days:
            there = self._replayed(start_s)
            if there is None:
                raise BeyondEngine("another day cannot be tried where nothing can be replayed")
            self._other_days[start_s] = there
        return self._other_days[start_s]

    def leave_other_days(self) -> None:
        """Give back the labs on which other days were tried."""
        while self._other_days:
            self._other_days.popitem()[1].engine.stop()

    def _replayed(self, start_s: int | None) -> Context | None:
        if self._again is None:
            return None
        once_more = self._again
        return Context(
            once_more(start_s), self.variant, lambda at: once_more(start_s if at is None else at), start=self.start
        )

    def wait(self, duration_ns: int) -> None:
        """Let time pass."""
        self._site = None
        self.engine.wait(duration_ns)

    def wait_until(self, done: Callable[[], bool], duration_ns: int) -> None:
        """Let time pass; an engine in real time may stop as soon as what is waited for is there."""
        if self.engine.repeats:
            self.wait(duration_ns)
            return
        until = self.engine.now + duration_ns
        while not done() and self.engine.now < until:
            self.wait(min(LOOK_NS, max(1, until - self.engine.now)))

    def elapse(self, duration_ns: int, *, besides: str = "") -> None:
        """Let so much time of the world pass; an engine in real time puts the clocks forward. Raises BeyondEngine."""
        self._site = None
        self.engine.elapse(duration_ns, besides=besides)

    def settle(self, duration_ns: int) -> None:
        """Let so much time pass as far as memories go: an engine in real time empties them instead of waiting."""
        self._site = None
        self.engine.settle(duration_ns)

    def address_of(self, device: str, seen_from: str) -> IPv4 | None:
        """The address under which one device would speak to another, or None where it has none."""
        state = self.site.devices[device].state
        if state is None:
            return None
        found = [a for a in state.addresses() if isinstance(a.address, IPv4)]
        other = self.site.devices[seen_from].state if seen_from in self.site.devices else None
        near = [] if other is None else [a for a in found if _shares_network(a, other.addresses())]
        chosen = (near or self._homely(device, found) or found)[:1]
        address = chosen[0].address if chosen else None
        return address if isinstance(address, IPv4) else None

    def wide_address_of(self, device: str) -> IPv6 | None:
        """The IPv6 address of a device: one in a network that the site plans before one of a stranger's prefix."""
        state = self.site.devices[device].state
        every = () if state is None else state.interfaces
        usable = [a.address for i in every if i.kind != "loopback" for a in i.addresses if a.address not in i.tentative]
        found = [address for address in usable if isinstance(address, IPv6) and not address.is_link_local]
        planned = self.variant.scenario.site.wide.values()
        return next((a for a in found if any(a in network for network in planned)), None) or next(iter(found), None)

    def target_of(self, flow: Flow) -> Address | None:
        """The address that a flow goes to, over the version of IP that its service says; None where there is none."""
        source, target, service = flow
        return self.wide_address_of(target) if service.wide else self.address_of(target, source)

    def _homely(self, device: str, found: list[InterfaceAddress]) -> list[InterfaceAddress]:
        """The addresses that are in a subnet of the site: a leftover of another place is not where a device lives."""
        del device
        return [a for a in found if any(a.address in network for network in self.variant.healthy.subnets.values())]

    def probe_for(self, flow: Flow) -> Probe | None:
        """The probe of a flow, or None where the target has no address."""
        source, target, service = flow
        name = target
        if target in self.site.devices:
            address = self.target_of(flow)
            if address is None:
                return None
            name = str(address)
        protocol = "ping" if service.protocol in ("icmp", "any") else service.protocol
        return Probe(source, name, protocol, service.port)

    def observe(self, flows: Iterable[Flow], *, fresh: bool = False, load: int = 0) -> dict[Flow, Observation | None]:
        """What becomes of each flow; None where the target has no address. Answers are remembered unless `fresh`.

        With a `load` so many bytes have to arrive.
        """
        wanted = list(dict.fromkeys(flows))
        if fresh:
            self._site = None
            for flow in wanted:
                self._known.pop(flow, None)
        asked = {flow: self.probe_for(flow) for flow in wanted if flow not in self._known}
        probes = {flow: replace(probe, load=load) for flow, probe in asked.items() if probe is not None}
        self._known.update(zip(probes, self.engine.probe(list(probes.values())), strict=True))
        return {flow: self._known.get(flow) for flow in wanted}

    def forget(self) -> None:
        """Time passed or power was cut: ask again."""
        self._known.clear()
        self._site = None

    def offered(self, device: str) -> set[Service]:
        """What a device serves in the healthy site, by its files, and whether it can be pinged (always)."""
        spec = self.variant.scenario.site.devices[device].services
        found = {Service("icmp")}
        for port in spec.get("listen", {}):
            found.add(Service.parse(port) if not port.isdecimal() else Service("tcp", int(port)))
        if "broker" in spec and spec["broker"]["tls"]:
            found.add(Service("tcp", 8883))
        elif "broker" in spec and spec["broker"]["listen"] == "all":
            found.add(Service("tcp", 1883))
        if "dns" in spec:
            found.add(Service("udp", 53))
        return found

    def allowed_flows(self) -> list[Flow]:
        """Flows that must work: what positive checks ask for, then what the policy allows and somebody serves."""
        flows: list[Flow] = []
        for check in self.variant.scenario.checks:
            if isinstance(check.body, intents.Reach):
                body = check.body
                flows += [(s, t, service) for s in body.sources for t in body.targets for service in body.services]
        policy = self.variant.scenario.policy
        if policy is not None:
            for conduit in policy.allow:
                for source in policy.zones[conduit.source]:
                    for target in policy.zones[conduit.target]:
                        offered = self.offered(target)
                        flows += [
                            (source, target, service)
                            for service in sorted(offered)
                            if source != target and any(c.covers(service) for c in conduit.services)
                        ]
        return list(dict.fromkeys(flows))


def as_found(site: Site) -> Reach:
    """The analysis of a site as it is before anybody types. The last one is remembered: trials come in pairs."""
    if not _found or _found[0][0] is not site:
        engine = engine_named("sim")
        engine.start(site)
        engine.wait(SETTLE_NS)
        _found[:] = [(site, Reach(engine.observe()))]
        engine.stop()
    return _found[0][1]


_found: list[tuple[Site, Reach]] = []


def _shares_network(address: InterfaceAddress, others: Iterable[InterfaceAddress]) -> bool:
    return any(other.address in address.network for other in others)
