"""Bridges that filter VLANs: who may enter, who may leave, and with which tag."""

from __future__ import annotations

from labs.model.addresses import Mac
from labs.net.actions import DropReason
from labs.net.arp import REQUEST, ArpPacket
from labs.net.bridge import Bridge, Origin, PortState, Station, StationKey
from labs.net.ethernet import BROADCAST, ETHERTYPE_ARP, Frame
from labs.net.interface import Interface
from labs.net.ipv4 import ANY
from labs.net.linux.node import LinuxNode
from labs.net.vlan import VlanTable
from labs.shell.init import boot
from labs.shell.services import UNITS
from labs.testing import connect, device, pass_time, run

OWN = Mac(0x02_00_00_00_00_FF)
ONE, TWO = Mac(0x02_00_00_00_00_01), Mac(0x02_00_00_00_00_02)


def bridge_with(ports: int) -> Bridge:
    """A filtering bridge whose ports p1, p2 … carry."""
    bridge = Bridge()
    bridge.vlan_filtering = True
    for number in range(1, ports + 1):
        mac = Mac(0x02_00_00_00_01_00 + number)
        bridge.add_port(Interface(f"p{number}", number, "ether", mac, mac, up=True, carrier=True))
    return bridge


def frame(src: Mac, dst: Mac = BROADCAST, vlan: int | None = None) -> Frame:
    return Frame(dst, src, ETHERTYPE_ARP, ArpPacket(REQUEST, src, ANY, Mac(0), ANY), vlan)


def names(bridge: Bridge, sent: Frame, incoming: int) -> list[str]:
    relay = bridge.relay(sent, bridge.ports[incoming - 1], OWN, 0)
    assert not isinstance(relay, DropReason)
    return [port.name for port in relay.ports]


def table(bridge: Bridge, number: int) -> VlanTable:
    port = bridge.ports[number - 1].bridge_port
    assert port is not None
    return port.vlans


def access(bridge: Bridge, number: int, vid: int) -> None:
    """Make a port an untagged member of one VLAN."""
    table(bridge, number).delete(1)
    table(bridge, number).add(vid, pvid=True, untagged=True)


def test_broadcast_stays_in_its_vlan() -> None:
    """Of four ports only the one in the same VLAN hears it."""
    bridge = bridge_with(4)
    for number, vid in enumerate((10, 20, 10, 20), start=1):
        access(bridge, number, vid)
    assert names(bridge, frame(ONE), 1) == ["p3"]
    assert names(bridge, frame(TWO), 2) == ["p4"]


def test_tag_that_is_not_allowed_is_refused_at_the_door() -> None:
    """Ingress filtering: nothing is learned from it either."""
    bridge = bridge_with(2)
    assert bridge.relay(frame(ONE, vlan=30), bridge.ports[0], OWN, 0) is DropReason.VLAN
    assert StationKey(ONE, 30) not in bridge.stations


def test_untagged_frame_without_pvid_is_refused() -> None:
    """A trunk without a native VLAN."""
    bridge = bridge_with(2)
    table(bridge, 1).delete(1)
    table(bridge, 1).add(10)
    assert bridge.relay(frame(ONE), bridge.ports[0], OWN, 0) is DropReason.VLAN


def test_station_is_known_per_vlan() -> None:
    """Two cloned machines in two VLANs do not disturb each other."""
    bridge = bridge_with(4)
    for number, vid in enumerate((10, 20, 10, 20), start=1):
        access(bridge, number, vid)
    names(bridge, frame(ONE), 1)
    names(bridge, frame(ONE), 2)
    assert names(bridge, frame(TWO, ONE), 3) == ["p1"]
    assert names(bridge, frame(TWO, ONE), 4) == ["p2"]


def test_station_that_was_entered_in_two_vlans_is_read_back_once() -> None:
    """The list is of addresses."""
    bridge = bridge_with(2)
    for vid in (1, 10):
        bridge.stations[StationKey(ONE, vid)] = Station(bridge.ports[0], 0, Origin.STATIC)
    assert bridge.snapshot().static_stations == (ONE,)


def test_station_that_moves_is_learned_again() -> None:
    """The next frame goes to the new port."""
    bridge = bridge_with(3)
    names(bridge, frame(ONE), 1)
    names(bridge, frame(ONE), 2)
    assert names(bridge, frame(TWO, ONE), 3) == ["p2"]


def test_isolated_ports_reach_only_the_others() -> None:
    """Protected ports: p1 and p2 do not hear each other."""
    bridge = bridge_with(3)
    for port in bridge.ports[:2]:
        assert port.bridge_port is not None
        port.bridge_port.isolated = True
    assert names(bridge, frame(ONE), 1) == ["p3"]
    assert names(bridge, frame(TWO), 3) == ["p1", "p2"]


def test_blocked_port_neither_learns_nor_sends() -> None:
    """BR_STATE_BLOCKING."""
    bridge = bridge_with(2)
    assert bridge.ports[0].bridge_port is not None
    bridge.ports[0].bridge_port.state = PortState.BLOCKING
    assert bridge.relay(frame(ONE), bridge.ports[0], OWN, 0) is DropReason.BRIDGE_PORT_STATE
    assert StationKey(ONE, 1) not in bridge.stations
    assert names(bridge, frame(TWO), 2) == []


def test_pvid_moves_and_is_lost_when_it_is_not_repeated() -> None:
    """`bridge vlan add` of a VLAN that is there sets its flags anew."""
    vlans = VlanTable.default()
    vlans.add(20, pvid=True, untagged=True)
    assert (vlans.pvid, vlans.members) == (20, {1: True, 20: True})
    vlans.add(20)
    assert (vlans.pvid, vlans.members) == (0, {1: True, 20: False})


# Whole machines

SWITCH = """
auto br0
iface br0 inet manual
    bridge_ports p1 p2 p3
    bridge_vlan_aware yes
    up ip link set br0 up

auto br0.10
iface br0.10 inet static
    address 10.0.10.2/24

iface p1 inet manual
    bridge-access 10
iface p2 inet manual
    bridge-access 20
iface p3 inet manual
    bridge-vids 10 20
    bridge-allow-untagged no
"""
ROUTER = """
auto eth0
iface eth0 inet manual
auto eth0.10
iface eth0.10 inet static
    address 10.0.10.1/24
auto eth0.20
iface eth0.20 inet static
    address 10.0.20.1/24
"""


def machine(name: str, interfaces: str, *ports: str) -> LinuxNode:
    files = {
        "/etc/network/interfaces": interfaces,
        "/etc/systemd/system/multi-user.target.wants/networking.service": "",
        "/etc/sysctl.conf": "net.ipv4.ip_forward=1\n",
    }
    return device(name, ports=ports or ("eth0",), files=files, boot=boot, units=UNITS)


def host(name: str, address: str, gateway: str) -> LinuxNode:
    lines = f"auto eth0\niface eth0 inet static\n    address {address}\n    gateway {gateway}\n"
    return machine(name, lines)


def test_router_on_one_trunk_joins_two_vlans() -> None:
    """Access ports, a trunk without native VLAN, subinterfaces, and the switch's own address in VLAN 10."""
    switch, router = machine("sw", SWITCH, "p1", "p2", "p3"), machine("gw", ROUTER)
    one, two = host("one", "10.0.10.5/24", "10.0.10.1"), host("two", "10.0.20.5/24", "10.0.20.1")
    connect(switch, "p1", one, "eth0")
    connect(switch, "p2", two, "eth0")
    connect(switch, "p3", router, "eth0")
    pass_time(switch, 5_000_000_000)
    assert run(switch, "bridge vlan show dev p3").text.split() == ["port", "vlan-id", "p3", "10", "20"]
    assert run(one, "ping -c1 -W2 10.0.10.1").status == 0
    assert run(one, "ping -c1 -W2 10.0.20.5").status == 0
    assert run(one, "ping -c1 -W2 10.0.10.2").status == 0
    assert "vlan 20 master br0" in run(switch, "bridge fdb show brport p2").text
    run(switch, "bridge vlan del dev p3 vid 20")
    assert run(two, "ping -c1 -W2 10.0.20.1").status == 1
    assert run(one, "ping -c1 -W2 10.0.10.1").status == 0


def test_port_paragraph_of_a_running_switch_can_be_applied_alone() -> None:
    """`ifup p2` after a change of the file moves one port."""
    switch = machine("sw", SWITCH, "p1", "p2", "p3")
    pass_time(switch, 1_000_000_000)
    run(switch, "sed -i 's/bridge-access 20/bridge-access 10/' /etc/network/interfaces; ifup p2")
    assert run(switch, "bridge vlan show dev p2").text.splitlines()[1:] == ["p2                10 PVID Egress Untagged"]


def test_port_with_a_vlan_that_is_no_number_ifup_fails() -> None:
    """What `bridge` refuses keeps the port from coming up."""
    switch = machine("sw", SWITCH, "p1", "p2", "p3")
    pass_time(switch, 1_000_000_000)
    told = run(switch, "sed -i 's/bridge-access 20/bridge-access twenty/' /etc/network/interfaces; ifup p2")
    assert told.text == 'Invalid VLAN ID "twenty"\nifup: failed to bring up p2\n'
    assert told.status == 1


def test_vlan_commands_answer_as_iproute2() -> None:
    """Texts of mistakes, ranges and JSON."""
    switch = machine("sw", SWITCH, "p1", "p2", "p3")
    pass_time(switch, 1_000_000_000)
    run(switch, "bridge vlan add dev p1 vid 30-32")
    assert run(switch, "bridge -c vlan show dev p1").text.splitlines()[2].split() == ["30-32"]
    assert run(switch, "bridge -j vlan show dev p2").text == (
        '[{"ifname":"p2","vlans":[{"vlan":20,"flags":["PVID","Egress Untagged"]}]}]\n'
    )
    assert run(switch, "bridge vlan add dev p1") == ("Device and VLAN ID are required arguments.\n", 255)
    assert run(switch, "bridge vlan add dev p1 vid 5000") == ('Invalid VLAN ID "5000"\n', 255)
    assert run(switch, "bridge vlan add dev zz vid 5") == ('Cannot find bridge device "zz"\n', 255)
    assert run(switch, "bridge vlan add dev br0 vid 5") == ("RTNETLINK answers: Operation not supported\n", 255)
