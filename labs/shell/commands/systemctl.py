"""`systemctl`: services of the device. Texts and exit statuses are those of systemd 252."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.linux.units import WANTS, enabled_path
from labs.net.process import Wait
from labs.shell.options import UsageError, parse_options
from labs.shell.unit_text import status_block, sub_state, unit_file, unit_path

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process, Program, Routine

__all__ = ["COMMANDS", "systemctl"]

SHORT = "aln:qt:p:fHM:rhs:o:"
LONG = ["all", "full", "lines=", "quiet", "type=", "no-pager", "no-legend", "now", "failed", "state=", "force", "help",
        "version", "plain", "no-block", "no-ask-password", "system", "property=", "value", "output="]  # fmt: skip
PATIENCE_NS = 90_000_000_000  # DefaultTimeoutStartSec
NOT_SIMULATED = frozenset(
    "mask unmask edit show list-timers list-sockets list-dependencies list-jobs kill isolate poweroff"
    " halt suspend hibernate get-default set-default set-property revert link preset reenable"
    " show-environment rescue emergency".split()
)
LEGEND = (
    "LOAD   = Reflects whether the unit definition was properly loaded.",
    "ACTIVE = The high-level unit activation state, i.e. generalization of SUB.",
    "SUB    = The low-level unit activation state, values depend on unit type.",
)
Verb = Callable[["Process", "set[str]", list[str]], "int | Routine"]
Step = Generator[Wait, None, int]


def systemctl(process: Process) -> Routine:
    """Control services."""
    try:
        options, words = parse_options(process.argv[1:], SHORT, LONG)
    except UsageError as error:
        process.error(f"systemctl: {error}")
        return 1
    flags = {option for option, _ in options}
    if "--version" in flags:
        process.print("systemd 252 (252.38-1~deb12u1)")
        return 0
    if flags & {"-h", "--help"}:
        process.print("systemctl [OPTIONS...] COMMAND ...", "", "Query or send control commands to the system manager.")
        return 0
    verb = words[0] if words else "list-units"
    if verb in NOT_SIMULATED:
        process.error(f'systemctl: "{verb}" is not simulated here')
        return 1
    function = VERBS.get(verb)
    if function is None:
        process.error(f"Unknown command verb {verb}.")
        return 1
    if verb in NEED_UNIT and len(words) < 2:
        process.error("Too few arguments.")
        return 1
    for option, value in options:
        flags.add(f"{option}={value}") if value else None
    result = function(process, flags, words[1:])
    return result if isinstance(result, int) else (yield from result)


def bare(word: str) -> str:
    """The name without `.service`."""
    return word.removesuffix(".service")


def full(word: str) -> str:
    """The name with its suffix; `.service` is understood."""
    return word if "." in word else f"{word}.service"


# Start and stop


def _wait(node: LinuxNode, process: Process | None) -> Generator[Wait, None, None]:
    until = node.now + PATIENCE_NS
    while process is not None and process.running and node.now < until:
        yield Wait((process.exited,), until)


def _start_one(process: Process, name: str) -> Step:
    node = process.node
    yield from _wait(node, node.units.start(name))
    yield from _wait(node, node.units.upcoming(name))
    state = node.units.state(name)
    if state.active != "failed":
        return 0
    cause = (
        "a fatal signal was delivered to the control process"
        if state.killed
        else "the control process exited with error code"
    )
    process.error(
        f"Job for {name}.service failed because {cause}.",
        f'See "systemctl status {name}.service" and "journalctl -xeu {name}.service" for details.',
    )
    return 1


def _each(process: Process, verb: str, words: list[str], action: Callable[[Process, str], Step]) -> Routine:
    status = 0
    for word in words:
        if not process.node.units.known(bare(word)) or full(word) != f"{bare(word)}.service":
            how = "loaded" if verb == "stop" else "found"
            process.error(f"Failed to {verb} {full(word)}: Unit {full(word)} not {how}.")
            status = 5
            continue
        status = (yield from action(process, bare(word))) or status
    return status


def _start(process: Process, _flags: set[str], words: list[str]) -> Routine:
    return (yield from _each(process, "start", words, _start_one))


def _stop_one(process: Process, name: str) -> Step:
    yield from _wait(process.node, process.node.units.stop(name))
    return 0


def _stop(process: Process, _flags: set[str], words: list[str]) -> Routine:
    return (yield from _each(process, "stop", words, _stop_one))


def _restart_one(process: Process, name: str) -> Step:
    yield from _stop_one(process, name)
    return (yield from _start_one(process, name))


def _restart(process: Process, _flags: set[str], words: list[str]) -> Routine:
    return (yield from _each(process, "restart", words, _restart_one))


def _try_restart(process: Process, _flags: set[str], words: list[str]) -> Routine:
    running = [word for word in words if process.node.units.state(bare(word)).active == "active"]
    return (yield from _each(process, "try-restart", running, _restart_one))


def _reload_one(process: Process, name: str) -> Step:
    units = process.node.units
    state = units.state(name)
    if state.active != "active":
        process.error(f"{name}.service is not active, cannot reload.")
        return 1
    if units.can_reload(name):
        reloader = units.run_reload(name)
        yield from _wait(process.node, reloader)
        if reloader is not None and reloader.status:
            process.error(
                f"Job for {name}.service failed because the control process exited with error code.",
                f'See "systemctl status {name}.service" and "journalctl -xeu {name}.service" for details.',
            )
            return 1
        return 0
    process.error(
        f"Failed to reload {name}.service: Job type reload is not applicable for unit {name}.service.",
        f"See system logs and 'systemctl status {name}.service' for details.",
    )
    return 1


def _reload(process: Process, _flags: set[str], words: list[str]) -> Routine:
    return (yield from _each(process, "reload", words, _reload_one))


def _reload_or_restart(process: Process, _flags: set[str], words: list[str]) -> Routine:
    def either(process: Process, name: str) -> Step:
        units = process.node.units
        reloads = units.can_reload(name) and units.state(name).active == "active"
        return (yield from (_reload_one if reloads else _restart_one)(process, name))

    return (yield from _each(process, "reload-or-restart", words, either))


# At boot


def _enable(process: Process, flags: set[str], words: list[str]) -> Routine:
    node = process.node
    for word in words:
        name = bare(word)
        if not node.units.known(name):
            process.error(f"Failed to enable unit: Unit file {full(word)} does not exist.")
            return 1
        if not node.units.enabled(name):
            _make_directories(node, WANTS.rstrip("/"))
            node.files.write(enabled_path(name), unit_file(node.units.catalogue[name]))
            process.error(f"Created symlink {enabled_path(name)} → {unit_path(name)}.")
    if "--now" in flags:
        return (yield from _start(process, flags, words))
    return 0


def _make_directories(node: LinuxNode, path: str) -> None:
    parts = path.strip("/").split("/")
    for end in range(1, len(parts) + 1):
        folder = "/" + "/".join(parts[:end])
        if not node.files.is_directory(folder):
            node.files.make_directory(folder)


def _disable(process: Process, flags: set[str], words: list[str]) -> Routine:
    node = process.node
    for word in words:
        name = bare(word)
        if not node.units.known(name):
            process.error(f"Failed to disable unit: Unit file {full(word)} does not exist.")
            return 1
        if node.units.enabled(name):
            node.units.keep(name)
            node.files.remove(enabled_path(name))
            process.error(f'Removed "{enabled_path(name)}".')
    if "--now" in flags:
        return (yield from _stop(process, flags, words))
    return 0


# Questions


def _status(process: Process, flags: set[str], words: list[str]) -> int:
    units = process.node.units
    if not words:
        process.error('systemctl: "status" without a unit is not simulated here')
        return 1
    status = 0
    lines = next((flag.partition("=")[2] for flag in flags if flag.startswith(("-n=", "--lines="))), "10")
    for index, word in enumerate(words):
        name = bare(word)
        if not units.known(name):
            process.error(f"Unit {full(word)} could not be found.")
            status = 4
            continue
        state = units.state(name)
        count = int(lines) if lines.isdecimal() else 10
        process.print(*([""] if index else []), *status_block(process.node, units.catalogue[name], state, lines=count))
        if state.active in ("inactive", "failed"):
            status = 3
    return status


def _is_active(process: Process, flags: set[str], words: list[str]) -> int:
    states = [
        process.node.units.state(bare(w)).active if process.node.units.known(bare(w)) else "inactive" for w in words
    ]
    if not flags & {"-q", "--quiet"}:
        process.print(*states)
    return 0 if "active" in states else 3


def _is_failed(process: Process, flags: set[str], words: list[str]) -> int:
    states = [
        process.node.units.state(bare(w)).active if process.node.units.known(bare(w)) else "inactive" for w in words
    ]
    if not flags & {"-q", "--quiet"}:
        process.print(*states)
    return 0 if "failed" in states else 1


def _is_enabled(process: Process, flags: set[str], words: list[str]) -> int:
    status = 1
    for word in words:
        if not process.node.units.known(bare(word)):
            process.error(f"Failed to get unit file state for {full(word)}: No such file or directory")
            continue
        enabled = process.node.units.enabled(bare(word))
        status = 0 if enabled else status
        if not flags & {"-q", "--quiet"}:
            process.print("enabled" if enabled else "disabled")
    return status


def _list_units(process: Process, flags: set[str], words: list[str]) -> int:
    units = process.node.units
    shown_all = bool(flags & {"-a", "--all"})
    rows = []
    for name in units.installed():
        state = units.state(name)
        if words and not any(bare(word) == name for word in words):
            continue
        if "--failed" in flags and state.active != "failed":
            continue
        if state.active == "inactive" and not shown_all:
            continue
        dot = "●" if state.active == "failed" else " "
        unit = units.catalogue[name]
        rows.append((dot, f"{name}.service", "loaded", state.active, sub_state(unit, state), unit.description))
    legend = "--no-legend" not in flags
    if rows:
        head = ("UNIT", "LOAD", "ACTIVE", "SUB")
        widths = [max(len(head[i]), *(len(row[i + 1]) for row in rows)) for i in range(4)]
        if legend:
            process.print("  " + " ".join(f"{h:<{w}}" for h, w in zip(head, widths, strict=True)) + " DESCRIPTION")
        for row in rows:
            process.print(
                f"{row[0]} " + " ".join(f"{c:<{w}}" for c, w in zip(row[1:5], widths, strict=True)) + f" {row[5]}"
            )
    if legend:
        process.print(*([""] if rows else []), *(LEGEND if rows else ()))
        hint = (
            "" if shown_all or "--failed" in flags or not rows else " Pass --all to see loaded but inactive units, too."
        )
        process.print(*([""] if rows else []), f"{len(rows)} loaded units listed.{hint}")
        if rows and "--failed" not in flags:
            process.print("To show all installed unit files use 'systemctl list-unit-files'.")
    return 0


def _list_files(process: Process, _flags: set[str], _words: list[str]) -> int:
    units = process.node.units
    rows = [(f"{n}.service", "enabled" if units.enabled(n) else "disabled", "enabled") for n in units.installed()]
    widths = (
        [max(len(head), *(len(row[i]) for row in rows), 0) for i, head in enumerate(("UNIT FILE", "STATE"))]
        if rows
        else [9, 5]
    )
    process.print(f"{'UNIT FILE':<{widths[0]}} {'STATE':<{widths[1]}} PRESET")
    process.print(*[f"{row[0]:<{widths[0]}} {row[1]:<{widths[1]}} {row[2]}" for row in rows])
    process.print("", f"{len(rows)} unit files listed.")
    return 0


def _cat(process: Process, _flags: set[str], words: list[str]) -> int:
    status = 0
    for index, word in enumerate(words):
        name = bare(word)
        if not process.node.units.known(name):
            process.error(f"No files found for {full(word)}.")
            status = 1
            continue
        text = unit_file(process.node.units.catalogue[name])
        process.print(*([""] if index else []), f"# {unit_path(name)}", *text.rstrip("\n").split("\n"))
    return status


def _reset_failed(process: Process, _flags: set[str], words: list[str]) -> int:
    units = process.node.units
    status = 0
    for name in [bare(word) for word in words] or units.installed():
        if not units.known(name):
            process.error(f"Failed to reset failed state of unit {full(name)}: Unit {full(name)} not loaded.")
            status = 1
        elif units.state(name).active == "failed":
            units.state(name).active = "inactive"
    return status


def _nothing(_process: Process, _flags: set[str], _words: list[str]) -> int:
    return 0


def _reboot(process: Process, _flags: set[str], _words: list[str]) -> int:
    """The same as the command `reboot`."""
    from labs.shell.registry import command

    program = command("reboot")
    if program is None:
        process.error('systemctl: "reboot" is not simulated here')
        return 1
    process.argv = ["reboot"]
    try:
        result = program(process)
    except FileError as error:
        process.error(str(error))
        return 1
    return result  # type: ignore[return-value]  # the caller runs a routine as well


NEED_UNIT = frozenset(
    "start stop restart try-restart reload reload-or-restart enable disable is-active is-enabled is-failed cat".split()
)
VERBS: dict[str, Verb] = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "try-restart": _try_restart,
    "condrestart": _try_restart,
    "reload": _reload,
    "reload-or-restart": _reload_or_restart,
    "force-reload": _reload_or_restart,
    "enable": _enable,
    "disable": _disable,
    "status": _status,
    "is-active": _is_active,
    "is-failed": _is_failed,
    "is-enabled": _is_enabled,
    "list-units": _list_units,
    "list-unit-files": _list_files,
    "cat": _cat,
    "daemon-reload": _nothing,
    "daemon-reexec": _nothing,
    "reset-failed": _reset_failed,
    "reboot": _reboot,
}
COMMANDS: dict[str, Program] = {"systemctl": systemctl}
