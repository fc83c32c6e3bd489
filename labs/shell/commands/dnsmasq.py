"""dnsmasq at a prompt: `dnsmasq --test` reads the configuration; the service itself belongs to systemctl."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine
from labs.shell.daemons.dnsmasq import dnsmasq as daemon

__all__ = ["COMMANDS"]


def dnsmasq(process: Process) -> Routine | int:
    """The program."""
    words = process.argv[1:]
    if words in (["-v"], ["--version"]):
        process.print("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley")
        return 0
    if "--test" not in words:
        process.error('dnsmasq: at a prompt only "dnsmasq --test" is simulated here; see systemctl start dnsmasq')
        return 1
    return daemon(process)


COMMANDS: dict[str, Program] = {"dnsmasq": dnsmasq}
