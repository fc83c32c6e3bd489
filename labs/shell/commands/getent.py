"""`getent hosts`: looks a name up the way every program of the device does."""

from __future__ import annotations

from labs.model.addresses import IPv6
from labs.net.process import Process, Program, Routine
from labs.shell.commandline import begin
from labs.shell.resolver import ResolveError, all_hosts_entries, literal_place, lookup, reverse

__all__ = ["COMMANDS"]

USAGE = "Usage: getent hosts NAME..."
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
    if database not in ("hosts", "ahosts", "ahostsv4", "ahostsv6") or not names:
        process.error(f'getent: "{database}" is not simulated here; simulated is: getent hosts NAME')
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
        wide = [place for place in places if isinstance(place.address, IPv6)]
        if database == "hosts":  # gethostbyname2: what IPv6 has, else IPv4
            process.print(*[f"{place!s:<15} {name}" for place in wide or places[:1]])
        else:
            for place in places:
                kinds = ("STREAM", "DGRAM", "RAW")
                first = place is places[0]
                process.print(*[f"{place!s:<15} {k:<6} {name if first and k == 'STREAM' else ''}" for k in kinds])
    return status


COMMANDS: dict[str, Program] = {"getent": getent}
