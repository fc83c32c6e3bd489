"""What a kernel waits for in its own time, made shorter where nobody is there to wait.

A port of a spanning tree listens and learns for twice the forward delay. Who is to block does not depend on that delay,
as long as it is longer than a hello takes; so it is short while a lab starts and where nobody but a judge is there.

Who asks for a neighbour that is not there knows after three questions, a second each (arp(7)). While the clocks of the
site are put forward that second is a moment: things that try every minute would cost hours.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from glob import glob

__all__ = ["QUICK_DELAY", "Questions", "hasten", "unhasten"]

DELAY, QUICK_DELAY = 1500, 300  # hundredths of a second: the kernel's own (br_stp_if.c), and more than a hello of 2 s
RETRY = "/proc/sys/net/ipv4/neigh/*/retrans_time_ms"
QUICK_RETRY = "15"  # ms; three of them are less than the patience of a program (things/patience.py)


def hasten() -> None:
    """Shorten the forward delay of every bridge that has the kernel's own."""
    _change_delays(DELAY, QUICK_DELAY)


def unhasten() -> None:
    """The kernel's own again, where it was shortened."""
    _change_delays(QUICK_DELAY, DELAY)


def _change_delays(before: int, after: int) -> None:
    for name in os.listdir("/sys/class/net"):
        if _read(f"/sys/class/net/{name}/bridge/forward_delay") == str(before):
            subprocess.run(
                ["/usr/sbin/ip", "link", "set", name, "type", "bridge", "forward_delay", str(after)],
                check=False, capture_output=True,
            )  # fmt: skip


class Questions:
    """How long the device waits before it asks for a neighbour again."""

    def __init__(self) -> None:
        self._before: dict[str, str] = {}

    def quicken(self) -> None:
        """Make it a moment."""
        self._before = {path: _read(path) for path in glob(RETRY)}
        for path in self._before:
            _write(path, QUICK_RETRY)

    def restore(self) -> None:
        """As it was."""
        for path, value in self._before.items():
            _write(path, value)
        self._before = {}


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read().strip()
    return ""


def _write(path: str, value: str) -> None:
    with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
        file.write(value)
