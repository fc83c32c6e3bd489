"""`bridge vlan`: which VLANs a port is a member of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.vlan import MAX_VLAN_ID, VlanTable
from labs.shell.commands.bridge.words import device, kernel_refuses
from labs.shell.commands.ip.output import Style, print_json
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, number

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["vlan_command"]

USAGE = (
    "Usage: bridge vlan { add | del } vid VLAN_ID dev DEV [ pvid ] [ untagged ]",
    "                                                     [ self ] [ master ]",
    "       bridge vlan { show } [ dev DEV ] [ vid VLAN_ID ]",
)
NAME_WIDTH = 16  # IFNAMSIZ
ID_WIDTH = 9  # VLAN_ID_LEN


def vlan_command(process: Process, style: Style, words: Words) -> int:
    """`bridge vlan …`."""
    if not words.more:
        return _show(process, style, words)
    word = words.take()
    if matches(word, "add"):
        return _change(process, words, delete=False)
    if matches(word, "delete"):
        return _change(process, words, delete=True)
    if any(matches(word, name) for name in ("show", "lst", "list")):
        return _show(process, style, words)
    for name in ("set", "tunnelshow", "global"):
        if matches(word, name):
            raise IpError(f'bridge: "vlan {name}" is not simulated here', status=EXIT_USAGE)
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    raise IpError(f'Command "{word}" is unknown, try "bridge vlan help".', status=EXIT_USAGE)


def _vids(text: str) -> tuple[int, int]:
    """`20` or `20-29`. Raises IpError."""
    low, dash, high = text.partition("-")
    first = number(low)
    last = number(high) if dash else first
    if dash and (first is None or last is None or first >= last or last > MAX_VLAN_ID + 1):
        raise IpError(f'Invalid VLAN range "{low}-{high}"', status=EXIT_USAGE)
    if first is None or last is None or first > MAX_VLAN_ID + 1:
        raise IpError(f'Invalid VLAN ID "{text}"', status=EXIT_USAGE)
    return first, last


def _change(process: Process, words: Words, *, delete: bool) -> int:
    interface: Interface | None = None
    vids: tuple[int, int] | None = None
    options = set()
    while words.more:
        word = words.take()
        if word == "dev":
            interface = device(process, words, 'Cannot find bridge device "{}"')
        elif word == "vid":
            vids = _vids(words.value())
        elif word in ("self", "master", "pvid", "untagged"):
            options.add(word)
        elif matches(word, "tunnel_info"):
            raise IpError('bridge: "vlan tunnel_info" is not simulated here', status=EXIT_USAGE)
        elif matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
    if interface is None or vids is None:
        raise IpError("Device and VLAN ID are required arguments.", status=EXIT_USAGE)
    if vids[0] != vids[1] and "pvid" in options:
        raise IpError("pvid cannot be configured for a vlan range", status=EXIT_USAGE)
    table = _table(interface, own="self" in options and "master" not in options)
    if vids[0] == 0 or vids[1] > MAX_VLAN_ID:
        raise kernel_refuses("Numerical result out of range" if vids[1] > MAX_VLAN_ID else "Invalid argument")
    for vid in range(vids[0], vids[1] + 1):
        if delete:
            table.delete(vid)
        else:
            table.add(vid, pvid="pvid" in options, untagged="untagged" in options)
    _forget_foreign(interface)
    return 0


def _table(interface: Interface, *, own: bool) -> VlanTable:
    """The table a change goes to: the device's own (`self`, of a bridge), or that of a bridge port. Raises IpError."""
    if own:
        if interface.bridge is None:
            raise kernel_refuses("Operation not supported")
        return interface.bridge.vlans
    if interface.bridge_port is None:
        raise kernel_refuses("Operation not supported")
    return interface.bridge_port.vlans


def _forget_foreign(interface: Interface) -> None:
    """Stations that were learned on a port in a VLAN it is no longer a member of are forgotten."""
    if interface.master is None or interface.master.bridge is None or interface.bridge_port is None:
        return
    stations, members = interface.master.bridge.stations, interface.bridge_port.vlans.members
    for key in [k for k, s in stations.items() if s.port is interface and k.vid and k.vid not in members]:
        del stations[key]


def _show(process: Process, style: Style, words: Words) -> int:
    only: Interface | None = None
    vid: int | None = None
    while words.more:
        word = words.take()
        if word == "dev":
            only = device(process, words)
        elif word == "vid":
            vid = _vids(words.value())[0]
    if style.statistics:
        raise IpError('bridge: "-s vlan" is not simulated here', status=EXIT_USAGE)
    tables = []
    for interface in process.node.interfaces.values():
        table = interface.bridge.vlans if interface.bridge is not None else None
        if interface.bridge_port is not None:
            table = interface.bridge_port.vlans
        if table is None or (only is not None and interface is not only):
            continue
        rows = _rows(table, vid, compress=style.compress)
        if rows:
            tables.append((interface.name, rows))
    if style.json:
        print_json(
            process, style, [{"ifname": name, "vlans": [_member(*row) for row in rows]} for name, rows in tables]
        )
        return 0
    process.print(f"{'port':<{NAME_WIDTH}}  {'vlan-id':<{ID_WIDTH}}")
    for name, rows in tables:
        for index, (first, last, flags) in enumerate(rows):
            text = str(first) if first == last else f"{first}-{last}"
            process.print(f"{'' if index else name:<{NAME_WIDTH}}  {text}{''.join(f' {flag}' for flag in flags)}")
    return 0


def _rows(table: VlanTable, only: int | None, *, compress: bool) -> list[tuple[int, int, tuple[str, ...]]]:
    """First VLAN, last VLAN and flags; with -compressvlans neighbours with the same flags share a row."""
    rows: list[tuple[int, int, tuple[str, ...]]] = []
    for vid, untagged in table.members.items():
        if only not in (None, vid):
            continue
        flags = (*(("PVID",) if vid == table.pvid else ()), *(("Egress Untagged",) if untagged else ()))
        if compress and rows and rows[-1][1] == vid - 1 and rows[-1][2] == flags and vid != table.pvid:
            rows[-1] = (rows[-1][0], vid, flags)
        else:
            rows.append((vid, vid, flags))
    return rows


def _member(first: int, last: int, flags: tuple[str, ...]) -> dict[str, object]:
    member: dict[str, object] = {"vlan": first}
    if first != last:
        member["vlanEnd"] = last
    return member | ({"flags": list(flags)} if flags else {})
