"""What an instructor wrote, checked and with names instead of text: the values that the rest of Netwerf works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.model.addresses import IPv4, Network
from labs.model.services import Service
from labs.model.text import Text
from labs.model.world import Room
from labs.scenario.field_document import LoopSpec
from labs.scenario.schema import Problem

__all__ = [
    "Check",
    "DeviceSpec",
    "FaultChoice",
    "FaultUse",
    "LinkSpec",
    "Policy",
    "PoolSpec",
    "Scenario",
    "ScenarioError",
    "SiteSpec",
    "Step",
]


class ScenarioError(Exception):
    """A scenario that cannot be used, with every mistake found. The author's to mend."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = sorted(problems)
        super().__init__("\n".join(self.lines()))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[str, list[Problem]]]:
        return type(self), (self.file, self.problems)  # it travels between processes

    def lines(self, language: str = "en") -> list[str]:
        """Every mistake with its place, in a language."""
        return [problem.render(self.file, language) for problem in self.problems]


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A subnet in full: drawn per variant, as one of the networks of length `size` inside `pool`, or fixed."""

    pool: Network | None = None
    size: int = 0
    vlan: int | None = None
    """The number that managed switches and routers know it by."""
    network: Network | None = None
    """Fixed, in place of pool and size."""
    v6: Network | None = None
    """Its IPv6 network beside the IPv4 one."""


@dataclass(frozen=True, slots=True)
class HostNumber:
    """`.40`: the host part of an address; the network comes from the subnet."""

    number: int


Place = HostNumber | IPv4 | str  # ".40", "192.168.1.40", "dhcp"


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device as written. The short forms (`nat`, `services`) are expanded into files by `build`."""

    kind: str
    line: int
    at: Mapping[str, Place] = field(default_factory=dict)
    room: str = ""
    purpose: Text = field(default_factory=Text)
    gateway: Any = None
    ports: Any = None
    routes: tuple[tuple[Network, str], ...] = ()
    nat: Any = None
    firewall: str = ""
    services: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    power: bool = True
    vlans: tuple[str, ...] = ()
    """A managed switch: the subnets it carries. Without, a switch passes everything."""
    native: str = ""
    stp: bool = False


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A lead as written: each end a device, perhaps with a port."""

    ends: tuple[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """The healthy site as written."""

    subnets: Mapping[str, Network | PoolSpec]
    devices: Mapping[str, DeviceSpec]
    links: tuple[LinkSpec, ...]
    rooms: Mapping[str, Room] = field(default_factory=dict)
    start_s: int | None = None
    loops: Mapping[str, LoopSpec] = field(default_factory=dict)
    buses: Mapping[str, Any] = field(default_factory=dict)
    radio: Mapping[str, Any] | None = None

    @property
    def wide(self) -> dict[str, Network]:
        """The IPv6 networks by subnet."""
        return {n: s.v6 for n, s in self.subnets.items() if isinstance(s, PoolSpec) and s.v6 is not None}

    def vlan(self, subnet: str) -> int | None:
        """The VLAN number of a subnet, if it has one."""
        found = self.subnets.get(subnet)
        return found.vlan if isinstance(found, PoolSpec) else None


@dataclass(frozen=True, slots=True)
class Conduit:
    """An allowed flow between two zones."""

    source: str
    target: str
    services: tuple[Service, ...]
    line: int
    tls: bool = False
    """What flows there has to be encrypted."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Zones and conduits (IEC 62443-3-2): what is not allowed is refused."""

    zones: Mapping[str, tuple[str, ...]]
    allow: tuple[Conduit, ...]

    def zone_of(self, device: str) -> str | None:
        """The zone a device is in."""
        for zone, members in self.zones.items():
            if device in members:
                return zone
        return None

    def allows(self, source: str, target: str, service: Service) -> bool:
        """True where a flow between two devices may be."""
        zones = self.zone_of(source), self.zone_of(target)
        return any(
            (conduit.source, conduit.target) == zones and any(known.covers(service) for known in conduit.services)
            for conduit in self.allow
        )

    def encrypted(self, source: str, target: str) -> tuple[Service, ...]:
        """The services that have to be encrypted between two devices, whatever other conduits say."""
        zones = self.zone_of(source), self.zone_of(target)
        found = [c.services for c in self.allow if c.tls and (c.source, c.target) == zones]
        return tuple(sorted({service for services in found for service in services}))


@dataclass(frozen=True, slots=True)
class Check:
    """One intent to be judged: `kind` is the word of the vocabulary and `body` its parameters."""

    id: str
    kind: str
    body: Any
    line: int
    points: int = 1
    gate: bool = False
    hidden: bool = False
    needs: tuple[str, ...] = ()
    survives: str = ""
    title: Text | None = None


@dataclass(frozen=True, slots=True)
class FaultUse:
    """A fault of the catalogue with its parameters."""

    fault: str
    parameters: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class FaultChoice:
    """One fault that is always there, or one drawn from several."""

    options: tuple[FaultUse, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Lines typed at one place."""

    place: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A work order with everything behind it."""

    id: str
    title: Text
    module: str
    level: int
    minutes: int
    story: Text
    site: SiteSpec
    checks: tuple[Check, ...]
    faults: tuple[FaultChoice, ...]
    solution: tuple[Step, ...]
    other_solutions: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    not_enough: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    activities: tuple[str, ...] = ()
    customer: Text = field(default_factory=Text)
    order: str = ""
    policy: Policy | None = None
    threshold: float = 0.75
    why: bool = True
    """Whether the command `why` answers in this lab."""
    hints: Mapping[str, tuple[Text, ...]] = field(default_factory=dict)
    debrief: Text = field(default_factory=Text)
    file: str = ""
    digest: str = ""

    @property
    def max_points(self) -> int:
        """What a perfect site earns."""
        return sum(check.points for check in self.checks)
