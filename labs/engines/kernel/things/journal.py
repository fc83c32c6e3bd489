"""What a forked program says, and what it hears of the world."""

from __future__ import annotations

import contextlib
import json
import os

from labs.engines.kernel.device.machine import Machine
from labs.model.world import Act

__all__ = ["hear", "reason", "say"]


def say(*lines: str) -> None:
    """Print for the journal."""
    for line in lines:
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())


def hear(machine: Machine) -> None:
    """Take over what was done to the world and to the wiring since the last time."""
    with contextlib.suppress(BlockingIOError):
        for line in os.read(0, 1 << 16).splitlines():
            news = json.loads(line) if line else {}
            if isinstance(news, list):
                machine.world.happen(Act(*news[:6]))
            elif news:
                machine.hear(news)


def reason(error: OSError) -> str:
    """An error as a person reads it."""
    return "Connection timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
