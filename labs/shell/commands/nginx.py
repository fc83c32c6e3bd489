"""The nginx command: test the configuration, reload."""

from __future__ import annotations

from labs.shell.daemons.nginx import COMMANDS

__all__ = ["COMMANDS"]
