"""heartbeat: a client that connects to something again and again and logs how that went.

Its file, /etc/heartbeat.conf, has three lines: `target=HOST`, `port=N`, `interval=SECONDS`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from labs.net.process import Process, Routine, Wait
from labs.net.sockets import SocketError, connect
from labs.shell.resolver import ResolveError, resolve

__all__ = ["CONFIG", "REMIND", "Settings", "heartbeat", "read_settings"]

CONFIG = "/etc/heartbeat.conf"
SECOND = 1_000_000_000
TIMEOUT_NS = 5 * SECOND
REMIND = 10  # an unchanged result is logged again after this many tries


class Settings(NamedTuple):
    """What the file says."""

    target: str
    port: int
    interval_s: int


def read_settings(text: str) -> Settings | str:
    """The settings, or what is wrong with the file."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.partition("#")[0].strip()
        key, equals, value = (part.strip() for part in bare.partition("="))
        if not bare:
            continue
        if not equals or key not in ("target", "port", "interval"):
            return f'{CONFIG}:{number}: "{bare}" is not one of target=, port=, interval='
        found[key] = value
    for key in ("target", "port", "interval"):
        if not found.get(key):
            return f"{CONFIG}: {key}= is missing"
    for key, highest in (("port", 65535), ("interval", 86_400)):
        if not found[key].isdecimal() or not 0 < int(found[key]) <= highest:
            return f"{CONFIG}: {key}={found[key]} is not a number from 1 to {highest}"
    return Settings(found["target"], int(found["port"]), int(found["interval"]))


def _beat(process: Process, settings: Settings) -> Generator[Wait, None, str]:
    """Connect once; how it went."""
    try:
        address = yield from resolve(process, settings.target)
        connection = yield from connect(process, address, settings.port, timeout_ns=TIMEOUT_NS)
    except (ResolveError, SocketError) as error:
        return f"failed: {error}"
    connection.close(process.node.now)
    return "ok"


def heartbeat(process: Process) -> Routine:
    """The daemon."""
    settings = read_settings(process.node.files.get(CONFIG))
    if isinstance(settings, str):
        process.print(settings)
        return 1
    before, same = "", 0
    while True:
        began = process.node.now
        result = yield from _beat(process, settings)
        process.cleanup.clear()  # what was opened for this beat is closed
        same = same + 1 if result == before else 0
        if same % REMIND == 0:
            process.print(f"{settings.target}:{settings.port} {result}")
        before = result
        yield Wait(until=began + settings.interval_s * SECOND)
