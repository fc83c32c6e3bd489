"""Leads in wrong ports, dead ports and switched-off devices."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Endpoint, Link, Site

__all__ = ["FAULTS"]

FAMILY = "cabling"


@fault(
    FAMILY,
    symptom="A device has no link, or a network that is not its own",
    shown_by="ip link: NO-CARRIER; look: the lead sits elsewhere",
    fix="Put the lead in the right port",
)
def lead_in_wrong_port(site: Site, lead: Endpoint, into: Endpoint) -> Site:
    """The lead that sits in `lead` sits in `into`, whose own lead, if any, is pulled out."""
    for end in (lead, into):
        device = device_of(site, end.device)
        if end.port not in [port.name for port in device.ports]:
            message = f"{end.device} has no port {end.port}; ports: {', '.join(port.name for port in device.ports)}"
            raise FaultError(message)
    link = site.link_at(lead)
    if link is None:
        message = f"there is no lead in {lead}"
        raise FaultError(message)
    far = link.b if link.a == lead else link.a
    if far == into:
        message = f"the lead would have both ends in {into}"
        raise FaultError(message)
    moved = Link(into, far, link.delay_ns, link.jitter_ns, link.loss, link.queue_bytes)
    others = [other for other in site.links if other != link and into not in other.ends]
    return replace(site, links=(*others, moved))


@fault(
    FAMILY,
    symptom="No link on either side, though the lead is fine",
    shown_by="look: both lamps off; ip link: state DOWN on one side, NO-CARRIER on the other",
    fix="Bring the port up, and ask why it was down",
)
def port_admin_down(site: Site, port: Endpoint) -> Site:
    """A port was switched off and stays off after a restart."""
    device = device_of(site, port.device)
    if port.port not in [p.name for p in device.ports]:
        message = f"{port.device} has no port {port.port}"
        raise FaultError(message)
    path = "/etc/network/interfaces"
    text = device.files.get(path, "")
    stanza = f"\nauto {port.port}\niface {port.port} inet manual\n    up ip link set {port.port} down\n"
    if f"auto {port.port}\n" in text:
        message = f"{port} carries an address of its own; break that instead"
        raise FaultError(message)
    return site.with_device(device.with_file(path, text + stanza))


FAULTS = (lead_in_wrong_port, port_admin_down)
