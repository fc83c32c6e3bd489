"""The serial buses of a site as the engine has them: a process for every cable, and at each drop a way to it."""

from __future__ import annotations

import socket
from pathlib import Path

from labs.engines.kernel.clock import LabClock
from labs.engines.kernel.sandbox.rootfs import prepare_serial
from labs.engines.kernel.serial.player import Player
from labs.engines.kernel.serial.terminal import open_terminal
from labs.model.bus import Bus
from labs.model.site import Site

__all__ = ["Buses"]


class Buses:
    """Every cable of a site."""

    def __init__(self) -> None:
        self._site = Site({})
        self._players: dict[str, Player] = {}
        self._terminals: dict[str, dict[str, Path]] = {}

    def lay(self, site: Site, clock: LabClock) -> dict[int, str]:
        """Lay every cable, before any device is forked; what to watch, as long as the lab lives."""
        self._site = site
        drops = [drop for bus in site.buses for drop in bus.drops]
        source = prepare_serial({drop.device: [drop.port] for drop in drops}) if drops else Path()
        for bus in site.buses:
            terminals = {}
            for drop in bus.drops:
                terminals[drop.device, drop.port], path = open_terminal(source)
                self._terminals[drop.device] = {drop.port: path}
            self._players[bus.name] = Player(bus, site.seed, terminals, clock)
        return {player.fileno(): f"the process of the bus {name}" for name, player in self._players.items()}

    def ways(self, device: str) -> dict[str, socket.socket]:
        """A new way to the cable on each serial port of a device."""
        bus = self._site.bus_of(device)
        if bus is None:
            return {}
        port = bus.drop(device).port
        return {port: self._players[bus.name].plug(device, port)}

    def terminals(self, device: str) -> dict[str, Path]:
        """What foreign programs find at each of its ports."""
        return self._terminals.get(device, {})

    def rewire(self, bus: Bus) -> None:
        """Change the wiring of a bus."""
        self._players[bus.name].rewire(bus)

    def round(self) -> list[str]:
        """Let everything happen that is due; the devices at cables on which something did. Time begins with it."""
        return [drop.device for bus in self._site.buses if self._players[bus.name].round() for drop in bus.drops]

    @property
    def due(self) -> int | None:
        """When something happens next on any cable, as far as it told."""
        return min((player.due for player in self._players.values() if player.due is not None), default=None)
