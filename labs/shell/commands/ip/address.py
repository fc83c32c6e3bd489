"""`ip address`: the table of addresses, and which function changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import InterfaceAddress
from labs.shell.commands.ip.address_change import add_address, delete_address, flush_addresses, replace_address
from labs.shell.commands.ip.address_filter import (
    FOREVER,
    USAGE,
    Filter,
    has_flag,
    lifetimes,
    matching,
    parse_filter,
    wanted,
)
from labs.shell.commands.ip.inet6_address import add_address6, address_record6, delete_address6, matching6
from labs.shell.commands.ip.link_view import brief_name, link_record, operational_state, statistics
from labs.shell.commands.ip.output import Record, Style, print_json
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, refused

if TYPE_CHECKING:
    from labs.net.inet6_address import Inet6Address
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["address_command"]


__all__ = ["address_command"]


def address_command(process: Process, style: Style, words: Words) -> int:
    """`ip address …`."""
    if not words.more:
        return _show(process, style, words)
    word = words.take()
    for names, function in (
        (("add",), add_address),
        (("change", "chg"), replace_address),
        (("replace",), replace_address),
        (("delete",), delete_address),
        (("show", "list", "lst"), _show),
        (("flush",), flush_addresses),
    ):
        if any(matches(word, name) for name in names):
            if function not in (_show, flush_addresses) and (style.family == "inet6" or words.about_ipv6):
                return _change6(process, style, words, names[0])
            return function(process, style, words)
    for name in ("save", "showdump", "restore"):
        if matches(word, name):
            raise refused(f"address {name}")
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    message = f'Command "{word}" is unknown, try "ip address help".'
    raise IpError(message, status=EXIT_USAGE)


def _change6(process: Process, style: Style, words: Words, verb: str) -> int:
    if verb == "delete":
        return delete_address6(process, style, words)
    return add_address6(process, style, words, replace=verb != "add")


def _show(process: Process, style: Style, words: Words) -> int:
    want = parse_filter(process, words)
    now = process.node.now
    tables: list[Record] = []
    for interface in process.node.interfaces.values():
        if not wanted(interface, want):
            continue
        addresses = [] if style.family in ("inet6", "link") else matching(interface, want, now)
        wide = [] if style.family in ("inet", "link") else matching6(interface, want, now)
        bare = (
            not (interface.addresses or interface.inet6)
            and style.family not in ("inet", "inet6")
            and want.to is None
            and want.label is None
        )
        if not addresses and not wide and not bare and style.family != "link":
            continue  # ipaddr_filter: an interface without any address is shown, one without a matching one is not
        if style.brief:
            tables.append(_brief(interface, style, addresses, wide))
        elif style.oneline and not style.json:
            lines = [_address_record(interface, style, address, now) for address in addresses]
            tables.extend(_numbered(interface, lines + [address_record6(style, known, now) for known in wide]))
        else:
            lines = [_address_record(interface, style, address, now) for address in addresses]
            lines += [address_record6(style, known, now) for known in wide]
            tables.append(_full(interface, style, want, lines))
    if style.json:
        print_json(process, style, [record.fields for record in tables])
    else:
        process.print(*[record.text for record in tables if record.text])
    return 0


def _brief(interface: Interface, style: Style, addresses: list[InterfaceAddress], wide: list[Inet6Address]) -> Record:
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
    rows += [{"local": str(known.address), "prefixlen": known.length} for known in wide]
    texts = [_written(interface, address) for address in addresses] + [str(known) for known in wide]
    record.add("addr_info", rows, "".join(f"{text} " for text in texts))
    return record


def _full(interface: Interface, style: Style, want: Filter, lines: list[Record]) -> Record:
    bare = style.family in ("inet", "inet6") or want.to is not None
    record = (
        Record(style)
        if want.label is not None
        else link_record(
            interface, style, mode=False, hardware=not bare, short=style.family == "inet6" and want.device is None
        )
    )
    rows = []
    for line in lines:
        record.say((style.newline if record.text else "") + line.text)
        rows.append(line.fields)
    record.only_json("addr_info", rows)
    if style.statistics and want.label is None:
        statistics(record, interface)
    return record


def _numbered(interface: Interface, lines: list[Record]) -> list[Record]:
    for line in lines:
        line.text = f"{interface.index}: {interface.name}{line.text}"
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
        if has_flag(interface, address, flag, now):
            record.add(flag, True, f"{flag} ")  # noqa: FBT003 - a JSON value
    label = interface.detail(address, "label") or interface.name
    record.add("label", label, label)
    words = ["forever" if left == FOREVER else f"{left}sec" for left in (valid, preferred)]
    record.add("valid_life_time", valid, f"{style.newline}       valid_lft {words[0]}")
    record.add("preferred_life_time", preferred, f" preferred_lft {words[1]}")
    return record
