"""sed (GNU sed 4.9): `script` reads the commands, `editor` follows them, `program` is the command line."""

from labs.shell.commands.sed.program import COMMANDS

__all__ = ["COMMANDS"]
