"""Which core works on the packets of a lab, so that a storm in it leaves something to everybody else.

Frames that go round for ever take every core on which the kernel receives them, and the more labs are judged side by
side, the more. Receive packet steering (Documentation/networking/scaling.rst of Linux) keeps those of all jacks on one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from labs.engines.kernel.sandbox import syscalls

__all__ = ["Cores"]


class Cores:
    """Steers packets. `folder` is where the sysfs of the lab's own network is mounted when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = os.cpu_count() or 1

    def spare(self, jacks: Iterable[str]) -> None:
        """Keep what comes in at these jacks on the last core. Where the kernel does not let us, nothing changes."""
        if self._count < 2:
            return
        with contextlib.suppress(OSError):
            if not self._folder.exists():
                self._folder.mkdir()
                safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
                syscalls.mount("sysfs", str(self._folder), "sysfs", safe)
        for jack in jacks:
            with contextlib.suppress(OSError):
                steering = self._folder / "class/net" / jack / "queues/rx-0/rps_cpus"
                steering.write_text(_mask(self._count - 1), encoding="ascii")


def _mask(core: int) -> str:
    """One core as the kernel writes sets of them: groups of eight digits."""
    text = f"{1 << core:x}"
    groups = [text[max(0, end - 8) : end] for end in range(len(text), 0, -8)]
    return ",".join(reversed(groups))
