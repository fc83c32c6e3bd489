"""`brctl` (bridge-utils): the older tool for bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.linux import link_config
from labs.net.linux.link_config import LinkError

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["brctl"]

SECOND = 1_000_000_000
USAGE = (
    "Usage: brctl [commands]",
    "commands:",
    "	addbr     	<bridge>		add bridge",
    "	delbr     	<bridge>		delete bridge",
    "	addif     	<bridge> <device>	add interface to bridge",
    "	delif     	<bridge> <device>	delete interface from bridge",
    "	show      	[ <bridge> ]		show a list of bridges",
    "	setageing 	<bridge> <time>		set ageing time",
    "	setbridgeprio	<bridge> <prio>		set bridge priority",
    "	setpathcost	<bridge> <port> <cost>	set path cost",
    "	setportprio	<bridge> <port> <prio>	set port priority",
    "	stp       	<bridge> {on|off}	turn stp on/off",
    "	showmacs  	<bridge>		show a list of mac addrs",
)

SETTINGS = {"setageing": 3, "setbridgeprio": 3, "setpathcost": 4, "setportprio": 4, "stp": 3}  # -> words
NOT_SIMULATED = ("hairpin", "setfd", "setgcint", "sethello", "setmaxage", "showstp")


def brctl(process: Process) -> int:
    """The older tool for bridges."""
    words = process.argv[1:]
    actions = {"show": _brctl_show, "showmacs": _brctl_macs, "addbr": _brctl_add, "delbr": _brctl_del}
    if not words:
        process.print(*USAGE)
        return 1
    if words[0] in ("addif", "delif") and len(words) >= 3:
        return _brctl_port(process, words)
    if words[0] in actions and (len(words) > 1 or words[0] == "show"):
        return actions[words[0]](process, words)
    if words[0] in SETTINGS and len(words) == SETTINGS[words[0]]:
        return _brctl_set(process, words)
    if words[0] in NOT_SIMULATED:
        process.error(f'brctl: "{words[0]}" is not simulated here')
        return 1
    if words[0] in actions or words[0] in ("addif", "delif", *SETTINGS):
        process.error("Incorrect number of arguments for command", f"Usage: brctl {words[0]} <bridge>")
        return 1
    process.error(f"never heard of command [{words[0]}]")
    process.print(*USAGE)
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
        identifier = f"{interface.bridge.priority:04x}.{int(interface.mac) if interface.bridge.ports else 0:012x}"
        ports = sorted(port.name for port in interface.bridge.ports)
        tree = "yes" if interface.bridge.tree else "no"
        lines.append(f"{interface.name}\t\t{identifier}\t{tree}\t\t{ports[0] if ports else ''}")
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
    for (mac, _), station in sorted(interface.bridge.stations.items(), key=lambda item: item[0]):
        number = station.port.bridge_port.number if station.port.bridge_port else 0
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


def _brctl_set(process: Process, words: list[str]) -> int:
    """`brctl setbridgeprio BRIDGE N`, `brctl setpathcost BRIDGE PORT N` and their like."""
    name, interfaces = words[0], process.node.interfaces
    owner = interfaces.get(words[1])
    if owner is None or owner.bridge is None:
        process.error(
            f"set {name.removeprefix('set')} failed: {'No such device' if owner is None else 'Operation not supported'}"
        )
        return 1
    if name == "stp":
        on = words[2] in ("on", "yes", "1")
        if not on and words[2] not in ("off", "no", "0"):
            process.error("expect on/off for argument")
            return 1
        link_config.set_bridge(process.node, owner, stp=on)
        return 0
    if not words[-1].isdecimal():
        process.error(f"bad {name.removeprefix('set')}")
        return 1
    value = int(words[-1])
    port = interfaces.get(words[2])
    try:
        if name == "setageing":
            link_config.set_bridge(process.node, owner, ageing_time_ns=value * SECOND)
        elif name == "setbridgeprio":
            link_config.set_bridge(process.node, owner, priority=value & 0xFFFF)
        elif port is None or port.master is not owner:
            process.error(f"interface {words[2]} is not a port of bridge {words[1]}")
            return 1
        elif name == "setpathcost":
            link_config.set_bridge_port(process.node, port, {}, cost=value)
        else:
            link_config.set_bridge_port(process.node, port, {}, priority=value)
    except LinkError as error:
        process.error(f"set {name.removeprefix('set')} failed: {error}")
        return 1
    return 0
