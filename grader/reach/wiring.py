"""Layer 2 of a whole site: who hears a frame, over which switches.

Every (bridge, VLAN) is a node of a graph; what leaves a port, with which tag, is asked of the bridge's own functions.
Before changing this file read `labs.net.linux.link_layer`, whose way of a frame it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from grader.reach.scope import Limit, OutOfScope
from labs.model.addresses import IPv4, Mac
from labs.net.arp import REQUEST, ArpPacket
from labs.net.bridge import PortState, forward
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame

if TYPE_CHECKING:
    from labs.model.site import Site
    from labs.net.interface import Interface
    from labs.net.linux.node import LinuxNode

__all__ = ["Arrival", "Doubts", "Neighbourhood", "Passage", "Tap", "Wiring"]

KINDS = frozenset({"ether", "loopback", "bridge", "vlan"})
_ASK = Frame(BROADCAST, Mac(1), ETHERTYPE_ARP, ArpPacket(REQUEST, Mac(1), IPv4(0), Mac(0), IPv4(0)))


class Tap(NamedTuple):
    """An interface of a device at which packets come up to layer 3."""

    device: str
    interface: str


class Passage(NamedTuple):
    """A bridge that a frame passes, with its ports."""

    device: str
    incoming: str
    outgoing: str


class Arrival(NamedTuple):
    """Where a packet comes in next: the interface, and the hardware address that it comes from."""

    device: str
    interface: str
    mac: Mac


Doubts = tuple[OutOfScope, ...]
End = tuple[str, str]  # device and port
Lead = tuple[End, End]
_NO_LEAD: Lead = (("", ""), ("", ""))


class _Segment(NamedTuple):
    """A bridge in one VLAN (0: it does not filter, and the tag stays on the frame)."""

    device: str
    bridge: str
    vid: int
    tag: int | None


@dataclass(slots=True)
class Neighbourhood:
    """Everything that hears a frame, each with the bridges in between."""

    taps: dict[Tap, tuple[Passage, ...]] = field(default_factory=dict)
    looped: str = ""
    """A bridge that the frame reached twice."""


class _Entered(NamedTuple):
    """A bridge that a frame got into: by which of its ports, out of which port before, over which lead."""

    segment: _Segment
    incoming: str
    left: str
    lead: Lead


@dataclass(slots=True)
class _Way:
    """A frame under way: what it has reached. `port` is the port that it left a bridge by, `lead` the lead it is on."""

    port: str = ""
    lead: Lead = _NO_LEAD
    taps: dict[Tap, str] = field(default_factory=dict)
    """-> the port of the bridge it left by."""
    entered: list[_Entered] = field(default_factory=list)


class Wiring:
    """The leads and bridges of a site in operation."""

    def __init__(self, site: Site, machines: Mapping[str, LinuxNode]) -> None:
        self._machines = machines
        self._far: dict[End, End] = {}
        for link in site.links:
            a, b = (tuple(link.a), tuple(link.b))
            self._far[a], self._far[b] = b, a  # type: ignore[index,assignment]
        self._leaving: dict[_Segment, _Way] = {}
        self._heard: dict[_Segment, Neighbourhood] = {}
        self._around: dict[Tap, Neighbourhood] = {}
        self.settings = frozenset(self._settings(site))

    def again(self, machines: Mapping[str, LinuxNode]) -> Wiring:
        """The same leads and bridges between machines that treat frames alike: whatever is known of them stays true."""
        found = copy(self)
        found._machines = machines  # noqa: SLF001 - a copy of itself
        return found

    @staticmethod
    def _settings(site: Site) -> list[OutOfScope]:
        """Settings of bridges and addresses that make the way of a frame depend on its past."""
        found = []
        macs: dict[Mac, str] = {}
        for name, device in site.devices.items():
            for shown in device.state.interfaces if device.state is not None else ():
                port = shown.bridge_port
                if port is not None and (
                    port.hairpin or port.isolated or not (port.learning and port.flood and port.bcast_flood)
                ):
                    found.append(OutOfScope(name, Limit.PORT_SETTINGS, shown.name))
                if (shown.kind == "vlan" and shown.parent is None) or (shown.master is not None and port is None):
                    found.append(OutOfScope(name, Limit.NOT_OBSERVED, shown.name))
                if shown.up and shown.name.startswith("wlan"):  # nobody reads back who is associated
                    found.append(OutOfScope(name, Limit.RADIO, shown.name))
                if shown.up and shown.kind not in KINDS:
                    found.append(OutOfScope(name, Limit.TUNNEL, shown.name))
                if shown.bridge is not None and shown.bridge.static_stations:
                    found.append(OutOfScope(name, Limit.STATIC_STATION, shown.name))
                if shown.kind == "ether" and macs.setdefault(shown.mac, name) != name:
                    found.append(OutOfScope(name, Limit.DUPLICATE_MAC, f"{shown.mac}, {macs[shown.mac]}"))
        return found

    # The way of a frame

    def around(self, tap: Tap) -> Neighbourhood:
        """Who hears what an interface sends to everybody."""
        known = self._around.get(tap)
        if known is None:
            known = self._around[tap] = self._flood(tap)
        return known

    def _flood(self, tap: Tap) -> Neighbourhood:
        way = _Way()
        self._transmit(self.interface(tap), tap.device, None, way)
        found = Neighbourhood(dict.fromkeys(way.taps, ()))
        for segment, incoming, _, _ in way.entered:
            heard = self._through(segment)
            found.looped = found.looped or heard.looped
            for other, passages in heard.taps.items():
                if other not in found.taps:
                    first = Passage(segment.device, incoming, passages[0].outgoing)
                    found.taps[other] = (first, *passages[1:])
        found.taps.pop(tap, None)
        return found

    def _through(self, start: _Segment) -> Neighbourhood:
        """Who hears a frame that is in a bridge; where it came in is left open in the first passage."""
        known = self._heard.get(start)
        if known is not None:
            return known
        found = self._heard[start] = Neighbourhood()
        seen: dict[_Segment, Lead] = {start: _NO_LEAD}
        queue: list[tuple[_Segment, str, tuple[Passage, ...]]] = [(start, "", ())]
        while queue:
            segment, incoming, before = queue.pop(0)
            way = self._out_of(segment)
            for tap, port in way.taps.items():
                found.taps.setdefault(tap, (*before, Passage(segment.device, incoming, port)))
            came = seen[segment]
            for other, arrived, left, lead in way.entered:
                if lead == (came[1], came[0]):
                    continue
                if other in seen:
                    found.looped = found.looped or other.device
                    continue
                seen[other] = lead
                queue.append((other, arrived, (*before, Passage(segment.device, incoming, left))))
        return found

    def _out_of(self, segment: _Segment) -> _Way:
        """What a frame reaches directly from a bridge."""
        known = self._leaving.get(segment)
        if known is None:
            known = self._leaving[segment] = _Way()
            interface = self.interface(Tap(segment.device, segment.bridge))
            bridge = interface.bridge
            assert bridge is not None
            for port in forward({}, bridge.ports, _ASK, None, segment.vid):
                tag = segment.tag
                if segment.vid and port.bridge_port is not None:
                    tag = port.bridge_port.vlans.tag(segment.vid)
                known.port = port.name
                self._transmit(port, segment.device, tag, known)
            known.port, known.lead = segment.bridge, _NO_LEAD
            if not segment.vid:
                self._receive(interface, segment.device, segment.tag, known)
            elif segment.vid in bridge.vlans.members:
                self._receive(interface, segment.device, bridge.vlans.tag(segment.vid), known)
        return known

    def _transmit(self, interface: Interface, device: str, tag: int | None, way: _Way) -> None:
        if not interface.up:
            return
        if interface.parent is not None:
            self._transmit(interface.parent, device, interface.vlan, way)
        elif interface.bridge is not None:
            bridge = interface.bridge
            vid = bridge.vlans.classify(tag) if bridge.vlan_filtering else 0
            if vid is not None:
                segment = _Segment(device, interface.name, vid, None if vid else tag)
                way.entered.append(_Entered(segment, interface.name, way.port, _NO_LEAD))
        elif interface.carrier:
            near = (device, interface.name)
            far = self._far.get(near)
            other = self._machines[far[0]].interfaces.get(far[1]) if far and far[0] in self._machines else None
            if far is not None and other is not None:
                way.lead = (near, far)
                self._receive(other, far[0], tag, way)

    def _receive(self, interface: Interface, device: str, tag: int | None, way: _Way) -> None:
        if not interface.up:
            return
        if interface.master is not None:
            master = interface.master
            bridge, settings = master.bridge, interface.bridge_port
            if bridge is None or settings is None or not master.up or settings.state is not PortState.FORWARDING:
                return
            vid = settings.vlans.classify(tag) if bridge.vlan_filtering else 0
            if vid is not None:
                segment = _Segment(device, master.name, vid, None if vid else tag)
                way.entered.append(_Entered(segment, interface.name, way.port, way.lead))
        elif tag is not None:
            for other in self._machines[device].interfaces.values():
                if other.parent is interface and other.vlan == tag and other.up:
                    self._receive(other, device, None, way)
                    return
        else:
            way.taps.setdefault(Tap(device, interface.name), way.port)

    def segment(self, tap: Tap) -> object | None:
        """The bridge and VLAN that an interface is plugged into, if nothing else hangs between; None for any other."""
        way = _Way()
        self._transmit(self.interface(tap), tap.device, None, way)
        return way.entered[0].segment if len(way.entered) == 1 and not way.taps else None

    def interface(self, tap: Tap) -> Interface:
        """The interface itself."""
        return self._machines[tap.device].interfaces[tap.interface]

    def passages(self, device: str, interface: str, arrival: Arrival) -> tuple[Passage, ...]:
        """The bridges between an interface and where its packet comes in."""
        found = self.around(Tap(device, interface)).taps.get(Tap(arrival.device, arrival.interface), ())
        return tuple(passage for passage in found if passage.outgoing)
