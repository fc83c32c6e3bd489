"""Managed switches whose ports are in the wrong VLANs, and machines that share a MAC address."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import INTERFACES, change_stanza, read_file, static_stanza
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Endpoint, Link, Site
from labs.net.ifupdown import Stanza, parse_interfaces

__all__ = ["FAULTS"]

FAMILY = "switching"
MANAGED = "a managed switch (with vlans)"


def _port(site: Site, port: Endpoint) -> Stanza:
    """The paragraph of a switch port. Raises FaultError."""
    found = parse_interfaces(read_file(site, port.device, INTERFACES, MANAGED)).stanza(port.port)
    if found is None or not any(found.get(option) for option in ("bridge-access", "bridge-vids", "bridge-pvid")):
        message = f"{port} is not a port of {MANAGED} with a lead in it"
        raise FaultError(message)
    return found


def _bridges(site: Site, device: str) -> list[str]:
    """The bridges of a device."""
    parsed = parse_interfaces(device_of(site, device).files.get(INTERFACES, ""))
    return [stanza.name for stanza in parsed.stanzas if stanza.get("bridge_ports") is not None]


def _vids(stanza: Stanza) -> list[str]:
    return (stanza.get("bridge-vids") or "").split()


@fault(
    FAMILY,
    symptom="A device gets an address of another network or none, and its neighbours are out of reach",
    shown_by="bridge vlan; bridge fdb: the right port, the wrong VLAN; a lease of the wrong range",
    fix="Set the VLAN of the port, and correct the port list",
)
def vlan_access_mismatch(site: Site, port: Endpoint, vlan: int) -> Site:
    """An access port is in another VLAN."""
    stanza = _port(site, port)
    if stanza.get("bridge-access") is None:
        message = f"{port} is a trunk; use vlan-trunk-missing or vlan-native-mismatch"
        raise FaultError(message)
    if stanza.get("bridge-access") == str(vlan):
        message = f"{port} is in VLAN {vlan} already"
        raise FaultError(message)
    return change_stanza(site, port.device, port.port, lambda s: s.with_option("bridge-access", str(vlan)))


@fault(
    FAMILY,
    symptom="One network is dead behind one switch, the others are fine",
    shown_by="bridge vlan: one end of the trunk lacks the VLAN; a capture shows no tag of it",
    fix="Add the VLAN at both ends of the trunk",
)
def vlan_trunk_missing(site: Site, port: Endpoint, vlan: int) -> Site:
    """A trunk port does not carry one VLAN."""
    vids = _vids(_port(site, port))
    if str(vlan) not in vids:
        message = f"{port} does not carry VLAN {vlan} with a tag; it carries {' '.join(vids) or 'none'}"
        raise FaultError(message)
    left = " ".join(vid for vid in vids if vid != str(vlan))
    return change_stanza(site, port.device, port.port, lambda s: s.with_option("bridge-vids", left or None))


@fault(
    FAMILY,
    symptom="What is untagged at one end comes out in another network at the other",
    shown_by="bridge vlan: PVID differs at the two ends of the trunk; stations appear in the wrong VLAN",
    fix="The same untagged VLAN at both ends, or none",
)
def vlan_native_mismatch(site: Site, port: Endpoint, vlan: int) -> Site:
    """The untagged VLAN of a trunk port is another one than at the far end."""
    stanza = _port(site, port)
    old = stanza.get("bridge-pvid")
    if stanza.get("bridge-access") is not None or old == str(vlan):
        message = f"{port} is not a trunk whose untagged VLAN could become {vlan}"
        raise FaultError(message)
    vids = [vid for vid in _vids(stanza) if vid != str(vlan)]
    vids = sorted([*vids, *([old] if old is not None else [])], key=int)
    changed = stanza.with_option("bridge-vids", " ".join(vids) or None).with_option("bridge-pvid", str(vlan))
    changed = changed.with_option("bridge-allow-untagged", None)
    return change_stanza(site, port.device, port.port, lambda _: changed)


@fault(
    FAMILY,
    symptom="Connections of two machines stall in turns",
    shown_by="bridge fdb: one address wanders between two ports; ip neigh: one MAC address for two IP addresses",
    fix="Give the clone its own MAC address",
)
def duplicate_mac(site: Site, on: str, of: str) -> Site:
    """`on` has the MAC address of the first port of `of`."""
    mac = device_of(site, of).ports[0].mac
    stanza = static_stanza(site, on)
    return change_stanza(site, on, stanza.name, lambda s: s.with_option("hwaddress", f"ether {mac}"))


@fault(
    FAMILY,
    symptom="The whole segment is out of reach, and every lamp flashes",
    shown_by="ip -s link: counters race; bridge fdb: addresses wander; look: a lead too many",
    fix="Pull the extra lead, then switch spanning tree on",
)
def l2_loop_no_stp(site: Site, lead: Endpoint, to: Endpoint) -> Site:
    """A lead closes a loop between two free switch ports, and no switch speaks the spanning tree protocol."""
    for end in (lead, to):
        if end.port not in [port.name for port in device_of(site, end.device).ports]:
            message = f"{end.device} has no port {end.port}"
            raise FaultError(message)
        if site.link_at(end) is not None or lead == to:
            message = f"the port {end} is not free"
            raise FaultError(message)
        if not _bridges(site, end.device):
            message = f"{end.device} is not a switch"
            raise FaultError(message)
    for name in site.devices:
        for bridge in _bridges(site, name):
            site = change_stanza(site, name, bridge, lambda s: s.with_option("bridge-stp", None))
    near = next((link for link in site.links if any(end.device == lead.device for end in link.ends)), None)
    delay, jitter = (near.delay_ns, near.jitter_ns) if near is not None else (5_000, 0)
    return replace(site, links=(*site.links, Link(lead, to, delay, jitter)))


FAULTS = (vlan_access_mismatch, vlan_trunk_missing, vlan_native_mismatch, duplicate_mac, l2_loop_no_stp)
