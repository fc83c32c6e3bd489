"""`service NAME ACTION`: the older word for systemctl, with the two the other way round."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine
from labs.shell.commandline import fail
from labs.shell.commands.systemctl import systemctl

__all__ = ["COMMANDS"]

USAGE = "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]"
ACTIONS = ("start", "stop", "restart", "reload", "force-reload", "try-restart", "status")


def service(process: Process) -> Routine:
    """Start, stop or look at a service."""
    words = process.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        process.print(USAGE)
        return 0
    if words[0].startswith("-"):
        return fail(process, f'"{words[0]}" is not simulated here; use: systemctl list-units')
    if len(words) < 2:
        process.print(USAGE)
        return 0
    name, action = words[0], words[1]
    if action not in ACTIONS:
        return fail(process, f'"{action}" is not simulated here; use systemctl {action} {name}')
    process.argv = ["systemctl", "restart" if action == "force-reload" else action, name]
    return (yield from systemctl(process))


COMMANDS: dict[str, Program] = {"service": service}
