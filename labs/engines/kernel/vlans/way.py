"""How the VLANs of a site are done on this machine: by the kernel, else by Open vSwitch in user space."""

from __future__ import annotations

import os
import re
import subprocess
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labs.model.site import Device, Site

__all__ = [
    "DAEMONS",
    "HIDDEN",
    "PACKAGE",
    "SCHEMA",
    "SINK",
    "TRUNKS",
    "Way",
    "has_vlans",
    "lacking_vlans",
    "tried",
    "vlan_way",
]

INTERFACES = "/etc/network/interfaces"
# What makes a bridge filter VLANs, or speaks of their ports; and what makes an interface for one VLAN.
FILTERED = re.compile(
    r"^\s*bridge[_-](?:vlan[_-]aware\s+yes|vids\s|pvid\s|access\s)|\bvlan_filtering\s+1\b", re.MULTILINE
)
TAGGED = re.compile(r"^\s*(?:iface\s+\S+\.\d+\s|vlan-raw-device\s)|\btype\s+vlan\b", re.MULTILINE)
SPANNING = re.compile(r"^\s*bridge[_-]stp\s+(?:on|yes)", re.MULTILINE)

PACKAGE = "openvswitch-switch"
DAEMONS = ("/usr/sbin/ovsdb-server", "/usr/sbin/ovs-vswitchd")
TOOLS = ("/usr/bin/ovsdb-tool", "/usr/bin/ovs-vsctl", "/usr/bin/ovs-ofctl")
TUN = "/dev/net/tun"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

# Interfaces that Open vSwitch needs and nobody is shown.
SINK, TRUNKS = "nw-sink", "nw-trunks"
HIDDEN = frozenset({SINK, TRUNKS, "ovs-netdev"})


class Way(Enum):
    """Who tags and filters."""

    KERNEL = "kernel"
    OPEN_VSWITCH = "Open vSwitch"


def has_vlans(device: Device) -> bool:
    """True for a device whose file speaks of VLANs."""
    file = device.files.get(INTERFACES, "")
    return bool(FILTERED.search(file) or TAGGED.search(file))


def tried(*commands: str) -> bool:
    """True where the kernel takes every command; it runs in the network namespace of this process."""
    return all(
        subprocess.run(command.split(), capture_output=True, check=False).returncode == 0 for command in commands
    )


@cache
def _filters() -> bool:
    able = tried("ip link add name trybr type bridge vlan_filtering 1")
    tried("ip link del trybr")
    return able


@cache
def _tags() -> bool:
    able = tried("ip link add name tryv type veth peer name tryw", "ip link add link tryv name tryv.2 type vlan id 2")
    tried("ip link del tryv")
    return able


@cache
def _taps() -> bool:
    able = tried("ip tuntap add dev tryt mode tap")
    tried("ip link del tryt")
    return able


def _who(site: Site, pattern: re.Pattern[str]) -> str:
    return next((d.name for d in site.devices.values() if pattern.search(d.files.get(INTERFACES, ""))), "")


def vlan_way(site: Site) -> Way | None:
    """How this site's VLANs are done; None where it has none, or where they cannot be done."""
    filtered, tagged = _who(site, FILTERED), _who(site, TAGGED)
    if not filtered and not tagged:
        return None
    if not ((filtered and not _filters()) or (tagged and not _tags())):
        return Way.KERNEL
    return None if _without_switch() else Way.OPEN_VSWITCH


def _without_switch() -> str:
    """Why Open vSwitch cannot help, in a few words."""
    if not all(os.access(path, os.X_OK) for path in (*DAEMONS, *TOOLS)) or not os.path.isfile(SCHEMA):
        return f"Open vSwitch would do: apt-get install {PACKAGE}"
    if not _taps():
        closed = os.path.exists(TUN) and not os.access(TUN, os.R_OK | os.W_OK)
        return f"Open vSwitch may not make TAP devices here ({f'sudo chmod 666 {TUN}' if closed else TUN})"
    return ""


def lacking_vlans(site: Site) -> str:
    """What a site's VLANs need and this machine has not, and who needs it; empty where nothing is missing."""
    filtered, tagged = _who(site, FILTERED), _who(site, TAGGED)
    if filtered and not _filters():
        who, text = filtered, "this kernel has no VLAN filtering in bridges (CONFIG_BRIDGE_VLAN_FILTERING)"
    elif tagged and not _tags():
        who, text = tagged, "this kernel has no VLAN interfaces (module 8021q)"
    else:
        return ""
    why = _without_switch()
    if why:
        return f"{text}, and {who} needs it; {why}"
    for device in site.devices.values():
        file = device.files.get(INTERFACES, "")
        if FILTERED.search(file) and SPANNING.search(file):
            return f"{text}, Open vSwitch stands in without a spanning tree, and {device.name} needs one"
    return ""
