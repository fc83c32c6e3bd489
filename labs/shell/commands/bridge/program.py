"""`bridge`, after iproute2: the ports of a bridge, their VLANs and the stations behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.shell.commands.bridge.fdb import fdb_command
from labs.shell.commands.bridge.link import link_command
from labs.shell.commands.bridge.vlan import vlan_command
from labs.shell.commands.ip.output import Style
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["bridge"]

USAGE = (
    "Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }",
    "where  OBJECT := { link | fdb | vlan }",
    "       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -o[neline] | -color -p[retty] -j[son] }",
)


def bridge(process: Process) -> int:
    """Show bridge ports and the filtering database."""
    try:
        return _bridge(process)
    except IpError as error:
        process.error(*error.lines)
        return error.status


def _bridge(process: Process) -> int:
    words = Words(process.argv[1:])
    style = Style()
    while words.more and words.word.startswith("-"):
        option = words.take()
        word = option[1:] if option.startswith("--") else option
        if matches(word, "-statistics") or matches(word, "-stats"):
            style.statistics += 1
        elif matches(word, "-details"):
            style.details += 1
        elif matches(word, "-oneline"):
            style.oneline = True
        elif matches(word, "-json"):
            style.json = True
        elif matches(word, "-pretty"):
            style.pretty = True
        elif matches(word, "-compressvlans"):
            style.compress = True
        elif matches(word, "-Version"):
            process.print("bridge utility, 6.1.0")
            return 0
        elif matches(word, "-help"):
            process.error(*USAGE)
            return EXIT_USAGE
        elif not matches(word, "-color"):
            raise IpError(f'Option "{option}" is unknown, try "bridge help".', status=EXIT_USAGE)
    if not words.more:
        process.error(*USAGE)
        return EXIT_USAGE
    name = words.take()
    for known, function in (("link", link_command), ("fdb", fdb_command), ("vlan", vlan_command)):
        if matches(name, known):
            return function(process, style, words)
    if matches(name, "mdb") and (not words.more or matches(words.word, "show")):
        return 0  # nobody joins a group here
    for other in ("mdb", "vni", "monitor"):
        if matches(name, other):
            raise IpError(f'bridge: "{other}" is not simulated here', status=EXIT_USAGE)
    if matches(name, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    raise IpError(f'Object "{name}" is unknown, try "bridge help".', status=EXIT_USAGE)
