"""`ip neighbour`: show, get, add, change, replace, delete, flush."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import Address, IPv6, Mac, Network
from labs.net.neighbour import Neighbour, NeighbourState
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    answers,
    duplicate,
    kernel,
    matches,
    no_device,
    parse_any_address,
    parse_any_network,
    refused,
)

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["neigh_command"]

USAGE = (
    "Usage: ip neigh { add | del | change | replace } { ADDR [ lladdr LLADDR ] [ nud STATE ] } [ dev DEV ]",
    "       ip neigh { show | flush } [ to PREFIX ] [ dev DEV ] [ nud STATE ]",
    "       ip neigh get ADDR dev DEV",
    "STATE := { delay | failed | incomplete | noarp | none | permanent | probe | reachable | stale }",
)
SECOND = 1_000_000_000
STATES = {state.value.lower(): state for state in NeighbourState}


def neigh_command(process: Process, style: Style, words: Words) -> int:
    """`ip neigh …`."""
    if not words.more:
        return _show(process, style, words)
    word = words.take()
    for name in ("add", "change", "replace", "delete"):
        if matches(word, name) or (name == "change" and word == "chg"):
            return _modify(process, words, name)
    if matches(word, "get"):
        return _get(process, style, words)
    if matches(word, "show") or matches(word, "lst") or matches(word, "list"):
        return _show(process, style, words)
    if matches(word, "flush"):
        return _flush(process, style, words)
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    message = f'Command "{word}" is unknown, try "ip neigh help".'
    raise IpError(message, status=EXIT_USAGE)


# Show


@dataclass(slots=True)
class Selector:
    """Which neighbours `show` and `flush` mean. `states` None is iproute2's choice: all but NOARP and NONE."""

    device: str | None = None
    to: Network | None = None
    states: frozenset[NeighbourState] | None = None
    everything: bool = False


def _selector(process: Process, words: Words) -> Selector:
    want = Selector()
    while words.more:
        word = words.take()
        if word == "dev":
            if want.device is not None:
                raise IpError('Error: duplicate "dev": "' + words.value() + '" is the second value.', status=EXIT_USAGE)
            want.device = words.value()
        elif word == "nud":
            text = words.value()
            if text == "all":
                want.states = frozenset(NeighbourState)
            elif matches_state(text) is not None or text == "none":
                found = matches_state(text)
                want.states = (want.states or frozenset()) | (frozenset({found}) if found else frozenset())
            else:
                raise IpError(f'Error: argument "{text}" is wrong: nud state is bad', status=EXIT_USAGE)
        elif word == "unused":
            raise refused("neigh show unused")
        elif word in ("proxy", "vrf", "master", "nomaster", "proto", "protocol"):
            raise refused(f"neigh show {word}")
        else:
            if word == "to":
                word = words.value()
            if matches(word, "help"):
                process.error(*USAGE)
                raise IpError(status=EXIT_USAGE)
            want.to = parse_any_network(word)
            want.everything = word in ("all", "any", "default")
    if want.device is not None and want.device not in process.node.interfaces:
        raise no_device(want.device)
    return want


def matches_state(text: str) -> NeighbourState | None:
    """A state by its name or an abbreviation of it."""
    return next((state for name, state in STATES.items() if matches(text.lower(), name)), None)


def _selected(process: Process, want: Selector) -> list[Neighbour]:
    default = want.states is None
    return [
        entry
        for entry in process.node.link.neighbours.entries(process.node.now)
        if want.device in (None, entry.interface.name)
        and (want.to is None or want.everything or entry.address in want.to)
        and (entry.state is not NeighbourState.NOARP if default else entry.state in (want.states or ()))
    ]


def _show(process: Process, style: Style, words: Words) -> int:
    want = _selector(process, words)
    entries = _selected(process, want)
    if style.family in ("inet", "inet6"):
        entries = [entry for entry in entries if isinstance(entry.address, IPv6) == (style.family == "inet6")]
    print_records(
        process, style, [_record(process, style, entry, hide_device=want.device is not None) for entry in entries]
    )
    return 0


def _record(process: Process, style: Style, entry: Neighbour, *, hide_device: bool) -> Record:
    record = Record(style)
    name = entry.interface.name
    if style.brief:
        mac = str(entry.mac) if entry.mac is not None else ""
        record.add("dst", str(entry.address), f"{entry.address!s:<39} ")
        record.add("dev", name, f"{name:<16} ")
        if mac:
            record.add("lladdr", mac, mac)
        return record
    record.add("dst", str(entry.address))
    if not hide_device:
        record.add("dev", name, f"dev {name} ")
    if entry.mac is not None:
        record.add("lladdr", str(entry.mac), f"lladdr {entry.mac} ")
    if entry.router:
        record.add("router", None, "router ")
    if style.statistics:
        ages = [(process.node.now - at) // SECOND for at in (entry.used_ns, entry.confirmed_ns, entry.updated_ns)]
        if entry.waiting:
            record.add("refcnt", 1, " ref 1")
        record.add("used", ages[0], f" used {ages[0]}/{ages[1]}/{ages[2]}")
        record.only_json("confirmed", ages[1])
        record.only_json("updated", ages[2])
        record.add("probes", entry.probes, f"probes {entry.probes} ")
    record.add("state", [entry.state.value], f"{entry.state.value} ")
    return record


def _get(process: Process, style: Style, words: Words) -> int:
    address, device, _, _ = _parse(process, words)
    if address is None or device is None:
        message = "Device and address are required arguments."
        raise IpError(message, status=EXIT_USAGE)
    interface = process.node.interfaces.get(device)
    if interface is None:
        raise no_device(device)
    process.node.link.neighbours.entries(process.node.now)
    entry = process.node.link.neighbours.get(interface, address)
    if entry is None:
        raise kernel("Neighbour entry not found.")
    print_records(process, style, [_record(process, style, entry, hide_device=False)])
    return 0


# Change


def _mac(text: str) -> Mac:
    try:
        return Mac.parse(text)
    except ValueError:
        parts = text.split(":")
        bad = next((part for part in parts if not part or any(c not in "0123456789abcdefABCDEF" for c in part)), None)
        if bad is not None or len(parts) == 6:
            raise IpError(f'"{bad or text}" is invalid lladdr.') from None
        raise kernel("Invalid link layer address.") from None


def _parse(process: Process, words: Words) -> tuple[Address | None, str | None, Mac | None, NeighbourState]:
    address: Address | None = None
    device: str | None = None
    mac: Mac | None = None
    state = NeighbourState.PERMANENT
    while words.more:
        word = words.take()
        if word == "lladdr":
            mac = _mac(words.value())
        elif word == "dev":
            device = words.value()
        elif word == "nud":
            text = words.value()
            found = matches_state(text)
            if found is None:
                raise IpError(f'Error: argument "{text}" is wrong: nud state is bad', status=EXIT_USAGE)
            state = found
        elif matches(word, "proxy") or word in ("router", "use", "managed", "extern_learn", "protocol", "vlan"):
            raise refused(f"neigh {word}")
        else:
            if word == "to":
                word = words.value()
            if matches(word, "help"):
                process.error(*USAGE)
                raise IpError(status=EXIT_USAGE)
            if address is not None:
                raise duplicate("to", word)
            address = parse_any_address(word)
    return address, device, mac, state


def _modify(process: Process, words: Words, verb: str) -> int:
    address, device, mac, state = _parse(process, words)
    if address is None or device is None:
        message = "Device and destination are required arguments."
        raise IpError(message, status=EXIT_USAGE)
    interface = process.node.interfaces.get(device)
    if interface is None:
        raise no_device(device)
    table = process.node.link.neighbours
    entry = table.get(interface, address)
    if verb == "delete":
        if entry is None:
            raise answers("No such file or directory")
        process.node.link.forget_neighbour(entry)
        return 0
    if entry is not None and verb == "add":
        raise answers("File exists")
    if entry is None and verb == "change":
        raise answers("No such file or directory")
    if entry is None and mac is None and state not in (NeighbourState.FAILED, NeighbourState.INCOMPLETE):
        raise kernel("No link layer address given.")
    if not process.node.link.set_neighbour(interface, address, mac, state):
        raise answers("No buffer space available")
    return 0


def _flush(process: Process, style: Style, words: Words) -> int:
    if not words.more:
        message = "Flush requires arguments."
        raise IpError(message)
    want = _selector(process, words)
    spared = {NeighbourState.PERMANENT, NeighbourState.NOARP}
    for entry in _selected(process, want):
        if style.family and isinstance(entry.address, IPv6) != (style.family == "inet6"):
            continue
        if want.states is not None or entry.state not in spared:
            process.node.link.forget_neighbour(entry)
    return 0
