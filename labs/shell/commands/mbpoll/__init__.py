"""mbpoll 1.0: a Modbus master on the command line, over TCP and over a serial bus."""

from labs.net.process import Program
from labs.shell.commands.mbpoll.program import mbpoll

__all__ = ["COMMANDS"]

COMMANDS: dict[str, Program] = {"mbpoll": mbpoll}
