"""`ip link`: show, set, add, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.model.addresses import Mac
from labs.net.linux import link_config
from labs.net.linux.link_config import LinkError
from labs.net.tunnel import MODES, Tunnel
from labs.shell.commands.ip.link_bridge import BridgeSettings, PortSettings, bridge_settings, slave_settings
from labs.shell.commands.ip.link_view import brief_name, link_flags, link_record, operational_state, statistics
from labs.shell.commands.ip.output import Record, Style, print_json
from labs.shell.commands.ip.tunnel import link_settings
from labs.shell.commands.ip.words import (
    EXIT_KERNEL,
    EXIT_USAGE,
    IpError,
    Words,
    device_word,
    duplicate,
    matches,
    no_device,
    number,
    refused,
    valid_name,
    wrong,
)

if TYPE_CHECKING:
    from labs.net.interface import Interface
    from labs.net.process import Process

__all__ = ["link_command"]

USAGE = (
    "Usage: ip link add [link DEV] [ name ] NAME [ address LLADDR ] [ mtu MTU ]",
    "               type { bridge | gre | ipip | vlan | wireguard } [ ARGS ]",
    "       ip link delete { DEVICE | dev DEVICE }",
    "       ip link set { DEVICE | dev DEVICE } [ { up | down } ] [ name NEWNAME ] [ address LLADDR ] [ mtu MTU ]",
    "               [ arp { on | off } ] [ multicast { on | off } ] [ allmulticast { on | off } ]",
    "               [ promisc { on | off } ]",
    "               [ txqueuelen PACKETS ] [ alias NAME ] [ master DEVICE ] [ nomaster ]",
    "       ip link show [ DEVICE ] [up] [master DEV] [type TYPE] [nomaster]",
)
# What Linux could add; those of the first line exist here
KINDS = ("bridge", "vlan", "gre", "ipip", "wireguard")
OTHER_KINDS = frozenset(
    "amt bareudp bond dummy erspan geneve gretap gtp hsr ifb ip6erspan ip6gre ip6gretap ip6tnl"
    " ipoib ipvlan ipvtap macsec macvlan macvtap netdevsim nlmon rmnet sit team vcan veth virt_wifi vrf"
    " vti vxcan vxlan wwan xfrm".split()
)
QUEUE_WORDS = ("txqueuelen", "qlen", "txqlen")
# Words of `ip link set` with "on" or "off", and the attribute that they switch
SWITCHES = {
    "arp": "arp", "multicast": "multicast", "allmulticast": "all_multicast", "promisc": "promiscuous",
}  # fmt: skip
MAX_ALIAS = 255  # IFALIASZ - 1, linux/if.h
NOT_SIMULATED = frozenset(
    "dynamic trailers carrier broadcast brd"
    " netns link-netns link-netnsid group vf xdp xdpgeneric xdpdrv xdpoffload vrf addrgenmode"
    " protodown protodown_reason state mode index gso_max_size gso_max_segs gro_max_size numtxqueues"
    " numrxqueues type altname".split()
)
VLAN_USAGE = (
    "Usage: ... vlan id VLANID",
    "		[ protocol VLANPROTO ]",
    "		[ reorder_hdr { on | off } ]",
    "		[ gvrp { on | off } ]",
    "		[ mvrp { on | off } ]",
    "		[ loose_binding { on | off } ]",
    "		[ bridge_binding { on | off } ]",
    "		[ ingress-qos-map QOS-MAP ]",
    "		[ egress-qos-map QOS-MAP ]",
    "",
    "VLANID := 0-4095",
    "VLANPROTO: [ 802.1Q | 802.1ad ]",
    "QOS-MAP := [ QOS-MAP ] QOS-MAPPING",
    "QOS-MAPPING := FROM:TO",
)
NO_DEVICE = 'Not enough information: "dev" argument is required.'


def link_command(process: Process, style: Style, words: Words) -> int:
    """`ip link …`."""
    if not words.more:
        return _show(process, style, words)
    word = words.take()
    for names, function in (
        (("add",), _add),
        (("set", "change"), _set),
        (("delete",), _delete),
        (("show", "list", "lst"), _show),
    ):
        if any(matches(word, name) for name in names):
            return function(process, style, words)
    for name in ("replace", "xstats", "afstats", "property"):
        if matches(word, name):
            raise refused(f"link {name}")
    if matches(word, "help"):
        process.error(*USAGE)
        return EXIT_USAGE
    message = f'Command "{word}" is unknown, try "ip link help".'
    raise IpError(message, status=EXIT_USAGE)


def refusal(error: LinkError) -> IpError:
    """How `ip` words what the kernel refused."""
    text = f"Error: {error}." if error.explained else f"RTNETLINK answers: {error}"
    return IpError(text, status=EXIT_KERNEL)


# Show


def _show(process: Process, style: Style, words: Words) -> int:
    device = master = kind = None
    up = nomaster = False
    while words.more:
        word = words.take()
        if word == "up":
            up = True
        elif word == "master":
            master = words.value()
            if master not in process.node.interfaces:
                raise wrong(master, "Device does not exist")
        elif word == "nomaster":
            nomaster = True
        elif word == "type":
            kind = words.value()
        elif word in ("group", "vrf"):
            raise refused(word)
        elif matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        else:
            device = device_word(words, word, device)
    if device is not None and device not in process.node.interfaces:
        message = f'Device "{device}" does not exist.'
        raise IpError(message)
    records = []
    for interface in process.node.interfaces.values():
        if device not in (None, interface.name) or (up and not interface.up):
            continue
        if master is not None and (interface.master is None or interface.master.name != master):
            continue
        if (nomaster and interface.master is not None) or (kind is not None and not _is_kind(interface, kind)):
            continue
        records.append(_record(interface, style))
    if style.json:
        print_json(process, style, [record.fields for record in records])
    else:
        process.print(*[record.text for record in records])
    return 0


def _is_kind(interface: Interface, kind: str) -> bool:
    if kind == "bridge_slave":
        return interface.master is not None
    return interface.kind == kind and kind in KINDS


def _record(interface: Interface, style: Style) -> Record:
    if not style.brief:
        record = link_record(interface, style, mode=True)
        if interface.alias:
            record.add("ifalias", interface.alias, f"{style.newline}    alias {interface.alias}")
        if style.statistics:
            statistics(record, interface)
        return record
    record = Record(style)
    if interface.parent is not None:
        record.only_json("link", interface.parent.name)
    record.add("ifname", interface.name, f"{brief_name(interface):<16} ")
    state = operational_state(interface)
    record.add("operstate", state, f"{state:<14} ")
    if interface.wireguard is None:  # it has no link-layer address
        record.add("address", str(interface.mac))
    flags = link_flags(interface)
    record.add("flags", flags, f"<{','.join(flags)}> ")
    return record


# Change


def _mac(text: str) -> Mac:
    """An address as ll_addr_a2n reads it. Raises IpError."""
    parts = text.split(":")
    values = []
    for part in parts:
        try:
            values.append(int(part, 16))
        except ValueError:
            if len(parts) > 1 or not part:
                raise IpError(f'"{part}" is invalid lladdr.') from None
            values.append(0)
    if any(value > 255 or value < 0 for value in values):
        raise IpError(f'"{text}" is invalid lladdr.')
    if len(parts) != 6:
        raise IpError(f"Invalid address length {len(parts)} - must be 6 bytes")
    return Mac.parse(text)


def _count(words: Words, word: str) -> int:
    """The number after a keyword. Raises IpError."""
    text = words.value()
    found = number(text, 0x7FFFFFFF)
    if found is None:
        raise wrong(text, f'Invalid "{word}" value')
    return found


def _on_off(words: Words, word: str) -> bool:
    """The argument of a switch. Raises IpError."""
    text = words.value()
    if text not in ("on", "off"):
        raise IpError(f'Error: argument of "{word}" must be "on" or "off", not "{text}"')
    return text == "on"


def _alias(words: Words) -> str:
    text = words.value()
    if len(text) > MAX_ALIAS:
        raise wrong(text, "alias too long")
    return text


def _set(process: Process, _style: Style, words: Words) -> int:  # noqa: PLR0915 - one branch per keyword
    node = process.node
    device = name = None
    up: bool | None = None
    mac: str | None = None
    mtu: int | None = None
    master: Interface | None = None
    nomaster = False
    plain: dict[str, bool | int | str] = {}
    settings: BridgeSettings = {}
    port_settings: PortSettings | None = None
    while words.more:
        word = words.take()
        if word in ("up", "down"):
            up = word == "up"
        elif word == "name":
            name = words.value()
            if not valid_name(name):
                raise wrong(name, '"name" not a valid ifname', blank=False)
        elif matches(word, "address"):
            mac = words.value()
        elif word == "mtu":
            mtu = _count(words, word)
        elif word == "master":
            text = words.value()
            if text not in node.interfaces:
                raise wrong(text, "Device does not exist")
            master = node.interfaces[text]
        elif word == "nomaster":
            nomaster = True
        elif word in SWITCHES:
            plain[SWITCHES[word]] = _on_off(words, word)
        elif word in QUEUE_WORDS:
            plain["queue_length"] = _count(words, word)
        elif word == "alias":
            plain["alias"] = _alias(words)
        elif word == "type" and device is not None:
            kind = words.value()
            if kind == "bridge":
                settings = bridge_settings(words)
            elif kind == "bridge_slave":
                port_settings = slave_settings(words)
            else:
                raise refused(f"link set type {kind}")
        elif word in NOT_SIMULATED and device is not None:
            if device not in node.interfaces:
                raise no_device(device)
            raise refused(f"link set {word}")
        elif matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        else:
            device = device_word(words, word, device)
    if device is None:
        raise IpError(NO_DEVICE, status=EXIT_USAGE)
    interface = node.interfaces.get(device)
    if interface is None:
        raise no_device(device)
    address = _mac(mac) if mac is not None else None
    if name is not None and name != device and name not in node.interfaces and interface.kind in ("ether", "loopback"):
        raise refused("link set name (of a port)")
    try:
        for attribute, value in plain.items():
            setattr(interface, attribute, value)
        if "arp" in plain:
            node.link.interface_down(interface)  # what was resolved, or never was, is forgotten (arp_netdev_event)
        if address is not None:
            link_config.set_mac(node, interface, address)
        if mtu is not None:
            link_config.set_mtu(node, interface, mtu)
        if name is not None:
            link_config.rename(node, interface, name)
        if master is not None:
            link_config.enslave(node, interface, master)
        elif nomaster:
            link_config.release(node, interface)
        if settings:
            link_config.set_bridge(node, interface, **settings)
        if port_settings is not None:
            link_config.set_bridge_port(node, interface, **port_settings)
        if up is not None:
            link_config.set_up(node, interface, up=up)
    except LinkError as error:
        raise refusal(error) from None
    return 0


def _add(process: Process, _style: Style, words: Words) -> int:  # noqa: PLR0915 - one branch per keyword
    name = parent = kind = None
    mac: str | None = None
    mtu: int | None = None
    while words.more:
        word = words.take()
        if matches(word, "link") and word != "l":
            parent = words.value()
        elif matches(word, "address"):
            mac = words.value()
        elif word == "mtu":
            mtu = _count(words, word)
        elif word == "type":
            kind = words.value()
            break
        elif word in NOT_SIMULATED:
            raise refused(f"link add {word}")
        elif matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        else:
            if word in ("name", "dev"):
                word = words.value()
            if name is not None:
                raise duplicate("dev" if word != "name" else "name", word)
            name = word
            if "/" in name or not name:
                raise wrong(name, '"dev" not a valid ifname', blank=False)
    if kind is None:
        message = 'Not enough information: "type" argument is required'
        raise IpError(message)
    if kind in OTHER_KINDS:
        raise refused(f"link add type {kind}")
    vlan = _vlan_id(words) if kind == "vlan" else None
    settings = bridge_settings(words) if kind == "bridge" else {}
    tunnel = link_settings(kind, words, process.node) if kind in MODES else None
    if parent is not None and parent not in process.node.interfaces:
        raise no_device(parent)
    if kind not in KINDS:
        message = "Error: Unknown device type."
        raise IpError(message, status=EXIT_KERNEL)
    address = _mac(mac) if mac is not None else None
    if name is not None and len(name) > 15:
        message = "Error: Attribute failed policy validation."
        raise IpError(message, status=EXIT_KERNEL)
    try:
        interface = _create(process, kind, name, parent, vlan if tunnel is None else tunnel, address)
        if settings:
            link_config.set_bridge(process.node, interface, **settings)
        if mtu is not None:
            link_config.set_mtu(process.node, interface, mtu)
    except LinkError as error:
        raise refusal(error) from None
    return 0


def _create(
    process: Process,
    kind: str,
    name: str | None,
    parent: str | None,
    given: int | Tunnel | None,
    mac: Mac | None,
) -> Interface:
    node = process.node
    if name is None:
        name = next(f"{kind}{n}" for n in range(1000) if f"{kind}{n}" not in node.interfaces)
    if kind == "bridge":
        return link_config.add_bridge(node, name, mac)
    if kind == "wireguard":
        return link_config.add_wireguard(node, name)
    if isinstance(given, Tunnel):
        return link_config.add_tunnel(node, name, given)
    if given is None:
        message = "VLAN properties not specified"
        raise LinkError(message, explained=True)
    if parent is None:
        message = "link not specified"
        raise LinkError(message, explained=True)
    return link_config.add_vlan(node, node.interfaces[parent], name, given, mac)


def _vlan_id(words: Words) -> int | None:
    """The arguments after `type vlan`. Raises IpError."""
    vlan = None
    while words.more:
        word = words.take()
        if matches(word, "id"):
            text = words.value()
            vlan = number(text, 0xFFFF)
            if vlan is None:
                raise wrong(text, "id is invalid", blank=False)
        elif matches(word, "protocol") and words.more and words.word.lower() == "802.1q":
            words.take()
        elif any(
            matches(word, known)
            for known in (
                "protocol",
                "reorder_hdr",
                "gvrp",
                "mvrp",
                "loose_binding",
                "bridge_binding",
                "ingress-qos-map",
                "egress-qos-map",
            )
        ):
            raise refused(f"vlan {word}")
        elif matches(word, "help"):
            raise IpError(*VLAN_USAGE)
        else:
            raise IpError(f'vlan: unknown command "{word}"?', *VLAN_USAGE)
    return vlan


def _delete(process: Process, _style: Style, words: Words) -> int:
    device = None
    while words.more:
        word = words.take()
        if word == "type":
            words.rest()
        elif matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        elif word == "group":
            raise refused("link delete group")
        else:
            device = device_word(words, word, device)
    if device is None:
        raise IpError(NO_DEVICE, status=EXIT_USAGE)
    interface = process.node.interfaces.get(device)
    if interface is None:
        raise no_device(device)
    try:
        link_config.remove_interface(process.node, interface)
    except LinkError as error:
        raise refusal(error) from None
    return 0
