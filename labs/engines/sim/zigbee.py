"""Zigbee in operation: which receiver is on, how strong it hears a frame, and what the Wi-Fi in the band does to it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Protocol

from labs.net.zigbee import BROADCAST_PAN, Sent, ZigbeeEvent, ZigbeeFrame
from labs.things.radio import received_dbm
from labs.things.zigbee.link import POWER_DBM, SENSITIVITY_DBM, chances, channel_mhz, interference_dbm

if TYPE_CHECKING:
    from labs.engines.sim.wifi import WifiMedium
    from labs.model.site import Site
    from labs.net.linux.node import LinuxNode

__all__ = ["ZigbeeMedium"]

AIR_NS = 4_000_000  # a full frame at 250 kbit/s with its acknowledgement
TRIED_NS = 60_000_000  # until the MAC sublayer gives up


class Host(Protocol):
    """What the medium needs of the engine."""

    wifi: WifiMedium

    @property
    def site(self) -> Site:
        """The site as it now is."""

    def node(self, name: str) -> LinuxNode:
        """A device in operation."""

    def later(self, after_ns: int, action: Callable[[], None]) -> None:
        """Call back."""

    def zigbee_event(self, name: str, event: ZigbeeEvent) -> None:
        """Tell a device."""


class ZigbeeMedium:
    """Every Zigbee frame of a site."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._chance: dict[str, Random] = {}

    def send(self, sender: str, frame: ZigbeeFrame) -> None:
        """A frame goes out: whether and where it arrives is settled now."""
        site, ended = self._host.site, Sent.NO_ACK
        random = self._chance.setdefault(sender, Random(f"{site.seed}/{sender}/zigbee"))  # noqa: S311 - replayed
        draws = random.random(), random.random()
        for name in site.devices:
            if name == sender or not self._listens(name, frame):
                continue
            rssi = self._rssi(sender, name, frame.channel)
            found = chances(rssi, self._wifi(sender, frame.channel), self._wifi(name, frame.channel))
            if draws[0] < found.busy:
                ended = Sent.BUSY
                break
            if rssi > SENSITIVITY_DBM and draws[1] >= found.lost:
                ended = Sent.SUCCESS
                self._later(AIR_NS, name, ZigbeeEvent(frame, rssi))
        if frame.target:
            self._later(AIR_NS if ended is Sent.SUCCESS else TRIED_NS, sender, ZigbeeEvent(frame, sent=ended))

    def _later(self, after_ns: int, name: str, event: ZigbeeEvent) -> None:
        self._host.later(after_ns, lambda: self._host.zigbee_event(name, event))

    def _listens(self, name: str, frame: ZigbeeFrame) -> bool:
        node = self._host.node(name)
        radio = node.zigbee
        if not node.powered or radio.channel != frame.channel or frame.target not in ("", radio.address):
            return False
        return radio.pan_id is None or frame.pan_id in (radio.pan_id, BROADCAST_PAN)

    def _rssi(self, a: str, b: str, channel: int) -> float:
        site = self._host.site
        ends = (a, site.devices[a].room), (b, site.devices[b].room)
        return received_dbm(site.radio, *ends, POWER_DBM, channel_mhz(channel))

    def _wifi(self, at: str, channel: int) -> float:
        return interference_dbm(channel, self._host.wifi.others(at))
