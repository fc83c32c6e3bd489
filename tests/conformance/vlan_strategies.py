"""Random sites with VLANs: switches with a trunk, hosts behind access ports, a router on one lead, and mistakes.

Networks are 10.0.V.0/24 for VLAN V, with the router at .1 and switches at .2 and .3. Every port is drawn by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from labs.model.site import Kind, Site
from labs.net.vlan import VlanTable
from tests.engines.kernel.kernel_site import device, site

VLANS = (10, 20, 30)
FIRST_HOST = 11


@dataclass
class Drawn:
    """A site. `one_way` is true where frames of a VLAN may get through in one direction alone.

    Then an address is known to whom it cannot answer, and what a sender is told depends on how long that is remembered.
    """

    site: Site
    one_way: bool


def table_of(lines: list[str]) -> VlanTable:
    """What lines with `bridge vlan` make of a new port."""
    table = VlanTable.default()
    for line in lines:
        words = line.split()
        if words[1] == "vlan" and words[2] == "del":
            table.delete(int(words[6]))
        elif words[1] == "vlan":
            table.add(int(words[6]), pvid="pvid" in words, untagged="untagged" in words)
    return table


def untagged(table: VlanTable) -> set[int]:
    """What leaves without a tag."""
    return {vid for vid, plain in table.members.items() if plain}


@dataclass
class Switch:
    """A managed switch under construction: port to the lines that set it up."""

    ports: dict[str, list[str]] = field(default_factory=dict)
    aware: bool = True
    own: int = 0
    """The VLAN of its own address, 0 for none."""

    tables: dict[str, VlanTable] = field(default_factory=dict)
    """Port to what its lines make of it."""

    def plug(self, lines: list[str]) -> str:
        """The name of a port more, of which the lines speak as P."""
        name = f"p{len(self.ports) + 1}"
        self.ports[name] = [line.replace("P", name) for line in lines]
        self.tables[name] = table_of(lines)
        return name


def access(vlan: int) -> list[str]:
    """A port as it should be for a device in one VLAN."""
    return ["bridge vlan del dev P vid 1", f"bridge vlan add dev P vid {vlan} pvid untagged"]


@st.composite
def access_ports(draw: st.DrawFn, vlan: int) -> list[str]:
    """Right more often than not; else one of the things people do."""
    other = draw(st.sampled_from(VLANS))
    mistakes = [
        access(other),
        [f"bridge vlan add dev P vid {vlan} pvid untagged"],
        [f"bridge vlan add dev P vid {vlan}"],
        [f"bridge vlan add dev P vid {vlan} pvid"],
        [*access(vlan), f"bridge vlan add dev P vid {other} untagged"],
        [*access(other), f"bridge vlan add dev P vid {vlan} pvid untagged"],
        [],
    ]
    lines = access(vlan) if draw(st.integers(0, 2)) else draw(st.sampled_from(mistakes))
    odd = ["isolated on", "isolated on", "learning off", "flood off", "bcast_flood off"]
    return lines + ([f"bridge link set dev P {draw(st.sampled_from(odd))}"] if not draw(st.integers(0, 5)) else [])


@st.composite
def trunk_ports(draw: st.DrawFn) -> list[str]:
    """Every VLAN tagged; or one is missing, or one goes untagged, or VLAN 1 was left."""
    vlans = [vlan for vlan in VLANS if draw(st.integers(0, 5))]
    lines = ["bridge vlan del dev P vid 1"] if draw(st.integers(0, 3)) else []
    lines += [f"bridge vlan add dev P vid {vlan}" for vlan in vlans]
    if not draw(st.integers(0, 2)):
        lines.append(f"bridge vlan add dev P vid {draw(st.sampled_from(VLANS))} pvid untagged")
    return lines


def paragraphs(*texts: str) -> dict[str, str]:
    """/etc/network/interfaces."""
    return {"/etc/network/interfaces": "\n\n".join(("auto lo\niface lo inet loopback", *texts)) + "\n"}


def static(name: str, address: str, gateway: str = "") -> str:
    """A paragraph."""
    text = f"auto {name}\niface {name} inet static\n    address {address}"
    return text + (f"\n    gateway {gateway}" if gateway else "")


@st.composite
def vlan_sites(draw: st.DrawFn) -> Drawn:
    """One or two switches, three to five hosts, most often a router."""
    switches = [Switch(aware=bool(draw(st.integers(0, 9)))) for _ in range(draw(st.sampled_from([2, 1])))]
    devices, leads = [], []
    one_way = False
    routed = bool(draw(st.integers(0, 3)))
    if routed:
        port = switches[0].plug(draw(trunk_ports()))
        plain = draw(st.sampled_from(["", "", "10.0.1.1/24"]))
        made = paragraphs(
            static("lan", plain) if plain else "auto lan\niface lan inet manual",
            *(static(f"lan.{vlan}", f"10.0.{vlan}.1/24") for vlan in VLANS),
        )
        devices.append(device("gw", "router", {"lan": ""}, made | {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n"}))
        leads.append(f"gw:lan s1:{port}")
        one_way |= bool(untagged(switches[0].tables[port]) & set(VLANS))
    if len(switches) == 2:
        ends = [switch.plug(draw(trunk_ports())) for switch in switches]
        leads.append(f"s1:{ends[0]} s2:{ends[1]}")
        one, other = (switch.tables[end] for switch, end in zip(switches, ends, strict=True))
        one_way |= untagged(one) != untagged(other) or one.pvid != other.pvid
    for number in range(draw(st.integers(3, 5))):
        place = draw(st.integers(0, len(switches) - 1))
        vlan = draw(st.sampled_from(VLANS))
        name, address, gateway = f"h{number}", f"10.0.{vlan}.{FIRST_HOST + number}/24", f"10.0.{vlan}.1" * routed
        tags = not draw(st.integers(0, 4))
        port = switches[place].plug(draw(trunk_ports() if tags else access_ports(vlan)))
        table = switches[place].tables[port]
        one_way |= bool(untagged(table) & set(VLANS)) if tags else table.pvid not in untagged(table)
        made = paragraphs("auto eth0\niface eth0 inet manual" if tags else static("eth0", address, gateway),
                          *([static(f"eth0.{vlan}", address, gateway)] if tags else []))  # fmt: skip
        files = made | {"/etc/sysctl.conf": "net.ipv4.ip_forward=0\n"}
        devices.append(device(name, "host", {"eth0": ""}, files))
        leads.append(f"{name}:eth0 s{place + 1}:{port}")
    for number, switch in enumerate(switches, 1):
        devices.append(_switch(f"s{number}", switch, draw(st.sampled_from([0, *VLANS])), number))
    return Drawn(site(devices, leads), one_way)


def _switch(name: str, switch: Switch, own: int, number: int):
    lines = [line for port in switch.ports.values() for line in port]
    bridge = f"auto br0\niface br0 inet manual\n    bridge_ports {' '.join(switch.ports)}"
    bridge += f"\n    bridge_vlan_aware {'yes' if switch.aware else 'no'}"
    bridge += "".join(f"\n    up {line}" for line in lines)
    made = paragraphs(bridge, *([static(f"br0.{own}", f"10.0.{own}.{number + 1}/24")] if own else []))
    files = made | {"/etc/sysctl.conf": "net.ipv4.ip_forward=0\n"}
    return device(name, "switch", dict.fromkeys(switch.ports, ""), files)


LINES = 16


@st.composite
def vlan_lines(draw: st.DrawFn, made: Site) -> list[tuple[str, str]]:
    """What people type at switches and at the router: place and line."""
    switches = [name for name, device in made.devices.items() if device.kind is Kind.SWITCH]
    typed = []
    for _ in range(LINES):
        place = draw(st.sampled_from([*switches, *switches, *(["gw"] if "gw" in made.devices else [])]))
        port = draw(st.sampled_from([port.name for port in made.devices[place].ports] + ["eth9"]))
        vlan = draw(st.sampled_from([1, *VLANS, 30, 0, 4095]))
        flags = " ".join(draw(st.lists(st.sampled_from(["pvid", "untagged", "master"]), unique=True)))
        below = "lan" if place == "gw" else "br0"
        show = draw(st.sampled_from(["", f"dev {port}", "type vlan", "type bridge", f"master {below}", "up"]))
        setting = draw(st.sampled_from(["isolated on", "learning off", "flood sideways", "hairpin on", "cost 7"]))
        typed.append((place, draw(st.sampled_from([
            f"bridge vlan add dev {port} vid {vlan} {flags}",
            f"bridge vlan add dev {below} vid {vlan} {flags.replace('master', '')} self",
            f"bridge vlan del dev {port} vid {vlan}",
            f"bridge vlan add dev {port} vid {vlan}-{vlan + 2}",
            draw(st.sampled_from(["bridge vlan", "bridge -c vlan", "bridge -j vlan", f"bridge vlan show dev {port}"])),
            f"bridge link set dev {port} {setting}",
            draw(st.sampled_from(["bridge link", f"bridge -d link show dev {port}"])),
            f"bridge fdb add 02:00:00:00:00:77 dev {port} master static vlan {vlan}",
            f"bridge fdb del 02:00:00:00:00:77 dev {port} master vlan {vlan}",
            f"ip link add link {below} name {below}.{vlan} type vlan id {vlan}",
            f"ip link add link {port} name v{vlan} type vlan id {vlan}" if place == "gw" else "ip link sideways",
            f"ip link del {below}.{vlan}",
            f"ip link set {port} {draw(st.sampled_from(['up', 'down', 'nomaster', f'master {below}']))}",
            f"ip link set {below}.{vlan} {draw(st.sampled_from(['up', 'down', 'mtu 1400', 'mtu 9000']))}",
            f"ip link set {below} type bridge vlan_filtering {draw(st.sampled_from(['0', '1', '2']))}",
            f"ip -br link show {show}",
            f"ip addr add 10.7.{number_of(vlan)}.1/24 dev {below}.{vlan}",
            "ip -br -4 addr",
        ]))))  # fmt: skip
    return typed


def number_of(vlan: int) -> int:
    """A number that fits into an address."""
    return vlan % 250
