"""`ip`, after iproute2: addresses, links, routes and neighbours of a simulated device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.process import Program

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["COMMANDS"]


def ip(process: Process) -> int:
    """The command. Others need a part of this package, and not the whole of it at once."""
    from labs.shell.commands.ip.program import ip as command

    return command(process)


COMMANDS: dict[str, Program] = {"ip": ip}
