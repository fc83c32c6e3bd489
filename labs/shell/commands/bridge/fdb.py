"""`bridge fdb`: the stations behind the ports of a bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Mac
from labs.net.bridge import Origin, Station, StationKey
from labs.net.vlan import MAX_VLAN_ID
from labs.shell.commands.bridge.words import device, kernel_refuses
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, number

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["fdb_command"]

SECOND = 1_000_000_000
ALL_HOSTS = "01:00:5e:00:00:01"  # RFC 1112 §6.4: every machine listens to 224.0.0.1
UNKNOWN = ("self", "dst", "port", "vni", "via", "src_vni", "nhid", "router", "use", "extern_learn", "sticky")


def fdb_command(process: Process, style: Style, words: Words) -> int:
    """`bridge fdb …`."""
    if not words.more:
        return _show_fdb(process, style, words)
    command = words.take()
    if matches(command, "add") or matches(command, "append"):
        return _change_fdb(process, words, replace=False, delete=False)
    if matches(command, "replace"):
        return _change_fdb(process, words, replace=True, delete=False)
    if matches(command, "delete"):
        return _change_fdb(process, words, replace=False, delete=True)
    if matches(command, "flush"):
        return _flush_fdb(process, words)
    if any(matches(command, known) for known in ("show", "lst", "list")):
        return _show_fdb(process, style, words)
    if matches(command, "get"):
        raise IpError('bridge: "fdb get" is not simulated here', status=EXIT_USAGE)
    if matches(command, "help"):
        process.error(
            "Usage: bridge fdb { add | replace | del } ADDR dev DEV master [ vlan VID ] [ static | dynamic ]",
            "       bridge fdb flush dev DEV",
        )
        process.error("       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ dev DEV ] [ vlan VID ] ]")
        return EXIT_USAGE
    raise IpError(f'Command "{command}" is unknown, try "bridge fdb help".', status=EXIT_USAGE)


def _show_fdb(process: Process, style: Style, words: Words) -> int:
    only: Interface | None = None
    of: Interface | None = None
    vid: int | None = None
    while words.more:
        word = words.take()
        if word in ("dev", "brport"):
            only = device(process, words)
        elif word == "br":
            of = device(process, words)
        elif word == "vlan":
            vid = _vid(words)
    node = process.node
    records = []
    for interface in node.interfaces.values():
        owner = interface if interface.bridge is not None else interface.master
        if only not in (None, interface) or (of is not None and owner is not of):
            continue
        if interface.master is not None and interface.master.bridge is not None:
            interface.master.bridge.age_all(node.now)
            for key, station in reversed(interface.master.bridge.stations.items()):
                if station.port is interface and vid in (None, key.vid):
                    records += _station_records(style, node.now, key, station, hide=only is not None)
        if interface.activated and interface.kind != "loopback":
            records.append(_own(style, interface, hide=only is not None))
    print_records(process, style, records)
    return 0


def _station_records(style: Style, now: int, key: StationKey, station: Station, *, hide: bool) -> list[Record]:
    """The entry; that of the port itself once more for every VLAN the port is in, while VLANs are filtered."""
    records = [_station(style, now, key, station, hide=hide)]
    port = station.port
    if station.origin is Origin.LOCAL and port.bridge_port is not None and port.master is not None and not key.vid:
        bridge = port.master.bridge
        if bridge is not None and bridge.vlan_filtering and key.mac == port.mac:
            vids = [StationKey(key.mac, vid) for vid in port.bridge_port.vlans.members]
            records = [*(_station(style, now, other, station, hide=hide) for other in vids), *records]
    return records


def _station(style: Style, now: int, key: StationKey, station: Station, *, hide: bool) -> Record:
    record = Record(style)
    record.add("mac", str(key.mac))
    if not hide:
        record.add("ifname", station.port.name, f"dev {station.port.name} ")
    if key.vid:
        record.add("vlan", key.vid, f"vlan {key.vid} ")
    if style.statistics:
        age = 0 if station.permanent else (now - station.seen_ns) // SECOND
        record.add("used", age, f"used {age}/{age} ")
        record.only_json("updated", age)
    record.only_json("flags", [])
    assert station.port.master is not None
    record.add("master", station.port.master.name, f"master {station.port.master.name} ")
    record.add("state", station.origin.value, station.origin.value)
    return record


def _own(style: Style, interface: Interface, *, hide: bool) -> Record:
    """The group address that every IPv4 machine listens to."""
    record = Record(style)
    record.add("mac", ALL_HOSTS)
    if not hide:
        record.add("ifname", interface.name, f"dev {interface.name} ")
    record.add("flags", ["self"], "self ")
    record.add("state", "permanent", "permanent")
    return record


def _vid(words: Words) -> int:
    """A VLAN. Raises IpError."""
    text = words.value()
    found = number(text)
    if found is None or found > MAX_VLAN_ID + 1:
        raise IpError(f'Error: argument "{text}" is wrong: VLAN ID', "", status=EXIT_USAGE)
    return found


def _change_fdb(process: Process, words: Words, *, replace: bool, delete: bool) -> int:
    text = interface = vid = None
    master = False
    origin = Origin.LOCAL
    while words.more:
        word = words.take()
        if word == "dev":
            interface = device(process, words)
        elif word == "master":
            master = True
        elif word == "vlan":
            vid = _vid(words)
        elif word in UNKNOWN:
            raise IpError(f'bridge: "fdb {word}" is not simulated here', status=EXIT_USAGE)
        elif word in ("static", "temp"):
            origin = Origin.STATIC
        elif word in ("permanent", "local"):
            origin = Origin.LOCAL
        elif word == "dynamic":
            origin = Origin.LEARNED
        elif word != "to":
            text = word
    if text is None or interface is None:
        raise IpError("Device and address are required arguments.", status=EXIT_USAGE)
    try:
        mac = Mac.parse(text)
    except ValueError:
        raise IpError(f"Invalid mac address {text}", status=EXIT_USAGE) from None
    if not master:
        raise IpError('bridge: "fdb" entries of the port itself (self) are not simulated here', status=EXIT_USAGE)
    if interface.master is None or interface.master.bridge is None or interface.bridge_port is None:
        raise kernel_refuses("Operation not supported")
    bridge, port = interface.master.bridge, interface.bridge_port
    if vid and vid not in port.vlans.members:
        raise kernel_refuses("Invalid argument")
    everywhere = [0, *(port.vlans.members if bridge.vlan_filtering else ())]
    keys = [StationKey(mac, known) for known in ([vid] if vid else everywhere)]
    there = [key for key in keys if key in bridge.stations]
    if delete:
        mine = [key for key in there if bridge.stations[key].port is interface]
        if not mine:
            raise kernel_refuses("No such file or directory")
        for key in mine:
            del bridge.stations[key]
        return 0
    if there and not replace:
        raise kernel_refuses("File exists")
    for key in keys:
        bridge.stations[key] = Station(interface, process.node.now, origin)
    return 0


def _flush_fdb(process: Process, words: Words) -> int:
    interface = None
    while words.more:
        if words.take() == "dev":
            interface = device(process, words)
    if interface is None:
        raise IpError("Device is a required argument.", status=EXIT_USAGE)
    owner = interface if interface.bridge is not None else interface.master
    if owner is None or owner.bridge is None:
        raise kernel_refuses("Operation not supported")
    for port in owner.bridge.ports:
        if interface in (owner, port):
            owner.bridge.forget(port)
    return 0
