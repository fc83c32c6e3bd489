"""`getent`: looks a name up the way every program of the device does, or an account, group or service in its file."""

from __future__ import annotations

from labs.model.addresses import IPv6
from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine
from labs.shell.commandline import begin
from labs.shell.resolver import ResolveError, all_hosts_entries, canonical_names, literal_place, lookup, reverse

__all__ = ["COMMANDS"]

USAGE = "Usage: getent hosts|passwd|group|services [NAME...]"
FAMILIES = {"ahostsv4": "ip", "ahostsv6": "ip6"}
NOT_FOUND = 2  # getent(1), EXIT STATUS


def getent(process: Process) -> Routine:
    """Print the address of each name."""
    begun = begin(process, "", usage=USAGE)
    if isinstance(begun, int):
        return begun
    database, *names = begun[1] or [""]
    if database == "hosts" and not names:
        entries = all_hosts_entries(process.node.files.get("/etc/hosts"))
        process.print(*[f"{address!s:<15} {' '.join(aliases)}" for address, aliases in entries])
        return 0
    if database in ("passwd", "group"):
        return _accounts(process, database, names)
    if database == "services":
        return _services(process, names)
    if database not in ("hosts", "ahosts", "ahostsv4", "ahostsv6") or not names:
        process.error(f'getent: "{database}" is not simulated here; simulated are: hosts, passwd, group, services')
        return 1
    status = 0
    for name in names:
        known = literal_place(name) if database == "hosts" else None
        if known is not None:  # gethostbyaddr
            found = yield from reverse(process, known.address)
            if found is None:
                status = NOT_FOUND
            else:
                process.print(f"{known!s:<15} {found}")
            continue
        try:
            places = yield from lookup(process, name, family=FAMILIES.get(database, ""))
        except ResolveError:
            status = NOT_FOUND
            continue
        canonical = canonical_names(process.node.files, name)
        wide = [place for place in places if isinstance(place.address, IPv6)]
        if database == "hosts":  # gethostbyname2: what IPv6 has, else IPv4
            process.print(*[f"{place!s:<15} {' '.join(canonical)}" for place in wide or places[:1]])
        else:
            for place in places:
                named = canonical[0] if place is places[0] else ""
                process.print(f"{place!s:<15} STREAM {named}", f"{place!s:<15} DGRAM  ", f"{place!s:<15} RAW    ")
    return status


def _accounts(process: Process, database: str, names: list[str]) -> int:
    """Lines of /etc/passwd or /etc/group, by name or number."""
    rows = _rows(process, f"/etc/{database}")
    found = [row for row in rows if ":" in row] if not names else []
    status = 0
    for name in names:
        row = next((row for row in rows if name in (row.split(":")[0], *row.split(":")[2:3])), None)
        found += [row] if row is not None else []
        status = status if row is not None else NOT_FOUND
    process.print(*found)
    return status


def _services(process: Process, names: list[str]) -> int:
    """Lines of /etc/services, by name or port; with `/udp` of that protocol alone."""
    rows = [words for line in _rows(process, "/etc/services") if (words := _words(line))]
    found = rows if not names else []
    status = 0
    for name in names:
        key, _, protocol = name.partition("/")
        fits = [
            words
            for words in rows
            if key in (words[0], words[1].partition("/")[0], *words[2:])
            and protocol in ("", words[1].partition("/")[2])
        ]
        found += fits[:1]
        status = status if fits else NOT_FOUND
    process.print(*[f"{words[0]:<21} {' '.join(words[1:])}" for words in found])
    return status


def _rows(process: Process, path: str) -> list[str]:
    try:
        return process.node.files.read(path).splitlines()
    except FileError:
        return []


def _words(line: str) -> list[str]:
    return line.partition("#")[0].split()


COMMANDS: dict[str, Program] = {"getent": getent}
