"""Sites built by hand for the tests of the map."""

from __future__ import annotations

from collections.abc import Mapping

from labs.model.addresses import Mac, Network
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site


def device(
    name: str,
    kind: str = "host",
    room: str = "",
    ports: tuple[str, ...] = ("eth0",),
    addresses: Mapping[str, str] | None = None,
    *,
    on: bool = True,
) -> Device:
    """`addresses` are port -> address with prefix length, or port -> dhcp, written to the file it boots from."""
    text = "auto lo\niface lo inet loopback\n"
    for port, address in (addresses or {}).items():
        method = "dhcp" if address == "dhcp" else f"static\n    address {address}"
        text += f"\nauto {port}\niface {port} inet {method}\n"
    made = tuple(Port(port, Mac(0x024E_0000_0000 + index)) for index, port in enumerate(ports))
    return Device(name, Kind(kind), made, {"/etc/network/interfaces": text}, room, on)


def site(devices: list[Device], leads: list[tuple[str, str]], subnets: Mapping[str, str] | None = None) -> Site:
    """Leads are pairs such as ("gw:eth0", "sw:p1")."""
    ends = [[Endpoint(*end.split(":")) for end in pair] for pair in leads]
    networks = {name: Network.parse(text) for name, text in (subnets or {}).items()}
    return Site({each.name: each for each in devices}, tuple(Link(a, b) for a, b in ends), networks)


PORTS = tuple(f"p{number}" for number in range(1, 25))


def shop() -> Site:
    """A small shop: one switch, two rooms, one device without power and one without a lead."""
    devices = [
        device("internet", "internet", "street", addresses={"eth0": "203.0.113.1/24"}),
        device(
            "gw", "router", "office", ("eth0", "eth1", "eth2"), {"eth0": "203.0.113.2/24", "eth1": "192.168.62.1/24"}
        ),
        device("sw", "switch", "office", PORTS[:8]),
        device("till", room="shop", addresses={"eth0": "192.168.62.30/24"}),
        device("printer", room="shop", addresses={"eth0": "192.168.62.41/24"}, on=False),
        device("laptop", room="office", addresses={"eth0": "dhcp"}),
        device("thermometer", "sensor", "cellar", addresses={"eth0": "10.9.9.9/24"}),
    ]
    leads = [("internet:eth0", "gw:eth0"), ("gw:eth1", "sw:p1")]
    leads += [("sw:p2", "till:eth0"), ("sw:p3", "printer:eth0"), ("laptop:eth0", "sw:p4")]
    return site(devices, leads, {"shop": "192.168.62.0/24", "isp": "203.0.113.0/24"})


def ring() -> Site:
    """Three switches in a ring with a double lead, two routers, and a part that hangs on nothing else."""
    devices = [device(f"sw{number}", "switch", ports=PORTS[:5]) for number in (1, 2, 3)]
    devices += [
        device("r1", "router", "", ("eth0", "eth1"), {"eth0": "10.0.1.1/24", "eth1": "10.0.9.1/30"}),
        device("r2", "router", "", ("eth0", "eth1"), {"eth0": "10.0.2.1/24", "eth1": "10.0.9.2/30"}),
        device("h1", addresses={"eth0": "10.0.1.5/24"}),
        device("h2", addresses={"eth0": "10.0.2.5/24"}),
        device("a", room="lab"),
        device("b", room="lab"),
    ]
    leads = [
        ("sw1:p1", "sw2:p1"),
        ("sw2:p2", "sw3:p1"),
        ("sw3:p2", "sw1:p2"),
        ("sw1:p3", "sw2:p3"),
        ("sw1:p4", "sw1:p5"),
    ]
    leads += [
        ("r1:eth0", "sw2:p4"),
        ("h1:eth0", "sw3:p3"),
        ("r1:eth1", "r2:eth1"),
        ("r2:eth0", "h2:eth0"),
        ("a:eth0", "b:eth0"),
    ]
    return site(devices, leads, {"left": "10.0.1.0/24", "right": "10.0.2.0/24", "between": "10.0.9.0/30"})


def campus() -> Site:
    """Forty devices behind five switches, with a lead between two of them."""
    devices = [
        device("internet", "internet", "street", addresses={"eth0": "203.0.113.1/24"}),
        device(
            "gw",
            "router",
            "cellar",
            ("wan", "lan", "cam", "spare"),
            {"wan": "203.0.113.2/24", "lan": "10.1.0.1/24", "cam": "10.2.0.1/24"},
        ),
        *[device(name, "switch", "cellar", PORTS) for name in ("core", "sw-floor-1", "sw-floor-2", "sw-cam")],
    ]
    leads = [("internet:eth0", "gw:wan"), ("gw:lan", "core:p1"), ("gw:cam", "sw-cam:p1")]
    leads += [("core:p2", "sw-floor-1:p1"), ("core:p3", "sw-floor-2:p1"), ("sw-floor-1:p24", "sw-floor-2:p24")]
    for number in range(1, 34):
        switch = ("sw-floor-1", "sw-floor-2", "sw-cam")[number % 3]
        kind = ("host", "server", "sensor", "display")[number % 4]
        devices.append(
            device(
                f"box-{number}",
                kind,
                f"room-{number % 5}",
                addresses={"eth0": f"10.{1 + number % 3 // 2}.0.{number + 10}/24"},
            )
        )
        leads.append((f"box-{number}:eth0", f"{switch}:p{number // 3 + 2}"))
    devices.append(device("lonely", "sensor", "store"))
    return site(devices, leads, {"isp": "203.0.113.0/24", "office": "10.1.0.0/24", "cameras": "10.2.0.0/24"})
