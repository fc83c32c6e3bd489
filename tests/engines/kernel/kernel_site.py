"""Small sites for the tests of the engine kernel, and whether this machine can run it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from labs.engines.base import EngineUnavailable
from labs.engines.kernel import KernelEngine
from labs.engines.kernel.engine import check_machine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path


def why_not() -> str:
    """What this machine lacks, or nothing."""
    try:
        check_machine()
    except EngineUnavailable as error:
        return str(error)
    return ""


WHY_NOT = why_not()
needs_kernel = [pytest.mark.kernel, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def device(
    name: str, kind: str, ports: Mapping[str, str], files: Mapping[str, str] | None = None, *, gateway="", units=()
):
    """A device with static addresses; a port without one is left out of its file; `br0` names ports."""
    number = zlib.crc32(name.encode()) & 0xFFFFFF
    stanzas = ["auto lo\niface lo inet loopback"]
    for port, address in ports.items():
        lines = [f"auto {port}", f"iface {port} inet {'dhcp' if address == 'dhcp' else 'static'}"]
        lines += [f"    address {address}"] if address not in ("", "dhcp") else []
        lines += (
            [f"    gateway {gateway}"] if gateway and port == next(iter(ports)) and address not in ("", "dhcp") else []
        )
        stanzas += ["\n".join(lines)] if address else []
    if kind == "switch":
        stanzas.append(f"auto br0\niface br0 inet manual\n    bridge_ports {' '.join(ports)}")
    written = {
        "/etc/hostname": f"{name}\n",
        "/etc/network/interfaces": "\n\n".join(stanzas) + "\n",
        **{enabled_path(unit): "[Unit]\n" for unit in ("networking", *units)},
        **(files or {}),
    }
    made = tuple(Port(port, Mac(0x0200_0000_0000 + (number << 8) + index)) for index, port in enumerate(ports))
    return Device(name, Kind(kind), made, written)


def site(devices: list[Device], leads: list[str]) -> Site:
    """`leads` are written `pc:eth0 sw:p1`."""
    links = []
    for lead in leads:
        a, b = (Endpoint(*end.split(":")) for end in lead.split())
        links.append(Link(a, b))
    return Site({made.name: made for made in devices}, tuple(links))


def two_networks() -> Site:
    """Two hosts on a switch, a router, and a server behind it."""
    forward = {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"}
    return site(
        [
            device("pc", "host", {"eth0": "10.0.0.2/24"}, gateway="10.0.0.1"),
            device("tv", "host", {"eth0": "10.0.0.3/24"}, gateway="10.0.0.1"),
            device("sw", "switch", {"p1": "", "p2": "", "p3": "", "p4": ""}),
            device("gw", "router", {"lan": "10.0.0.1/24", "wan": "10.9.0.1/24"}, forward),
            device("srv", "server", {"eth0": "10.9.0.2/24"}, gateway="10.9.0.1"),
        ],
        ["pc:eth0 sw:p1", "tv:eth0 sw:p2", "gw:lan sw:p3", "gw:wan srv:eth0"],
    )


@contextmanager
def running(made: Site) -> Iterator[KernelEngine]:
    """The site in operation."""
    engine = KernelEngine()
    engine.start(made)
    try:
        yield engine
    finally:
        engine.stop()
