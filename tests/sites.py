"""Sites built by hand: machines with static addresses, and leads between their ports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.net.linux.units import enabled_path

RATE_BPS = 1_000_000_000


def machine(
    name: str,
    addresses: Mapping[str, str],
    *,
    gateway: str = "",
    up: Iterable[str] = (),
    forward: bool = False,
    rules: str = "",
    settings: Iterable[str] = (),
    bridge: bool = False,
) -> Device:
    """A machine whose ports carry `addresses` ("" for none; several with blanks between).

    `up` are lines that run after the last interface; `bridge` makes one bridge of all ports.
    """
    random = Random(name)
    ports = tuple(Port(port, Mac(0x02_00_00_00_00_00 | random.getrandbits(40))) for port in addresses)
    blocks = ["auto lo\niface lo inet loopback"]
    for index, (port, text) in enumerate(addresses.items()):
        first, *others = text.split() or [""]
        lines = [f"auto {port}", f"iface {port} inet {'static' if first else 'manual'}"]
        lines += [f"    address {first}"] if first else ["    up ip link set dev $IFACE up"]
        lines += [f"    up ip address add {other} dev {port}" for other in others]
        if gateway and index == 0:
            lines.append(f"    gateway {gateway}")
        if index == len(addresses) - 1:
            lines += [f"    up {line}" for line in up]
        blocks.append("\n".join(lines))
    if bridge:
        members = " ".join(addresses)
        blocks = [
            blocks[0],
            f"auto br0\niface br0 inet manual\n    bridge_ports {members}\n    up ip link set dev br0 up",
        ]
    wanted = [f"net.ipv4.ip_forward = {int(forward)}", *settings]
    files = {
        "/etc/network/interfaces": "\n\n".join(blocks) + "\n",
        "/etc/sysctl.conf": "\n".join(wanted) + "\n",
        "/etc/hostname": name + "\n",
        enabled_path("networking"): "",
    }
    if rules:
        files |= {"/etc/nftables.conf": rules, enabled_path("nftables"): ""}
    kind = Kind.SWITCH if bridge else Kind.ROUTER if forward else Kind.HOST
    return Device(name, kind, ports, files)


def switch(name: str, ports: int) -> Device:
    """A bridge with ports p1, p2 …"""
    return machine(name, {f"p{number}": "" for number in range(1, ports + 1)}, bridge=True)


def end(text: str) -> Endpoint:
    """Read `router:wan`."""
    device, port = text.split(":")
    return Endpoint(device, port)


def site(devices: Iterable[Device], leads: Iterable[str], **link: object) -> Site:
    """A site with leads written `a:eth0 b:eth0`."""
    links = tuple(Link(*(end(word) for word in lead.split()), **link) for lead in leads)  # type: ignore[arg-type]
    return Site({device.name: device for device in devices}, links)


def unlimited(made: Site, *, redirects: bool = True) -> Site:
    """Without a limit on ICMP errors: which of many flows gets the last one is nobody's promise.

    Without `redirects` nobody is shown a nearer way either: in the middle of a burst it changes that of some packets.
    """
    for device in made.devices.values():
        lines = ["net.ipv4.icmp_ratemask = 0", "net.ipv4.route.error_cost = 0"]
        names = () if redirects else ("all", "default", *(port.name for port in device.ports))
        lines += [f"net.ipv4.conf.{name}.send_redirects = 0" for name in names]
        text = device.files["/etc/sysctl.conf"] + "\n".join(lines) + "\n"
        made = made.with_device(device.with_file("/etc/sysctl.conf", text))
    return made
