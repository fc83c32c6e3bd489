"""What `ip -d link` says of a bridge and of a port of one. Timers are not counted down: they read 0.00."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.net.bridge import PortState, port_cost
from labs.net.stp import BRIDGE_GROUP, BridgeId
from labs.net.vlan import DEFAULT_PVID

if TYPE_CHECKING:
    from labs.net.interface import Interface

__all__ = ["bridge_details", "port_details"]

NO_TIME = f"{0:7.2f}"
TICK_NS = 10_000_000
# The names that differ between people and JSON (iplink_bridge.c, iplink_bridge_slave.c)
JSON_NAMES = {"designated_root": "root_id", "group_address": "group_addr"}
SLAVE_JSON_NAMES = {
    "port_id": "id",
    "port_no": "no",
    "designated_bridge": "bridge_id",
    "designated_root": "root_id",
}


def _said(pairs: list[tuple[str, Any, str | None]], names: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The words for people and the members of the JSON object."""
    text = "".join(f"{name} {value if shown is None else shown} " for name, value, shown in pairs)
    return text, {names.get(name, name): value for name, value, _ in pairs}


def _switch(name: str, on: bool) -> tuple[str, Any, str]:  # noqa: FBT001 - a row of a table
    return name, on, "on" if on else "off"


def bridge_details(interface: Interface) -> tuple[str, dict[str, Any]]:
    """`bridge forward_delay 1500 …`, and info_data."""
    bridge = interface.bridge
    assert bridge is not None
    own = BridgeId(bridge.priority, interface.mac)
    tree = bridge.tree
    timer = (0.0, NO_TIME)
    pairs: list[tuple[str, Any, str | None]] = [
        ("forward_delay", 1500, None),
        ("hello_time", 200, None),
        ("max_age", 2000, None),
        ("ageing_time", bridge.ageing_time_ns // TICK_NS, None),
        ("stp_state", int(tree is not None), None),
        ("priority", bridge.priority, None),
        ("vlan_filtering", int(bridge.vlan_filtering), None),
        ("vlan_protocol", "802.1Q", None),
        ("bridge_id", str(own), None),
        ("designated_root", str(tree.root if tree else own), None),
        ("root_port", tree.root_port if tree else 0, None),
        ("root_path_cost", tree.root_cost if tree else 0, None),
        ("topology_change", 0, None),
        ("topology_change_detected", 0, None),
        ("hello_timer", *timer),
        ("tcn_timer", *timer),
        ("topology_change_timer", *timer),
        ("gc_timer", *timer),
        ("vlan_default_pvid", DEFAULT_PVID, None),
        ("vlan_stats_enabled", 0, None),
        ("vlan_stats_per_port", 0, None),
        ("group_fwd_mask", "0", None),
        ("group_address", str(BRIDGE_GROUP), None),
    ]
    text, data = _said(pairs, JSON_NAMES)
    return "bridge " + text, data


def port_details(port: Interface) -> tuple[str, dict[str, Any]]:
    """`bridge_slave state …`, and info_slave_data."""
    settings, master = port.bridge_port, port.master
    assert settings is not None
    assert master is not None
    assert master.bridge is not None
    tree = master.bridge.tree
    known = tree.ports.get(settings.number) if tree else None
    own = BridgeId(master.bridge.priority, master.mac)
    heard = known.info if known else None
    state = settings.state.word if port.running and master.up else PortState.DISABLED.word
    designated_port = heard.port if heard else settings.identifier
    cost = port_cost(port)
    designated_cost = heard.cost if heard else tree.root_cost if tree else 0
    pairs: list[tuple[str, Any, str | None]] = [
        ("state", state, None),
        ("priority", settings.priority, None),
        ("cost", cost, None),
        *(
            _switch(name, on)
            for name, on in (
                ("hairpin", settings.hairpin),
                ("guard", settings.guard),
                ("root_block", settings.root_block),
                ("fastleave", False),
                ("learning", settings.learning),
                ("flood", settings.flood),
            )
        ),
        ("port_id", f"0x{settings.identifier:x}", None),
        ("port_no", f"0x{settings.number:x}", None),
        ("designated_port", designated_port, None),
        ("designated_cost", designated_cost, None),
        ("designated_bridge", str(heard.bridge if heard else own), None),
        ("designated_root", str(tree.root if tree else own), None),
        *((name, 0.0, NO_TIME) for name in ("hold_timer", "message_age_timer", "forward_delay_timer")),
        ("topology_change_ack", 0, None),
        ("config_pending", 0, None),
        _switch("mcast_flood", settings.mcast_flood),
        _switch("bcast_flood", settings.bcast_flood),
        _switch("isolated", settings.isolated),
    ]
    text, data = _said(pairs, SLAVE_JSON_NAMES)
    return "bridge_slave " + text, data
