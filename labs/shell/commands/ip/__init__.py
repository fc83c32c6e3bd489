"""`ip`, after iproute2: addresses, links, routes and neighbours of a simulated device."""

from __future__ import annotations

from labs.net.process import Program
from labs.shell.commands.ip.program import ip

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Program] = {"ip": ip}
