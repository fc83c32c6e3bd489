"""nmap: which machines are there, and which of their ports are open. Read `options`, `discovery`, `ports`, `report`."""

from labs.shell.commands.nmap.program import COMMANDS

__all__ = ["COMMANDS"]
