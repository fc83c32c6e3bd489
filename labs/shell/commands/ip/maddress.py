"""`ip maddress`: the groups that an interface listens to. They follow from its state and its IPv6 addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import IPv4
from labs.net.ipv6 import multicast_mac
from labs.shell.commands.ip.output import Style, print_json
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, refused

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["maddress_command"]

USAGE = ("Usage: ip maddr [ add | del ] MULTIADDR dev STRING", "       ip maddr show [ dev STRING ]")
ALL_HOSTS = IPv4.parse("224.0.0.1")  # RFC 1112 §6.4
ALL_HOSTS_MAC = "01:00:5e:00:00:01"


def maddress_command(process: Process, style: Style, words: Words) -> int:
    """`ip maddr …`."""
    device = None
    if words.more:
        word = words.take()
        if matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        if word == "add" or (len(word) > 1 and matches(word, "delete")):
            raise refused(f"maddress {word}")
        if not any(matches(word, name) for name in ("show", "list", "lst")):
            raise IpError(f'Command "{word}" is unknown, try "ip maddr help".', status=EXIT_USAGE)
        while words.more:
            word = words.take()
            device = words.value() if word == "dev" else word
    shown = [
        (interface, rows)
        for interface in process.node.interfaces.values()
        if device in (None, interface.name) and (rows := _groups(process, interface, style.family))
    ]
    if style.json:
        print_json(
            process,
            style,
            [
                {"ifindex": interface.index, "ifname": interface.name, "maddr": [_member(*row) for row in rows]}
                for interface, rows in shown
            ],
        )
        return 0
    for interface, rows in shown:
        process.print(f"{interface.index}:\t{interface.name}", *[f"\t{family:<5} {text}" for family, text in rows])
    return 0


def _member(family: str, text: str) -> dict[str, str]:
    return {"link": text} if family == "link" else {"family": family, "address": text}


def _groups(process: Process, interface: Interface, family: str) -> list[tuple[str, str]]:
    """Link-layer addresses, IPv4 groups, IPv6 groups, each in the kernel's order."""
    layer = process.node.ipv6
    six = layer.groups(interface)
    active = interface.up and interface.multicast
    rows: list[tuple[str, str]] = []
    if family in ("", "link") and interface.kind != "loopback" and interface.tunnel is None:
        macs = ["33:33:00:00:00:01", *([ALL_HOSTS_MAC] if active else [])]
        macs += [str(multicast_mac(group)) for group in reversed(six)]
        rows += [("link", mac) for mac in dict.fromkeys(macs)]
    if family in ("", "inet") and interface.up:
        rows.append(("inet", str(ALL_HOSTS)))
    if family in ("", "inet6"):
        rows += [("inet6", str(group)) for group in six]
        rows += [("inet6", "ff02::1"), ("inet6", "ff01::1")]
    return rows
