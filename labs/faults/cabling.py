"""Leads in wrong ports, dead ports and switched-off devices."""

from __future__ import annotations

from dataclasses import replace

from labs.faults.edit import INTERFACES
from labs.faults.fault import FaultError, device_of, fault
from labs.model.site import Endpoint, Link, Site
from labs.net.ifupdown import Stanza, parse_interfaces, render_interfaces

__all__ = ["FAULTS"]

FAMILY = "cabling"
FORCIBLE = (10, 100)  # Mb/s; faster copper has to negotiate (IEEE 802.3 clause 40.5.1)


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


def _force(site: Site, port: Endpoint, speed: int) -> Site:
    """The port takes this speed and full duplex without asking, from the next start on."""
    device = device_of(site, port.device)
    if port.port not in [p.name for p in device.ports]:
        message = f"{port.device} has no port {port.port}"
        raise FaultError(message)
    if speed not in FORCIBLE:
        message = f"{port} cannot be forced to {speed} Mb/s; copper can be forced to {' or '.join(map(str, FORCIBLE))}"
        raise FaultError(message)
    words = (("link-speed", str(speed)), ("link-duplex", "full"), ("ethernet-autoneg", "off"))
    parsed = parse_interfaces(device.files.get(INTERFACES, ""))
    found = parsed.stanza(port.port) or Stanza(port.port, method="manual")
    if found.get("link-speed") is not None:
        message = f"the speed of {port} is set already"
        raise FaultError(message)
    changed = parsed.with_stanza(replace(found, options=(*found.options, *words)), auto=True)
    return site.with_device(device.with_file(INTERFACES, render_interfaces(changed)))


def _far_end(site: Site, port: Endpoint) -> Endpoint:
    link = site.link_at(port)
    if link is None:
        message = f"there is no lead in {port}"
        raise FaultError(message)
    return link.b if link.a == port else link.a


@fault(
    FAMILY,
    symptom="A ping is fine, but a large file crawls or stops",
    shown_by="ethtool: Half on one side, Full on the other; ip -s link: collsns there, crc errors here",
    fix="Let both ends negotiate, or set both alike",
)
def duplex_mismatch(site: Site, port: Endpoint, speed: int = 100) -> Site:
    """A port is forced to full duplex; the far end negotiates, hears no answer and takes half duplex."""
    _far_end(site, port)
    return _force(site, port, speed)


@fault(
    FAMILY,
    symptom="No link, though both ports are on and the lead is fine",
    shown_by="ethtool on both ends: Auto-negotiation: off; another speed in link-speed",
    fix="Let both ends negotiate, or set both alike",
)
def speed_forced(site: Site, port: Endpoint, speed: int = 10) -> Site:
    """Both ends of a lead are forced, each to another speed."""
    far = _far_end(site, port)
    site = _force(site, port, speed)
    return _force(site, far, next(other for other in FORCIBLE if other != speed))


FAULTS = (lead_in_wrong_port, port_admin_down, duplex_mismatch, speed_forced)
