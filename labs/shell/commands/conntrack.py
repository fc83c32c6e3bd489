"""conntrack: the connections that the firewall of this device remembers.

Before changing this file compare with the real tool: conntrack 1.4.7.
"""

from __future__ import annotations

from dataclasses import dataclass

from labs.model.addresses import IPv4
from labs.net.conntrack import Connection, Flow
from labs.net.ipv4 import PROTO_GRE, PROTO_ICMP, PROTO_TCP, PROTO_UDP
from labs.net.process import Process, Program

__all__ = ["COMMANDS"]

VERSION = "conntrack v1.4.7 (conntrack-tools)"
PROTOCOLS = {"tcp": PROTO_TCP, "udp": PROTO_UDP, "icmp": PROTO_ICMP, "gre": PROTO_GRE}
NAMES = {number: name for name, number in PROTOCOLS.items()}
SECOND = 1_000_000_000
COMMAND_WORDS = {
    "-L": "-L", "--dump": "-L", "-C": "-C", "--count": "-C", "-F": "-F", "--flush": "-F", "-D": "-D", "--delete": "-D",
    "-h": "-h", "--help": "-h", "-V": "-V", "--version": "-V",
}  # fmt: skip
ABSENT = {
    "-E": "following events", "--event": "following events", "-G": "fetching one entry", "-I": "creating entries",
    "-U": "updating entries", "-S": "statistics per processor",
}  # fmt: skip
ADDRESS_WORDS = {
    "-s": "source", "--src": "source", "--orig-src": "source", "-d": "destination", "--dst": "destination",
    "--orig-dst": "destination", "-r": "reply_source", "--reply-src": "reply_source", "-q": "reply_destination",
    "--reply-dst": "reply_destination",
}  # fmt: skip
PORT_WORDS = {"--sport": "sport", "--orig-port-src": "sport", "--dport": "dport", "--orig-port-dst": "dport"}
HELP = """Command line interface for the connection tracking system. Version 1.4.7
Usage: conntrack [commands] [options]

Here: -L, -C, -F, -D; with -p tcp|udp|icmp|gre, -s, -d, -r, -q ADDRESS, -n, -g, --sport, --dport, -o extended"""


class _Refusal(Exception):
    """A wrong word."""


@dataclass(slots=True)
class _Filter:
    """What an entry must be to count."""

    protocol: int = 0
    source: IPv4 | None = None
    destination: IPv4 | None = None
    reply_source: IPv4 | None = None
    reply_destination: IPv4 | None = None
    sport: int | None = None
    dport: int | None = None
    source_translated: bool = False
    destination_translated: bool = False
    extended: bool = False

    def holds(self, connection: Connection) -> bool:
        """True where an entry fits."""
        asked, answer = connection.original, connection.reply
        pairs: list[tuple[object, object]] = [
            (self.protocol or None, asked.proto),
            (self.source, asked.saddr),
            (self.destination, asked.daddr),
            (self.reply_source, answer.saddr),
            (self.reply_destination, answer.daddr),
            (self.sport, asked.sport),
            (self.dport, asked.dport),
        ]
        if self.source_translated and not connection.source_translated:
            return False
        if self.destination_translated and not connection.destination_translated:
            return False
        return all(wanted is None or wanted == found for wanted, found in pairs)


def _read(words: list[str]) -> tuple[str, _Filter]:
    command, wanted = "", _Filter()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ABSENT:
            message = f"{ABSENT[word]} is not simulated here"
            raise _Refusal(message)
        if word in COMMAND_WORDS:
            if command and command != COMMAND_WORDS[word]:
                raise _Refusal("Can't use -" + command[1] + " with -" + COMMAND_WORDS[word][1])
            command = COMMAND_WORDS[word]
        elif word in ("-n", "--src-nat", "-g", "--dst-nat"):
            wanted.source_translated |= word in ("-n", "--src-nat")
            wanted.destination_translated |= word in ("-g", "--dst-nat")
        elif word == "conntrack":
            continue
        elif word.startswith("-"):
            if not rest and word in {*ADDRESS_WORDS, *PORT_WORDS, "-p", "--proto", "-o", "--output"}:
                message = f"option `{word}' requires an argument"
                raise _Refusal(message)
            _option(wanted, word, rest)
        else:
            message = f"unknown argument `{word}'"
            raise _Refusal(message)
    return command, wanted


def _option(wanted: _Filter, word: str, rest: list[str]) -> None:
    if word in ("-p", "--proto", "--protonum"):
        value = rest.pop(0)
        if value not in PROTOCOLS:
            message = f"`{value}' unsupported protocol"
            raise _Refusal(message)
        wanted.protocol = PROTOCOLS[value]
    elif word in ADDRESS_WORDS:
        value = rest.pop(0)
        try:
            setattr(wanted, ADDRESS_WORDS[word], IPv4.parse(value))
        except ValueError:
            message = f"Invalid IP address `{value}'"
            raise _Refusal(message) from None
    elif word in PORT_WORDS and wanted.protocol in (PROTO_TCP, PROTO_UDP):
        value = rest.pop(0)
        if not value.isdecimal() or int(value) > 65535:
            message = f"invalid port `{value}'"
            raise _Refusal(message)
        setattr(wanted, PORT_WORDS[word], int(value))
    elif word in ("-o", "--output"):
        value = rest.pop(0)
        if value != "extended":
            message = f"output `{value}' is not simulated here"
            raise _Refusal(message)
        wanted.extended = True
    else:
        message = f"unknown option `{word}'"
        raise _Refusal(message)


def conntrack(process: Process) -> int:
    """The program."""
    node = process.node
    try:
        command, wanted = _read(process.argv[1:])
    except _Refusal as refusal:
        process.error(f"{VERSION}: {refusal}", "Try `conntrack -h' or 'conntrack --help' for more information.")
        return 2
    table = node.netfilter.conntrack
    if command in ("", "-h"):
        process.print(*HELP.split("\n"))
        return 0
    if command == "-V":
        process.print(VERSION)
        return 0
    if command == "-F":
        table.flush()
        process.error(f"{VERSION}: connection tracking table has been emptied.")
        return 0
    connections = table.connections(node.now)
    if command == "-C":
        process.print(str(len(connections)))
        return 0
    chosen = [connection for connection in connections if wanted.holds(connection)]
    for connection in chosen:
        process.print(_line(connection, node.now, extended=wanted.extended))
        if command == "-D":
            table.remove(connection)
    deleting = command == "-D"
    process.error(f"{VERSION}: {len(chosen)} flow entries have been {'deleted' if deleting else 'shown'}.")
    return int(deleting and not chosen)


def _line(connection: Connection, now: int, *, extended: bool) -> str:
    """One entry in the format of the kernel (ctnetlink, as the tool prints it)."""
    proto = connection.original.proto
    left = max(0, connection.expires_ns - now) // SECOND
    text = f"{NAMES.get(proto, 'unknown'):8} {proto} {left} "
    if proto == PROTO_TCP:
        text += f"{connection.tcp_state} "
    text += _tuple(connection.original) + " "
    if not connection.replied:
        text += "[UNREPLIED] "
    text += _tuple(connection.reply) + " "
    if connection.assured:
        text += "[ASSURED] "
    return f"{'ipv4     2 ' if extended else ''}{text}mark={connection.mark} use=1"


def _tuple(flow: Flow) -> str:
    text = f"src={flow.saddr} dst={flow.daddr} "
    if flow.proto == PROTO_ICMP:
        return text + f"type={flow.dport >> 8} code={flow.dport & 255} id={flow.sport}"
    if flow.proto == PROTO_GRE:
        return text + "srckey=0x0 dstkey=0x0"
    if flow.proto not in (PROTO_TCP, PROTO_UDP):
        return text.rstrip()
    return text + f"sport={flow.sport} dport={flow.dport}"


COMMANDS: dict[str, Program] = {"conntrack": conntrack}
