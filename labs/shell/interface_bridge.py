"""Bridges in /etc/network/interfaces: the options of bridge-utils, and ifupdown2's words for VLANs.

bridge-utils knows `bridge_vlan_aware yes` and nothing about which port is in which VLAN; `bridge-vids`, `bridge-pvid`,
`bridge-access` and `bridge-allow-untagged` are ifupdown2's. Both are read here, so that a switch is one file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.net.vlan import DEFAULT_PVID

if TYPE_CHECKING:
    from labs.net.ifupdown import Stanza

__all__ = ["bridge_lines", "own_vlan_lines", "vlan_lines", "wants_vlans"]

VLAN_OPTIONS = ("bridge-vids", "bridge-pvid", "bridge-access", "bridge-allow-untagged")


def bridge_lines(stanza: Stanza) -> list[str]:
    """What finishes a bridge when its ports are in: ageing, priorities, costs (bridge-utils ifupdown.sh)."""
    name = stanza.name
    lines = []
    ageing = stanza.get("bridge_ageing")
    if ageing is not None:
        lines.append(f"brctl setageing {name} {ageing}")
    priority = stanza.get("bridge_bridgeprio")
    if priority is not None:
        lines.append(f"brctl setbridgeprio {name} {priority}")
    for option, command in (("bridge_pathcost", "setpathcost"), ("bridge_portprio", "setportprio")):
        lines += [f"brctl {command} {name} {value}" for value in stanza.values(option)]
    if stanza.get("bridge_stp") is not None:
        lines.append(f"brctl stp {name} {stanza.get('bridge_stp')}")
    return lines


def wants_vlans(stanza: Stanza) -> bool:
    """True where a paragraph says something about VLANs of a port."""
    return any(stanza.get(option) is not None for option in VLAN_OPTIONS)


def vlan_lines(port: str, stanza: Stanza | None, bridge: Stanza | None) -> list[str]:
    """The VLANs of one port: what its own paragraph says, else what the paragraph of the bridge says of all ports."""
    chosen = stanza if stanza is not None and wants_vlans(stanza) else bridge
    if chosen is None or not wants_vlans(chosen):
        return []
    access = chosen.get("bridge-access")
    if access is not None:
        pvid, vids = access, []
    else:
        untagged = chosen.get("bridge-allow-untagged") != "no"
        pvid = (chosen.get("bridge-pvid") or str(DEFAULT_PVID)) if untagged else ""
        vids = [vid for vid in (chosen.get("bridge-vids") or "").replace(",", " ").split() if vid != pvid]
    lines = [] if pvid == str(DEFAULT_PVID) else [f"bridge vlan del dev {port} vid {DEFAULT_PVID}"]
    lines += [f"bridge vlan add dev {port} vid {vid}" for vid in vids]
    return [*lines, f"bridge vlan add dev {port} vid {pvid} pvid untagged"] if pvid else lines


def own_vlan_lines(bridge: str, vid: int) -> list[str]:
    """An interface such as br0.10 needs the device itself in VLAN 10."""
    return [f"bridge vlan add dev {bridge} vid {vid} self"]
