"""`ip address`: show, add, change, replace, delete, flush."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress, IPv4, Network
from labs.net.linux.node import SCOPES
from labs.shell.commands.ip.link_view import brief_name, link_record, operational_state, statistics
from labs.shell.commands.ip.output import Record, Style, print_json
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
    parse_network,
    parse_prefix,
    refused,
    repeated,
    valid_name,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["address_command"]

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
    }
)
WILDCARD = (
    "Warning: Executing wildcard deletion to stay compatible with old scripts.",
    "         Explicitly specify the prefix length ({}/32) to avoid this warning.",
    "         This special behaviour is likely to disappear in further releases,",
    "         fix your scripts!",
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


def address_command(process: Process, style: Style, words: Words) -> int:
    """`ip address …`."""
    if not words.more:
        return _show(process, style, words)
    word = words.take()
    for names, function in (
        (("add",), _add),
        (("change", "chg"), _change),
        (("replace",), _replace),
        (("delete",), _delete),
        (("show", "list", "lst"), _show),
        (("flush",), _flush),
    ):
        if any(matches(word, name) for name in names):
            return function(process, style, words)
    for name in ("save", "showdump", "restore"):
        if matches(word, name):
            raise refused(f"address {name}")
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    message = f'Command "{word}" is unknown, try "ip address help".'
    raise IpError(message, status=EXIT_USAGE)


# Show


def scope_number(text: str) -> int | None:
    """A scope by name or number."""
    return SCOPES.get(text, number(text, 255))


def _parse_filter(process: Process, words: Words) -> Filter:
    found = Filter()
    while words.more:
        word = words.take()
        if word == "to":
            found.to = parse_network(words.value())
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
            if word == "dev":
                word = words.value()
            if found.device is not None:
                raise duplicate("dev", word)
            found.device = word
    if found.device is not None and found.device not in process.node.interfaces:
        message = f'Device "{found.device}" does not exist.'
        raise IpError(message)
    return found


def _wanted(interface: Interface, want: Filter) -> bool:
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


def _matching(interface: Interface, want: Filter, now: int) -> list[InterfaceAddress]:
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
    return all(_has_flag(interface, address, flag, now) == expected for flag, expected in want.flags)


def _has_flag(interface: Interface, address: InterfaceAddress, flag: str, now: int) -> bool:
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


def _show(process: Process, style: Style, words: Words) -> int:
    want = _parse_filter(process, words)
    now = process.node.now
    tables: list[Record] = []
    for interface in process.node.interfaces.values():
        if not _wanted(interface, want):
            continue
        addresses = [] if style.family in ("inet6", "link") else _matching(interface, want, now)
        bare = (
            not interface.addresses and style.family not in ("inet", "inet6") and want.to is None and want.label is None
        )
        if not addresses and not bare and style.family != "link":
            continue  # ipaddr_filter: an interface without any address is shown, one without a matching one is not
        if style.brief:
            tables.append(_brief(interface, style, addresses))
        elif style.oneline and not style.json:
            tables.extend(_address_lines(interface, style, addresses, now))
        else:
            tables.append(_full(interface, style, want, addresses, now))
    if style.json:
        print_json(process, style, [record.fields for record in tables])
    else:
        process.print(*[record.text for record in tables if record.text])
    return 0


def _brief(interface: Interface, style: Style, addresses: list[InterfaceAddress]) -> Record:
    record = Record(style)
    if interface.parent is not None:
        record.only_json("link", interface.parent.name)
    record.add("ifname", interface.name, f"{brief_name(interface):<16} ")
    state = operational_state(interface)
    record.add("operstate", state, f"{state:<14} ")
    rows = []
    for address in addresses:
        peer = interface.detail(address, "peer")
        row = {"local": str(address.address), "prefixlen": address.length}
        rows.append(
            row if peer is None else {"local": str(address.address), "address": peer, "prefixlen": address.length}
        )
    record.add("addr_info", rows, "".join(f"{_written(interface, address)} " for address in addresses))
    return record


def _full(interface: Interface, style: Style, want: Filter, addresses: list[InterfaceAddress], now: int) -> Record:
    bare = style.family == "inet" or want.to is not None
    record = Record(style) if want.label is not None else link_record(interface, style, mode=False, hardware=not bare)
    rows = []
    for address in addresses:
        line = _address_record(interface, style, address, now)
        record.say((style.newline if record.text else "") + line.text)
        rows.append(line.fields)
    record.only_json("addr_info", rows)
    if style.statistics and want.label is None:
        statistics(record, interface)
    return record


def _address_lines(interface: Interface, style: Style, addresses: list[InterfaceAddress], now: int) -> list[Record]:
    lines = []
    for address in addresses:
        line = _address_record(interface, style, address, now)
        line.text = f"{interface.index}: {interface.name}{line.text}"
        lines.append(line)
    return lines


def _written(interface: Interface, address: InterfaceAddress) -> str:
    peer = interface.detail(address, "peer")
    return str(address) if peer is None else f"{address.address} peer {peer}/{address.length}"


def _address_record(interface: Interface, style: Style, address: InterfaceAddress, now: int) -> Record:
    record = Record(style)
    record.add("family", "inet", "    inet ")
    record.add("local", str(address.address), _written(interface, address) + " ")
    peer = interface.detail(address, "peer")
    if peer is not None:
        record.only_json("address", peer)
    record.only_json("prefixlen", address.length)
    metric = interface.detail(address, "metric")
    if metric is not None:
        record.add("metric", int(metric), f"metric {metric} ")
    broadcast = interface.detail(address, "brd")
    if broadcast is not None:
        record.add("broadcast", broadcast, f"brd {broadcast} ")
    scope = interface.detail(address, "scope") or "global"
    record.add("scope", scope, f"scope {scope} ")
    valid, preferred = lifetimes(interface, address, now)
    for flag in ("secondary", "deprecated", "dynamic", "noprefixroute"):
        if _has_flag(interface, address, flag, now):
            record.add(flag, True, f"{flag} ")  # noqa: FBT003 - a JSON value
    label = interface.detail(address, "label") or interface.name
    record.add("label", label, label)
    words = ["forever" if left == FOREVER else f"{left}sec" for left in (valid, preferred)]
    record.add("valid_life_time", valid, f"{style.newline}       valid_lft {words[0]}")
    record.add("preferred_life_time", preferred, f" preferred_lft {words[1]}")
    return record


# Change


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


def _add(process: Process, _style: Style, words: Words) -> int:
    change = _parse_change(process, words)
    address = _complete(change)
    if address.address == 0:
        return 0  # taken and forgotten (__inet_insert_ifa)
    if not process.node.add_address(change.interface, address, **change.details):
        raise kernel("ipv4: Address already assigned.")
    return 0


def _replace(process: Process, _style: Style, words: Words) -> int:
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


_change = _replace


def _delete(process: Process, _style: Style, words: Words) -> int:
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


def _flush(process: Process, style: Style, words: Words) -> int:
    if not words.more:
        message = "Flush requires arguments."
        raise IpError(message)
    want = _parse_filter(process, words)
    node = process.node
    if style.family == "inet6":
        return 0
    count = 0
    for interface in node.interfaces.values():
        if not _wanted(interface, want):
            continue
        doomed = _matching(interface, want, node.now)
        for address in doomed:
            if address in interface.addresses:
                node.remove_address(interface, address)
                count += 1
    if style.statistics:
        process.print("", f"*** Round 1, deleting {count} addresses ***", "*** Flush is complete after 1 round ***")
    return 0
