"""Services of a device (systemd units): which exist, are enabled or run, and what they wrote to the journal."""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from labs.net.process import SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGTERM, Interrupt, Process, Program, Signal, Writer

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["JournalLine", "Unit", "UnitState", "Units", "enabled_path"]

JOURNAL_LIMIT = 2000
CLEAN_SIGNALS = frozenset({SIGHUP, SIGINT, SIGPIPE, SIGTERM})  # systemd.service(5), SuccessExitStatus
EXIT_WORDS = {
    1: "FAILURE",
    2: "INVALIDARGUMENT",
    3: "NOTIMPLEMENTED",
    4: "NOPERMISSION",
    5: "NOTINSTALLED",
    6: "NOTCONFIGURED",
}
WANTS = "/etc/systemd/system/multi-user.target.wants/"


def enabled_path(unit: str) -> str:
    """The link that makes a unit start at boot."""
    return f"{WANTS}{unit}.service"


def exit_word(status: int) -> str:
    """The word of systemd for an exit status (systemd.exec(5), PROCESS EXIT CODES)."""
    return EXIT_WORDS.get(status, "n/a")


@dataclass(frozen=True, slots=True)
class Unit:
    """A service this device could run. `oneshot` units (networking, nftables) do their work and stay active."""

    name: str
    description: str
    program: Program
    command: str
    config: str = ""
    oneshot: bool = False
    stop: Program | None = None
    """What a oneshot unit does when it is stopped."""
    reload: Program | None = None
    """What `systemctl reload` does, where the unit has a command for it."""
    hangup_reloads: bool = False
    """True for a daemon that reads its configuration again at SIGHUP (ExecReload=/bin/kill -HUP $MAINPID)."""


class JournalLine(NamedTuple):
    """One line of the device's log, at nanoseconds of simulated time."""

    at_ns: int
    unit: str
    pid: int
    text: str
    identifier: str = ""


@dataclass(slots=True)
class UnitState:
    """How a unit is doing. `active` is the word of systemd: active, inactive, failed, activating (oneshot units)."""

    active: str = "inactive"
    process: Process | None = None
    since_ns: int = 0
    read: str = ""
    """Its configuration file when it started."""
    status: int = 0
    pid: int = 0
    ended_ns: int = 0
    killed: bool = False
    changed: Signal = field(default_factory=Signal)


class _JournalWriter(Writer):
    """Standard output of a service: whole lines go to the journal."""

    def __init__(self, units: Units, name: str, identifier: str) -> None:
        self._units = units
        self._name = name
        self._identifier = identifier
        self._partial = ""
        self.pid = 0

    def write(self, text: str) -> None:
        """Split into lines."""
        *lines, self._partial = (self._partial + text).split("\n")
        for line in lines:
            if line:
                self._units.log(self._name, line, self.pid, self._identifier)


class Units:
    """The service manager of one device."""

    def __init__(self, node: LinuxNode, catalogue: Mapping[str, Unit]) -> None:
        self._node = node
        self.catalogue = dict(catalogue)
        self._states: dict[str, UnitState] = {}
        self.journal: deque[JournalLine] = deque(maxlen=JOURNAL_LIMIT)
        self.written = Signal()
        self.count = 0
        """Lines written so far; the journal itself forgets the oldest."""

    def known(self, name: str) -> bool:
        """True where the unit is installed: its program exists and its configuration file is there."""
        unit = self.catalogue.get(name)
        if unit is None:
            return False
        return not unit.config or self._node.files.is_file(unit.config) or self.enabled(name) or name in self._states

    def state(self, name: str) -> UnitState:
        """The state of a unit."""
        return self._states.setdefault(name, UnitState())

    def enabled(self, name: str) -> bool:
        """True where the unit starts at boot."""
        return self._node.files.is_file(enabled_path(name))

    def installed(self) -> list[str]:
        """Names of every unit this device has."""
        return sorted(name for name in self.catalogue if self.known(name))

    def log(self, unit: str, text: str, pid: int = 0, identifier: str = "") -> None:
        """Write one line to the journal. `identifier` is the program's name, where it is not the unit's."""
        self.journal.append(JournalLine(self._node.now, unit, pid, text, identifier or unit))
        self.count += 1
        self.written.fire()

    def start(self, name: str) -> Process | None:
        """Start a unit; one that runs is left alone. Returns the process to wait for: that of a oneshot unit."""
        state = self.state(name)
        if state.active in ("active", "activating"):
            return state.process if state.active == "activating" else None
        unit = self.catalogue[name]
        command = unit.command.split()
        writer = _JournalWriter(self, name, posixpath.basename(command[0]) if command else name)
        process = Process(self._node, command, stdout=writer, directory="/")
        state.process = process
        state.since_ns = self._node.now
        state.read = self._node.files.get(unit.config) if unit.config else ""
        state.status = 0
        state.active = "activating" if unit.oneshot else "active"
        self._node.processes.start(process, lambda p: self._run(unit, writer, p))
        return process if unit.oneshot else None

    def upcoming(self, name: str) -> Process | None:
        """What ends when a unit that was started is up or has failed; None here, where that is known at once."""
        del name
        return None

    def _run(self, unit: Unit, writer: _JournalWriter, process: Process):  # type: ignore[no-untyped-def]  # noqa: ANN202
        writer.pid = process.pid
        state = self.state(unit.name)
        state.pid = process.pid
        full = f"{unit.name}.service - {unit.description}"
        self.log("systemd", f"Starting {full}..." if unit.oneshot else f"Started {full}.", 1)
        try:
            result = unit.program(process)
            status = result if isinstance(result, int) else (yield from result)
        except Interrupt as interrupt:
            self._ended(unit, process, 0, killed=interrupt.signal if interrupt.signal not in CLEAN_SIGNALS else 0)
            raise
        except GeneratorExit:
            self._ended(unit, process, 0, killed=SIGKILL)
            raise
        self._ended(unit, process, status)
        return status

    def _ended(self, unit: Unit, process: Process, status: int, *, killed: int = 0) -> None:
        state = self.state(unit.name)
        if state.process is not process:
            return
        state.status = killed or status
        state.killed = bool(killed)
        service = f"{unit.name}.service"
        full = f"{service} - {unit.description}"
        if killed or status:
            exited = f"code=exited, status={status}/{exit_word(status)}"
            how = f"code=killed, status={killed}/KILL" if killed else exited
            self.log("systemd", f"{service}: Main process exited, {how}", 1)
            self.log("systemd", f"{service}: Failed with result '{'signal' if killed else 'exit-code'}'.", 1)
            state.active, state.process = "failed", None
            if unit.oneshot:
                self.log("systemd", f"Failed to start {full}.", 1)
        elif unit.oneshot:
            state.active = "active"
            self.log("systemd", f"Finished {full}.", 1)
        else:
            state.active, state.process = "inactive", None
            self.log("systemd", f"{service}: Deactivated successfully.", 1)
        state.ended_ns = self._node.now
        state.changed.fire()

    def stop(self, name: str) -> Process | None:
        """Stop a unit. Returns the process that undoes a oneshot unit, to wait for."""
        state = self.state(name)
        process, state.process = state.process, None
        was_active = state.active in ("active", "activating")
        unit = self.catalogue[name]
        full = f"{name}.service - {unit.description}"
        state.active = "inactive"
        state.status = 0
        state.ended_ns = self._node.now
        if was_active:
            self.log("systemd", f"Stopping {full}...", 1)
        if process is not None and process.running:
            process.kill(SIGTERM)
            if process.running:
                process.kill(SIGKILL)
        undo = None
        if was_active and unit.oneshot and unit.stop is not None:
            undo = Process(self._node, [name], stdout=_JournalWriter(self, name, name), directory="/")
            self._node.processes.start(undo, unit.stop)
        if was_active:
            self.log("systemd", f"{name}.service: Deactivated successfully.", 1)
            self.log("systemd", f"Stopped {full}.", 1)
        state.changed.fire()
        return undo

    def can_reload(self, name: str) -> bool:
        """True where `systemctl reload` applies."""
        return self.catalogue[name].reload is not None or self.catalogue[name].hangup_reloads

    def run_reload(self, name: str) -> Process | None:
        """Make a running unit read its configuration again; returns the process to wait for, if there is one."""
        unit = self.catalogue[name]
        full = f"{name}.service - {unit.description}"
        self.log("systemd", f"Reloading {full}...", 1)
        if unit.reload is None:
            main = self.state(name).process
            if main is not None and unit.hangup_reloads:
                main.kill(SIGHUP)
            self.log("systemd", f"Reloaded {full}.", 1)
            return None
        process = Process(self._node, [name], stdout=_JournalWriter(self, name, name), directory="/")
        self._node.processes.start(process, unit.reload)
        self.log("systemd", f"Reloaded {full}.", 1)
        return process

    def keep(self, name: str) -> None:
        """Remember a unit as installed when the file that proved it goes away."""
        self.state(name)

    def forget(self) -> None:
        """What a reboot does: nothing runs any more. The journal of the boot before is kept."""
        self._states.clear()

    def stale(self) -> frozenset[str]:
        """Running units whose configuration file is another than when they started."""
        return frozenset(
            name
            for name, state in self._states.items()
            if state.active == "active"
            and (config := self.catalogue[name].config)
            and self._node.files.get(config) != state.read
        )

    def snapshot(self) -> dict[str, str]:
        """Unit and its state, for observers."""
        return {name: self.state(name).active for name in self.installed()}
