"""A serial bus in operation, in a time of its own that follows the real one.

What decides on a bus are moments: the turnaround of a slave, the patience of a master, whether two talk at once. No
scheduler keeps them to the microsecond, so the bus has a clock that stands still while a program of ours has still to
say what it does: it is told the moment, answers what it sends and until when it rests, and only then time goes on,
never ahead of the real one. A foreign program at a terminal lives in real time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Protocol

from labs.engines.bus import BusMedium, Talk
from labs.model.bus import Bus
from labs.net.actions import SerialSend
from labs.net.serial import Parity, SerialSettings

__all__ = ["PATIENCE_NS", "Cable", "Program", "Wire", "read_settings", "write_settings"]

PATIENCE_NS = 1_000_000_000  # what does not answer for so long has been stopped: the bus goes on without it
MAX_EVENTS = 10_000

Place = tuple[str, str]
"""A device and its port."""


def write_settings(settings: SerialSettings | None) -> list[Any] | None:
    """Settings as they go over a socket."""
    return None if settings is None else [settings.speed_bps, settings.parity.value, settings.stop_bits]


def read_settings(found: Sequence[Any] | None) -> SerialSettings | None:
    """The settings that `write_settings` was given."""
    return None if found is None else SerialSettings(found[0], Parity(found[1]), found[2])


class Wire(Protocol):
    """The end of a port for foreign programs."""

    def settings(self) -> SerialSettings | None:
        """How it is set; None where nobody has it open."""

    def write(self, data: bytes) -> None:
        """Let whoever has it open read this."""


class Program:
    """A program of ours that has a port open. `tell` sends it a message."""

    def __init__(self, place: Place, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self.place = place
        self.tell = tell
        self.settings: SerialSettings | None = None
        self.awake_since: int | None = None
        """The real moment at which it was told something; None while it rests."""
        self.deaf = False
        """It has not answered in time: nobody waits for it until it does."""
        self.holds = False
        """It waits for an answer: others on its port take their turn later."""
        self.wake_at: int | None = None


class Cable:
    """One bus, its terminals, and the programs at its drops. `real` is the real time (ns), `now` that of the bus."""

    def __init__(self, bus: Bus, seed: str, terminals: Mapping[Place, Wire], now: int) -> None:
        self.now = now
        self.programs: list[Program] = []
        self._terminals = terminals
        self._medium = BusMedium(bus, seed, self._settings_at)
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._count = 0
        self._free_at: dict[Place, int] = {}
        self._happened = self._seen = 0

    # What comes in

    def join(self, program: Program, real: int) -> None:
        """A program opens a port; it is told what time it is."""
        self.programs.append(program)
        self.ask(program, real)

    def leave(self, program: Program, real: int) -> None:
        """A program has ended."""
        self.programs.remove(program)
        if program.holds:
            self._turn(program.place, real)

    def ask(self, program: Program, real: int) -> None:
        """A program has something to do that did not come over the bus."""
        if program.awake_since is None or program.deaf:
            self._at(real, lambda moment: self._wake(program, moment))

    def rested(self, program: Program, message: Mapping[str, Any], real: int) -> None:
        """A program has done what it could: what it sends, how its port is set, and until when it rests."""
        program.awake_since, program.deaf = None, False
        program.settings = read_settings(message["settings"])
        for data, settings in message["sends"]:
            sent = read_settings(settings)
            if sent is not None:
                self._send(program.place, bytes.fromhex(data), sent)
        self._rest(program, message["until"])
        if program.holds != message["holds"]:
            program.holds = message["holds"]
            self._turn(program.place, real)

    def typed(self, place: Place, data: bytes, real: int) -> None:
        """A foreign program sends."""
        settings = self._terminals[place].settings()
        if settings is not None and data:
            self._at(real, lambda _: self._send(place, data, settings))

    def rewire(self, bus: Bus) -> None:
        """Hands change the wiring."""
        self._medium.rewire(bus)

    # Time

    @property
    def due(self) -> int | None:
        """When something happens next by itself."""
        return self._events[0][0] if self._events else None

    def resting(self, real: int) -> bool:
        """True where nobody has still to say what he does, and nothing is due."""
        return all(p.awake_since is None for p in self.programs) and (self.due is None or self.due > real)

    def stirred(self) -> bool:
        """Whether anything happened since this was asked last."""
        before, self._seen = self._seen, self._happened
        return before != self._happened

    def advance(self, real: int) -> int | None:
        """Let everything happen that is due, unless a program has still to answer; when to come back at the latest."""
        while True:
            waiting = [program.awake_since for program in self.programs if program.awake_since is not None]
            if waiting:
                if min(waiting) + PATIENCE_NS > real:
                    return min(waiting) + PATIENCE_NS
                for program in self.programs:
                    if program.awake_since is not None and program.awake_since + PATIENCE_NS <= real:
                        program.awake_since, program.deaf, program.holds = None, True, False
                continue
            if not self._events or self._events[0][0] > real:
                self.now = max(self.now, real)
                return self._events[0][0] if self._events else None
            moment, _, action = heappop(self._events)
            self.now = max(self.now, moment)
            action(real)

    def _at(self, moment: int, action: Callable[[int], None]) -> None:
        if len(self._events) < MAX_EVENTS:
            self._count += 1
            heappush(self._events, (moment, self._count, action))

    # Inside

    def _rest(self, program: Program, until: int | None) -> None:
        program.wake_at = until

        def wake(real: int) -> None:
            if program.wake_at == until and program in self.programs:
                self._happened += 1
                self._wake(program, real)

        if until is not None:
            self._at(until, wake)

    def _wake(self, program: Program, real: int, heard: Sequence[tuple[int, bytes, int]] = ()) -> None:
        if program.deaf or program not in self.programs:
            return  # what it would hear is lost to it, as when a buffer runs over
        program.awake_since, program.wake_at = real, None
        taken = any(other.holds for other in self._at_place(program.place) if other is not program)
        told = [[moment, data.hex(), errors] for moment, data, errors in heard]
        program.tell({"now": self.now, "heard": told, "taken": taken})

    def _turn(self, place: Place, real: int) -> None:
        """Who shares a port hears that it is taken, or free again."""
        for program in self._at_place(place):
            if not program.holds and program.awake_since is None:
                self._wake(program, real)

    def _at_place(self, place: Place) -> list[Program]:
        return [program for program in self.programs if program.place == place]

    def _settings_at(self, device: str, port: str) -> SerialSettings | None:
        """Whoever came last has set the port; a foreign program is here for a moment only."""
        terminal = self._terminals.get((device, port))
        foreign = None if terminal is None else terminal.settings()
        own = [program.settings for program in self._at_place((device, port)) if program.settings is not None]
        return foreign or (own[-1] if own else None)

    def _send(self, place: Place, data: bytes, settings: SerialSettings) -> None:
        """Send, after what is still on its way out of the same port."""
        free_at = self._free_at.get(place, 0)
        if free_at > self.now:
            self._at(free_at, lambda _: self._send(place, data, settings))
            return
        self._happened += 1
        talk = self._medium.send(place[0], SerialSend(place[1], data, settings), self.now)
        self._free_at[place] = talk.end_ns
        self._at(talk.end_ns, lambda real: self._deliver(talk, real))

    def _deliver(self, talk: Talk, real: int) -> None:
        self._happened += 1
        for heard in self._medium.deliver(talk):
            place = (heard.device, heard.port)
            for program in self._at_place(place):
                self._wake(program, real, [heard.chunk])
            terminal = self._terminals.get(place)
            if terminal is not None:
                terminal.write(heard.chunk.data)
