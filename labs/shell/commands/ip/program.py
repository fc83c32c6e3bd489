"""The `ip` command: options, objects and their abbreviations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labs.shell.commands.ip.address import address_command
from labs.shell.commands.ip.link import link_command
from labs.shell.commands.ip.maddress import maddress_command
from labs.shell.commands.ip.neigh import neigh_command
from labs.shell.commands.ip.output import Style
from labs.shell.commands.ip.route import route_command
from labs.shell.commands.ip.rule import netns_command, rule_command
from labs.shell.commands.ip.tunnel import tunnel_command
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, refused

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["ip"]

Command = Callable[["Process", Style, Words], int]
# In the order in which iproute2 looks them up, which decides what an abbreviation means (ip.c: cmds)
OBJECTS: tuple[tuple[str, Command | None], ...] = (
    ("address", address_command),
    ("addrlabel", None),
    ("maddress", maddress_command),
    ("route", route_command),
    ("rule", rule_command),
    ("neighbor", neigh_command),
    ("neighbour", neigh_command),
    ("ntable", None),
    ("ntbl", None),
    ("link", link_command),
    ("l2tp", None),
    ("fou", None),
    ("ila", None),
    ("macsec", None),
    ("tunnel", tunnel_command),
    ("tunl", tunnel_command),
    ("tuntap", None),
    ("tap", None),
    ("token", None),
    ("tcpmetrics", None),
    ("tcp_metrics", None),
    ("monitor", None),
    ("xfrm", None),
    ("mroute", None),
    ("mrule", None),
    ("netns", netns_command),
    ("netconf", None),
    ("vrf", None),
    ("sr", None),
    ("nexthop", None),
    ("mptcp", None),
    ("ioam", None),
    ("stats", None),
)
USAGE = (
    "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }",
    "where  OBJECT := { address | link | maddress | neighbour | route | rule | tunnel }",
    "       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -j[son] | -p[retty] |",
    "                    -4 | -6 | -br[ief] | -o[neline] | -c[olor]}",
)
FAMILIES = ("inet", "inet6", "mpls", "bridge", "link")
FLAGS = ("loops", "family", "stats", "statistics", "details", "resolve", "oneline", "timestamp", "tshort", "brief")
UNKNOWN_OPTION = 'Option "{}" is unknown, try "ip -help".'


def ip(process: Process) -> int:
    """Show and change addresses, links, routes and neighbours."""
    try:
        return _run(process)
    except IpError as error:
        process.error(*error.lines)
        return error.status


def _run(process: Process) -> int:
    words = Words(process.argv[1:])
    style = Style()
    while words.more and words.word.startswith("-") and words.word != "-":
        option = words.take()
        if option == "--":
            break
        status = _option(process, style, words, option)
        if status is not None:
            return status
    if style.brief and style.details:
        style.details = 0
    if not words.more:
        return _usage(process)
    name = words.take()
    if name == "help":
        return _usage(process)
    for full, command in OBJECTS:
        if matches(name, full):
            if command is None:
                raise refused(full)
            return command(process, style, words)
    message = f'Object "{name}" is unknown, try "ip help".'
    raise IpError(message)


def _usage(process: Process) -> int:
    process.error(*USAGE)
    return EXIT_USAGE


def _option(process: Process, style: Style, words: Words, option: str) -> int | None:
    """Apply one option, in iproute2's order of comparison; a number ends the program."""
    word = option[1:] if option.startswith("--") else option
    if matches(word, "-loops"):
        words.value()
    elif matches(word, "-family"):
        style.family = words.value()
        if style.family not in FAMILIES:
            raise IpError(f'Error: argument "{style.family}" is wrong: invalid protocol family', "", status=EXIT_USAGE)
    elif word in ("-4", "-6", "-0", "-B", "-M"):
        style.family = {"4": "inet", "6": "inet6", "0": "link", "B": "bridge", "M": "mpls"}[word[1]]
    elif matches(word, "-statistics") or matches(word, "-stats"):
        style.statistics += 1
    elif matches(word, "-details"):
        style.details += 1
    elif matches(word, "-oneline"):
        style.oneline = True
    elif matches(word, "-brief") and len(word) > 2:
        style.brief = True
    elif matches(word, "-json"):
        style.json = True
    elif matches(word, "-pretty"):
        style.pretty = True
    elif word.startswith("-c") and matches(word.partition("=")[0], "-color"):
        pass
    elif matches(word, "-Version"):
        process.print("ip utility, iproute2-6.1.0, libbpf 1.1.2")
        return 0
    elif matches(word, "-help"):
        return _usage(process)
    elif (
        matches(word, "-netns")
        or matches(word, "-batch")
        or word in ("-a", "-all", "-t", "-ts", "-timestamp", "-tshort")
    ):
        raise refused(option)
    elif not (matches(word, "-resolve") or matches(word, "-human-readable") or word in ("-iec", "-N", "-Numeric")):
        raise IpError(UNKNOWN_OPTION.format(option), status=EXIT_USAGE)
    return None
