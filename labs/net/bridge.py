"""A learning bridge. Before changing this file read IEEE 802.1Q clause 8.7 and 8.8, and bridge(8).

The decision where a frame goes is the pure function `forward`; the class keeps the filtering database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.net.actions import DropReason

if TYPE_CHECKING:
    from labs.model.addresses import Mac
    from labs.net.ethernet import Frame
    from labs.net.interface import Interface

__all__ = ["AGEING_TIME_NS", "MAX_HOPS", "Bridge", "Station", "forward"]

AGEING_TIME_NS = 300_000_000_000  # IEEE 802.1Q table 8-6, recommended; `bridge` ageing_time
MAX_ENTRIES = 8192
MAX_HOPS = 64  # more bridges in a row than any site has: the frame is going round in a loop


@dataclass(slots=True)
class Station:
    """Where a MAC address was last seen. `permanent` entries are the bridge's own or were typed by hand."""

    port: Interface
    seen_ns: int
    permanent: bool = False


def forward(
    stations: Mapping[Mac, Station], ports: Iterable[Interface], frame: Frame, incoming: Interface | None
) -> list[Interface]:
    """The ports a frame leaves by: one for a known station, all others for an unknown or group address."""
    if not frame.dst.is_group:
        station = stations.get(frame.dst)
        if station is not None:
            return [station.port] if station.port is not incoming and station.port.running else []
    return [port for port in ports if port is not incoming and port.running]


class Bridge:
    """The state of one bridge: its ports and who is behind them."""

    def __init__(self) -> None:
        self.ports: list[Interface] = []
        self.stations: dict[Mac, Station] = {}
        self.ageing_time_ns = AGEING_TIME_NS
        self.fixed_mac = False
        self.fixed_mtu = False

    def add_port(self, port: Interface) -> None:
        """`ip link set PORT master BRIDGE`."""
        self.ports.append(port)
        self.add_own(port)

    def add_own(self, port: Interface) -> None:
        """Enter the address of a port itself, for good."""
        self.stations[port.mac] = Station(port, 0, permanent=True)

    def remove_port(self, port: Interface) -> None:
        """`ip link set PORT nomaster`: forget everybody behind it."""
        self.ports.remove(port)
        self.forget(port)

    def forget(self, port: Interface) -> None:
        """Forget the stations behind a port that lost its link."""
        for mac in [mac for mac, station in self.stations.items() if station.port is port and not station.permanent]:
            del self.stations[mac]
        if port not in self.ports:
            self.stations.pop(port.mac, None)

    def relay(self, frame: Frame, incoming: Interface | None, now: int) -> list[Interface] | DropReason:
        """Learn from a frame and say where it goes. `incoming` is None for frames of the device itself."""
        if frame.hops > MAX_HOPS:
            return DropReason.STORM
        if incoming is not None:
            self.learn(frame.src, incoming, now)
        self.age(frame.dst, now)
        return forward(self.stations, self.ports, frame, incoming)

    def learn(self, mac: Mac, port: Interface, now: int) -> None:
        """Note where a station is. One that moved is learned again at once."""
        if mac.is_group:
            return
        station = self.stations.get(mac)
        if station is None:
            if len(self.stations) < MAX_ENTRIES:
                self.stations[mac] = Station(port, now)
        elif not station.permanent:
            station.port = port
            station.seen_ns = now

    def age(self, mac: Mac, now: int) -> None:
        """Forget one station that was silent too long."""
        station = self.stations.get(mac)
        if station is not None and not station.permanent and now - station.seen_ns > self.ageing_time_ns:
            del self.stations[mac]

    def age_all(self, now: int) -> None:
        """Forget every station that was silent too long; for tables."""
        for mac in list(self.stations):
            self.age(mac, now)
