"""Which sockets accept, read from /proc/net: what `ss -ltun` shows, without starting it."""

from __future__ import annotations

import contextlib
import os

__all__ = ["listening_inodes", "socket_inodes"]

LISTEN, UDP_UNCONNECTED = "0A", "07"


def listening_inodes() -> set[int]:
    """The sockets of this network namespace that accept."""
    found = set()
    for name, state in (("tcp", LISTEN), ("tcp6", LISTEN), ("udp", UDP_UNCONNECTED), ("udp6", UDP_UNCONNECTED)):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                words = line.split()
                if words[3] == state:
                    found.add(int(words[9]))
    return found


def socket_inodes(pid: int) -> set[int]:
    """The sockets of a process."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    return found
