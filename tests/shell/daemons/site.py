"""Devices in one network, each with its services."""

from __future__ import annotations

from labs.net.linux.node import LinuxNode
from labs.net.linux.units import enabled_path
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device

SECOND = 1_000_000_000


def machine(name: str, address: str, *units: str, **files: str) -> LinuxNode:
    """A booted device; `__` in the name of a file stands for `/`, `_dot_` for a dot."""
    interfaces = f"auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n    address {address}/24\n"
    every = {"/etc/network/interfaces": interfaces, "/etc/hostname": f"{name}\n", enabled_path("networking"): ""}
    every |= {enabled_path(unit): "" for unit in units}
    every |= {path.replace("__", "/").replace("_dot_", "."): text for path, text in files.items()}
    return device(name, files=every, units=UNITS, boot=boot)


def pair(left: LinuxNode, right: LinuxNode) -> tuple[LinuxNode, LinuxNode]:
    """Two devices with a lead between them."""
    connect(left, "eth0", right, "eth0")
    return left, right
