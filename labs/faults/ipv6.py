"""IPv6: who says to be a router, and who hears it."""

from __future__ import annotations

from labs.faults.fault import FaultError, device_of, fault
from labs.model.addresses import Network
from labs.model.site import Site
from labs.net.ifupdown import parse_interfaces
from labs.net.linux.units import enabled_path

__all__ = ["FAULTS"]

FAMILY = "addressing"
SETTINGS = "/etc/sysctl.d/60-ipv6.conf"
STRANGE = Network.parse("2001:db8:bad:bad::/64")


def _wide_interface(site: Site, device: str) -> str:
    """The interface on which a device speaks IPv6. Raises FaultError."""
    files = device_of(site, device).files
    for stanza in parse_interfaces(files.get("/etc/network/interfaces", "")).stanzas:
        if stanza.family == "inet6" and stanza.method in ("auto", "static"):
            return stanza.name
    message = f"{device} does not speak IPv6: none of its subnets has v6"
    raise FaultError(message)


@fault(
    FAMILY,
    symptom="Everybody in the network loses the way out over IPv6, while IPv4 works",
    shown_by="ip -6 route, rdisc6: a second default route, to a router nobody knows",
    fix="Stop and disable radvd on that device, and renew the hosts, which keep its prefix (ifdown, ifup)",
)
def rogue_ra(site: Site, on: str, prefix: Network | None = None) -> Site:
    """A device advertises itself as the preferred router, with a prefix of its own, and forwards nothing."""
    interface = _wide_interface(site, on)
    device = device_of(site, on)
    if enabled_path("radvd") in device.files:
        message = f"{on} is a router that advertises itself already"
        raise FaultError(message)
    network = prefix or STRANGE
    text = f"""interface {interface}
{{
    AdvSendAdvert on;
    MinRtrAdvInterval 20;
    MaxRtrAdvInterval 60;
    AdvDefaultPreference high;
    prefix {network}
    {{
        AdvOnLink on;
        AdvAutonomous on;
    }};
}};
"""
    device = device.with_file("/etc/radvd.conf", text)
    return site.with_device(device.with_file(enabled_path("radvd"), "[Unit]\nDescription=radvd\n"))


@fault(
    FAMILY,
    symptom="Newcomers get no IPv6 address and no way out; who was there keeps both for half an hour",
    shown_by="rdisc6: nobody answers; systemctl status radvd on the router",
    fix="Enable and start radvd on the router",
)
def router_silent_ra(site: Site, on: str) -> Site:
    """The router no longer starts its advertiser."""
    device = device_of(site, on)
    if enabled_path("radvd") not in device.files:
        message = f"{on} does not start radvd"
        raise FaultError(message)
    return site.with_device(device.with_file(enabled_path("radvd"), None))


@fault(
    FAMILY,
    symptom="Hosts have IPv6 addresses and reach the router, and nothing beyond it",
    shown_by="sysctl net.ipv6.conf.all.forwarding on the router is 0",
    fix="Set net.ipv6.conf.all.forwarding = 1 in /etc/sysctl.d",
)
def ipv6_forwarding_off(site: Site, on: str) -> Site:
    """The router does not forward IPv6; IPv4 goes on."""
    device = device_of(site, on)
    before = device.files.get(SETTINGS, "")
    after = "".join(f"{line}\n" for line in before.splitlines() if "forwarding" not in line)
    if after == before:
        message = f"{on} does not forward IPv6"
        raise FaultError(message)
    return site.with_device(device.with_file(SETTINGS, after))


FAULTS = (rogue_ra, router_silent_ra, ipv6_forwarding_off)
