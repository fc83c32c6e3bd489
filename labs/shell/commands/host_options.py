"""The command line of BIND's host: options end at the first other word, and what stands after the server is ignored."""

from __future__ import annotations

from typing import NamedTuple

from labs.net.dns import RecordType

__all__ = ["HostOptions", "HostRefusal", "host_options"]

USAGE = (
    "Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]",
    "            [-R number] [-m flag] [-p port] hostname [server]",
)
TYPES = {kind.name: int(kind) for kind in RecordType if kind is not RecordType.OPT}


class HostOptions(NamedTuple):
    """What is asked. No `kind` is addresses and mail; None keeps the wait and the tries of host."""

    name: str
    servers: list[str]
    kind: int | None = None
    wait_s: int | None = None
    retries: int | None = None
    tcp: bool = False


class HostRefusal(Exception):
    """A mistake on the command line: the lines for standard error, and the exit status."""

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def host_options(arguments: list[str]) -> HostOptions:
    """Read the words after `host`. Raises HostRefusal."""
    rest = list(arguments)
    made = HostOptions("", [])
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        letter, value = word[:2], word[2:]
        if letter in ("-t", "-W", "-R"):
            if not value and not rest:
                raise HostRefusal(f"host: option requires an argument -- {letter[1:]}", *USAGE)
            value = value or rest.pop(0)
        if letter == "-t":
            if value.upper() not in TYPES:
                raise HostRefusal(f"host: invalid type: {value}", "", status=2)
            made = made._replace(kind=TYPES[value.upper()])
        elif letter == "-W" and value.isdecimal():
            made = made._replace(wait_s=max(1, int(value)))
        elif letter == "-R" and value.isdecimal():
            made = made._replace(retries=int(value))
        elif word == "-T":
            made = made._replace(tcp=True)
        elif word != "-4":
            raise HostRefusal(f'host: "{word}" is not simulated here')
    if not rest:
        raise HostRefusal(*USAGE)
    return made._replace(name=rest[0], servers=rest[1:2])
