"""timedatectl (systemd 252): clock, time zone, and whether something sets the clock."""

from __future__ import annotations

from labs.net.ntp import Leap
from labs.net.process import Process, Program
from labs.shell.daemons.chrony import running_chronyd
from labs.shell.options import UsageError, parse_options
from labs.shell.system_clock import ZONE_FILE, local_text, system_zone
from labs.things.timezone import ZONES, Zone, ZoneError, zone

__all__ = ["COMMANDS"]

HELP = """timedatectl [OPTIONS...] COMMAND ...

Query or change system time and date settings.

Commands:
  status                   Show current time settings
  show                     Show properties of systemd-timedated
  set-timezone ZONE        Set system time zone
  list-timezones           Show known time zones
"""
SAVED = "/etc/fake-hwclock.data"  # a board with this file has no clock that runs without power
ELSEWHERE = {
    "set-time": "use: date -s",
    "set-ntp": "use: systemctl enable --now chrony",
    "set-local-rtc": "",
    "timesync-status": "use: chronyc tracking",
    "show-timesync": "use: chronyc tracking",
}
FORM = "%a %Y-%m-%d %H:%M:%S"


def _synchronized(process: Process) -> bool:
    daemon = running_chronyd(process.node)
    return daemon is not None and daemon.leap is not Leap.UNKNOWN


def _service(process: Process) -> str:
    """`n/a` where nothing that sets clocks is installed."""
    units = process.node.units
    if not units.known("chrony"):
        return "n/a"
    return "active" if units.state("chrony").active == "active" else "inactive"


def _status(process: Process, where: Zone) -> None:
    now = process.node.wall_clock()
    battery = not process.node.files.is_file(SAVED)
    true = process.node.world.wall_clock(process.node.now)
    rows = (
        ("Local time", local_text(where, now, f"{FORM} %Z")),
        ("Universal time", local_text(zone("UTC"), now, f"{FORM} UTC")),
        ("RTC time", local_text(zone("UTC"), true, FORM) if battery else "n/a"),
        ("Time zone", f"{_name(process)} ({local_text(where, now, '%Z, %z')})"),
        ("System clock synchronized", "yes" if _synchronized(process) else "no"),
        ("NTP service", _service(process)),
        ("RTC in local TZ", "no"),
    )
    for label, value in rows:
        process.print(f"{label:>25}: {value}")


def _name(process: Process) -> str:
    return process.node.files.get(ZONE_FILE, "").strip() or "Etc/UTC"


def _show(process: Process) -> None:
    now = process.node.wall_clock()
    stamp = local_text(system_zone(process.node), now, f"{FORM} %Z")
    known = _service(process)
    process.print(
        f"Timezone={_name(process)}",
        "LocalRTC=no",
        f"CanNTP={'no' if known == 'n/a' else 'yes'}",
        f"NTP={'yes' if known == 'active' else 'no'}",
        f"NTPSynchronized={'yes' if _synchronized(process) else 'no'}",
        f"TimeUSec={stamp}",
    )


def timedatectl(process: Process) -> int:
    """Show the clock, or set the zone."""
    try:
        options, words = parse_options(process.argv[1:], "h", ["help", "version", "no-pager", "no-ask-password"])
    except UsageError as error:
        process.error(f"timedatectl: {error}")
        return 1
    chosen = {option for option, _ in options}
    if chosen & {"-h", "--help"}:
        process.print(HELP)
        return 0
    if "--version" in chosen:
        process.print("systemd 252 (252.38-1~deb12u1)")
        return 0
    verb, *rest = words or ["status"]
    if verb in ELSEWHERE:
        advice = f"; {ELSEWHERE[verb]}" if ELSEWHERE[verb] else ""
        process.error(f'timedatectl: "{verb}" is not simulated here{advice}')
        return 1
    if verb not in ("status", "show", "set-timezone", "list-timezones"):
        process.error(f"Unknown command verb {verb}.")
        return 1
    if len(rest) > (verb == "set-timezone"):
        process.error("Too many arguments.")
        return 1
    if verb == "list-timezones":
        process.print(*sorted(ZONES))
    elif verb == "show":
        _show(process)
    elif verb == "status":
        _status(process, system_zone(process.node))
    else:
        return _set_zone(process, rest)
    return 0


def _set_zone(process: Process, words: list[str]) -> int:
    if not words:
        process.error("Too few arguments.")
        return 1
    try:
        zone(words[0])
    except ZoneError:
        known = False
    else:
        known = words[0] in ZONES
    if not known:
        process.error(f"Failed to set time zone: Invalid or not installed time zone '{words[0]}'")
        return 1
    process.node.files.write(ZONE_FILE, f"{words[0]}\n")
    return 0


COMMANDS: dict[str, Program] = {"timedatectl": timedatectl}
