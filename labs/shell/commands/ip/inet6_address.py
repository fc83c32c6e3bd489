"""`ip -6 address`: IPv6 addresses shown and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv6
from labs.net.inet6_address import Inet6Address
from labs.net.linux.autoconf import AddressError
from labs.net.linux.node import SCOPES
from labs.shell.commands.ip.address_filter import FOREVER, SECOND, Filter, wanted
from labs.shell.commands.ip.output import Record, Style
from labs.shell.commands.ip.words import (
    IpError,
    Words,
    duplicate,
    kernel,
    matches,
    no_device,
    number,
    refused,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["add_address6", "address_record6", "delete_address6", "flush_addresses6", "matching6"]


def matching6(interface: Interface, want: Filter, now: int) -> list[Inet6Address]:
    """The IPv6 addresses of an interface that are meant."""
    if want.label is not None:
        return []
    return [known for known in interface.inet6 if _fits(known, want, now)]


def _fits(known: Inet6Address, want: Filter, now: int) -> bool:
    if want.to is not None and not (known.address in want.to and known.length >= want.to.length):
        return False
    if want.scope is not None and SCOPES[known.scope] != want.scope:
        return False
    return all(_has(known, flag, now) == expected for flag, expected in want.flags)


def _has(known: Inet6Address, flag: str, now: int) -> bool:
    match flag:
        case "dynamic" | "permanent":
            return (known.valid_until_ns is not None) == (flag == "dynamic")
        case "primary":
            return True
        case "deprecated":
            return known.deprecated(now)
        case "tentative":
            return known.tentative or known.failed
        case "dadfailed":
            return known.failed
        case "mngtmpaddr":
            return known.learned
        case "noprefixroute":
            return known.noprefixroute
    return False


def _left(until: int | None, now: int) -> int:
    return FOREVER if until is None else max(0, -((now - until) // SECOND))


def address_record6(style: Style, known: Inet6Address, now: int) -> Record:
    """The two lines of one address."""
    record = Record(style)
    record.add("family", "inet6", "    inet6 ")
    record.add("local", str(known.address), f"{known} ")
    record.only_json("prefixlen", known.length)
    record.add("scope", known.scope, f"scope {known.scope} ")
    flags = (
        ("nodad", known.nodad),
        ("dadfailed", known.failed),
        ("deprecated", known.deprecated(now)),
        ("tentative", known.tentative or known.failed),
        ("dynamic", known.valid_until_ns is not None),
        ("mngtmpaddr", known.learned),
        ("noprefixroute", known.noprefixroute),
    )
    for flag, on in flags:
        if on:
            record.add(flag, True, f"{flag} ")  # noqa: FBT003 - a JSON value
    valid, preferred = _left(known.valid_until_ns, now), _left(known.preferred_until_ns, now)
    words = ["forever" if left == FOREVER else f"{left}sec" for left in (valid, preferred)]
    record.add("valid_life_time", valid, f"{style.newline}       valid_lft {words[0]}")
    record.add("preferred_life_time", preferred, f" preferred_lft {words[1]}")
    return record


def _prefix(text: str, style: Style) -> tuple[IPv6, int]:
    try:
        found = InterfaceAddress.parse(text)
    except ValueError:
        found = None
    if found is None or not isinstance(found.address, IPv6):
        kind = "inet6" if style.family == "inet6" else "any valid"
        message = f'Error: {kind} prefix is expected rather than "{text}".'
        raise IpError(message)
    return found.address, found.length


def _parse(process: Process, style: Style, words: Words) -> tuple[Interface, Inet6Address]:
    device: str | None = None
    found: tuple[IPv6, int] | None = None
    flags: set[str] = set()
    lifetimes: dict[str, int] = {}
    while words.more:
        word = words.take()
        if word == "dev":
            device = words.value()
        elif word == "scope":
            words.value()  # the kernel derives it from the address
        elif matches(word, "valid_lft") or matches(word, "preferred_lft"):
            key = "valid_lft" if matches(word, "valid_lft") else "preferred_lft"
            text = words.value()
            seconds = FOREVER if text == "forever" else number(text)
            if seconds is None or (key == "valid_lft" and seconds == 0):
                raise wrong(text, f"{key} value")
            lifetimes[key] = seconds
        elif word in ("nodad", "noprefixroute"):
            flags.add(word)
        elif word in ("peer", "remote", "anycast", "home", "mngtmpaddr", "autojoin", "optimistic", "metric", "label"):
            raise refused(f"IPv6 {word}")
        else:
            if word == "local":
                word = words.value()
            if found is not None:
                raise duplicate("local", word)
            found = _prefix(word, style)
    if device is None:
        message = 'Not enough information: "dev" argument is required.'
        raise IpError(message)
    interface = process.node.interfaces.get(device)
    if interface is None:
        raise no_device(device)
    if found is None:
        raise IpError("RTNETLINK answers: Invalid argument", status=2)
    valid, preferred = lifetimes.get("valid_lft", FOREVER), lifetimes.get("preferred_lft", FOREVER)
    if preferred > valid and "preferred_lft" in lifetimes:
        message = "preferred_lft is greater than valid_lft"
        raise IpError(message)
    now = process.node.now
    until = [None if left == FOREVER else now + left * SECOND for left in (valid, min(valid, preferred))]
    made = Inet6Address(
        *found,
        device,
        nodad="nodad" in flags,
        noprefixroute="noprefixroute" in flags,
        valid_until_ns=until[0],
        preferred_until_ns=until[1],
    )
    return interface, made


def add_address6(process: Process, style: Style, words: Words, *, replace: bool = False) -> int:
    """`ip -6 address add`, and `replace` or `change`, which renew what is there."""
    interface, made = _parse(process, style, words)
    old = next((known for known in interface.inet6 if known.address == made.address), None)
    if replace and old is not None:
        old.valid_until_ns, old.preferred_until_ns = made.valid_until_ns, made.preferred_until_ns
        process.node.ipv6.autoconf.watch(old)
        return 0
    try:
        process.node.ipv6.autoconf.add(interface, made)
    except AddressError as error:
        raise kernel(str(error)) from None
    return 0


def delete_address6(process: Process, style: Style, words: Words) -> int:
    """`ip -6 address del`."""
    interface, asked = _parse(process, style, words)
    for known in interface.inet6:
        if (known.address, known.length) == (asked.address, asked.length):
            process.node.ipv6.autoconf.remove(interface, known)
            return 0
    raise kernel("ipv6: address not found.")


def flush_addresses6(process: Process, want: Filter) -> int:
    """`ip address flush` of what is meant: how many went."""
    count = 0
    for interface in process.node.interfaces.values():
        for known in matching6(interface, want, process.node.now) if wanted(interface, want) else ():
            process.node.ipv6.autoconf.remove(interface, known)
            count += 1
    return count
