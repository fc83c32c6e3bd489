"""`ip address add`, `replace`, `change`, `del` and `flush`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.net.linux.node import SCOPES
from labs.shell.commands.ip.address_filter import FOREVER, SECOND, USAGE, matching, parse_filter, scope_number, wanted
from labs.shell.commands.ip.inet6_address import flush_addresses6
from labs.shell.commands.ip.output import Style
from labs.shell.commands.ip.words import (
    EXIT_USAGE,
    IpError,
    Words,
    answers,
    duplicate,
    is_ipv6,
    kernel,
    matches,
    no_device,
    number,
    parse_address,
    parse_prefix,
    refused,
    repeated,
    valid_name,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["add_address", "delete_address", "flush_addresses", "replace_address"]

WILDCARD = (
    "Warning: Executing wildcard deletion to stay compatible with old scripts.",
    "         Explicitly specify the prefix length ({}/32) to avoid this warning.",
    "         This special behaviour is likely to disappear in further releases,",
    "         fix your scripts!",
)


@dataclass(slots=True)
class Change:
    """What `add`, `change`, `replace` and `del` were told."""

    address: InterfaceAddress | None
    written_length: bool
    interface: Interface
    details: dict[str, str]


def _parse_change(process: Process, words: Words) -> Change:  # noqa: PLR0915 - one branch per keyword
    local: tuple[IPv4, int, bool] | None = None
    local_text = peer_text = broadcast = None
    peer: tuple[IPv4, int, bool] | None = None
    device: str | None = None
    details: dict[str, str] = {}
    lifetime: dict[str, int] = {}
    while words.more:
        word = words.take()
        if word in ("peer", "remote"):
            if peer_text is not None:
                raise repeated("peer", words.value())
            peer_text = words.value()
            peer = parse_prefix(peer_text)
        elif matches(word, "broadcast") or word == "brd":
            value = words.value()
            if broadcast is not None:
                raise repeated("broadcast", value)
            broadcast = value if value in ("+", "-") else str(parse_address(value, "inet address"))
        elif word == "scope":
            text = words.value()
            found = scope_number(text)
            if found is None:
                raise wrong(text, "invalid scope value.")
            details["scope"] = next((name for name, value in SCOPES.items() if value == found), text)
            if details["scope"] not in SCOPES:
                raise refused(f"scope {text}")
        elif word == "dev":
            device = words.value()
        elif word == "label":
            details["label"] = words.value()
        elif word == "metric":
            text = words.value()
            if number(text) is None:
                raise wrong(text, '"metric" value is invalid')
            details["metric"] = text
        elif matches(word, "valid_lft") or matches(word, "preferred_lft"):
            key = "valid_lft" if matches(word, "valid_lft") else "preferred_lft"
            text = words.value()
            seconds = FOREVER if text == "forever" else number(text)
            if seconds is None or (key == "valid_lft" and seconds == 0):
                raise wrong(text, f"{key} value")
            lifetime[key] = seconds
        elif word == "noprefixroute":
            details["noprefixroute"] = "1"
        elif word in ("anycast", "home", "nodad", "mngtmpaddr", "autojoin", "proto", "optimistic"):
            raise refused(word)
        else:
            if word == "local":
                word = words.value()
            if matches(word, "help"):
                process.error(*USAGE)
                raise IpError(status=EXIT_USAGE)
            if local_text is not None:
                raise duplicate("local", word)
            local_text = word
            if is_ipv6(word):
                raise refused("IPv6")
            local = parse_prefix(word)
    if device is None:
        message = 'Not enough information: "dev" argument is required.'
        raise IpError(message)
    valid, preferred = lifetime.get("valid_lft", FOREVER), lifetime.get("preferred_lft", FOREVER)
    if preferred > valid and "preferred_lft" in lifetime:
        message = "preferred_lft is greater than valid_lft"
        raise IpError(message)
    interface = process.node.interfaces.get(
        device.partition(":")[0] if device not in process.node.interfaces else device
    )
    if interface is None:
        raise no_device(device)
    _set_lifetimes(details, valid, preferred, process.node.now)
    address = None
    if local is not None:
        address = InterfaceAddress(local[0], peer[1] if peer is not None else local[1])
        if peer is not None:
            details["peer"] = str(peer[0])
        _set_broadcast(details, broadcast, address)
    return Change(address, local is None or local[2] or peer is not None, interface, details)


def _set_lifetimes(details: dict[str, str], valid: int, preferred: int, now: int) -> None:
    if valid != FOREVER:
        details["dynamic"] = "1"
        details["valid_until_ns"] = str(now + valid * SECOND)
    if preferred != FOREVER:
        details["preferred_until_ns"] = str(now + preferred * SECOND)
    elif valid != FOREVER:
        details["preferred_until_ns"] = details["valid_until_ns"]


def _set_broadcast(details: dict[str, str], broadcast: str | None, address: InterfaceAddress) -> None:
    """`+` sets the host bits, `-` clears them; neither where there is no room for a broadcast address."""
    if broadcast in ("+", "-"):
        if address.length <= 30:
            details["brd"] = str(address.network.broadcast if broadcast == "+" else address.network.address)
    elif broadcast is not None:
        details["brd"] = broadcast


def _complete(change: Change) -> InterfaceAddress:
    """The address to add, with the defaults the kernel and iproute2 fill in."""
    if change.address is None:
        raise answers("Operation not supported")
    details = change.details
    name = change.interface.name
    if details.get("label", name) == name:
        details.pop("label", None)
    elif not valid_name(details["label"]):
        raise wrong(details["label"], '"label" not a valid ifname', blank=False)
    address = change.address.address
    if "scope" not in details and isinstance(address, IPv4) and address.is_loopback:
        details["scope"] = "host"
    scope = details.get("scope", "global")
    network = (
        Network.of(IPv4.parse(details["peer"]), change.address.length) if "peer" in details else change.address.network
    )
    for other in change.interface.addresses:
        other_scope = change.interface.detail(other, "scope") or "global"
        same = change.interface.prefix_of(other) == network and other.address != address
        if same and other_scope != scope:
            raise kernel("ipv4: Invalid scope value.")
    return change.address


def add_address(process: Process, _style: Style, words: Words) -> int:
    """`ip address add`."""
    change = _parse_change(process, words)
    address = _complete(change)
    if address.address == 0:
        return 0  # taken and forgotten (__inet_insert_ifa)
    if not process.node.add_address(change.interface, address, **change.details):
        raise kernel("ipv4: Address already assigned.")
    return 0


def replace_address(process: Process, _style: Style, words: Words) -> int:
    """`replace` and `change` add what is missing and renew what is there (the kernel creates in both cases)."""
    change = _parse_change(process, words)
    address = _complete(change)
    interface = change.interface
    if address not in interface.addresses:
        process.node.add_address(interface, address, **change.details)
        return 0
    labels = interface.labels.setdefault(address, {})
    for key in ("valid_until_ns", "preferred_until_ns", "dynamic"):
        labels.pop(key, None)
    lasting = {
        key: text for key, text in change.details.items() if key in ("valid_until_ns", "preferred_until_ns", "dynamic")
    }
    labels |= lasting
    if "valid_until_ns" in lasting:
        process.node.watch_address(interface, address)
    return 0


def delete_address(process: Process, _style: Style, words: Words) -> int:
    """`ip address del`."""
    change = _parse_change(process, words)
    if change.address is None:
        raise answers("Operation not supported")
    if not change.written_length:
        process.error(*[line.format(change.address.address) for line in WILDCARD])
    for address in change.interface.addresses:
        if address.address == change.address.address and (
            not change.written_length or address.length == change.address.length
        ):
            process.node.remove_address(change.interface, address)
            return 0
    raise kernel("ipv4: Address not found.")


def flush_addresses(process: Process, style: Style, words: Words) -> int:
    """`ip address flush`."""
    if not words.more:
        message = "Flush requires arguments."
        raise IpError(message)
    want = parse_filter(process, words)
    node = process.node
    count = 0
    if style.family != "inet":
        count = flush_addresses6(process, want)
    for interface in node.interfaces.values():
        if style.family == "inet6" or not wanted(interface, want):
            continue
        doomed = matching(interface, want, node.now)
        for address in doomed:
            if address in interface.addresses:
                node.remove_address(interface, address)
                count += 1
    if style.statistics:
        process.print("", f"*** Round 1, deleting {count} addresses ***", "*** Flush is complete after 1 round ***")
    return 0
