"""Address and name services that hand out the wrong thing."""

from __future__ import annotations

from collections.abc import Callable

from labs.faults.edit import change_each_line, change_lines, fixed_address
from labs.faults.fault import FaultError, fault
from labs.model.addresses import IPv4
from labs.model.site import Site

__all__ = ["FAULTS"]

FAMILY = "services"
PATH = "/etc/dnsmasq.conf"
WHAT = "a device that runs dnsmasq"


def _range(line: str) -> list[str]:
    return line.partition("=")[2].split(",")


def _instead_of(start: str, other: str) -> Callable[[str], str]:
    """Lines that begin so become another line."""
    return lambda line: other if line.startswith(start) else line


@fault(
    FAMILY,
    symptom="After a while a device with a fixed address and a newcomer share one address",
    shown_by="/etc/dnsmasq.conf: the dhcp-range covers fixed addresses",
    fix="Move the pool away from the fixed addresses",
)
def pool_overlaps_static(site: Site, on: str, over: str) -> Site:
    """The DHCP pool begins at the fixed address of `over`, and ends where it did."""
    address = fixed_address(site, over)

    def widen(lines: list[str]) -> list[str]:
        for i, line in enumerate(lines):
            if line.startswith("dhcp-range="):
                first, last, *rest = _range(line)
                low, high = IPv4.parse(first), IPv4.parse(last)
                if low <= address <= high:
                    message = f"the pool already covers {address}"
                    raise FaultError(message)
                low, high = min(low, address), max(high, address)
                lines[i] = "dhcp-range=" + ",".join([str(IPv4(low)), str(IPv4(high)), *rest])
        return lines

    return change_lines(site, on, PATH, WHAT, widen)


@fault(
    FAMILY,
    symptom="Newcomers get no address; whoever has one keeps it",
    shown_by='journalctl -u dnsmasq: "no address available"',
    fix="Make the pool as large as the number of devices",
)
def dhcp_pool_exhausted(site: Site, on: str) -> Site:
    """The pool is one address that is the server's own."""
    own = fixed_address(site, on)

    def shrink(line: str) -> str:
        if not line.startswith("dhcp-range="):
            return line
        return "dhcp-range=" + ",".join([str(own), str(own), *_range(line)[2:]])

    return change_each_line(site, on, PATH, WHAT, shrink)


@fault(
    FAMILY,
    symptom="Every DHCP client reaches its neighbours and nothing else",
    shown_by="ip route on a client: the default route leads to nobody",
    fix="Correct option 3 (router) and renew the leases",
)
def dhcp_wrong_gateway_option(site: Site, on: str) -> Site:
    """Option 3 names an address one higher than the router."""
    prefix = "dhcp-option=option:router,"

    def bend(line: str) -> str:
        return prefix + str(IPv4(IPv4.parse(line.removeprefix(prefix)) + 1)) if line.startswith(prefix) else line

    return change_each_line(site, on, PATH, WHAT, bend)


@fault(
    FAMILY,
    symptom="On every DHCP client names fail, addresses work",
    shown_by="cat /etc/resolv.conf on a client: the name server is not ours; dig: connection timed out",
    fix="Correct option 6 (dns-server) and renew the leases",
)
def dhcp_wrong_dns_option(site: Site, on: str, server: IPv4) -> Site:
    """Option 6 names a server that does not answer names."""
    prefix = "dhcp-option=option:dns-server,"
    what = "a device that hands out a name server"
    return change_each_line(site, on, PATH, what, _instead_of(prefix, prefix + str(server)))


@fault(
    FAMILY,
    symptom="Nobody gets an address, though the server runs and hears the requests",
    shown_by='journalctl -u dnsmasq: "no address range available"',
    fix="A range of the network that is served",
)
def dhcp_range_not_in_subnet(site: Site, on: str) -> Site:
    """The DHCP ranges were typed for the next network."""

    def shift(lines: list[str]) -> list[str]:
        for i, line in enumerate(lines):
            if line.startswith("dhcp-range="):
                first, last, mask, *rest = _range(line)
                step = 1 << 32 - IPv4.parse(mask).bit_count()
                moved = [str(IPv4(IPv4.parse(text) + step)) for text in (first, last)]
                lines[i] = "dhcp-range=" + ",".join([*moved, mask, *rest])
        return lines

    return change_lines(site, on, PATH, WHAT, shift)


@fault(
    FAMILY,
    symptom="Names fail after a delay, addresses work",
    shown_by="cat /etc/resolv.conf; dig: connection timed out",
    fix="Name a server that exists",
)
def dns_server_dead(site: Site, on: str, server: IPv4 | None = None) -> Site:
    """The device asks a name server that does not exist."""
    dead = server or IPv4.parse("203.0.113.253")
    what = "a device with a fixed name server"
    return change_each_line(site, on, "/etc/resolv.conf", what, _instead_of("nameserver ", f"nameserver {dead}"))


@fault(
    FAMILY,
    symptom="A name leads to the wrong machine",
    shown_by="dig, or cat /etc/hosts: an old address",
    fix="Correct the record",
)
def dns_wrong_record(site: Site, on: str, name: str, address: IPv4) -> Site:
    """A name in dnsmasq.conf, or in /etc/hosts where the device has none, has another address."""
    from labs.faults.fault import device_of

    if PATH in device_of(site, on).files:
        start = f"host-record={name},"
        return change_each_line(site, on, PATH, WHAT, _instead_of(start, f"{start}{address}"))

    def readdress(line: str) -> str:
        return f"{address}\t{name}" if line.split()[1:] == [name] else line

    return change_each_line(site, on, "/etc/hosts", "a device with a hosts file", readdress)


@fault(
    FAMILY,
    symptom="Nobody in one network gets an address; other networks are fine",
    shown_by="tcpdump port 67 on the router: requests come in, and none goes on to the server",
    fix="A relay on the router: dhcp-relay with its address there and the server",
)
def dhcp_relay_missing(site: Site, on: str) -> Site:
    """The router between clients and DHCP server relays nothing."""
    return change_each_line(site, on, PATH, WHAT, lambda line: None if line.startswith("dhcp-relay=") else line)


FAULTS = (
    dhcp_relay_missing,
    pool_overlaps_static,
    dhcp_pool_exhausted,
    dhcp_wrong_gateway_option,
    dhcp_wrong_dns_option,
    dhcp_range_not_in_subnet,
    dns_server_dead,
    dns_wrong_record,
)
