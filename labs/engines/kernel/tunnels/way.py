"""How the tunnels of a site are done on this machine: by the kernel, else over TUN devices by a process of ours."""

from __future__ import annotations

import os
import re
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from labs.engines.kernel.vlans.way import tried

if TYPE_CHECKING:
    from labs.model.site import Device, Site

__all__ = ["TUN", "Way", "has_tunnels", "lacking_tunnels", "tunnel_way"]

INTERFACES = "/etc/network/interfaces"
TUNNEL = re.compile(
    r"^\s*(?:pre-|post-)?up\s+ip\s+(?:tunnel|link)\s+add\s.*\b(?:mode|type)\s+(?:gre|ipip)\b", re.MULTILINE
)
TUN = "/dev/net/tun"


class Way(Enum):
    """Who puts packets into packets."""

    KERNEL = "kernel"
    CARRIER = "a process over TUN devices"


def has_tunnels(device: Device) -> bool:
    """True for a device whose file makes a tunnel."""
    return bool(TUNNEL.search(device.files.get(INTERFACES, "")))


@cache
def _kernel_has() -> bool:
    able = all(
        tried(f"ip tunnel add tryt mode {mode} local 192.0.2.1 remote 192.0.2.2", "ip tunnel del tryt")
        for mode in ("gre", "ipip")
    )
    tried("ip tunnel del tryt")
    return able


@cache
def _tun_devices() -> bool:
    able = os.access(TUN, os.R_OK | os.W_OK) and tried("ip tuntap add dev tryt mode tun")
    tried("ip link del tryt")
    return able


def _who(site: Site) -> str:
    return next((device.name for device in site.devices.values() if has_tunnels(device)), "")


def tunnel_way(site: Site) -> Way | None:
    """How this site's tunnels are done; None where it has none, or where they cannot be done."""
    if not _who(site):
        return None
    if _kernel_has():
        return Way.KERNEL
    return Way.CARRIER if _tun_devices() else None


def lacking_tunnels(site: Site) -> str:
    """What a site's tunnels need and this machine has not, and who needs it; empty where nothing is missing."""
    who = _who(site)
    if not who or _kernel_has() or _tun_devices():
        return ""
    return (
        f"this kernel has no tunnels (modules ip_gre and ipip), and {who} needs them;"
        f" TUN devices would do, and none can be made here ({TUN})"
    )
