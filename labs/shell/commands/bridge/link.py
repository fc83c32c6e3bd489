"""`bridge link`: the ports of bridges and their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.bridge import PortState, port_cost
from labs.net.linux import link_config
from labs.net.linux.link_config import LinkError
from labs.shell.commands.bridge.words import device, flag, kernel_refuses
from labs.shell.commands.ip.link_view import brief_name, link_flags
from labs.shell.commands.ip.output import Record, Style, print_records
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, number

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["link_command"]

USAGE = (
    "Usage: bridge link set dev DEV [ cost COST ] [ priority PRIO ] [ state STATE ]",
    "                               [ guard {on | off} ]",
    "                               [ hairpin {on | off} ]",
    "                               [ root_block {on | off} ]",
    "                               [ learning {on | off} ]",
    "                               [ flood {on | off} ]",
    "                               [ mcast_flood {on | off} ]",
    "                               [ bcast_flood {on | off} ]",
    "                               [ isolated {on | off} ]",
    "       bridge link show [dev DEV]",
)
# In the order of `bridge -d link`; those with a fixed value cannot be changed here.
FIXED = {"fastleave": False, "mcast_to_unicast": False, "neigh_suppress": False, "vlan_tunnel": False, "locked": False}
DETAILS = (
    "hairpin guard root_block fastleave learning flood mcast_flood bcast_flood mcast_router mcast_to_unicast"
    " neigh_suppress vlan_tunnel isolated locked"
).split()
SWITCHES = ("hairpin", "guard", "root_block", "learning", "flood", "mcast_flood", "bcast_flood", "isolated")
REFUSED = (*FIXED, "learning_sync", "mcast_router", "hwmode", "backup_port", "nobackup_port", "self")


def link_command(process: Process, style: Style, words: Words) -> int:
    """`bridge link …`."""
    if words.more:
        command = words.take()
        if matches(command, "set"):
            return _set(process, words)
        if matches(command, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        if not any(matches(command, known) for known in ("show", "lst", "list")):
            raise IpError(f'Command "{command}" is unknown, try "bridge link help".', status=EXIT_USAGE)
    only: Interface | None = None
    while words.more:
        if words.take() == "dev":
            only = device(process, words)
    interfaces = [i for i in process.node.interfaces.values() if i.master is not None and only in (None, i)]
    print_records(process, style, [_record(interface, style) for interface in interfaces])
    return 0


def _record(interface: Interface, style: Style) -> Record:
    port, master = interface.bridge_port, interface.master
    assert port is not None
    assert master is not None
    record = Record(style)
    record.add("ifindex", interface.index, f"{interface.index}: ")
    if interface.parent is not None:
        record.only_json("link", interface.parent.name)
    record.add("ifname", interface.name, f"{brief_name(interface)}: ")
    flags = link_flags(interface)
    record.add("flags", flags, f"<{','.join(flags)}> ")
    record.add("mtu", interface.mtu, f"mtu {interface.mtu} ")
    record.add("master", master.name, f"master {master.name} ")
    state = link_config.port_state(interface).word
    record.add("state", state, f"state {state} ")
    record.add("priority", port.priority, f"priority {port.priority} ")
    record.add("cost", port_cost(interface), f"cost {port_cost(interface)} ")
    if style.details:
        record.say(f"{style.newline}    ")
        for name in DETAILS:
            if name == "mcast_router":
                record.add(name, 1, "mcast_router 1 ")
                continue
            on = bool(FIXED.get(name, getattr(port, name, False)))
            record.add(name, on, f"{name} {'on' if on else 'off'} ")
    return record


def _set(process: Process, words: Words) -> int:
    interface: Interface | None = None
    switches: dict[str, bool] = {}
    cost: int | None = None
    priority: int | None = None
    state: PortState | None = None
    while words.more:
        word = words.take()
        if word == "dev":
            interface = device(process, words)
        elif word in SWITCHES:
            switches[word] = flag(word, words)
        elif word == "cost":
            cost = _number(words, "cost")
        elif word == "priority":
            priority = _number(words, "priority")
        elif word == "state":
            state = _state(words.value())
        elif word in REFUSED:
            raise IpError(f'bridge: "link set {word}" is not simulated here', status=EXIT_USAGE)
        elif word != "master":
            process.error(*USAGE)
            return EXIT_USAGE
    if interface is None:
        raise IpError("Device is a required argument.", status=EXIT_USAGE)
    try:
        link_config.set_bridge_port(process.node, interface, switches, cost=cost, priority=priority, state=state)
    except LinkError as error:
        raise kernel_refuses(str(error)) from None
    return 0


def _number(words: Words, name: str) -> int:
    text = words.value()
    found = number(text)
    if found is None:
        raise IpError(f'Error: argument "{text}" is wrong: {name}', "", status=EXIT_USAGE)
    return found


def _state(text: str) -> PortState:
    """A state by number or name. Raises IpError."""
    if text.isdecimal() and int(text) <= PortState.BLOCKING:
        return PortState(int(text))
    for known in PortState:
        if known.word == text.lower():
            return known
    raise IpError("Error: invalid STP port state", status=EXIT_USAGE)
