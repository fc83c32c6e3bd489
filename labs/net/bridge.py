"""A learning bridge. Before changing this file read IEEE 802.1Q clause 8.7 and 8.8, and bridge(8).

The decision where a frame goes is the pure function `forward`; the class keeps the filtering database. A bridge that
does not filter VLANs keeps every station under VLAN 0, as Linux does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from labs.model.state import BridgePortState, BridgeState
from labs.net.actions import DropReason
from labs.net.vlan import VlanTable
from labs.net.watched import Watched

if TYPE_CHECKING:
    from labs.model.addresses import Mac
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface
    from labs.net.stp import SpanningTree

__all__ = [
    "AGEING_TIME_NS",
    "MAX_HOPS",
    "STORM_HOPS",
    "STORM_NS",
    "Bridge",
    "BridgePort",
    "Origin",
    "PortState",
    "Relay",
    "Station",
    "StationKey",
    "StationTable",
    "forward",
    "port_cost",
]

AGEING_TIME_NS = 300_000_000_000  # IEEE 802.1Q table 8-6, recommended; `bridge` ageing_time
MAX_ENTRIES = 8192
STORM_HOPS = (
    8  # more bridges in a row than IEEE 802.1D-1998 clause 8.10.1 allows (7): the frame is going round in a loop
)
CALM_HOPS = 4  # during a storm whatever came further than this is part of it
MAX_HOPS = 64  # and here its copy ends
STORM_NS = 4_000_000_000  # a storm is looked at this often; in between it is reckoned, not played
BRIDGE_PRIORITY = 32768  # IEEE 802.1Q table 13-3
PORT_PRIORITY = 32  # as iproute2 shows the 128 of IEEE 802.1Q table 13-3
MAX_PORTS = 1024


class PortState(IntEnum):
    """The states of a port, numbered as BR_STATE_* of Linux."""

    DISABLED = 0
    LISTENING = 1
    LEARNING = 2
    FORWARDING = 3
    BLOCKING = 4

    @property
    def word(self) -> str:
        """As `bridge link` prints it."""
        return self.name.lower()


FORWARDING = PortState.FORWARDING  # asked for each port of a flood: a global is found faster


class Origin(Enum):
    """Where an entry of the filtering database comes from; the values are the words of `bridge fdb`."""

    LEARNED = ""
    STATIC = "static"
    LOCAL = "permanent"


@dataclass(slots=True)
class Station:
    """Where a MAC address was last seen. A LOCAL one is the bridge itself, a STATIC one was typed by hand."""

    port: Interface
    seen_ns: int
    origin: Origin = Origin.LEARNED

    @property
    def permanent(self) -> bool:
        """True for what neither moves nor ages."""
        return self.origin is not Origin.LEARNED


class StationKey(NamedTuple):
    """The filtering database is one per VLAN (independent learning, clause 8.8.8)."""

    mac: Mac
    vid: int = 0


class StationTable(dict[StationKey, Station]):
    """A filtering database; `version` counts the entries that came or went."""

    def __init__(self, *entries: Any) -> None:
        super().__init__(*entries)
        self.version = 0

    def __setitem__(self, key: StationKey, station: Station) -> None:
        self.version += 1
        super().__setitem__(key, station)

    def __delitem__(self, key: StationKey) -> None:
        self.version += 1
        super().__delitem__(key)


@dataclass(slots=True)
class BridgePort(Watched):
    """What a bridge keeps about one of its ports: the settings of `bridge link set` and the VLAN table."""

    number: int
    vlans: VlanTable = field(default_factory=VlanTable.default)
    state: PortState = PortState.FORWARDING
    priority: int = PORT_PRIORITY
    cost: int | None = None
    """None follows the speed of the port."""
    hairpin: bool = False
    guard: bool = False
    root_block: bool = False
    learning: bool = True
    flood: bool = True
    mcast_flood: bool = True
    bcast_flood: bool = True
    isolated: bool = False

    def parts(self) -> tuple[Watched, ...]:
        """Its VLANs."""
        return (self.vlans,)

    @property
    def identifier(self) -> int:
        """Priority and number as one 16-bit value."""
        return self.priority << 10 | self.number

    def snapshot(self) -> BridgePortState:
        """The frozen picture for observers and grader."""
        return BridgePortState(
            state=self.state.word,
            vlans=dict(self.vlans.members),
            pvid=self.vlans.pvid,
            hairpin=self.hairpin,
            isolated=self.isolated,
            learning=self.learning,
            flood=self.flood,
            bcast_flood=self.bcast_flood,
        )


def port_cost(interface: Interface) -> int:
    """The path cost of a port: set by hand, or by its speed (IEEE 802.1D-1998 table 8-5, as br_if.c has it)."""
    port = interface.bridge_port
    if port is not None and port.cost is not None:
        return port.cost
    for rate, cost in ((10_000_000_000, 2), (1_000_000_000, 4), (100_000_000, 19)):
        if interface.speed_bps >= rate:
            return cost
    return 100


def forward(
    stations: Mapping[StationKey, Station],
    ports: Iterable[Interface],
    frame: Frame,
    incoming: Interface | None,
    vid: int = 0,
) -> list[Interface]:
    """The ports a frame leaves by: one for a known station, all others for an unknown or group address.

    `vid` is the VLAN the frame was classified into, 0 on a bridge that does not filter.
    """
    source = incoming.bridge_port if incoming is not None else None
    group = frame.dst.is_group
    if not group:
        station = stations.get(StationKey(frame.dst, vid))
        if station is not None:
            return [station.port] if _may_leave(station.port, incoming, source, vid) else []
    leaving = [port for port in ports if _may_leave(port, incoming, source, vid)]
    if group:
        broadcast = frame.dst == (1 << 48) - 1
        return [p for p in leaving if (port := p.bridge_port) and (port.bcast_flood if broadcast else port.mcast_flood)]
    return [p for p in leaving if p.bridge_port and p.bridge_port.flood]


def _may_leave(port: Interface, incoming: Interface | None, source: BridgePort | None, vid: int) -> bool:
    settings = port.bridge_port
    return (
        settings is not None
        and settings.state is FORWARDING
        and (port.up and port.carrier if port.kind == "ether" else port.running)
        and (port is not incoming or settings.hairpin)
        and (not vid or vid in settings.vlans.members)
        and not (settings.isolated and source is not None and source.isolated)
    )


class Relay(NamedTuple):
    """What becomes of a frame: the ports it leaves by, whether the device itself gets it, its VLAN (0: no filter)."""

    ports: list[Interface]
    up: bool
    vid: int


class Bridge(Watched):
    """The state of one bridge: its ports and who is behind them."""

    UNWATCHED: ClassVar[frozenset[str]] = frozenset({"wake_at_ns", "storm_until_ns"})

    def __init__(self) -> None:
        self.ports: list[Interface] = []
        self.stations = StationTable()
        self.ageing_time_ns = AGEING_TIME_NS
        self.fixed_mac = False
        self.fixed_mtu = False
        self.vlan_filtering = False
        self.vlans = VlanTable.default()
        """The VLANs of the device itself (`bridge vlan add … self`)."""
        self.priority = BRIDGE_PRIORITY
        self.tree: SpanningTree | None = None
        """The spanning tree protocol; None while it is off."""
        self.wake_at_ns: int | None = None
        self.storm_until_ns = -(1 << 62)

    def parts(self) -> tuple[Watched, ...]:
        """The VLANs of the device itself."""
        return (self.vlans,)

    def add_port(self, port: Interface) -> None:
        """`ip link set PORT master BRIDGE`."""
        taken = {other.bridge_port.number for other in self.ports if other.bridge_port}
        number = next(n for n in range(1, MAX_PORTS) if n not in taken)
        port.bridge_port = BridgePort(number)
        self.ports.append(port)
        self.add_own(port)

    def add_own(self, port: Interface) -> None:
        """Enter the address of a port itself, for good."""
        self.stations[StationKey(port.mac)] = Station(port, 0, Origin.LOCAL)

    def remove_own(self, port: Interface, mac: Mac) -> None:
        """Forget an address that a port had."""
        key = StationKey(mac)
        station = self.stations.get(key)
        if station is not None and station.port is port:
            del self.stations[key]

    def remove_port(self, port: Interface) -> None:
        """`ip link set PORT nomaster`: forget everybody behind it."""
        self.ports.remove(port)
        self.stations = StationTable(
            (key, station) for key, station in self.stations.items() if station.port is not port
        )
        port.bridge_port = None

    def forget(self, port: Interface) -> None:
        """Forget the stations behind a port that lost its link."""
        for key in [k for k, station in self.stations.items() if station.port is port and not station.permanent]:
            del self.stations[key]

    def relay(self, frame: Frame, incoming: Interface | None, own: Mac, now: int) -> Relay | DropReason:
        """Learn from a frame, say where it goes. `incoming` is None for frames of the device itself, `own` its MAC."""
        port = incoming.bridge_port if incoming is not None else None
        vid = 0
        if self.vlan_filtering:
            table = self.vlans if port is None else port.vlans
            found = table.classify(frame.vlan)
            if found is None:
                return DropReason.VLAN
            vid = found
        if port is not None and incoming is not None:
            if port.state not in (PortState.FORWARDING, PortState.LEARNING):
                return DropReason.BRIDGE_PORT_STATE
            if port.learning:
                self.learn(frame.src, incoming, now, vid)
            if port.state is PortState.LEARNING:
                return DropReason.BRIDGE_PORT_STATE
        if frame.hops > MAX_HOPS or (frame.hops > CALM_HOPS and now < self.storm_until_ns):
            return DropReason.STORM
        if incoming is not None and self._is_own(frame.dst, own):
            return Relay([], up=not vid or vid in self.vlans.members, vid=vid)
        self.age(StationKey(frame.dst, vid), now)
        leaving = forward(self.stations, self.ports, frame, incoming, vid)
        up = incoming is not None and frame.dst.is_group and (not vid or vid in self.vlans.members)
        return Relay(leaving, up, vid)

    def _is_own(self, mac: Mac, own: Mac) -> bool:
        if mac == own:
            return True
        station = self.stations.get(StationKey(mac))
        return station is not None and station.origin is Origin.LOCAL

    def knows(self, mac: Mac) -> bool:
        """Whether a station was seen, in whichever VLAN."""
        return any(key.mac == mac for key in self.stations)

    def learn(self, mac: Mac, port: Interface, now: int, vid: int = 0) -> None:
        """Note where a station is. One that moved is learned again at once."""
        if mac.is_group:
            return
        key = StationKey(mac, vid)
        station = self.stations.get(key)
        if station is None:
            if len(self.stations) < MAX_ENTRIES:
                self.stations[key] = Station(port, now)
        elif not station.permanent:
            station.port = port
            station.seen_ns = now

    def age(self, key: StationKey, now: int) -> None:
        """Forget one station that was silent too long."""
        station = self.stations.get(key)
        if station is not None and not station.permanent and now - station.seen_ns > self.ageing_time_ns:
            del self.stations[key]

    def age_all(self, now: int) -> None:
        """Forget every station that was silent too long; for tables."""
        for key in list(self.stations):
            self.age(key, now)

    def snapshot(self) -> BridgeState:
        """The frozen picture for observers and grader."""
        return BridgeState(
            vlan_filtering=self.vlan_filtering,
            vlans=dict(self.vlans.members),
            pvid=self.vlans.pvid,
            stp=self.tree is not None,
            static_stations=tuple(
                dict.fromkeys(key.mac for key, s in self.stations.items() if s.origin is Origin.STATIC)
            ),
        )
