"""Which addresses `ip address show` and `flush` mean."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, Network
from labs.net.linux.node import SCOPES
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    device_word,
    matches,
    number,
    parse_any_network,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = [
    "FOREVER",
    "SECOND",
    "USAGE",
    "Filter",
    "has_flag",
    "lifetimes",
    "matching",
    "parse_filter",
    "scope_number",
    "wanted",
]

FOREVER = 0xFFFFFFFF  # INFINITY_LIFE_TIME
SECOND = 1_000_000_000
USAGE = (
    "Usage: ip address {add|change|replace} IFADDR dev IFNAME [ LIFETIME ]",
    "       ip address del IFADDR dev IFNAME",
    "       ip address flush [ dev IFNAME ] [ scope SCOPE-ID ] [ to PREFIX ] [ label LABEL ] [up]",
    "       ip address [ show [ dev IFNAME ] [ scope SCOPE-ID ] [ master DEVICE ]",
    "                         [ type TYPE ] [ to PREFIX ] [ FLAG-LIST ] [ label LABEL ] [up] ]",
    "IFADDR := PREFIX | ADDR peer PREFIX [ broadcast ADDR ] [ label IFNAME ] [ scope SCOPE-ID ] [ metric METRIC ]",
)
FLAG_WORDS = frozenset(
    {
        "permanent",
        "dynamic",
        "secondary",
        "primary",
        "tentative",
        "deprecated",
        "dadfailed",
        "temporary",
        "noprefixroute",
        "mngtmpaddr",
    }
)


@dataclass(slots=True)
class Filter:
    """Which addresses `show` and `flush` mean."""

    device: str | None = None
    scope: int | None = None
    to: Network | None = None
    label: str | None = None
    up: bool = False
    master: str | None = None
    nomaster: bool = False
    kind: str | None = None
    flags: tuple[tuple[str, bool], ...] = ()


def scope_number(text: str) -> int | None:
    """A scope by name or number."""
    return SCOPES.get(text, number(text, 255))


def parse_filter(process: Process, words: Words) -> Filter:
    """Read the words after `show` or `flush`. Raises IpError."""
    found = Filter()
    while words.more:
        word = words.take()
        if word == "to":
            found.to = parse_any_network(words.value())
        elif word == "scope":
            text = words.value()
            found.scope = None if text == "all" else scope_number(text)
            if found.scope is None and text != "all":
                raise wrong(text, 'invalid "scope"')
        elif word == "up":
            found.up = True
        elif word.removeprefix("-") in FLAG_WORDS:
            found.flags += ((word.removeprefix("-"), not word.startswith("-")),)
        elif word == "label":
            found.label = words.value()
        elif word == "master":
            found.master = words.value()
            if found.master not in process.node.interfaces:
                raise wrong(found.master, "Device does not exist")
        elif word == "nomaster":
            found.nomaster = True
        elif word == "type":
            found.kind = words.value()
        elif word in ("group", "vrf", "proto"):
            raise refused(word)
        elif matches(word, "help"):
            process.error(*USAGE)
            raise IpError(status=EXIT_USAGE)
        else:
            found.device = device_word(words, word, found.device)
    if found.device is not None and found.device not in process.node.interfaces:
        message = f'Device "{found.device}" does not exist.'
        raise IpError(message)
    return found


def wanted(interface: Interface, want: Filter) -> bool:
    """True where an interface is meant."""
    return (
        (want.device is None or interface.name == want.device)
        and (not want.up or interface.up)
        and (want.master is None or (interface.master is not None and interface.master.name == want.master))
        and not (want.nomaster and interface.master is not None)
        and (want.kind is None or _kind(interface) == want.kind)
    )


def _kind(interface: Interface) -> str:
    """The type that `type` compares with; a port and the loopback have none."""
    if interface.master is not None and interface.kind == "ether":
        return "bridge_slave"
    return interface.kind if interface.kind in ("bridge", "vlan") else ""


def matching(interface: Interface, want: Filter, now: int) -> list[InterfaceAddress]:
    """The addresses of an interface that are meant."""
    return [address for address in interface.addresses if _address_wanted(interface, address, want, now)]


def _address_wanted(interface: Interface, address: InterfaceAddress, want: Filter, now: int) -> bool:
    if want.to is not None and not (address.address in want.to and address.length >= want.to.length):
        return False
    if want.scope is not None and SCOPES[interface.detail(address, "scope") or "global"] != want.scope:
        return False
    if want.label is not None and not fnmatch.fnmatchcase(
        interface.detail(address, "label") or interface.name, want.label
    ):
        return False
    return all(has_flag(interface, address, flag, now) == expected for flag, expected in want.flags)


def has_flag(interface: Interface, address: InterfaceAddress, flag: str, now: int) -> bool:
    """True where an address has one of the words of FLAG-LIST."""
    if flag in ("secondary", "temporary"):
        return interface.is_secondary(address)
    if flag == "primary":
        return not interface.is_secondary(address)
    if flag in ("dynamic", "permanent"):
        return (lifetimes(interface, address, now)[0] != FOREVER) == (flag == "dynamic")
    if flag == "deprecated":
        return lifetimes(interface, address, now)[1] == 0
    return flag == "noprefixroute" and bool(interface.detail(address, "noprefixroute"))


def lifetimes(interface: Interface, address: InterfaceAddress, now: int) -> tuple[int, int]:
    """Seconds for which an address stays valid and preferred; FOREVER without limit."""
    valid = interface.detail(address, "valid_until_ns")
    preferred = interface.detail(address, "preferred_until_ns") or valid
    left = [FOREVER if until is None else max(0, -((now - int(until)) // SECOND)) for until in (valid, preferred)]
    return left[0], left[1]
