"""What the kernel tells of an interface in /sys/class/net."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from labs.model.addresses import Mac

__all__ = ["Told"]

IFF_UP, IFF_LOOPBACK = 1, 8


class Told(NamedTuple):
    """What the kernel tells of an interface in /sys/class/net."""

    mac: Mac
    mtu: int
    up: bool
    carrier: bool
    loopback: bool

    @classmethod
    def of(cls, name: str) -> Told:
        """Look now. Raises OSError."""
        folder = Path("/sys/class/net", name)
        flags = int((folder / "flags").read_text("ascii"), 16)
        carrier = False
        with contextlib.suppress(OSError):  # unreadable while the interface is down
            carrier = (folder / "carrier").read_text("ascii").strip() == "1"
        try:
            mac = Mac.parse((folder / "address").read_text("ascii").strip())
        except ValueError:  # a tunnel has none
            mac = Mac(0)
        mtu = int((folder / "mtu").read_text("ascii"))
        return cls(mac, mtu, bool(flags & IFF_UP), carrier, bool(flags & IFF_LOOPBACK))
