"""radvd at a prompt: `radvd -c` reads the configuration; the service itself belongs to systemctl."""

from __future__ import annotations

from labs.net.process import Process, Program, Routine
from labs.shell.daemons.radvd import radvd as daemon

__all__ = ["COMMANDS"]


def radvd(process: Process) -> Routine | int:
    """The program."""
    words = process.argv[1:]
    if words in (["-v"], ["--version"]):
        process.print("Version: 2.19")
        return 0
    if not {"-c", "--configtest"} & set(words):
        process.error('radvd: at a prompt only "radvd -c" is simulated here; see systemctl start radvd')
        return 1
    return daemon(process)


COMMANDS: dict[str, Program] = {"radvd": radvd}
