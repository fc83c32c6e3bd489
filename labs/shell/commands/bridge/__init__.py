"""`bridge` (iproute2) and `brctl` (bridge-utils)."""

from __future__ import annotations

from labs.net.process import Program
from labs.shell.commands.bridge.brctl import brctl
from labs.shell.commands.bridge.program import bridge

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Program] = {"brctl": brctl, "bridge": bridge}
