"""fake-hwclock: a board without a battery clock starts at the time that was last saved in /etc/fake-hwclock.data.

The line is in UTC, such as `2026-01-31 12:00:00`; stopping the service saves the clock, a power cut does not.
"""

from __future__ import annotations

from datetime import UTC, datetime

from labs.net.process import Process
from labs.shell.daemons.chrony import clock_ns

__all__ = ["load", "save"]

DATA = "/etc/fake-hwclock.data"
FORM = "%Y-%m-%d %H:%M:%S"
SECOND = 1_000_000_000
BOOT_NS = 60 * SECOND  # later than this the service was started by hand: only forward


def load(process: Process) -> int:
    """`fake-hwclock load`: the clock takes the time of the file, at boot in any case, later on only forward."""
    node = process.node
    text = node.files.get(DATA).strip()
    try:
        saved = round(datetime.strptime(text, FORM).replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        process.print(f"date: invalid date ‘{text}’")
        return 1
    ahead = saved - clock_ns(node)
    if ahead > 0 or node.now - node.booted_ns < BOOT_NS:
        node.clock_offset_ns += ahead
    else:
        process.print(f"Current system time: {datetime.fromtimestamp(node.wall_clock(), UTC):{FORM}}")
        process.print(f"fake-hwclock saved clock information is in the past: {text}")
        process.print('To set system time to this saved clock anyway, use "force"')
    return 0


def save(process: Process) -> int:
    """`fake-hwclock save`: the time of the clock goes into the file."""
    process.node.files.write(DATA, f"{datetime.fromtimestamp(process.node.wall_clock(), UTC):{FORM}}\n")
    return 0
