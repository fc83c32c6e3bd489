"""When a daemon is up: it listens and rests, or it rests, where it does not listen, or it has ended.

A daemon opens one socket after the other: it rests when it sleeps and none was added since the last look. What is wrong
with its configuration it says before it rests for the first time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labs.engines.kernel.device.sockets import listening_inodes, sleeps, socket_inodes
from labs.net.linux.units import Units
from labs.net.process import Process, Routine, Wait

if TYPE_CHECKING:
    from labs.engines.kernel.device.machine import Machine

__all__ = ["LISTENING", "LOOK_NS", "READY_NS", "Readiness", "RealUnits"]

LISTENING = frozenset({"dnsmasq", "mosquitto", "ssh", "nginx", "inetd"})
"""Units whose daemons listen, and are not up before they do."""
LOOK_NS = 3_000_000
READY_NS = 2_000_000_000  # how long a daemon may take until it listens


class Readiness:
    """Looks again and again at units that were started."""

    def __init__(self, units: Units, names: Iterable[str]) -> None:
        self._units = units
        self._waiting = [name for name in names if units.state(name).process is not None]
        self._seen: dict[str, set[int]] = {}

    def missing(self) -> bool:
        """True while one of them is neither up nor at its end, at the time of this look."""
        open_now = listening_inodes() if any(name in LISTENING for name in self._waiting) else set()
        for name in list(self._waiting):
            state = self._units.state(name)
            own = socket_inodes(state.pid) & open_now
            rests = (bool(own) or name not in LISTENING) and own == self._seen.get(name) and sleeps(state.pid)
            if state.process is None or rests:
                self._waiting.remove(name)
            self._seen[name] = own
        return bool(self._waiting)


class RealUnits(Units):
    """The service manager over daemons that take a moment until they are up, or find what is wrong with their files."""

    def upcoming(self, name: str) -> Process | None:
        """A program that ends when the daemon of a unit is up or has failed."""
        if self.catalogue[name].oneshot or self.state(name).process is None:
            return None
        machine: Machine = self._node  # type: ignore[assignment]
        readiness = Readiness(self, [name])

        def wait(process: Process) -> Routine:
            del process
            until = machine.now + READY_NS
            while readiness.missing() and machine.now < until:
                yield Wait((), machine.now + LOOK_NS)
            return 0

        waiter = Process(machine, ["systemd"], directory="/")  # type: ignore[arg-type]
        machine.processes.start(waiter, wait)
        return waiter
