"""How systemd words the state of a unit: `systemctl status`, `systemctl cat`, and lines of the journal."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from labs.net.linux.units import exit_word
from labs.net.strftime import clock_text

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.units import JournalLine, Unit, UnitState

__all__ = ["ago", "journal_line", "status_block", "sub_state", "unit_file", "unit_path"]

SECOND = 1_000_000_000
TAIL = 10
DOTS = {"active": "●", "activating": "●", "failed": "×", "inactive": "○"}


def unit_path(name: str) -> str:
    """Where Debian's packages put unit files."""
    return f"/lib/systemd/system/{name}.service"


def unit_file(unit: Unit) -> str:
    """The unit file, as far as it says something here."""
    lines = ["[Unit]", f"Description={unit.description}"]
    lines += ["" if unit.name == "networking" else "After=network.target"]
    lines += [] if lines[-1] == "" else [""]
    lines += ["[Service]", f"Type={'oneshot' if unit.oneshot else 'simple'}", f"ExecStart={unit.command}"]
    lines += ["RemainAfterExit=yes"] if unit.oneshot else []
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def moment(node: LinuxNode, at_ns: int, form: str) -> str:
    """A simulated time as this device's clock shows it, in a format of strftime(3)."""
    return clock_text(node.world.wall_clock(at_ns + node.clock_offset_ns), form)


def ago(duration_ns: int) -> str:
    """A span in systemd's words, the two largest units: `1min 3s`, `2h 5min`, `2 days`."""
    seconds = max(0, duration_ns) // SECOND
    if seconds < 1:
        return f"{max(0, duration_ns) // 1_000_000}ms"
    if seconds >= 2 * 86400:
        return f"{seconds // 86400} days"
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    parts = [(days, " day"), (hours, "h"), (minutes, "min"), (secs, "s")]
    shown = [f"{value}{name}" for value, name in parts if value]
    return " ".join(shown[:2])


def sub_state(unit: Unit, state: UnitState) -> str:
    """The second word: running, exited, dead, failed, start."""
    if state.active == "active":
        return "exited" if unit.oneshot else "running"
    return {"inactive": "dead", "activating": "start"}.get(state.active, state.active)


def journal_line(node: LinuxNode, line: JournalLine) -> str:
    """The short format of journalctl."""
    who = f"{line.identifier}[{line.pid}]" if line.pid else line.identifier
    return f"{moment(node, line.at_ns, '%b %d %H:%M:%S')} {node.hostname} {who}: {line.text}"


def concerns(line: JournalLine, unit: str) -> bool:
    """True for lines of a unit and of systemd about it."""
    return line.unit == unit or (line.unit == "systemd" and f"{unit}.service" in line.text)


def status_block(node: LinuxNode, unit: Unit, state: UnitState, *, lines: int = TAIL) -> list[str]:
    """What `systemctl status` prints, without what is not simulated (tasks, memory, processor time)."""
    enabled = "enabled" if node.units.enabled(unit.name) else "disabled"
    since = state.since_ns if state.active in ("active", "activating") else state.ended_ns
    active = f"{state.active} ({sub_state(unit, state)})"
    if state.active == "failed":
        active = f"failed (Result: {'signal' if state.killed else 'exit-code'})"
    if state.pid:
        active += f" since {moment(node, since, '%a %F %T')} UTC; {ago(node.now - since)} ago"
    block = [
        f"{DOTS[state.active]} {unit.name}.service - {unit.description}",
        f"     Loaded: loaded ({unit_path(unit.name)}; {enabled}; preset: enabled)",
        f"     Active: {active}",
    ]
    if state.pid:
        block += _processes(unit, state)
    tail = [journal_line(node, line) for line in node.units.journal if concerns(line, unit.name)]
    if tail and lines:
        block += ["", *tail[-lines:]]
    return block


def _processes(unit: Unit, state: UnitState) -> list[str]:
    program = posixpath.basename(unit.command.split()[0]) if unit.command else unit.name
    if state.process is not None and state.process.running:
        block = [f"   Main PID: {state.pid} ({program})"]
        return [*block, f"     CGroup: /system.slice/{unit.name}.service", f"             └─{state.pid} {unit.command}"]
    word = "SUCCESS" if state.status == 0 else exit_word(state.status)
    how = f"code=exited, status={state.status}/{word}"
    if state.killed:
        how = "code=killed, signal=KILL"
    return [f"    Process: {state.pid} ExecStart={unit.command} ({how})", f"   Main PID: {state.pid} ({how})"]
