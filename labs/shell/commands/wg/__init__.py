"""WireGuard's tools (wireguard-tools 1.0.20210914): `wg` in `program`, `wg-quick` in `quick`, files in `config`."""

from labs.shell.commands.wg.program import wg
from labs.shell.commands.wg.quick import wg_quick

__all__ = ["COMMANDS"]

COMMANDS = {"wg": wg, "wg-quick": wg_quick}
