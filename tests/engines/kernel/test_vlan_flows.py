"""The flows of a bridge decide as the bridge of the simulator, over random bridges and frames; no switch is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labs.engines.kernel.vlans.flows import SELF, bridge_flows, trunk_flows
from labs.model.addresses import IPv4, Mac
from labs.net.actions import DropReason
from labs.net.bridge import Bridge, Origin, PortState, Relay, Station, StationKey
from labs.net.ethernet import Frame
from labs.net.interface import Interface
from labs.net.vlan import VlanTable

VLANS = (1, 10, 20)
OWN_MAC = Mac(0x02_00_00_00_00_01)
HOSTS = [Mac(0x02_00_00_00_01_00 + number) for number in range(3)]
SENDER = Mac(0x02_00_00_00_02_00)
GROUPS = [Mac(0xFFFF_FFFF_FFFF), Mac(0x01_00_5E_00_00_FB)]
NUMBER_OF_VLAN = {10: 2010}  # br0.10 stands on the bridge


@dataclass
class Packet:
    """What a flow can see, and what came out: port and tag."""

    in_port: int
    src: Mac
    dst: Mac
    tag: int | None
    registers: dict[str, int] = field(default_factory=lambda: {"reg0": 0, "reg1": 0, "reg2": 0})
    out: list[tuple[int, int | None]] = field(default_factory=list)


def number(text: str) -> int:
    return SELF if text == "LOCAL" else int(text, 0)


class Switch:
    """As much of OpenFlow as the flows of a bridge use."""

    def __init__(self, lines: list[str]) -> None:
        self.flows = []
        for line in lines:
            if not line.startswith("delete"):
                match, _, actions = line.partition(",actions=")
                words = dict(word.split("=", 1) for word in match.split(","))
                table, priority = int(words.pop("table")), int(words.pop("priority", "32768"))
                words.pop("cookie", None)
                self.flows.append((table, priority, words, actions))

    def run(self, packet: Packet, table: int = 0) -> None:
        """Let the flow of the highest priority act."""
        fitting = [flow for flow in self.flows if flow[0] == table and self.fits(flow[2], packet)]
        if not fitting:
            return
        best = max(fitting, key=lambda flow: flow[1])
        assert [flow[1] for flow in fitting].count(best[1]) == 1, f"two flows of one priority: {fitting}"
        for action in re.findall(r"(?:[^,(]|\([^)]*\))+", best[3]):
            self.act(action, packet)

    @staticmethod
    def fits(words: dict[str, str], packet: Packet) -> bool:
        """True where every field matches."""
        for name, value in words.items():
            if name == "in_port":
                fine = number(value) == packet.in_port
            elif name in ("dl_src", "dl_dst"):
                address, _, mask = value.partition("/")
                bits = int(Mac.parse(mask)) if mask else (1 << 48) - 1
                fine = int(packet.src if name == "dl_src" else packet.dst) & bits == int(Mac.parse(address)) & bits
            elif name == "dl_vlan":
                fine = packet.tag == int(value)
            elif name == "vlan_tci":
                fine = packet.tag == {"0x0000/0x1fff": None, "0x1000/0x1fff": 0}[value]
            else:
                wanted, _, mask = value.partition("/")
                bits = int(mask, 0) if mask else -1
                fine = packet.registers[name] & bits == int(wanted, 0) & bits
            if not fine:
                return False
        return True

    def act(self, action: str, packet: Packet) -> None:
        """One action."""
        if found := re.fullmatch(r"resubmit\(,(\d+)\)", action):
            self.run(packet, int(found[1]))
        elif found := re.fullmatch(r"set_field:(\d+)->(reg\d)", action):
            packet.registers[found[2]] = int(found[1])
        elif found := re.fullmatch(r"load:(\d+)->NXM_NX_REG1\[0..15\]", action):
            packet.registers["reg1"] = int(found[1])
        elif found := re.fullmatch(r"set_field:(\d+)->vlan_vid", action):
            packet.tag = int(found[1]) & 0xFFF
        elif found := re.fullmatch(r"mod_vlan_vid:(\d+)", action):
            packet.tag = int(found[1])
        elif found := re.fullmatch(r"output:(\d+)", action):
            if int(found[1]) != packet.in_port:
                packet.out.append((int(found[1]), packet.tag))
        elif action == "IN_PORT":
            packet.out.append((packet.in_port, packet.tag))
        elif action == "LOCAL":
            if packet.in_port != SELF:
                packet.out.append((SELF, packet.tag))
        elif action == "strip_vlan":
            packet.tag = None
        else:
            assert action in ("drop", "push_vlan:0x8100") or action.startswith("learn("), action


def tables() -> st.SearchStrategy[VlanTable]:
    """The VLANs of a port."""
    members = st.dictionaries(st.sampled_from(VLANS), st.booleans())
    return st.builds(VlanTable, members.map(lambda found: dict(sorted(found.items()))), st.sampled_from([0, *VLANS]))


@st.composite
def bridges(draw: st.DrawFn) -> Interface:
    """A bridge with three ports, on which nearly everything can be set."""
    owner = Interface("br0", 1, "bridge", OWN_MAC, OWN_MAC, up=True, bridge=Bridge())
    bridge = owner.bridge
    assert bridge is not None
    bridge.vlan_filtering = draw(st.booleans()) or draw(st.booleans())
    bridge.vlans = draw(tables())
    for place in range(3):
        mac = Mac(0x02_00_00_00_00_01 + place)
        port = Interface(f"p{place + 1}", place + 2, "ether", mac, mac, up=True, carrier=True, master=owner)
        bridge.add_port(port)
        settings = port.bridge_port
        assert settings is not None
        settings.vlans = draw(tables())
        settings.isolated, settings.hairpin = draw(st.booleans()), not draw(st.integers(0, 3))
        settings.flood, settings.mcast_flood, settings.bcast_flood = (bool(draw(st.integers(0, 3))) for _ in range(3))
        settings.state = draw(st.sampled_from([PortState.FORWARDING] * 4 + [PortState.BLOCKING, PortState.LEARNING]))
    for mac in draw(st.lists(st.sampled_from(HOSTS), unique=True)):
        vid = draw(st.sampled_from(VLANS)) if bridge.vlan_filtering else 0
        bridge.stations[StationKey(mac, vid)] = Station(draw(st.sampled_from(bridge.ports)), 0, Origin.STATIC)
    return owner


def expected(owner: Interface, source: Interface | None, frame: Frame) -> set[tuple[int, int | None]]:
    """Where the bridge of the simulator sends a frame, and with which tag."""
    bridge = owner.bridge
    assert bridge is not None
    found = bridge.relay(frame, source, owner.mac, 0)
    if isinstance(found, DropReason):
        return set()
    assert isinstance(found, Relay)
    out = set()
    for port in found.ports:
        assert port.bridge_port is not None
        out.add((port.bridge_port.number, port.bridge_port.vlans.tag(found.vid) if found.vid else frame.vlan))
    if found.up:
        tag = bridge.vlans.tag(found.vid) if found.vid else frame.vlan
        out.add((SELF, tag))
        if tag in NUMBER_OF_VLAN:
            out.add((NUMBER_OF_VLAN[tag], None))
    return out


def described(owner: Interface) -> str:
    """The bridge, for whoever reads a failure."""
    bridge = owner.bridge
    assert bridge is not None
    ports = "\n".join(str(port.bridge_port) for port in bridge.ports)
    return f"filtering {bridge.vlan_filtering}, own {bridge.vlans}\n{ports}\n{bridge.stations}"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(bridges(), st.sampled_from([0, 1, 2, 3]), st.sampled_from([None, 0, *VLANS, 99]), st.data())
def test_flows_send_a_frame_where_the_bridge_of_the_simulator_sends_it(owner, place, tag, data):
    bridge = owner.bridge
    source = bridge.ports[place - 1] if place else None
    dst = data.draw(st.sampled_from([*HOSTS, *GROUPS] + ([OWN_MAC, Mac(int(OWN_MAC) + 1)] if place else [])))
    if not bridge.vlan_filtering and tag == 0:
        tag = None  # a bridge that does not filter leaves it as it is
    packet = Packet(place or SELF, SENDER, dst, tag)
    switch = Switch(bridge_flows(owner, NUMBER_OF_VLAN))
    switch.run(packet)
    payload = SimpleNamespace(src=IPv4(0), length=46)
    wanted = expected(owner, source, Frame(dst, SENDER, 0x0800, payload, tag))  # type: ignore[arg-type]
    assert sorted(set(packet.out), key=str) == sorted(wanted, key=str), described(owner)
    assert len(packet.out) == len(set(packet.out))


def test_bridge_that_is_down_passes_nothing():
    owner = Interface("br0", 1, "bridge", OWN_MAC, OWN_MAC, up=False, bridge=Bridge())
    assert all(line.startswith("delete") for line in bridge_flows(owner, {}))


def test_frame_for_a_vlan_interface_of_a_port_loses_its_tag_and_gets_it_back():
    switch = Switch(trunk_flows({2000: {10: 2001, 20: 2002}}))
    for number_in, tag, wanted in ((2000, 20, (2002, None)), (2002, None, (2000, 20))):
        packet = Packet(number_in, HOSTS[0], HOSTS[1], tag)
        switch.run(packet)
        assert packet.out == [wanted]
    stray = Packet(2000, HOSTS[0], HOSTS[1], 30)
    switch.run(stray)
    assert stray.out == []
