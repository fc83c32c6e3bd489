"""Local time of a device: its zone stands in /etc/timezone, as on Debian; without that file it lives in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.strftime import clock_text
from labs.things.timezone import Zone, ZoneError, local_time, zone

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.process import Process

__all__ = ["ZONE_FILE", "local_text", "offset_of", "process_zone", "system_zone"]

ZONE_FILE = "/etc/timezone"
UTC = zone("UTC")


def system_zone(node: LinuxNode) -> Zone:
    """The zone of the device; one that nobody knows counts as UTC, as with the C library."""
    try:
        return zone(node.files.get(ZONE_FILE, "UTC").strip() or "UTC")
    except ZoneError:
        return UTC


def process_zone(process: Process) -> Zone:
    """The zone of a program: the variable TZ comes before that of the device."""
    named = process.environment.get("TZ")
    if named is None:
        return system_zone(process.node)
    try:
        return zone(named.removeprefix(":") or "UTC")
    except ZoneError:
        return UTC


def offset_of(where: Zone, unix_s: float) -> tuple[int, str]:
    """Seconds east of Greenwich at a moment, and the abbreviation."""
    local, abbreviation = local_time(where, unix_s)
    return round((local - local_time(UTC, unix_s)[0]).total_seconds()), abbreviation


def local_text(where: Zone, unix_s: float, form: str) -> str:
    """A moment in a format of strftime(3), as a clock in the zone shows it."""
    offset_s, abbreviation = offset_of(where, unix_s)
    return clock_text(unix_s, form, offset_s=offset_s, zone=abbreviation)
