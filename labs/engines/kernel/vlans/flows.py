"""A VLAN-filtering bridge of Linux, written down as the OpenFlow tables of Open vSwitch.

Open vSwitch has switching of its own (`NORMAL`), but a port there has one untagged VLAN, where one of a Linux bridge
may have many: `bridge vlan add dev p1 vid 20 pvid untagged` leaves VLAN 1 untagged as well, and people forget it. So
the tables of the bridge become flows. Before changing this file read net/bridge/br_vlan.c of Linux, IEEE 802.1Q
clauses 8.6 to 8.8 and ovs-actions(7).

Inside, a frame has no tag; register 0 is its VLAN (0 on a bridge that does not filter, which leaves tags alone),
register 1 the port it is for (0: not known), register 2 the bits ISOLATED and OWN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labs.net.bridge import Bridge, Origin, PortState
from labs.net.interface import Interface
from labs.net.vlan import VlanTable

__all__ = ["STATIONS", "bridge_flows", "learned_flow", "number_of", "trunk_flows"]

GUARD, CLASSIFY, LEARN, LOOK_UP, LEAVE, UP, STATIONS = 0, 1, 2, 3, 4, 5, 10
FIXED_TABLES = (GUARD, CLASSIFY, LEARN, LOOK_UP, LEAVE, UP)
SELF = 0xFFFE  # OFPP_LOCAL: the device itself
ISOLATED, OWN = 1, 2
MAX_STATIONS = 8192
MAX_AGE_S = 65535
SECOND = 1_000_000_000
GROUP = "01:00:00:00:00:00/01:00:00:00:00:00"
SINGLE = "00:00:00:00:00:00/01:00:00:00:00:00"
BROADCAST = "ff:ff:ff:ff:ff:ff"
BRIDGE_GROUP = "01:80:c2:00:00:00"  # forwarded while there is no spanning tree (br_input.c); its neighbours never
UNTAGGED, PRIORITY_TAGGED = "vlan_tci=0x0000/0x1fff", "vlan_tci=0x1000/0x1fff"
LEARNING = (PortState.FORWARDING, PortState.LEARNING)


def number_of(port: Interface) -> int:
    """The OpenFlow number of a port of a bridge."""
    assert port.bridge_port is not None
    return port.bridge_port.number


def bridge_flows(owner: Interface, own_vlans: Mapping[int, int]) -> list[str]:
    """The commands for `ovs-ofctl --bundle add-flows` that make the tables of a bridge.

    Parameters
    ----------
    owner
        The bridge; while it is down nothing passes.
    own_vlans
        VLAN to port number of the interfaces that stand on the bridge itself (br0.10).
    """
    bridge = owner.bridge
    assert bridge is not None
    lines = [f"delete table={table}" for table in FIXED_TABLES]
    lines.append(f"delete table={STATIONS},cookie=0/-1")
    if not owner.up:
        return lines
    lines += [
        f"table={GUARD},priority=70,dl_src={GROUP},actions=drop",
        f"table={GUARD},priority=60,dl_dst={BRIDGE_GROUP},actions=resubmit(,{CLASSIFY})",
        f"table={GUARD},priority=50,dl_dst={BRIDGE_GROUP}/ff:ff:ff:ff:ff:f0,actions=drop",
        f"table={GUARD},priority=0,actions=resubmit(,{CLASSIFY})",
        f"table={LOOK_UP},actions=resubmit(,{STATIONS}),resubmit(,{LEAVE})",
        *_sources(bridge),
        *_own_sources(bridge, own_vlans),
        *_fixed_stations(owner),
        *_leave(bridge),
        f"table={UP},priority=0,actions=LOCAL",
    ]
    for vid, number in own_vlans.items():
        lines.append(f"table={UP},priority=10,dl_vlan={vid},actions=LOCAL,strip_vlan,output:{number}")
    return lines


def trunk_flows(parents: Mapping[int, Mapping[int, int]]) -> list[str]:
    """The flows for VLAN interfaces on ports: parent's number -> VLAN -> number of the interface for it."""
    lines = [f"delete table={GUARD}"]
    for parent, vlans in parents.items():
        for vid, number in vlans.items():
            lines.append(f"table={GUARD},in_port={parent},dl_vlan={vid},actions=strip_vlan,output:{number}")
            tag = f"push_vlan:0x8100,set_field:{vid | 0x1000}->vlan_vid"
            lines.append(f"table={GUARD},in_port={number},actions={tag},output:{parent}")
    return lines


# Where a frame comes from


def _sources(bridge: Bridge) -> Iterable[str]:
    """The VLAN of a frame by the port it comes in at; what that port is no member of ends here (8.6.2)."""
    yield from _classified(bridge, "LOCAL", bridge.vlans, OWN, f"resubmit(,{LOOK_UP})")
    age_s = max(1, min(MAX_AGE_S, bridge.ageing_time_ns // SECOND))
    for port in bridge.ports:
        settings = port.bridge_port
        assert settings is not None
        if settings.state not in LEARNING:
            continue
        number = settings.number
        then = [f"resubmit(,{LEARN})"] if settings.learning else []
        then += [f"resubmit(,{LOOK_UP})"] if settings.state is PortState.FORWARDING else []
        yield from _classified(
            bridge, str(number), settings.vlans, ISOLATED * settings.isolated, ",".join(then) or "drop"
        )
        yield (
            f"table={LEARN},in_port={number},actions=learn(table={STATIONS},cookie={number},priority=5,"
            f"hard_timeout={age_s},limit={MAX_STATIONS},NXM_NX_REG0[],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
            f"load:{number}->NXM_NX_REG1[0..15])"
        )


def _classified(bridge: Bridge, number: str, table: VlanTable, bits: int, then: str) -> Iterable[str]:
    start = f"table={CLASSIFY},in_port={number}"
    mark = f"set_field:{bits}->reg2," if bits else ""
    if not bridge.vlan_filtering:
        yield f"{start},actions={mark}{then}"
        return
    if table.pvid in table.members:
        belongs = f"set_field:{table.pvid}->reg0,{mark}{then}"
        yield f"{start},{UNTAGGED},actions={belongs}"
        yield f"{start},{PRIORITY_TAGGED},actions=strip_vlan,{belongs}"
    for vid in table.members:
        yield f"{start},dl_vlan={vid},actions=strip_vlan,set_field:{vid}->reg0,{mark}{then}"


def _own_sources(bridge: Bridge, own_vlans: Mapping[int, int]) -> Iterable[str]:
    """What leaves br0.10 is a frame of the device itself with tag 10."""
    for vid, number in own_vlans.items():
        start = f"table={CLASSIFY},in_port={number},actions=set_field:{OWN}->reg2"
        if not bridge.vlan_filtering:
            yield f"{start},push_vlan:0x8100,set_field:{vid | 0x1000}->vlan_vid,resubmit(,{LOOK_UP})"
        elif vid in bridge.vlans.members:
            yield f"{start},set_field:{vid}->reg0,resubmit(,{LOOK_UP})"


# Whom it is for


def _fixed_stations(owner: Interface) -> Iterable[str]:
    """Addresses of the device itself, and what was entered by hand."""
    assert owner.bridge is not None
    yield f"table={STATIONS},priority=20,dl_dst={owner.mac},actions=load:{SELF}->NXM_NX_REG1[0..15]"
    for (mac, vid), station in owner.bridge.stations.items():
        if mac == owner.mac or station.origin is Origin.LEARNED:
            continue
        number = SELF if station.origin is Origin.LOCAL else number_of(station.port)
        where = f"reg0={vid}," if vid or station.origin is Origin.STATIC else ""
        yield f"table={STATIONS},priority=15,{where}dl_dst={mac},actions=load:{number}->NXM_NX_REG1[0..15]"


def learned_flow(number: int, vid: int, mac: object, age_s: int) -> str:
    """A station as if it had been learned (`bridge fdb add … dynamic`)."""
    return (
        f"table={STATIONS},cookie={number},priority=5,hard_timeout={max(1, min(MAX_AGE_S, age_s))},reg0={vid},"
        f"dl_dst={mac},actions=load:{number}->NXM_NX_REG1[0..15]"
    )


# How it leaves


def _leave(bridge: Bridge) -> Iterable[str]:
    vids = {0}
    if bridge.vlan_filtering:
        vids = set(bridge.vlans.members)
        for port in bridge.ports:
            assert port.bridge_port is not None
            vids |= set(port.bridge_port.vlans.members)
    for vid in sorted(vids):
        ready = [port for port in bridge.ports if _passes(port, vid)]
        to_self = not vid or vid in bridge.vlans.members
        if to_self:
            yield f"table={LEAVE},priority=20,reg1={SELF},reg0={vid},actions={_actions(bridge, [], vid, up=True)}"
        for port in ready:
            start = f"table={LEAVE},reg1={number_of(port)},reg0={vid}"
            if _isolated(port):
                yield f"{start},priority=30,reg2={ISOLATED}/{ISOLATED},actions=drop"
            yield f"{start},priority=20,actions={_actions(bridge, [port], vid)}"
            if _hairpin(port):
                actions = _actions(bridge, [port], vid, back=port)
                yield f"{start},priority=25,in_port={number_of(port)},actions={actions}"
        yield from _floods(bridge, ready, vid, to_self=to_self)


def _floods(bridge: Bridge, ready: Sequence[Interface], vid: int, *, to_self: bool) -> Iterable[str]:
    """To everybody: frames for a group, which the device itself gets as well, and for a station nobody knows."""
    for priority, whom, flag in ((1, SINGLE, "flood"), (1, GROUP, "mcast_flood"), (2, BROADCAST, "bcast_flood")):
        willing = [port for port in ready if getattr(port.bridge_port, flag)]
        for bits, step in ((OWN, 2), (ISOLATED, 1), (0, 0)):
            ports = [port for port in willing if not (bits == ISOLATED and _isolated(port))]
            start = f"table={LEAVE},reg1=0,reg0={vid},dl_dst={whom},reg2={bits}/{bits or OWN}"
            up = to_self and bits != OWN and whom != SINGLE
            actions = _actions(bridge, ports, vid, up=up)
            yield f"{start},priority={4 * priority + step},actions={actions}"
            for port in ports if not bits else ():
                if _hairpin(port):
                    back = _actions(bridge, ports, vid, up=up, back=port)
                    yield f"{start},priority={4 * priority + 3},in_port={number_of(port)},actions={back}"


def _actions(
    bridge: Bridge, ports: Sequence[Interface], vid: int, *, up: bool = False, back: Interface | None = None
) -> str:
    """Untagged copies first, then the tag, then tagged copies; Open vSwitch sends none back but with IN_PORT."""
    plain = [port for port in ports if not vid or _untagged(port, vid)]
    tagged = [port for port in ports if port not in plain]
    up_plain = up and vid and bridge.vlans.members[vid]
    words = [_output(port, back) for port in plain]
    words += ["LOCAL"] if up_plain else []
    up_tagged = up and not up_plain
    if vid and (tagged or up_tagged):
        words.append(f"mod_vlan_vid:{vid}")
    words += [_output(port, back) for port in tagged]
    words += [f"resubmit(,{UP})"] if up_tagged else []
    return ",".join(words) or "drop"


def _output(port: Interface, back: Interface | None) -> str:
    return "IN_PORT" if port is back else f"output:{number_of(port)}"


def _passes(port: Interface, vid: int) -> bool:
    settings = port.bridge_port
    assert settings is not None
    return settings.state is PortState.FORWARDING and (not vid or vid in settings.vlans.members)


def _untagged(port: Interface, vid: int) -> bool:
    assert port.bridge_port is not None
    return port.bridge_port.vlans.members[vid]


def _isolated(port: Interface) -> bool:
    assert port.bridge_port is not None
    return port.bridge_port.isolated


def _hairpin(port: Interface) -> bool:
    """True where a frame may go back: an isolated port is isolated from itself, too (br_forward.c, should_deliver)."""
    assert port.bridge_port is not None
    return port.bridge_port.hairpin and not port.bridge_port.isolated
