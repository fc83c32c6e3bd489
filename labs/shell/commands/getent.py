"""`getent hosts`: looks a name up the way every program of the device does."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine
from labs.shell.commandline import begin
from labs.shell.resolver import ResolveError, resolve

__all__ = ["COMMANDS"]

USAGE = "Usage: getent hosts NAME..."
NOT_FOUND = 2  # getent(1), EXIT STATUS


def getent(process: Process) -> Routine:
    """Print the address of each name."""
    begun = begin(process, "", usage=USAGE)
    if isinstance(begun, int):
        return begun
    database, *names = begun[1] or [""]
    if database not in ("hosts", "ahosts", "ahostsv4") or not names:
        process.error(f'getent: "{database}" is not simulated here; simulated is: getent hosts NAME')
        return 1
    status = 0
    for name in names:
        try:
            address = yield from resolve(process, name)
        except ResolveError:
            status = NOT_FOUND
            continue
        process.print(f"{address!s:<15} {name}")
    return status


COMMANDS: dict[str, Program] = {"getent": getent}
