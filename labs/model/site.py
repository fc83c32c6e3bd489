"""What a site is: devices, links, rooms and the world around them, as frozen values.

A `Site` says everything that exists and nothing about how it behaves. Faults turn one `Site` into another; an engine
starts from one and reads one back. The words device, port and link stand
for node, termination point and link of RFC 8345.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from labs.model.addresses import Mac, Network
from labs.model.bus import Bus
from labs.model.field import Loop
from labs.model.radio import RadioPlan
from labs.model.state import DeviceState
from labs.model.text import Text
from labs.model.world import World

__all__ = ["Device", "Endpoint", "Kind", "Link", "Port", "Site"]


class Kind(StrEnum):
    """What a device is for. All are the same small Linux machine; the kind decides how it is drawn."""

    HOST = "host"
    SERVER = "server"
    ROUTER = "router"
    SWITCH = "switch"
    SENSOR = "sensor"
    DISPLAY = "display"
    ACTUATOR = "actuator"
    GATEWAY = "gateway"
    ACCESS_POINT = "access-point"
    INTERNET = "internet"


@dataclass(frozen=True, slots=True)
class Port:
    """A socket that takes a lead, with its burned-in address. `speed_bps` is what it negotiates at best."""

    name: str
    mac: Mac
    speed_bps: int = 1_000_000_000


class Endpoint(NamedTuple):
    """One end of a link: a port of a device. Written `router:wan`."""

    device: str
    port: str

    def __str__(self) -> str:
        return f"{self.device}:{self.port}"


@dataclass(frozen=True, slots=True)
class Link:
    """A lead between two ports. Delay is one way, in nanoseconds; jitter the most that is added; loss a probability."""

    a: Endpoint
    b: Endpoint
    delay_ns: int = 5_000
    jitter_ns: int = 0
    loss: float = 0.0
    queue_bytes: int = 512 * 1024

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        """Both ends."""
        return (self.a, self.b)

    def __str__(self) -> str:
        return f"{self.a} -- {self.b}"


@dataclass(frozen=True, slots=True)
class Device:
    """A small Linux machine: what it is, the ports it has and the files it boots from.

    `state` is the running configuration as an engine read it back; None for a site that has not been started.
    """

    name: str
    kind: Kind
    ports: tuple[Port, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    room: str = ""
    powered: bool = True
    purpose: Text = field(default_factory=Text)
    state: DeviceState | None = None
    spot: str = ""
    """Where in its room it hangs when the site is switched on: shade, sun, heater or draught."""
    charge: float = 1.0
    """What is in its battery when the site is switched on, 0 to 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))

    def port(self, name: str) -> Port:
        """The port of that name. Raises KeyError."""
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(name)

    def with_file(self, path: str, text: str | None) -> Device:
        """The same device with one file written, or removed where `text` is None."""
        files = {name: old for name, old in self.files.items() if name != path}
        if text is not None:
            files[path] = text
        return replace(self, files=files)


@dataclass(frozen=True, slots=True)
class Site:
    """Everything there is."""

    devices: Mapping[str, Device]
    links: tuple[Link, ...] = ()
    subnets: Mapping[str, Network] = field(default_factory=dict)
    world: World = field(default_factory=World)
    seed: str = "0"
    loops: tuple[Loop, ...] = ()
    buses: tuple[Bus, ...] = ()
    radio: RadioPlan = field(default_factory=RadioPlan)
    explained: bool = True
    """Whether `why` answers here."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", MappingProxyType(dict(self.devices)))
        object.__setattr__(self, "subnets", MappingProxyType(dict(self.subnets)))

    def with_device(self, device: Device) -> Site:
        """The same site with one device replaced."""
        return replace(self, devices={**self.devices, device.name: device})

    def link_at(self, end: Endpoint) -> Link | None:
        """The lead that sits in a port, if any."""
        for link in self.links:
            if end in link.ends:
                return link
        return None

    def loop(self, name: str) -> Loop:
        """The analogue line of that name. Raises KeyError."""
        for loop in self.loops:
            if loop.name == name:
                return loop
        raise KeyError(name)

    def loop_at(self, device: str, number: int) -> Loop | None:
        """The analogue line on an input of a module, if any."""
        for loop in self.loops:
            if (loop.target, loop.input) == (device, number):
                return loop
        return None

    def with_loop(self, loop: Loop) -> Site:
        """The same site with the analogue line of that name replaced."""
        return replace(self, loops=tuple(loop if old.name == loop.name else old for old in self.loops))

    def bus(self, name: str) -> Bus:
        """The bus of that name. Raises KeyError."""
        for bus in self.buses:
            if bus.name == name:
                return bus
        raise KeyError(name)

    def bus_of(self, device: str) -> Bus | None:
        """The bus that a device is connected to, if any."""
        for bus in self.buses:
            if any(drop.device == device for drop in bus.drops):
                return bus
        return None

    def with_bus(self, bus: Bus) -> Site:
        """The same site with the bus of that name replaced."""
        return replace(self, buses=tuple(bus if old.name == bus.name else old for old in self.buses))
