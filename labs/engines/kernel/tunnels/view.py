"""What the real `ip` shows of a device, with the tunnels that are TUN devices to the kernel put right.

Only what differs is replaced, by what `labs.shell` says of a tunnel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labs.shell.commands.ip.link_view import brief_name, statistics
from labs.shell.commands.ip.output import Record, Style
from labs.shell.commands.ip.tunnel import tunnel_details

if TYPE_CHECKING:
    from labs.engines.kernel.tunnels.board import TunnelBoard
    from labs.net.interface import Interface

__all__ = ["as_json", "as_text", "is_kind"]

NAMED = re.compile(r"^(?P<number>\d+: )(?P<name>[^\s@:]+)(?P<colon>:|\s)")
BRIEF = re.compile(r"^([^\s@]+)\s+(.*)$")
QUEUE = re.compile(r"\bqdisc (?!noop)\S+")
ADDRESSES = re.compile(r"link/(?:gre|ipip) 0\.0\.0\.0 peer 0\.0\.0\.0")
LIMITS = re.compile(r"minmtu \d+ +maxmtu \d+")
TUN = re.compile(r"tun type tun .*?persist \S+ (?:user \S+ )?")


def _flags(words: list[str], interface: Interface) -> list[str]:
    """A tunnel without another end is none from point to point."""
    assert interface.tunnel is not None
    return [word for word in words if word != "POINTOPOINT" or interface.tunnel.remote]


def is_kind(board: TunnelBoard, name: str, kind: str) -> bool:
    """True for a tunnel of this kind."""
    return board.owns(name) and board.interfaces[name].kind == kind


# As JSON


def as_json(links: list[dict[str, Any]], board: TunnelBoard) -> list[dict[str, Any]]:
    """The array of `ip -j link` or `ip -j addr`."""
    return [_link(link, board.interfaces[link["ifname"]]) if board.owns(link.get("ifname", "")) else link
            for link in links]  # fmt: skip


def _link(link: dict[str, Any], interface: Interface) -> dict[str, Any]:
    settings = interface.tunnel
    assert settings is not None
    if link.get("qdisc", "noop") != "noop":
        link["qdisc"] = "noqueue"
    if "flags" in link:
        link["flags"] = _flags(link["flags"], interface)
    if "address" in link:
        link["address"] = str(settings.local)
    if "broadcast" in link:
        link["broadcast"] = str(settings.remote)
        if not settings.remote:
            link.pop("link_pointtopoint", None)
    if "linkinfo" in link:
        link["linkinfo"] = {"info_kind": interface.kind, "info_data": tunnel_details(settings)[1]}
        link["min_mtu"] = link["max_mtu"] = 0
    if "stats64" in link:
        record = Record(Style())
        statistics(record, interface)
        link["stats64"] = record.fields["stats64"]
    ordered = {"ifindex": link.pop("ifindex")} if "ifindex" in link else {}
    return ordered | {"link": settings.link} | link


# As text


def as_text(text: str, board: TunnelBoard, style: Style, wanted: Callable[[str], bool] = lambda _: True) -> str:
    """The lines of `ip link` or `ip addr`, of interfaces that are wanted."""
    kept: list[str] = []
    interface: Interface | None = None
    counts, keep = False, True
    for line in text.splitlines():
        found = BRIEF.match(line) if style.brief else NAMED.match(line)
        if found:
            name = found[1] if style.brief else found["name"]
            interface, counts = board.interfaces.get(name) if board.owns(name) else None, False
            keep = wanted(name)
        if not keep:
            continue
        if interface is None:
            kept.append(line)
        elif style.brief and found:
            kept.append(f"{brief_name(interface):<16} {_brief(found[2], interface)}")
        elif not (counts := counts or line.startswith("    RX:")):
            kept.append(_line(line, interface, style))
        elif line.startswith("    RX: "):
            record = Record(Style(statistics=style.statistics))
            statistics(record, interface)
            kept += record.text.splitlines()[1:]
    return "".join(f"{line}\n" for line in kept)


def _angles(text: str, interface: Interface) -> str:
    return re.sub(r"<([^>]*)>", lambda found: f"<{','.join(_flags(found[1].split(','), interface))}>", text, count=1)


def _brief(rest: str, interface: Interface) -> str:
    assert interface.tunnel is not None
    return _angles(rest.replace(" 0.0.0.0 ", f" {interface.tunnel.local} ", 1), interface)


def _line(line: str, interface: Interface, style: Style) -> str:
    settings = interface.tunnel
    assert settings is not None
    found = NAMED.match(line)
    if found and found["colon"] == ":":
        rest = line[found.end() :]
        line = (
            f"{found['number']}{brief_name(interface)}:{QUEUE.sub('qdisc noqueue', _angles(rest, interface), count=1)}"
        )
    word = "peer" if settings.remote else "brd"
    line = ADDRESSES.sub(f"link/{interface.kind} {settings.local} {word} {settings.remote}", line)
    if style.details:
        line = LIMITS.sub("minmtu 0 maxmtu 0", TUN.sub(lambda _: tunnel_details(settings)[0], line))
    return line
