"""awk (mawk 1.3.4, the awk of Debian): `lexer`, `parser`, `values`, `interpreter`; `program` is the command line."""

from labs.shell.commands.awk.program import COMMANDS

__all__ = ["COMMANDS"]
