"""The questions that can be asked of a site, each answered for all packets of both versions of IP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grader.reach.analysis import Analysis
from grader.reach.brokers import Admission, BrokerFilter, Client, speech_of
from grader.reach.failures import trees, without
from grader.reach.scope import OutOfScope
from grader.reach.shadowed import Shadowed, shadowed_rules
from grader.reach.side import Difference, Side
from grader.reach.trace import Conversation, Packet
from grader.reach.versions import V6, version_of
from grader.reach.witness import Answer, Opening, Witness
from labs.model.addresses import Address, IPv6, Network
from labs.model.services import Service
from labs.model.site import Endpoint, Link, Site
from labs.things.mosquitto_access import Direction
from labs.things.mosquitto_conf import ConfigError

__all__ = ["Difference", "Reach", "Shadowed"]

Flow = tuple[str, str, Service]


class Reach(Side):
    """An observed site, ready to be asked: `Reach(lab.observe()).can("phone", "broker", "mqtt")`.

    `services` are those of a policy, `networks` ranges that questions will be about: both are cut out too. `like` is an
    analysis of a similar site: what it knows of unchanged devices is taken over. It is the side of IPv4 itself; `six`
    is that of IPv6, None where fewer than two devices have an address of it.
    """

    def __init__(
        self,
        site: Site,
        *,
        services: Iterable[Service] = (),
        networks: Iterable[Network] = (),
        also: Sequence[Analysis] = (),
        like: Reach | None = None,
    ) -> None:
        super().__init__(site, services=services, networks=networks, also=also, like=like)
        self.six: Side | None = None
        if speaks_six(site):
            self.six = self._wide(None if like is None else like.six)

    def _wide(self, like: Side | None = None) -> Side:
        return Side(
            self.site,
            services=self._services,
            networks=self._networks,
            like=like,
            version=V6,
            beside=self.analysis,
        )

    @property
    def sides(self) -> tuple[Side, ...]:
        """The versions of IP that the site speaks, IPv4 always among them."""
        return (self,) if self.six is None else (self, self.six)

    def side_of(self, about: Service | Address) -> Side | None:
        """The side that a question is about; None where the site does not speak that version."""
        wide = about.wide if isinstance(about, Service) else version_of(about) is V6
        return self.six if wide else self

    @property
    def limits(self) -> tuple[OutOfScope, ...]:
        """What lies outside the exact scope, as far as was met, over both versions of IP."""
        return tuple(sorted({limit for side in self.sides for limit in side.own_limits}))

    # Over the version that a question is about

    def can(self, a: str, b: str, service: Service | str) -> Answer:
        """Whether a conversation that one device begins reaches another, and its answer comes back.

        It must work from the device's own address and every client port. The witness tells how it goes, or how far. It
        goes over IPv4, where b has an address of it, unless the service says `ipv6/`.
        """
        wanted = Service.parse(service) if isinstance(service, str) else service
        if wanted.wide or (self.six is not None and not self.addresses_of(b)):
            return Answer(holds=False) if self.six is None else self.six.can(a, b, wanted)
        return super().can(a, b, wanted)

    def converse(self, a: str, target: Address, service: Service) -> Conversation:
        """One conversation from a device's own address, there and back."""
        return self.converse_packet(self.packet(a, target, service))

    def converse_packet(self, packet: Packet) -> Conversation:
        """The conversation that a packet begins, there and back."""
        side = self.side_of(packet.target)
        return Conversation(packet) if side is None else side.tracer.converse(packet)

    def packet_through(self, a: str, b: str, service: Service | str = "any") -> Packet | None:
        """A packet of a service that gets from one device to another, from any address that it may take.

        None is a proof that there is none, as far as `limits` is empty; the way back is not looked at. A packet of IPv4
        is named first; where the service says `ipv6/`, it is one of IPv6.
        """
        wanted = Service.parse(service) if isinstance(service, str) else service
        found = None if wanted.wide else super().packet_through(a, b, wanted)
        return found if found is not None or self.six is None else self.six.packet_through(a, b, wanted)

    def all_that_can(self, a: str, b: str) -> tuple[Opening, ...]:
        """Every class of packets from a device (and from addresses it may take) that reaches another."""
        return (*super().all_that_can(a, b), *(self.six.all_that_can(a, b) if self.six is not None else ()))

    def path(self, packet: Packet) -> Witness:
        """What becomes of one packet, step by step."""
        return self.tell(packet)

    def arrives(self, packet: Packet, device: str) -> bool:
        """Whether a packet gets to a device, by the analysis of all packets."""
        if isinstance(packet.target, IPv6):
            return self.six is not None and self.six.arrives(packet, device)
        return super().arrives(packet, device)

    def difference(self, other: Reach | Site, devices: Iterable[str] = ()) -> tuple[Difference, ...]:
        """Packets that two sites treat differently, one for each device, destination and place; none: they are equal.

        Every device that both have sends, from every address it may take on the first site.
        """
        site, names = other.site if isinstance(other, Reach) else other, list(devices)
        found = self.differing(site, names)
        if self.six is None and not speaks_six(site):
            return found
        return (*found, *(self.six or self._wide()).differing(site, names))

    # Over both

    def shadowed(self) -> tuple[Shadowed, ...]:
        """Rules that decide about no packet: whatever matches them, a rule before has decided."""
        return shadowed_rules([side.analysis for side in self.sides])

    def survives(self, what: str | Endpoint | Link, flows: Iterable[Flow] = ()) -> Answer:
        """Whether everything that works goes on working when a device loses power or a lead is pulled.

        `what` is the name of a device, a link or one of its ends (`sw1:p3`); `flows` are (from, to, service), or all
        that work now between devices that listen. Switches with a spanning tree would choose anew: not decided here.
        """
        wanted = [flow for flow in (list(flows) or self._working()) if self.can(*flow).holds]
        maimed = without(self.site, what)
        after = Reach(maimed, services=self._services, networks=self._networks)
        limits = {*self.limits, *after.limits, *trees(self.site)}
        gone = what if isinstance(what, str) and ":" not in what else ""
        for flow in wanted:
            if gone in flow[:2]:
                continue
            answer = after.can(*flow)
            if not answer.holds:
                return Answer(holds=False, witness=answer.witness, classes=len(wanted), limits=tuple(sorted(limits)))
        return Answer(holds=True, classes=len(wanted), limits=tuple(sorted(limits)))

    # Behind the packets: TLS or plain, and who may do what at a broker

    def speech(self, device: str, port: int) -> Admission:
        """Whether anybody listens on a TCP port of a device, and (`because`) how it wants to be spoken to."""
        return speech_of(self.site.devices[device], port)

    def may(
        self,
        a: str,
        b: str,
        action: str,
        topic: str,
        *,
        user: str = "",
        password: str = "",
        client_id: str = "",
        tls: bool | None = None,
    ) -> Answer:
        """Whether a client on one device can `publish` or `subscribe` on a topic of the broker on another.

        Asked in this order: the way there and back, over any of the broker's ports (only those that speak TLS, or
        plainly, where `tls` says so), the name and password, the access list. `decided` tells what was said, with file
        and line. Raises ValueError for another action, and where b has no broker or one that cannot start.
        """
        direction = {"publish": Direction.WRITE, "subscribe": Direction.READ}.get(action)
        if direction is None:
            message = f'"{action}" is neither publish nor subscribe'
            raise ValueError(message)
        broker, client = self.broker(b), Client(user, password, client_id)
        limits = (*self.own_limits, *broker.limits)
        door: Answer | None = None
        said = f"{b} has no such port"
        for port in broker.ports(tls=tls, local=a == b):
            speech = broker.speech(port)
            said = f"{b}:{port} speaks {speech.because}" if speech else f"{b}:{port}: {speech.because}"
            if speech:
                said += f" [{speech.where}]"
                door = Answer(holds=True) if a == b else self.can(a, b, Service("tcp", port))
                if door:
                    break
        if not door:
            return Answer(holds=False, witness=door.witness if door else None, limits=limits, decided=(said,))
        asked = [said]
        for answer in (broker.admits(client), broker.permits(client, direction, topic)):
            asked.append(f"{answer.because} [{answer.where}]" if answer.where else str(answer.because))
            if not answer:
                return Answer(holds=False, witness=door.witness, limits=limits, decided=tuple(asked))
        return Answer(holds=True, witness=door.witness, limits=limits, decided=tuple(asked))

    def broker(self, device: str) -> BrokerFilter:
        """The files of the broker on a device. Raises ValueError where it has none that starts."""
        try:
            return BrokerFilter(self.site.devices[device])
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def all_that_may(self, b: str, user: str = "", password: str = "") -> tuple[str, ...]:
        """Every class of topics on which a client of a broker may publish or receive, each by an example and its line.

        Empty where it is not let in. Raises ValueError as `may`.
        """
        broker, client = self.broker(b), Client(user, password)
        if not broker.admits(client):
            return ()
        verbs = {Direction.WRITE: "publish", Direction.READ: "subscribe"}
        return tuple(
            f"{verbs[direction]} {topic} [{answer.where}]"
            for direction, topic, answer in broker.everything(client)
            if answer
        )

    def _working(self) -> list[Flow]:
        found = []
        for a in self.analysis.machines:
            for b, node in self.analysis.machines.items():
                state = self.analysis.state(b)
                if a != b and self.addresses_of(b) and state is not None:
                    found.append((a, b, Service("icmp")))
                    found += [(a, b, Service(s.protocol, s.port)) for s in state.listeners if s.protocol == "tcp"]
                del node
        return found


def speaks_six(site: Site) -> bool:
    """Two devices have addresses of IPv6, be it those of their links: something may pass between them."""
    speaking = (
        name
        for name, device in site.devices.items()
        if device.state is not None and any(isinstance(known.address, IPv6) for known in device.state.addresses())
    )
    return next(speaking, None) is not None and next(speaking, None) is not None
