"""Every service a device could run, by unit name."""

from __future__ import annotations

from collections.abc import Mapping

from labs.net.linux.units import Unit
from labs.net.process import Process, Routine
from labs.shell.bash import run_script
from labs.shell.commands.ifupdown import NETWORKING

__all__ = ["UNITS"]


def _load_ruleset(process: Process) -> Routine:
    return (yield from run_script(process, "nft -f /etc/nftables.conf"))


def _flush_ruleset(process: Process) -> Routine:
    return (yield from run_script(process, "nft flush ruleset"))


NFTABLES = Unit(
    "nftables",
    "nftables",
    _load_ruleset,
    "/usr/sbin/nft -f /etc/nftables.conf",
    config="/etc/nftables.conf",
    oneshot=True,
    stop=_flush_ruleset,
)
UNITS: Mapping[str, Unit] = {unit.name: unit for unit in (NETWORKING, NFTABLES)}
