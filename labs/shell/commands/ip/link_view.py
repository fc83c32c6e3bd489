"""How `ip link` and `ip addr` show an interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labs.shell.commands.ip.bridge_view import bridge_details, port_details
from labs.shell.commands.ip.output import Record, Style
from labs.shell.commands.ip.tunnel import tunnel_details

if TYPE_CHECKING:
    from labs.net.interface import Counters, Interface

__all__ = ["brief_name", "link_flags", "link_record", "operational_state", "statistics"]

MAXIMUM_MTU = {
    "ether": 9216,
    "loopback": 0,
    "bridge": 65535,
    "vlan": 65535,
    "gre": 0,
    "ipip": 0,
    "wireguard": 2147483552,
}
MINIMUM_MTU = {"ether": 68, "loopback": 0, "bridge": 68, "vlan": 0, "gre": 0, "ipip": 0, "wireguard": 0}
GSO = {
    "gso_max_size": 65536,
    "gso_max_segs": 65535,
    "tso_max_size": 65536,
    "tso_max_segs": 65535,
    "gro_max_size": 65536,
}


def link_flags(interface: Interface) -> list[str]:
    """The words between the angle brackets, in the order of print_link_flags."""
    flags = []
    if interface.up and not interface.has_carrier:
        flags.append("NO-CARRIER")
    if interface.tunnel is not None:
        flags += ["POINTOPOINT", "NOARP"] if interface.tunnel.remote or interface.wireguard else ["NOARP"]
    else:
        flags += ["LOOPBACK"] if interface.kind == "loopback" else ["BROADCAST"]
        flags += ["MULTICAST"] if interface.multicast and interface.kind != "loopback" else []
    flags += ["ALLMULTI"] if interface.all_multicast else []
    flags += ["PROMISC"] if interface.promiscuous else []
    if not interface.arp and "NOARP" not in flags:
        flags.append("NOARP")
    if interface.up:
        flags.append("UP")
        if interface.has_carrier:
            flags.append("LOWER_UP")
    if interface.parent is not None and not interface.parent.up:
        flags.append("M-DOWN")
    return flags


def operational_state(interface: Interface) -> str:
    """RFC 2863 ifOperStatus as Linux words it."""
    if not interface.up:
        return "DOWN"
    if interface.kind == "loopback" or interface.tunnel is not None:
        return "UNKNOWN"
    if interface.has_carrier:
        return "UP"
    return "LOWERLAYERDOWN" if interface.parent is not None else "DOWN"


def queue_name(interface: Interface) -> str:
    """The queueing discipline that Debian gives: fq_codel to a port, none to what has no queue of its own."""
    if not interface.activated:
        return "noop"
    return "fq_codel" if interface.kind == "ether" else "noqueue"


def link_record(
    interface: Interface, style: Style, *, mode: bool, header: bool = True, hardware: bool = True, short: bool = False
) -> Record:
    """The first two lines. `mode` is for `ip link`, which also says the link mode; `short` is how IPv6 lists it."""
    record = Record(style)
    if header:
        _header(record, interface, mode=mode, short=short)
    if not hardware:
        return record
    record.say(style.newline if header else "")
    if interface.wireguard is not None:
        record.add("link_type", "none", "    link/none ")
        if style.details:
            _details(record, interface, mode=mode)
        return record
    if interface.tunnel is not None:
        local, remote = interface.tunnel.local, interface.tunnel.remote
        record.add("link_type", interface.kind, f"    link/{interface.kind} ")
        record.add("address", str(local), str(local))
        word = "peer" if remote else "brd"
        record.add("link_pointtopoint" if remote else "broadcast", bool(remote) or str(remote), f" {word} {remote}")
        if remote:
            record.only_json("broadcast", str(remote))
        if style.details:
            _details(record, interface, mode=mode)
        return record
    kind = "loopback" if interface.kind == "loopback" else "ether"
    record.add("link_type", kind, f"    link/{kind} ")
    record.add("address", str(interface.mac), str(interface.mac))
    broadcast = "00:00:00:00:00:00" if kind == "loopback" else "ff:ff:ff:ff:ff:ff"
    record.add("broadcast", broadcast, f" brd {broadcast}")
    if interface.kind == "ether" and interface.mac != interface.permanent_mac:
        record.add("permaddr", str(interface.permanent_mac), f" permaddr {interface.permanent_mac}")
    if style.details:
        _details(record, interface, mode=mode)
    return record


def _header(record: Record, interface: Interface, *, mode: bool, short: bool = False) -> None:
    record.add("ifindex", interface.index, f"{interface.index}: ")
    if interface.parent is not None:
        record.only_json("link", interface.parent.name)
    elif interface.tunnel is not None and interface.wireguard is None:
        record.only_json("link", interface.tunnel.link)
    record.add("ifname", interface.name, brief_name(interface) + ": ")
    flags = link_flags(interface)
    record.add("flags", flags, f"<{','.join(flags)}> ")
    record.add("mtu", interface.mtu, f"mtu {interface.mtu} ")
    if not short:
        record.add("qdisc", queue_name(interface), f"qdisc {queue_name(interface)} ")
    if interface.master is not None:
        record.add("master", interface.master.name, f"master {interface.master.name} ")
    state = operational_state(interface)
    record.add("operstate", state, f"state {state} ")
    if mode:
        record.add("linkmode", "DEFAULT", "mode DEFAULT ")
    if not short:
        record.add("group", "default", "group default ")
    record.add("txqlen", interface.queue_length, f"qlen {interface.queue_length}")


def brief_name(interface: Interface) -> str:
    """`eth0.10@eth0` for what stands on another interface."""
    if interface.wireguard is not None:
        return interface.name
    if interface.tunnel is not None:
        return f"{interface.name}@{interface.tunnel.link or 'NONE'}"
    return interface.name if interface.parent is None else f"{interface.name}@{interface.parent.name}"


def _details(record: Record, interface: Interface, *, mode: bool) -> None:
    """What -d adds."""
    style = record.style
    enslaved = interface.master is not None
    for key, wanted in (("promiscuity", interface.promiscuous), ("allmulti", interface.all_multicast)):
        record.add(key, enslaved + wanted, f" {key} {enslaved + wanted} ")
    low, high = MINIMUM_MTU[interface.kind], MAXIMUM_MTU[interface.kind]
    record.add("min_mtu", low, f"minmtu {low} ")
    record.add("max_mtu", high, f"maxmtu {high} ")
    info: dict[str, object] = {}
    text = ""
    if interface.kind == "vlan":
        info = {
            "info_kind": "vlan",
            "info_data": {"protocol": "802.1Q", "id": interface.vlan, "flags": ["REORDER_HDR"]},
        }
        text = f"vlan protocol 802.1Q id {interface.vlan} <REORDER_HDR> "
    elif interface.wireguard is not None:
        text, info = "wireguard ", {"info_kind": "wireguard"}
    elif interface.tunnel is not None:
        text, data = tunnel_details(interface.tunnel)
        info = {"info_kind": interface.kind, "info_data": data}
    elif interface.bridge is not None:
        text, data = bridge_details(interface)
        info = {"info_kind": "bridge", "info_data": data}
    if interface.master is not None:
        slave, data = port_details(interface)
        info |= {"info_slave_kind": "bridge", "info_slave_data": data}
        text += f"{style.newline}    {slave}"
    if info:
        record.add("linkinfo", info, f"{style.newline}    {text}")
    if mode:
        record.add("inet6_addr_gen_mode", "eui64", "addrgenmode eui64 ")
    for key, name in (("num_tx_queues", "numtxqueues"), ("num_rx_queues", "numrxqueues")):
        record.add(key, 1, f"{name} 1 ")
    for key, value in GSO.items():
        record.add(key, value, f"{key} {value} ")


def statistics(record: Record, interface: Interface) -> None:
    """What -s adds: the counters of both directions, right-aligned in columns."""
    received, sent = interface.rx, interface.tx
    rx = {
        "bytes": received.bytes,
        "packets": received.packets,
        "errors": received.errors,
        "dropped": received.dropped,
        "over_errors": 0,
        "multicast": 0,
    }
    tx = {
        "bytes": sent.bytes,
        "packets": sent.packets,
        "errors": sent.errors,
        "dropped": sent.dropped,
        "carrier_errors": 0,
        "collisions": sent.collisions,
    }
    widths = _widths(received, sent)
    line = record.style.newline
    text = line + _titles("RX:", ("bytes", "packets", "errors", "dropped", "missed", "mcast"), widths)
    text += line + _values(rx.values(), widths)
    if record.style.statistics > 1:
        kinds = (received.too_long, received.damaged, 0, 0, 0)
        text += line + _errors("RX", ("length", "crc", "frame", "fifo", "overrun"), kinds, widths)
    text += line + _titles("TX:", ("bytes", "packets", "errors", "dropped", "carrier", "collsns"), widths)
    text += line + _values(tx.values(), widths)
    if record.style.statistics > 1:
        kinds = (0, 0, sent.late_collisions, 0, interface.carrier_changes)
        text += line + _errors("TX", ("aborted", "fifo", "window", "heartbt", "transns"), kinds, widths)
    record.add("stats64", {"rx": rx, "tx": tx}, text)


def _widths(received: Counters, sent: Counters) -> list[int]:
    """Each column is as wide as the longest title that stands in it, or its largest value (print_stats64)."""
    longest = ("*X errors:", "packets", "errors", "dropped", "heartbt", "overrun")
    values = [(c.bytes, c.packets, c.errors, c.dropped, 0, 0) for c in (received, sent)]
    return [max(len(title), *(len(str(row[i])) for row in values)) for i, title in enumerate(longest)]


def _titles(head: str, titles: tuple[str, ...], widths: list[int]) -> str:
    cells = [f"{titles[0]:>{widths[0] - 4}}"] + [f"{t:>{w}}" for t, w in zip(titles[1:], widths[1:], strict=True)]
    return f"    {head} {' '.join(cells)} {'':{len('compressed')}}"


def _values(values: Iterable[int], widths: list[int]) -> str:
    return "    " + "".join(f"{value:>{width}} " for value, width in zip(values, widths, strict=True))


def _errors(head: str, titles: tuple[str, ...], kinds: tuple[int, ...], widths: list[int]) -> str:
    """The kinds of errors."""
    names = " ".join(f"{t:>{w}}" for t, w in zip(titles, widths[1:], strict=True))
    values = "".join(f"{count:>{w}} " for count, w in zip(kinds, widths[1:], strict=True))
    return f"    {head} errors: {names}\n    {'':{widths[0]}} {values}"
