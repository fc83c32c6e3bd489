"""Wi-Fi in operation: who sees whom, who is associated, and the association as a lead of its own.

An access point has one port per station (`wlan0.sta1` …, what hostapd makes with per_sta_vif); an association is a lead
between such a port and `wlan0` of the station, as good as the signal allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from labs.model.addresses import Mac
from labs.model.site import Endpoint, Link, Site
from labs.net.wifi import Bss, WifiEvent
from labs.things.radio import received_dbm
from labs.things.wifi.association import WEAKEST_DBM, Outcome, Quality, channel_mhz, decide, noise_dbm, quality

if TYPE_CHECKING:
    from labs.net.actions import WifiAsk
    from labs.net.linux.node import LinuxNode

__all__ = ["WifiMedium"]

POWER_DBM = 20.0  # EIRP allowed at 2.4 GHz in the EU
SCAN_NS = 3_000_000_000
JOIN_NS = 120_000_000
HANDSHAKE_FAILS_NS = 4_000_000_000
AIR_NS = 900_000
JITTER_NS = 1_500_000
PORT = "wlan0"
FULL = Outcome.REFUSED, 17, "the access point is full"  # IEEE 802.11-2016 Table 9-46: cannot handle another station


class Host(Protocol):
    """What the medium needs of the engine."""

    @property
    def site(self) -> Site:
        """The site as it now is."""

    @property
    def now(self) -> int:
        """Simulated time."""

    def node(self, name: str) -> LinuxNode:
        """A device in operation."""

    def later(self, after_ns: int, action: Callable[[], None]) -> None:
        """Call back."""

    def attach(self, link: Link) -> None:
        """Put a lead that nobody sees between two ports."""

    def detach(self, end: Endpoint) -> None:
        """Take it out."""

    def wifi_event(self, name: str, event: WifiEvent) -> None:
        """Tell a device."""


class _Association(NamedTuple):
    point: str
    port: str
    bss: Bss


class WifiMedium:
    """Every Wi-Fi association of a site."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._joined: dict[str, _Association] = {}

    # Signals

    def _rssi(self, a: str, b: str, channel: int) -> float:
        devices, plan = self._host.site.devices, self._host.site.radio
        ends = (a, devices[a].room), (b, devices[b].room)
        return received_dbm(plan, *ends, POWER_DBM, channel_mhz(channel))

    def _points(self) -> list[str]:
        nodes = ((name, self._host.node(name)) for name in self._host.site.devices)
        return [name for name, node in nodes if node.powered and node.wifi.point is not None]

    def others(self, at: str, but: str = "") -> list[tuple[int, float]]:
        """Other networks as (channel, dBm) heard at a device: those of the site, and neighbours of the plan."""
        site = self._host.site
        found = [
            (self._host.node(name).wifi.point.channel, self._rssi(at, name, 6))
            for name in self._points()
            if name != but
        ]
        for neighbour in site.radio.neighbours:
            ends = (at, site.devices[at].room), (neighbour.ssid, neighbour.room)
            heard = received_dbm(site.radio, *ends, neighbour.power_dbm, channel_mhz(neighbour.channel))
            found.append((neighbour.channel, heard))
        return found

    def _quality(self, station: str, point: str, channel: int) -> Quality:
        others = self.others(station, point)
        sharing = sum(other == channel and heard > WEAKEST_DBM for other, heard in others)
        return quality(self._rssi(station, point, channel), noise_dbm(channel, others), sharing)

    # What devices ask

    def ask(self, name: str, item: WifiAsk) -> None:
        """A daemon wants something."""
        if item.what == "scan":
            self._host.later(SCAN_NS, lambda: self._tell(name, "scan", self._scan(name, item.value)))
        elif item.what == "join":
            bss, network = item.value
            self._join(name, bss, network)
        elif item.what == "leave":
            self.part(name)
        elif item.what == "up":
            for station in list(self._joined):  # what it sends may be in the way of others
                self.moved(station)
        elif item.what == "down":
            self.forget(name)

    def _tell(self, name: str, what: str, value: Any) -> None:
        self._host.wifi_event(name, WifiEvent(what, value))

    def _scan(self, name: str, max_channel: int) -> list[Bss]:
        site, found = self._host.site, []
        for point in self._points():
            config = self._host.node(point).wifi.point
            rssi = self._rssi(name, point, config.channel)
            if point != name and rssi >= WEAKEST_DBM and config.channel <= max_channel:
                mac = site.devices[point].port(f"{PORT}.sta1").mac
                ssid = "" if config.hidden else config.ssid
                found.append(Bss(mac, ssid, config.channel, round(rssi), config.flags, config.pmf))
        for index, neighbour in enumerate(site.radio.neighbours):
            ends = (name, site.devices[name].room), (neighbour.ssid, neighbour.room)
            rssi = received_dbm(site.radio, *ends, neighbour.power_dbm, channel_mhz(neighbour.channel))
            if rssi >= WEAKEST_DBM and neighbour.channel <= max_channel:
                mac = Mac(0x024E_FFFF_0000 + index)
                found.append(Bss(mac, neighbour.ssid, neighbour.channel, round(rssi), "[WPA2-PSK-CCMP][ESS]"))
        return sorted(found, key=lambda bss: -bss.rssi_dbm)

    def _join(self, station: str, bss: Bss, network: Any) -> None:
        point = next(
            (p for p in self._points() if self._host.site.devices[p].port(f"{PORT}.sta1").mac == bss.mac), None
        )
        if point is None:
            self._host.later(JOIN_NS, lambda: self._tell(station, "outcome", (Outcome.REFUSED, 1, "not ours")))
            return
        config = self._host.node(point).wifi.point
        outcome, code, why = decide(network, config, self._rssi(station, point, bss.channel))
        if outcome is Outcome.KEYS_AGREE and self._free_port(station, point) is None:
            outcome, code, why = FULL
        mac = self._host.site.devices[station].port(PORT).mac
        self._tell(point, "station", (str(mac), outcome, code))
        if outcome is not Outcome.KEYS_AGREE:
            delay = HANDSHAKE_FAILS_NS if outcome is Outcome.KEYS_DIFFER else JOIN_NS
            self._host.later(delay, lambda: self._tell(station, "outcome", (outcome, code, why)))
            return
        self._host.later(JOIN_NS, lambda: self._associate(station, point, bss))

    def _associate(self, station: str, point: str, bss: Bss) -> None:
        self.part(station)
        free = self._free_port(station, point) if point in self._points() else None
        if free is None:
            self._tell(station, "outcome", FULL)
            return
        self._joined[station] = _Association(point, free, bss)
        self._attach(station)
        self._tell(station, "outcome", (Outcome.KEYS_AGREE, 0, ""))

    def _free_port(self, station: str, point: str) -> str | None:
        """The port that a station would get; None where as many are in as max_num_sta allows."""
        taken = {known.port for name, known in self._joined.items() if known.point == point and name != station}
        config = self._host.node(point).wifi.point
        ports = [p.name for p in self._host.site.devices[point].ports if p.name.startswith(f"{PORT}.sta")]
        full = config is None or len(taken) >= config.max_stations
        return None if full else next((port for port in ports if port not in taken), None)

    def _attach(self, station: str) -> None:
        known = self._joined[station]
        found = self._quality(station, known.point, known.bss.channel)
        rssi = round(self._rssi(station, known.point, known.bss.channel))
        a, b = Endpoint(station, PORT), Endpoint(known.point, known.port)
        self._host.attach(Link(a, b, AIR_NS, JITTER_NS, found.loss))
        devices = self._host.site.devices
        figures = {"signal": rssi, "mcs": found.mcs, "rate_bps": found.rate_bps, "snr": round(found.snr_db)}
        self._host.node(station).wifi.link = {"bss": known.bss, **figures}
        mac = str(devices[station].port(PORT).mac)
        self._host.node(known.point).wifi.stations[mac] = {**figures, "since_ns": self._host.now, "port": known.port}

    # What changes around them

    def part(self, station: str) -> None:
        """An association ends."""
        known = self._joined.pop(station, None)
        if known is None:
            return
        self._host.detach(Endpoint(station, PORT))
        self._forget_link(station, known)

    def _forget_link(self, station: str, known: _Association) -> None:
        self._host.node(station).wifi.link = {}
        mac = str(self._host.site.devices[station].port(PORT).mac)
        self._host.node(known.point).wifi.stations.pop(mac, None)

    def forget(self, name: str) -> None:
        """A device switched its radio off: whoever is associated with it is on its own."""
        for station in [station for station, known in self._joined.items() if known.point == name]:
            self.part(station)
            self._tell(station, "lost", "beacon loss")
        self.part(name)

    def moved(self, name: str) -> None:
        """A device stands somewhere else, or somebody sends on another channel."""
        for station, known in list(self._joined.items()):
            if name in (station, known.point):
                rssi = self._rssi(station, known.point, known.bss.channel)
                self._host.detach(Endpoint(station, PORT))
                if rssi >= WEAKEST_DBM:
                    self._attach(station)
                else:
                    self._forget_link(station, self._joined.pop(station))
                    self._tell(station, "lost", "beacon loss")
