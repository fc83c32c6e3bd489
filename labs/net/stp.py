"""The Rapid Spanning Tree Protocol. Before changing this file read IEEE 802.1D-2004 clause 17 (802.1Q clause 13).

A machine without clock or wire: events come in with the time, effects come out. Discarding ports that are on their way
to forwarding are called listening and all others blocking, because those are the words of the Linux bridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from labs.model.addresses import Mac
from labs.net.bridge import PortState

__all__ = [
    "BRIDGE_GROUP",
    "FORWARD_DELAY_NS",
    "HELLO_NS",
    "LLC_LENGTH",
    "MAX_AGE_S",
    "Bpdu",
    "BridgeId",
    "Effect",
    "Flush",
    "Guarded",
    "Role",
    "Send",
    "SetState",
    "SpanningTree",
    "StpPort",
    "Vector",
]

SECOND = 1_000_000_000
HELLO_NS = 2 * SECOND  # IEEE 802.1D-2004 table 17-1
FORWARD_DELAY_NS = 15 * SECOND  # table 17-1
MAX_AGE_S = 20  # table 17-1
INFO_LIFETIME_NS = 3 * HELLO_NS  # clause 17.21.23
MIGRATE_NS = (
    3 * SECOND
)  # table 17-1, Migrate Time: as long as a port waits for a BPDU before it takes itself for an edge
TC_NS = HELLO_NS + SECOND  # clause 17.21.7
BRIDGE_GROUP = Mac(0x0180C2000000)  # IEEE 802.1D-2004 table 7-10
LLC_LENGTH = 39  # LLC header 3, RST BPDU 36 (clause 9.3.3): the length field of the frame


class Role(StrEnum):
    """Clause 17.7."""

    DISABLED = "disabled"
    ROOT = "root"
    DESIGNATED = "designated"
    ALTERNATE = "alternate"
    BACKUP = "backup"


# Where a role wants to be, and the way there when nobody vouches for the link (clauses 17.29, 17.30).
GOAL: Mapping[Role, PortState] = {
    Role.DISABLED: PortState.DISABLED,
    Role.ROOT: PortState.FORWARDING,
    Role.DESIGNATED: PortState.FORWARDING,
    Role.ALTERNATE: PortState.BLOCKING,
    Role.BACKUP: PortState.BLOCKING,
}
BEGIN: Mapping[PortState, PortState] = {
    PortState.DISABLED: PortState.LISTENING,
    PortState.BLOCKING: PortState.LISTENING,
}
AFTER_DELAY: Mapping[PortState, PortState] = {
    PortState.LISTENING: PortState.LEARNING,
    PortState.LEARNING: PortState.FORWARDING,
}


class BridgeId(NamedTuple):
    """The lower one wins (clause 9.2.5)."""

    priority: int
    mac: Mac

    def __str__(self) -> str:
        return f"{self.priority:04x}.{self.mac}"


class Vector(NamedTuple):
    """A spanning tree priority vector; the lower one is superior (clause 17.5)."""

    root: BridgeId
    cost: int
    bridge: BridgeId
    port: int


class Bpdu(NamedTuple):
    """A rapid spanning tree BPDU (clause 9.3.3). `age` counts the bridges between it and the root."""

    vector: Vector
    role: Role
    age: int = 0
    proposal: bool = False
    agreement: bool = False
    topology_change: bool = False

    @property
    def length(self) -> int:
        """Bytes behind the Ethernet header."""
        return LLC_LENGTH


class Send(NamedTuple):
    """Send a BPDU out of a port."""

    port: int
    bpdu: Bpdu


class SetState(NamedTuple):
    """The port has a new state."""

    port: int
    state: PortState


class Flush(NamedTuple):
    """Forget who is behind the port."""

    port: int


class Guarded(NamedTuple):
    """A BPDU came in where none may: the port is off until its lead is pulled or it goes down and up."""

    port: int


Effect = Send | SetState | Flush | Guarded


@dataclass(slots=True)
class StpPort:
    """One port. `identifier` is priority and number; `info` what the designated bridge on its link last said."""

    number: int
    identifier: int
    cost: int
    guard: bool = False
    root_block: bool = False
    role: Role = Role.DISABLED
    state: PortState = PortState.DISABLED
    info: Vector | None = None
    info_age: int = 0
    info_until_ns: int = 0
    edge: bool = False
    edge_at_ns: int | None = None
    agreed: bool = False
    step_at_ns: int | None = None
    tc_until_ns: int = -1
    guarded: bool = False


@dataclass(slots=True)
class SpanningTree:
    """The protocol of one bridge. Every event returns what has to be done, in order."""

    identity: BridgeId
    ports: dict[int, StpPort] = field(default_factory=dict)
    root: BridgeId = field(init=False)
    root_cost: int = 0
    root_port: int = 0
    hello_at_ns: int = 0
    changes: int = 0
    """Topology changes seen."""
    _age: int = 0
    _effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.identity

    # Events

    def port_up(self, port: StpPort, now: int) -> list[Effect]:
        """A port has link; its settings are in `port`."""
        port.edge_at_ns = now + MIGRATE_NS
        self.ports[port.number] = port
        self.hello_at_ns = self.hello_at_ns if self.hello_at_ns > now else now + HELLO_NS
        self._select(now)
        self._say(port, now)
        return self._done()

    def port_down(self, number: int, now: int) -> list[Effect]:
        """A port lost its link, went down or left."""
        if self.ports.pop(number, None) is not None:
            self._select(now)
        return self._done()

    def configure(self, identity: BridgeId, now: int) -> list[Effect]:
        """The identity of the bridge, or a cost or priority in its ports, changed."""
        self.identity = identity
        self._select(now)
        return self._done()

    def receive(self, number: int, bpdu: Bpdu, now: int) -> list[Effect]:
        """A BPDU arrived."""
        port = self.ports.get(number)
        if port is None or port.guarded:
            return []
        if port.guard:
            port.guarded = True
            self._effects.append(Guarded(number))
            self._select(now)
            return self._done()
        port.edge = False
        port.edge_at_ns = None
        if bpdu.role is Role.DESIGNATED:
            self._record(port, bpdu, now)
        elif bpdu.agreement and port.role is Role.DESIGNATED and bpdu.vector.root == self.root:
            port.agreed = True
        self._select(now)
        if bpdu.proposal and port.role in (Role.ROOT, Role.ALTERNATE):
            self._agree(port, now)
        if bpdu.topology_change and port.role in (Role.ROOT, Role.DESIGNATED):
            self._topology_changed(port, now)
        return self._done()

    def wake(self, now: int) -> list[Effect]:
        """A time asked for by `next_wake` has come."""
        for port in self.ports.values():
            if port.info is not None and now >= port.info_until_ns:
                port.info = None
            if port.edge_at_ns is not None and now >= port.edge_at_ns:
                port.edge = port.role is Role.DESIGNATED
                port.edge_at_ns = None
        self._select(now)
        for port in self.ports.values():
            if port.step_at_ns is not None and now >= port.step_at_ns:
                self._enter(port, AFTER_DELAY[port.state], now)
        if now >= self.hello_at_ns:
            self.hello_at_ns = now + HELLO_NS
            for port in self.ports.values():
                if port.role is Role.DESIGNATED or (port.role is Role.ROOT and now < port.tc_until_ns):
                    self._say(port, now)
        return self._done()

    def next_wake(self) -> int | None:
        """When to call `wake`; None while no port has link."""
        if not self.ports:
            return None
        times = [self.hello_at_ns]
        for port in self.ports.values():
            times += [when for when in (port.edge_at_ns, port.step_at_ns) if when is not None]
            times += [port.info_until_ns] if port.info is not None else []
        return min(times)

    def _done(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    # Roles

    def designated(self, port: StpPort) -> Vector:
        """What the bridge says on a link where it is designated."""
        return Vector(self.root, self.root_cost, self.identity, port.identifier)

    def _record(self, port: StpPort, bpdu: Bpdu, now: int) -> None:
        """Clause 17.21.8: keep superior information, and whatever the designated port itself says later."""
        said = bpdu.vector
        same = port.info is not None and (port.info.bridge, port.info.port) == (said.bridge, said.port)
        if (same or said < self.designated(port)) and bpdu.age < MAX_AGE_S:
            port.info, port.info_age = said, bpdu.age
            port.info_until_ns = now + INFO_LIFETIME_NS
        elif port.role is Role.DESIGNATED:
            self._say(port, now)

    def _select(self, now: int) -> None:
        """Clause 17.21.25: elect the root port and give every port its role."""
        before = (self.root, self.root_cost, self.identity)
        best: tuple[Vector, int, StpPort | None] = (Vector(self.identity, 0, self.identity, 0), 0, None)
        for port in self.ports.values():
            info = port.info
            if info is None or port.root_block or port.guarded or info.bridge == self.identity:
                continue
            offer = (info._replace(cost=info.cost + port.cost), port.identifier, port)
            if offer[:2] < best[:2]:
                best = offer
        root_port = best[2]
        self.root, self.root_cost = best[0].root, best[0].cost
        self.root_port = root_port.number if root_port is not None else 0
        self._age = root_port.info_age + 1 if root_port is not None else 0
        for port in self.ports.values():
            self._take_role(port, self._role(port, root_port), now)
        for port in self.ports.values():
            self._settle(port, now)
        if before != (self.root, self.root_cost, self.identity):
            for port in self.ports.values():
                if port.role is Role.DESIGNATED:
                    self._say(port, now)

    def _role(self, port: StpPort, root_port: StpPort | None) -> Role:
        if port.guarded:
            return Role.DISABLED
        if port is root_port:
            return Role.ROOT
        mine = self.designated(port)
        if port.info is None or port.info >= mine:
            port.info = None
            return Role.DESIGNATED
        return Role.BACKUP if port.info.bridge == self.identity else Role.ALTERNATE

    def _take_role(self, port: StpPort, role: Role, now: int) -> None:
        if role is port.role:
            return
        was, port.role = port.role, role
        port.agreed = False
        port.step_at_ns = None
        if was is Role.ROOT and role is Role.DESIGNATED and not port.edge:
            self._hold(port, now)  # clause 17.29.2: a former root port may close a loop with the new one

    def _settle(self, port: StpPort, now: int) -> None:
        """One step towards where the role wants the port, by agreement at once or by the forward delay."""
        goal = GOAL[port.role]
        if goal is not PortState.FORWARDING or port.role is Role.ROOT or port.edge or port.agreed:
            self._enter(port, goal, now)
        elif port.state in BEGIN:
            self._enter(port, BEGIN[port.state], now)

    def _hold(self, port: StpPort, now: int) -> None:
        """Discard and propose again."""
        port.agreed = False
        if port.state in (PortState.FORWARDING, PortState.LEARNING):
            self._enter(port, PortState.LISTENING, now)

    def _enter(self, port: StpPort, state: PortState, now: int) -> None:
        if state in AFTER_DELAY and state is not port.state:
            port.step_at_ns = now + FORWARD_DELAY_NS
        elif state not in AFTER_DELAY:
            port.step_at_ns = None
        if state is port.state:
            return
        port.state = state
        self._effects.append(SetState(port.number, state))
        if state is PortState.FORWARDING and not port.edge:
            self._topology_changed(port, now, own=True)

    # Conversation

    def _say(self, port: StpPort, now: int, *, agreement: bool = False) -> None:
        """Send what holds on this link."""
        if port.role in (Role.DISABLED, Role.BACKUP):
            return
        proposal = port.role is Role.DESIGNATED and port.state is not PortState.FORWARDING and not port.edge
        changed = now < port.tc_until_ns
        bpdu = Bpdu(self.designated(port), port.role, self._age, proposal, agreement, changed)
        self._effects.append(Send(port.number, bpdu))

    def _agree(self, port: StpPort, now: int) -> None:
        """Clause 17.21.16: before saying yes, every other link that was not agreed upon stops forwarding."""
        for other in self.ports.values():
            if other is not port and other.role is Role.DESIGNATED and not other.edge and not other.agreed:
                self._hold(other, now)
                self._say(other, now)
        self._say(port, now, agreement=True)

    def _topology_changed(self, source: StpPort, now: int, *, own: bool = False) -> None:
        """Clause 17.21.18: tell the others, and forget who was behind them."""
        self.changes += 1
        for port in self.ports.values():
            if port.edge or port.role not in (Role.ROOT, Role.DESIGNATED):
                continue
            if own or port is not source:
                fresh = now >= port.tc_until_ns
                port.tc_until_ns = now + TC_NS
                if fresh:
                    self._say(port, now)
            if port is not source:
                self._effects.append(Flush(port.number))
