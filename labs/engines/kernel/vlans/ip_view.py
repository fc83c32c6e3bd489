"""What the real `ip` shows of a device, with the bridges and VLAN interfaces that Open vSwitch stands in for.

To the kernel they are TAP devices, and their ports are ports of a bridge that nobody knows. Only what differs is
replaced, by what `labs.shell` says of a bridge, a port and a VLAN interface.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labs.engines.kernel.vlans.way import HIDDEN, SINK
from labs.shell.commands.ip.bridge_view import bridge_details, port_details
from labs.shell.commands.ip.link_view import link_flags, operational_state

if TYPE_CHECKING:
    from labs.engines.kernel.vlans.board import Switchboard
    from labs.net.interface import Interface

__all__ = ["as_json", "as_text"]

HEADER = re.compile(r"^(\d+): ([^\s@:]+)(@[^\s:]+)?(:|\s) ?(?:<([^>]*)> )?(.*)$", re.DOTALL)
BRIEF = re.compile(r"^([^\s@]+)(@\S+)?\s+(\S+)\s*(.*)$")
QUEUE = re.compile(r"\bqdisc (?!noop)\S+")
STATE = re.compile(r"\bstate \S+")
TAP = re.compile(r"tun type tap .*?persist \S+ (?:user \S+ )?")
SLAVE = re.compile(r"bridge_slave state .*?(?=addrgenmode|numtxqueues|$)")
VLAN_WORDS = "vlan protocol 802.1Q id {} <REORDER_HDR> "
Wanted = Callable[[str], bool]


def as_json(links: list[dict[str, Any]], board: Switchboard, wanted: Wanted = lambda _: True) -> list[dict[str, Any]]:
    """The array of `ip -j link` or `ip -j addr`."""
    return [
        _link(link, board.interfaces.get(link["ifname"]))
        for link in links
        if link.get("ifname") and link["ifname"] not in HIDDEN and wanted(link["ifname"])
    ]


def _link(link: dict[str, Any], interface: Interface | None) -> dict[str, Any]:
    if interface is None:
        return link
    if interface.bridge_port is not None and interface.master is not None:
        if link.get("master") == SINK:
            link["master"] = interface.master.name
        info = link.get("linkinfo", {})
        if "info_slave_kind" in info:
            info["info_slave_data"] = port_details(interface)[1]
    if interface.kind in ("bridge", "vlan"):
        for name, value in (("flags", link_flags(interface)), ("operstate", operational_state(interface))):
            if name in link:
                link[name] = value
        if link.get("qdisc", "noop") != "noop":
            link["qdisc"] = "noqueue"
        if "linkinfo" in link:
            link["linkinfo"] = _kind(interface)
        if interface.parent is not None:
            ordered = {"ifindex": link.pop("ifindex")} if "ifindex" in link else {}
            return ordered | {"link": interface.parent.name} | link
    elif "flags" in link:
        link["flags"] = [flag for flag in link["flags"] if flag != "PROMISC"]
    return link


def _kind(interface: Interface) -> dict[str, Any]:
    if interface.bridge is not None:
        return {"info_kind": "bridge", "info_data": bridge_details(interface)[1]}
    data = {"protocol": "802.1Q", "id": interface.vlan, "flags": ["REORDER_HDR"]}
    return {"info_kind": "vlan", "info_data": data}


def as_text(text: str, board: Switchboard, *, brief: bool, wanted: Wanted = lambda _: True) -> str:
    """The lines of `ip link` or `ip addr`."""
    kept, keep = [], False
    for line in text.splitlines():
        found = (BRIEF if brief else HEADER).match(line)
        if brief or (found and not line[0].isspace()):
            name = (found[1] if brief else found[2]) if found else ""
            keep = name not in HIDDEN and wanted(name)
            interface = board.interfaces.get(name)
        if keep and interface is not None and found is not None:
            line = _brief(found, interface) if brief else _header(found, interface)  # noqa: PLW2901
        if keep and interface is not None:
            line = _details(line, interface)  # noqa: PLW2901
        if keep:
            kept.append(f"{line}\n")
    return "".join(kept)


def _shown(name: str, after: str | None, interface: Interface) -> str:
    return f"{name}@{interface.parent.name}" if interface.parent is not None else name + (after or "")


def _flags(text: str, interface: Interface) -> str:
    words = link_flags(interface) if interface.kind in ("bridge", "vlan") else text.split(",")
    return ",".join(word for word in words if word != "PROMISC")


def _brief(found: re.Match[str], interface: Interface) -> str:
    state, rest = found[3], found[4]
    if interface.kind in ("bridge", "vlan"):
        state = operational_state(interface)
    rest = re.sub(r"<([^>]*)>", lambda flags: f"<{_flags(flags[1], interface)}>", rest)
    return f"{_shown(found[1], found[2], interface):<16} {state:<14} {rest}"


def _header(found: re.Match[str], interface: Interface) -> str:
    rest = found[6]
    if interface.master is not None:
        rest = rest.replace(f"master {SINK} ", f"master {interface.master.name} ")
    if interface.kind in ("bridge", "vlan"):
        rest = STATE.sub(f"state {operational_state(interface)}", QUEUE.sub("qdisc noqueue", rest), count=1)
    name = _shown(found[2], found[3], interface)
    if found[5] is None:  # one line of `ip -o addr`
        return f"{found[1]}: {name}{found[4]} {rest}" if found[4] == ":" else f"{found[1]}: {name}{found[4]}{rest}"
    return f"{found[1]}: {name}: <{_flags(found[5], interface)}> {rest}"


def _details(line: str, interface: Interface) -> str:
    if interface.bridge is not None:
        return TAP.sub(lambda _: bridge_details(interface)[0], line)
    if interface.kind == "vlan":
        return TAP.sub(VLAN_WORDS.format(interface.vlan), line)
    return SLAVE.sub(lambda _: port_details(interface)[0], line) if interface.bridge_port is not None else line
