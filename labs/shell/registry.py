"""Every command that a device knows, by name. To add one: write its module, add the module to `MODULES`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from labs.net.process import Program

__all__ = ["command", "command_names"]

MODULES = (
    "accounts",
    "arping",
    "awk",
    "bridge",
    "chronyc",
    "columns",
    "curl",
    "conntrack",
    "date",
    "dhclient",
    "diff",
    "dig",
    "digests",
    "dnsmasq",
    "ethtool",
    "files",
    "find",
    "getent",
    "grep",
    "help",
    "ifupdown",
    "ip",
    "journalctl",
    "ls",
    "mosquitto",
    "mtr",
    "nc",
    "nft",
    "nmap",
    "nginx",
    "openssl",
    "paths",
    "ping",
    "power",
    "processes",
    "sed",
    "sensorctl",
    "sort",
    "ss",
    "ssh",
    "sysctl",
    "system",
    "systemctl",
    "tcpdump",
    "telnet",
    "text",
    "traceroute",
    "why",
    "wget",
    "wrappers",
)


@cache
def _table() -> dict[str, Program]:
    """Loaded at the first command: a reader of scenarios needs none of it."""
    table: dict[str, Program] = {}
    for module in MODULES:
        if find_spec(f"labs.shell.commands.{module}") is None:  # being written
            continue
        table.update(import_module(f"labs.shell.commands.{module}").COMMANDS)
    return table


def command(name: str) -> Program | None:
    """The program of that name, or None."""
    return _table().get(name)


def command_names() -> list[str]:
    """Every name, sorted."""
    return sorted(_table())
