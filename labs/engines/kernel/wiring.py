"""The analogue lines of a site as one device knows them: what hands did to them, and who is at their far ends.

What an input meets is a pure function of world, wiring and time (`labs.things.wiring`), so every process that reads an
input works it out by itself. It hears from the engine what hands change, and looks itself into the file of the
transmitter at the far end, through a directory that it got before it entered its own root.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.codec import decode
from labs.engines.kernel.device.files import FilesBelow, out_of_the_way
from labs.model.field import Loop
from labs.things.wiring import Source, Wiring
from labs.things.world import LivingWorld, RoomSense

if TYPE_CHECKING:
    from labs.model.site import Site

__all__ = ["TRANSMITTER", "Lines", "TerminalStrip"]

TRANSMITTER = "/etc/transmitter.toml"


class Lines:
    """Every line of a site, for one process; `living` is the world that this process knows."""

    def __init__(self, site: Site, roots: Mapping[str, Path], living: LivingWorld) -> None:
        self._loops = {(loop.target, loop.input): loop for loop in site.loops}
        self._powered = {name: device.powered for name, device in site.devices.items()}
        self._roots = {loop.source: roots[loop.source] for loop in site.loops}
        self._senses = {
            name: RoomSense(living, site.devices[name].room, site.seed, name)
            for name in {loop.source for loop in site.loops}
        }
        self._files: dict[str, FilesBelow] = {}
        self.wiring = Wiring(self._loop_at, self._source)

    def open(self) -> None:
        """Keep a way to the files at the far ends; afterwards this process may leave for a root of its own."""
        self._files = {name: FilesBelow(root) for name, root in self._roots.items()}

    def hear(self, news: Mapping[str, Any]) -> None:
        """Hands changed the wiring, or a device was switched or carried: `{"loops": …, "power": …, "rooms": …}`."""
        if "loops" in news:
            loops: list[Loop] = decode(news["loops"])
            self._loops = {(loop.target, loop.input): loop for loop in loops}
        self._powered.update(news.get("power", {}))
        for name, room in news.get("rooms", {}).items():
            if name in self._senses:
                self._senses[name].room = room

    def _loop_at(self, module: str, number: int) -> Loop | None:
        return self._loops.get((module, number))

    def _source(self, name: str) -> Source | None:
        files = self._files.get(name)
        if files is None:
            return None
        return Source(files.get(TRANSMITTER), self._powered[name], self._senses[name])


@dataclass
class TerminalStrip:
    """What of the field wiring a device takes along into a root of its own."""

    lines: Lines
    ways: dict[str, socket.socket] = field(default_factory=dict)
    """Serial port to the way to its cable."""
    terminals: dict[str, Path] = field(default_factory=dict)
    """Serial port to the pseudo-terminal that foreign programs find there."""

    def descriptors(self) -> set[int]:
        """What must stay open until `take_along`."""
        return {way.fileno() for way in self.ways.values()}

    def take_along(self) -> None:
        """Keep what is needed, where no forked program closes it."""
        self.lines.open()
        self.ways = {name: socket.socket(fileno=out_of_the_way(way.detach())) for name, way in self.ways.items()}
