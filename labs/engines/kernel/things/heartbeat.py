"""The heartbeat of a device: a connection to somewhere again and again, and how it went."""

from __future__ import annotations

import random
import select
import socket
import time

from labs.engines.kernel.device.machine import Machine
from labs.engines.kernel.things.journal import hear, reason, say
from labs.shell.daemons.heartbeat import CONFIG, REMIND, Settings, read_settings

__all__ = ["heartbeat"]

HEARTBEAT_TIMEOUT_S = 5.0
TICK_S = 0.3


def heartbeat(machine: Machine) -> int:
    """Connect to something again and again and tell how that went."""
    settings = read_settings(machine.files.get(CONFIG))
    if isinstance(settings, str):
        say(settings)
        return 1
    before, same = "", 0
    while True:
        began = time.monotonic()
        result = _beat(settings)
        same = same + 1 if result == before else 0
        if same % REMIND == 0:
            say(f"{settings.target}:{settings.port} {result}")
        before = result
        if select.select([0], [], [], max(0.0, settings.interval_s - (time.monotonic() - began)))[0]:
            hear(machine)  # time passed without passing: a beat somewhere in it
            time.sleep(random.uniform(0.0, TICK_S))  # noqa: S311 - no secret


def _beat(settings: Settings) -> str:
    try:
        address = socket.gethostbyname(settings.target)
        socket.create_connection((address, settings.port), HEARTBEAT_TIMEOUT_S).close()
    except OSError as error:
        return f"failed: {reason(error)}"
    return "ok"
