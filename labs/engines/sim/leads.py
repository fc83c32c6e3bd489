"""The leads between devices: plugged and pulled, alive or dead, or full of a storm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from labs.engines.sim.wire import Wire
from labs.model.site import Endpoint
from labs.net.bridge import STORM_HOPS
from labs.net.phy import agreed_modes

if TYPE_CHECKING:
    from labs.engines.sim.clock import SimClock
    from labs.engines.sim.express import Express
    from labs.model.site import Link, Site
    from labs.net.actions import Action, Note, Storm
    from labs.net.linux.node import LinuxNode
    from labs.net.phy import LinkMode

__all__ = ["Leads"]

SECOND = 1_000_000_000
# Copies of a frame in a storm that a machine behind it gets each time the storm is looked at
STORM_COPIES, STORM_COPIES_WATCHED = 1, 100
STORM_GAP_NS = SECOND // 20  # in which every lead of the loop comes free, and fills again


class Leads:
    """Every lead of a site. `express` carries the frames, `perform` does what a device wants."""

    def __init__(
        self,
        clock: SimClock,
        nodes: Mapping[str, LinuxNode],
        express: Express,
        perform: Callable[[LinuxNode, list[Action | Note]], None],
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._express = express
        self._perform = perform
        self.wires: dict[tuple[str, str], Wire] = {}
        """By the Endpoint of each of its ends."""

    def plug(self, link: Link, site: Site) -> None:
        """Put a lead between two free ports."""
        rate = min(site.devices[end.device].port(end.port).speed_bps for end in link.ends)
        wire = Wire(link, rate, site.seed)
        for end in link.ends:
            self.wires[end] = wire
            lane = self._express.lanes[end.device][end.port] = wire.lanes[end]
            far = wire.far[end]
            lane.node, lane.port = self._nodes[far.device], far.port
        self.refresh(wire)

    def pull(self, link: Link) -> None:
        """Take a lead out at both ends."""
        for loose in link.ends:
            self._loosen(loose)

    def _loosen(self, loose: Endpoint) -> None:
        wire = self.wires.pop(loose)
        del self._express.lanes[loose.device][loose.port]
        wire.tune(None)
        self._carrier(loose, None)

    def refresh_all(self, device: str) -> None:
        """A device was switched on or off."""
        for lane in list(self._express.lanes[device].values()):
            self.refresh(lane.wire)

    def refresh_at(self, end: Endpoint) -> None:
        """A port was set up or down."""
        wire = self.wires.get(end)
        if wire is not None:
            self.refresh(wire)

    def refresh(self, wire: Wire) -> None:
        """A lead carries when both transceivers are on and find a speed; a new one begins with a moment of silence."""
        modes = None
        if all(self._live(end) for end in wire.link.ends):
            modes = agreed_modes(*(self._nodes[end.device].interfaces[end.port].phy for end in wire.link.ends))
        if modes == wire.modes:
            return
        if wire.modes is not None:
            wire.tune(None)
            for end in wire.link.ends:
                self._carrier(end, None)
        if modes is not None:
            wire.tune(modes)
            for end, mode in zip(wire.link.ends, modes, strict=True):
                self._carrier(end, mode)

    def _live(self, end: Endpoint) -> bool:
        node = self._nodes[end.device]
        interface = node.interfaces.get(end.port)
        return node.powered and interface is not None and interface.up

    def _carrier(self, end: Endpoint, mode: LinkMode | None) -> None:
        node = self._nodes[end.device]
        self._perform(node, node.link_changed(end.port, mode is not None, int(self._clock.now), mode))

    def storm(self, device: str, item: Storm) -> None:
        """A lead is full of frames that go round. The last of them comes by again: a loop never ends alone."""
        end = Endpoint(device, item.port)
        wire = self.wires.get(end)
        if wire is None:
            return
        wire.storm_until_ns = max(wire.storm_until_ns, item.until_ns)
        self._storm_at(wire, end, item)
        if item.frame is not None:
            self._clock.call_at(
                item.until_ns + STORM_GAP_NS, self._express.arrive, (wire.lanes[wire.far[end]], item.frame, None)
            )

    def _storm_at(self, wire: Wire, end: Endpoint, item: Storm) -> None:
        """What the far end has of it: a bridge storms as well; at a host counters race, and some frames really come."""
        far = wire.far[end]
        node = self._nodes[far.device]
        interface = node.interfaces.get(far.port)
        if item.passing is None or interface is None or not node.powered:
            return
        now = int(self._clock.now)
        if interface.master is not None:
            frame = item.passing._replace(hops=STORM_HOPS)
            self._clock.call_at(now, self._express.arrive, (wire.lanes[end], frame, None))
            return
        copies = STORM_COPIES_WATCHED if node.link.captured else STORM_COPIES
        interface.rx.add(max(item.frames - copies, 0), item.passing.length)
        for number in range(copies):
            when = now + (item.until_ns - now) * (number + 1) // (copies + 1)
            self._clock.call_at(when, self._express.arrive, (wire.lanes[end], item.passing, None))
