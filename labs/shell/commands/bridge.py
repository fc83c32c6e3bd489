"""`bridge` (iproute2) and `brctl` (bridge-utils): the ports of a bridge and the stations behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Mac
from labs.net.bridge import Station
from labs.net.linux import link_config
from labs.net.linux.link_config import LinkError
from labs.shell.commands.ip.link_view import brief_name, link_flags
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process, Program

__all__ = ["COMMANDS", "brctl", "bridge"]

SECOND = 1_000_000_000
ALL_HOSTS = "01:00:5e:00:00:01"  # RFC 1112 §6.4: every machine listens to 224.0.0.1
PRIORITY = 0x8000  # IEEE 802.1Q table 14-3
USAGE = (
    "Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }",
    "where  OBJECT := { link | fdb }",
    "       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -o[neline] | -color -p[retty] -j[son] }",
)
PORT_FLAGS = (
    "hairpin off guard off root_block off fastleave off learning on flood on mcast_flood on bcast_flood on"
    " mcast_router 1 mcast_to_unicast off neigh_suppress off vlan_tunnel off isolated off locked off "
)


def bridge(process: Process) -> int:
    """Show bridge ports and the filtering database."""
    try:
        return _bridge(process)
    except IpError as error:
        process.error(*error.lines)
        return error.status


def _bridge(process: Process) -> int:
    words = Words(process.argv[1:])
    style = Style()
    while words.more and words.word.startswith("-"):
        option = words.take()
        word = option[1:] if option.startswith("--") else option
        if matches(word, "-statistics") or matches(word, "-stats"):
            style.statistics += 1
        elif matches(word, "-details"):
            style.details += 1
        elif matches(word, "-oneline"):
            style.oneline = True
        elif matches(word, "-json"):
            style.json = True
        elif matches(word, "-pretty"):
            style.pretty = True
        elif matches(word, "-Version"):
            process.print("bridge utility, 6.1.0")
            return 0
        elif matches(word, "-help"):
            process.error(*USAGE)
            return EXIT_USAGE
        elif not matches(word, "-color"):
            raise IpError(f'Option "{option}" is unknown, try "bridge help".', status=EXIT_USAGE)
    if not words.more:
        process.error(*USAGE)
        return EXIT_USAGE
    name = words.take()
    if matches(name, "link"):
        return _link(process, style, words)
    if matches(name, "fdb"):
        return _fdb(process, style, words)
    for other in ("mdb", "vlan", "vni", "monitor"):
        if matches(name, other):
            raise IpError(f'bridge: "{other}" is not simulated here', status=EXIT_USAGE)
    if matches(name, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    raise IpError(f'Object "{name}" is unknown, try "bridge help".', status=EXIT_USAGE)


def _device(process: Process, words: Words) -> Interface:
    name = words.value()
    if name not in process.node.interfaces:
        raise IpError(f'Cannot find device "{name}"', status=EXIT_USAGE)
    return process.node.interfaces[name]


# Ports


def port_cost(interface: Interface) -> int:
    """IEEE 802.1D-1998 table 8-5, as Linux uses it (port_cost in br_if.c)."""
    for rate, cost in ((10_000_000_000, 2), (1_000_000_000, 4), (100_000_000, 19)):
        if interface.speed_bps >= rate:
            return cost
    return 100


def _link(process: Process, style: Style, words: Words) -> int:
    if words.more:
        command = words.take()
        if matches(command, "set"):
            raise IpError('bridge: "link set" is not simulated here', status=EXIT_USAGE)
        if matches(command, "help"):
            process.error("Usage: bridge link show [ dev DEV ]")
            return EXIT_USAGE
        if not any(matches(command, known) for known in ("show", "lst", "list")):
            raise IpError(f'Command "{command}" is unknown, try "bridge link help".', status=EXIT_USAGE)
    only = None
    while words.more:
        if words.take() == "dev":
            only = _device(process, words)
    records = []
    for interface in process.node.interfaces.values():
        if interface.master is None or (only is not None and interface is not only):
            continue
        record = Record(style)
        record.add("ifindex", interface.index, f"{interface.index}: ")
        if interface.parent is not None:
            record.only_json("link", interface.parent.name)
        record.add("ifname", interface.name, f"{brief_name(interface)}: ")
        flags = link_flags(interface)
        record.add("flags", flags, f"<{','.join(flags)}> ")
        record.add("mtu", interface.mtu, f"mtu {interface.mtu} ")
        record.add("master", interface.master.name, f"master {interface.master.name} ")
        state = "forwarding" if interface.running and interface.master.up else "disabled"
        record.add("state", state, f"state {state} ")
        record.add("priority", 32, "priority 32 ")
        record.add("cost", port_cost(interface), f"cost {port_cost(interface)} ")
        if style.details:
            record.say(f"{style.newline}    {PORT_FLAGS}")
        records.append(record)
    print_records(process, style, records)
    return 0


# Filtering database


def _fdb(process: Process, style: Style, words: Words) -> int:
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
            "Usage: bridge fdb { add | replace | del } ADDR dev DEV master [ static ]",
            "       bridge fdb flush dev DEV",
        )
        process.error("       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ dev DEV ] ]")
        return EXIT_USAGE
    raise IpError(f'Command "{command}" is unknown, try "bridge fdb help".', status=EXIT_USAGE)


def _show_fdb(process: Process, style: Style, words: Words) -> int:
    only: Interface | None = None
    of: Interface | None = None
    while words.more:
        word = words.take()
        if word in ("dev", "brport"):
            only = _device(process, words)
        elif word == "br":
            of = _device(process, words)
    node = process.node
    records = []
    for interface in node.interfaces.values():
        owner = interface if interface.bridge is not None else interface.master
        if only not in (None, interface) or (of is not None and owner is not of):
            continue
        if interface.master is not None and interface.master.bridge is not None:
            interface.master.bridge.age_all(node.now)
            for mac, station in reversed(interface.master.bridge.stations.items()):
                if station.port is interface:
                    records.append(_station(style, node.now, mac, station, hide=only is not None))
        if interface.activated and interface.kind != "loopback":
            records.append(_own(style, interface, hide=only is not None))
    print_records(process, style, records)
    return 0


def _station(style: Style, now: int, mac: Mac, station: Station, *, hide: bool) -> Record:
    record = Record(style)
    record.add("mac", str(mac))
    if not hide:
        record.add("ifname", station.port.name, f"dev {station.port.name} ")
    if style.statistics:
        age = 0 if station.permanent else (now - station.seen_ns) // SECOND
        record.add("used", age, f"used {age}/{age} ")
        record.only_json("updated", age)
    record.only_json("flags", [])
    assert station.port.master is not None
    record.add("master", station.port.master.name, f"master {station.port.master.name} ")
    record.add("state", "permanent" if station.permanent else "", "permanent" if station.permanent else "")
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


def _change_fdb(process: Process, words: Words, *, replace: bool, delete: bool) -> int:
    text = device = None
    master = False
    while words.more:
        word = words.take()
        if word == "dev":
            device = _device(process, words)
        elif word == "master":
            master = True
        elif word in ("self", "dst", "port", "vni", "via", "vlan", "src_vni", "nhid", "router", "use", "extern_learn"):
            raise IpError(f'bridge: "fdb {word}" is not simulated here', status=EXIT_USAGE)
        elif word not in ("static", "permanent", "local", "temp", "dynamic", "sticky", "to"):
            text = word
    if text is None or device is None:
        raise IpError("Device and address are required arguments.", status=EXIT_USAGE)
    try:
        mac = Mac.parse(text)
    except ValueError:
        raise IpError(f"Invalid mac address {text}", status=EXIT_USAGE) from None
    if not master:
        raise IpError('bridge: "fdb" entries of the port itself (self) are not simulated here', status=EXIT_USAGE)
    if device.master is None or device.master.bridge is None:
        raise IpError("RTNETLINK answers: Operation not supported", status=EXIT_USAGE)
    stations = device.master.bridge.stations
    if delete:
        if mac not in stations or stations[mac].port is not device:
            raise IpError("RTNETLINK answers: No such file or directory", status=EXIT_USAGE)
        del stations[mac]
        return 0
    if mac in stations and not replace:
        raise IpError("RTNETLINK answers: File exists", status=EXIT_USAGE)
    stations[mac] = Station(device, process.node.now, permanent=True)
    return 0


def _flush_fdb(process: Process, words: Words) -> int:
    device = None
    while words.more:
        if words.take() == "dev":
            device = _device(process, words)
    if device is None:
        raise IpError("Device is a required argument.", status=EXIT_USAGE)
    owner = device if device.bridge is not None else device.master
    if owner is None or owner.bridge is None:
        raise IpError("RTNETLINK answers: Operation not supported", status=EXIT_USAGE)
    for port in owner.bridge.ports:
        if device in (owner, port):
            owner.bridge.forget(port)
    return 0


# brctl

BRCTL_USAGE = (
    "Usage: brctl [commands]",
    "commands:",
    "	addbr     	<bridge>		add bridge",
    "	delbr     	<bridge>		delete bridge",
    "	addif     	<bridge> <device>	add interface to bridge",
    "	delif     	<bridge> <device>	delete interface from bridge",
    "	show      	[ <bridge> ]		show a list of bridges",
    "	showmacs  	<bridge>		show a list of mac addrs",
)


def brctl(process: Process) -> int:
    """The older tool for bridges."""
    words = process.argv[1:]
    actions = {"show": _brctl_show, "showmacs": _brctl_macs, "addbr": _brctl_add, "delbr": _brctl_del}
    if not words:
        process.print(*BRCTL_USAGE)
        return 1
    if words[0] in ("addif", "delif") and len(words) >= 3:
        return _brctl_port(process, words)
    if words[0] in actions and (len(words) > 1 or words[0] == "show"):
        return actions[words[0]](process, words)
    if words[0] in (
        "hairpin",
        "setageing",
        "setbridgeprio",
        "setfd",
        "sethello",
        "setmaxage",
        "setpathcost",
        "stp",
        "showstp",
    ):
        process.error(f'brctl: "{words[0]}" is not simulated here')
        return 1
    if words[0] in actions or words[0] in ("addif", "delif"):
        process.error("Incorrect number of arguments for command", f"Usage: brctl {words[0]} <bridge>")
        return 1
    process.error(f"never heard of command [{words[0]}]")
    process.print(*BRCTL_USAGE)
    return 1


def _brctl_show(process: Process, words: list[str]) -> int:
    bridges = [i for i in process.node.interfaces.values() if i.bridge is not None]
    lines, status = ["bridge name\tbridge id\t\tSTP enabled\tinterfaces"], 0
    for name in words[1:]:
        if name not in [interface.name for interface in bridges]:
            process.error(f"bridge {name} does not exist!")
            return 1
    for interface in bridges:
        if len(words) > 1 and interface.name not in words[1:]:
            continue
        assert interface.bridge is not None
        identifier = f"{PRIORITY:04x}.{int(interface.mac) if interface.bridge.ports else 0:012x}"
        ports = sorted(port.name for port in interface.bridge.ports)
        lines.append(f"{interface.name}\t\t{identifier}\tno\t\t{ports[0] if ports else ''}")
        lines += ["\t\t\t\t\t\t\t" + port for port in ports[1:]]
    process.print(*lines)
    return status


def _brctl_macs(process: Process, words: list[str]) -> int:
    interface = process.node.interfaces.get(words[1])
    if interface is None or interface.bridge is None:
        process.error(
            f"read of forward table failed: {'No such device' if interface is None else 'Operation not supported'}"
        )
        return 1
    interface.bridge.age_all(process.node.now)
    process.print("port no\tmac addr\t\tis local?\tageing timer")
    for mac, station in sorted(interface.bridge.stations.items()):
        number = interface.bridge.ports.index(station.port) + 1
        age = 0.0 if station.permanent else (process.node.now - station.seen_ns) / SECOND
        process.print(f"{number:>3}\t{mac}\t{'yes' if station.permanent else 'no'}\t\t{age:>7.2f}")
    return 0


def _brctl_add(process: Process, words: list[str]) -> int:
    try:
        link_config.add_bridge(process.node, words[1])
    except LinkError:
        process.error(f"device {words[1]} already exists; can't create bridge with the same name")
        return 1
    return 0


def _brctl_del(process: Process, words: list[str]) -> int:
    interface = process.node.interfaces.get(words[1])
    if interface is None or interface.bridge is None:
        process.error(f"bridge {words[1]} doesn't exist; can't delete it")
        return 1
    if interface.up:
        process.error(f"bridge {words[1]} is still up; can't delete it")
        return 1
    link_config.remove_interface(process.node, interface)
    return 0


def _brctl_port(process: Process, words: list[str]) -> int:
    interfaces = process.node.interfaces
    owner = interfaces.get(words[1])
    for name in words[2:]:
        port = interfaces.get(name)
        if port is None:
            process.error(f"interface {name} does not exist!")
            return 1
        if owner is None or owner.bridge is None:
            process.error(f"bridge {words[1]} does not exist!")
            return 1
        if words[0] == "delif":
            if port.master is not owner:
                process.error(f"device {name} is not a slave of {words[1]}")
                return 1
            link_config.release(process.node, port)
            continue
        if port.master is not None:
            process.error(f"device {name} is already a member of a bridge; can't enslave it to bridge {words[1]}.")
            return 1
        try:
            link_config.enslave(process.node, port, owner)
        except LinkError as error:
            process.error(f"can't add {name} to bridge {words[1]}: {error}")
            return 1
    return 0


COMMANDS: dict[str, Program] = {"bridge": bridge, "brctl": brctl}
