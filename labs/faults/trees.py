"""Spanning trees with the wrong root, and guards that switch a port off."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import INTERFACES, change_stanza, read_file
from labs.faults.fault import FaultError, fault
from labs.model.site import Endpoint, Site
from labs.net.ifupdown import Stanza, parse_interfaces

__all__ = ["FAULTS"]

FAMILY = "spanning tree"
SPEAKER = "a switch that speaks the spanning tree protocol (stp: true)"
BEST_PRIORITY = "0"  # IEEE 802.1D clause 17.14: the lowest wins


def _tree(site: Site, device: str) -> Stanza:
    """The paragraph of the bridge of a switch that speaks the protocol. Raises FaultError."""
    for stanza in parse_interfaces(read_file(site, device, INTERFACES, SPEAKER)).stanzas:
        if stanza.get("bridge_ports") is not None and stanza.get("bridge_stp") in ("on", "yes"):
            return stanza
    message = f"{device} is not {SPEAKER}"
    raise FaultError(message)


@fault(
    FAMILY,
    symptom="A fast lead between switches is idle, and everything takes the long way",
    shown_by="bridge link: the fast port is blocking; brctl showstp or ip -d link: the root is a small switch",
    fix="Give the switch in the middle the lowest priority, and this one a higher",
)
def stp_root_wrong(site: Site, on: str) -> Site:
    """A switch at the edge has the best priority and becomes the root of the tree."""
    stanza = _tree(site, on)
    if stanza.get("bridge_bridgeprio") == BEST_PRIORITY:
        message = f"{on} has the best priority already"
        raise FaultError(message)
    return change_stanza(site, on, stanza.name, lambda s: s.with_option("bridge_bridgeprio", BEST_PRIORITY))


@fault(
    FAMILY,
    symptom="No link through a port, since somebody put a small switch behind it",
    shown_by='bridge link: state disabled; journalctl -k: "BPDU received on blocked port"',
    fix="Take the switch out, or the guard off where a switch belongs; then the port down and up",
)
def bpduguard_errdisabled(site: Site, port: Endpoint) -> Site:
    """A port to a switch that speaks the protocol is guarded against it."""
    stanza = _tree(site, port.device)
    link = site.link_at(port)
    if link is None:
        message = f"there is no lead in {port}"
        raise FaultError(message)
    far = link.b if link.a == port else link.a
    _tree(site, far.device)
    guard = ("up", f"bridge link set dev {port.port} guard on")
    if guard in stanza.options:
        message = f"{port} is guarded already"
        raise FaultError(message)
    return change_stanza(site, port.device, stanza.name, lambda s: replace(s, options=(*s.options, guard)))


FAULTS = (stp_root_wrong, bpduguard_errdisabled)
