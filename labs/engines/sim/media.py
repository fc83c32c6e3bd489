"""What is neither a lead nor a frame of Ethernet: serial buses, LoRa, Wi-Fi and Zigbee, and who hears what on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from labs.engines.bus import BusMedium
from labs.engines.sim.air import Air
from labs.engines.sim.wifi import WifiMedium
from labs.engines.sim.zigbee import ZigbeeMedium
from labs.model.site import Endpoint, Link, Site
from labs.net.actions import RadioSend, SerialSend, WifiAsk, ZigbeeSend

if TYPE_CHECKING:
    from labs.engines.bus import Talk
    from labs.engines.sim.air import Frame
    from labs.engines.sim.clock import SimClock
    from labs.model.bus import Bus
    from labs.net.actions import Action, Note
    from labs.net.linux.node import LinuxNode
    from labs.net.serial import SerialSettings
    from labs.net.wifi import WifiEvent
    from labs.net.zigbee import ZigbeeEvent

__all__ = ["MEDIA_ACTIONS", "Media"]

MEDIA_ACTIONS = (SerialSend, RadioSend, WifiAsk, ZigbeeSend)


class Host(Protocol):
    """What media need of the engine."""

    @property
    def site(self) -> Site:
        """The site as it now is."""

    @property
    def now(self) -> int:
        """Simulated time."""

    def node(self, name: str) -> LinuxNode:
        """A device in operation."""

    def attach(self, link: Link) -> None:
        """Put a lead that nobody sees between two ports: an association."""

    def detach(self, end: Endpoint) -> None:
        """Take such a lead out."""


class Media:
    """Every medium of a site. `perform` does what a device wants."""

    def __init__(
        self,
        host: Host,
        clock: SimClock,
        nodes: dict[str, LinuxNode],
        perform: Callable[[LinuxNode, list[Action | Note]], None],
    ) -> None:
        self._host = host
        self._clock = clock
        self._nodes = nodes
        self._perform = perform
        self._buses: dict[str, BusMedium] = {}  # by device
        self._air = Air(nodes, lambda: host.site.radio, lambda name: host.site.devices[name].room)
        self.wifi = WifiMedium(self)
        self._zigbee = ZigbeeMedium(self)

    # For the media themselves

    @property
    def site(self) -> Site:
        """The site as it now is."""
        return self._host.site

    @property
    def now(self) -> int:
        """Simulated time."""
        return self._host.now

    def node(self, name: str) -> LinuxNode:
        """A device in operation."""
        return self._nodes[name]

    def attach(self, link: Link) -> None:
        """Put a lead that nobody sees between two ports."""
        self._host.attach(link)

    def detach(self, end: Endpoint) -> None:
        """Take it out."""
        self._host.detach(end)

    def later(self, after_ns: int, action: Callable[[], None]) -> None:
        """Call back."""
        self._clock.call_at(self.now + after_ns, lambda _: action(), None)

    def wifi_event(self, name: str, event: WifiEvent) -> None:
        """The air tells a device something."""
        node = self._nodes[name]
        self._perform(node, node.hear_radio(event, self.now))

    def zigbee_event(self, name: str, event: ZigbeeEvent) -> None:
        """A Zigbee radio hears something."""
        node = self._nodes[name]
        self._perform(node, node.hear_radio(event, self.now))

    # The engine's side

    def start(self, site: Site) -> None:
        """Lay the buses."""
        for bus in site.buses:
            medium = BusMedium(bus, site.seed, self._serial_settings)
            self._buses.update({drop.device: medium for drop in bus.drops})

    def rewire(self, bus: Bus) -> None:
        """Change the wiring of a bus."""
        for drop in bus.drops:
            self._buses[drop.device].rewire(bus)

    def take(self, node: LinuxNode, item: SerialSend | RadioSend | WifiAsk | ZigbeeSend) -> None:
        """A device sends, or asks something of the air."""
        if isinstance(item, SerialSend):
            medium = self._buses.get(node.name)
            if medium is not None:
                talk = medium.send(node.name, item, self.now)
                self._clock.call_at(talk.end_ns, self._talked, (medium, talk))
        elif isinstance(item, RadioSend):
            frame = self._air.send(node.name, item, self.now)
            self._clock.call_at(frame.end_ns, self._heard, frame)
        elif isinstance(item, ZigbeeSend):
            self._zigbee.send(node.name, item.frame)
        else:
            self.later(0, lambda: self.wifi.ask(node.name, item))

    def _talked(self, argument: tuple[BusMedium, Talk]) -> None:
        medium, talk = argument
        for heard in medium.deliver(talk):
            node = self._nodes[heard.device]
            self._perform(node, node.hear(heard.port, heard.chunk, self.now))

    def _heard(self, frame: Frame) -> None:
        for name, heard in self._air.deliver(frame):
            node = self._nodes[name]
            self._perform(node, node.hear_radio(heard, self.now))

    def _serial_settings(self, device: str, port: str) -> SerialSettings | None:
        """How a serial port is set; None where it is not open, or without power."""
        node = self._nodes[device]
        return node.serial[port].settings if node.powered else None
