"""What of a device is still on its way after a start or a change: ports of bridges, leases, and addresses of IPv6.

Before changing this file read RFC 4862: an address is tentative until nobody has objected, and a host makes its own
address when a router has told the prefix.
"""

from __future__ import annotations

import fcntl
import glob
import os
import re
import socket
import struct

from labs.engines.kernel.vlans.way import SINK

__all__ = ["unready_addresses", "unready_bridges", "unready_leases", "unready_spanning"]

INTERFACES = "/etc/network/interfaces"
WIDE = re.compile(r"^\s*iface\s+(\S+)\s+inet6\s+(auto|static)\b", re.MULTILINE)
LISTENING, LEARNING, FORWARDING = 1, 2, 3  # BR_STATE_LISTENING and others, linux/if_bridge.h
TENTATIVE, DAD_FAILED = 0x40, 0x08  # IFA_F_TENTATIVE, IFA_F_DADFAILED, linux/if_addr.h
NOWHERE = f"{0:032x} 00 "  # the default route in /proc/net/ipv6_route
SIOCGIFADDR = 0x8915  # linux/sockios.h
GLOBAL = "00"  # scope as /proc/net/if_inet6 tells it


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def unready_bridges() -> int:
    """Bridge ports with carrier that do not forward yet (and are not blocked by a spanning tree)."""
    unready = 0
    for name in os.listdir("/sys/class/net"):
        port = f"/sys/class/net/{name}/brport"
        state = _read(f"{port}/state")
        if state and int(state) != FORWARDING and _read(f"/sys/class/net/{name}/carrier") == "1":
            sunk = os.path.basename(os.path.realpath(f"{port}/bridge")) == SINK
            unready += not sunk and _read(f"{port}/bridge/bridge/stp_state") == "0"
    return unready


def unready_spanning() -> int:
    """Ports with carrier that a spanning tree lets neither forward nor block yet."""
    unready = 0
    for name in os.listdir("/sys/class/net"):
        port = f"/sys/class/net/{name}/brport"
        state = _read(f"{port}/state")
        if state in (str(LISTENING), str(LEARNING)) and _read(f"/sys/class/net/{name}/carrier") == "1":
            unready += _read(f"{port}/bridge/bridge/stp_state") == "1"
    return unready


def unready_addresses() -> int:
    """Addresses that are tentative, and interfaces that wait for a router to tell them a prefix."""
    rows = [line.split() for line in _read("/proc/net/if_inet6").splitlines()]
    tentative = sum(bool(int(row[4], 16) & TENTATIVE) and not int(row[4], 16) & DAD_FAILED for row in rows)
    have = {row[5] for row in rows if row[3] == GLOBAL}
    told = {line.split()[-1] for line in _read("/proc/net/ipv6_route").splitlines() if line.startswith(NOWHERE)}
    waiting = 0
    for name, method in WIDE.findall(_read(INTERFACES)):
        settings = f"/proc/sys/net/ipv6/conf/{name}"
        if _read(f"/sys/class/net/{name}/carrier") != "1" or _read(f"{settings}/disable_ipv6") != "0":
            continue
        believes = _read(f"{settings}/forwarding") == "0" and _read(f"{settings}/accept_ra") != "0"
        waiting += (method == "auto" and name not in have) or (believes and name not in told)
    return tentative + waiting


def unready_leases() -> int:
    """Interfaces with carrier that dhclient asks for and that have no address of IPv4 yet."""
    asked = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        words = _read(path).rstrip("\0").split("\0")
        if os.path.basename(words[0]) == "dhclient":
            asked.add(words[-1])
    return sum(_read(f"/sys/class/net/{name}/carrier") == "1" and not _has_address(name) for name in asked)


def _has_address(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            fcntl.ioctl(handle, SIOCGIFADDR, struct.pack("16s24x", name.encode()[:15]))
        except OSError:
            return False
    return True
