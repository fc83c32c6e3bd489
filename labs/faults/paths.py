"""Links between sites on which big packets disappear, and sites that use the same addresses."""

from __future__ import annotations

import re

from labs.faults.edit import INTERFACES, change_lines, read_file
from labs.faults.fault import FaultError, fault
from labs.model.addresses import IPv4, Network
from labs.model.site import Site

__all__ = ["FAULTS"]

FAMILY = "paths"
MTU_LINE = re.compile(r"^(\s*(?:pre-)?up ip link set \S+ mtu )\d+\s*$", re.MULTILINE)
ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
LARGEST_MTU = 9216
DROPPED = """
table inet icmp_block {
  chain input {
    type filter hook input priority filter - 5; policy accept;
    icmp type { destination-unreachable, time-exceeded } drop
  }

  chain forward {
    type filter hook forward priority filter - 5; policy accept;
    icmp type { destination-unreachable, time-exceeded } drop
  }

  chain output {
    type filter hook output priority filter - 5; policy accept;
    icmp type { destination-unreachable, time-exceeded } drop
  }
}
"""


@fault(
    FAMILY,
    symptom="Small messages pass, big ones disappear",
    shown_by="ping -M do -s: the largest that passes is smaller than the interface says; tracepath",
    fix="Set the MTU of the interface to what the way takes, or clamp the MSS",
)
def mtu_too_large(site: Site, on: str, mtu: int = 1476) -> Site:
    """The MTU that a device sets on an interface at start is larger than the way takes."""
    if not 68 <= mtu <= LARGEST_MTU:
        message = f"an MTU of {mtu} is not between 68 and {LARGEST_MTU}"
        raise FaultError(message)
    text = read_file(site, on, INTERFACES, "a device with a network configuration")
    changed = MTU_LINE.sub(rf"\g<1>{mtu}", text)
    if changed == text:
        message = f'{on} has no line "up ip link set … mtu …" with another MTU than {mtu} in {INTERFACES}'
        raise FaultError(message)
    return site.with_device(site.devices[on].with_file(INTERFACES, changed))


@fault(
    FAMILY,
    symptom="ping works and pages hang: nobody is told that a packet was too big",
    shown_by="tracepath: no reply; ping -M do -s: silence instead of Frag needed",
    fix="Let destination-unreachable pass, or clamp the MSS",
)
def pmtu_black_hole(site: Site, on: str) -> Site:
    """A firewall throws away ICMP errors."""
    path = "/etc/nftables.conf"
    read_file(site, on, path, "a device with a firewall")
    return change_lines(site, on, path, "a device with a firewall", lambda lines: [*lines, *DROPPED.split("\n")])


@fault(
    FAMILY,
    symptom="Both sites work by themselves and cannot reach each other",
    shown_by="ip route: the network of the other site is the own one; ARP for addresses of the other site",
    fix="Renumber one of them, or translate 1:1 at both ends",
)
def nat_overlap(site: Site, subnet: str, like: str) -> Site:
    """The devices of a subnet use the addresses of another subnet."""
    for name in (subnet, like):
        if name not in site.subnets:
            message = f'there is no subnet "{name}"; subnets: {", ".join(site.subnets)}'
            raise FaultError(message)
    old, new = site.subnets[subnet], site.subnets[like]
    if old.length != new.length or old == new:
        message = f"{subnet} ({old}) and {like} ({new}) are not two networks of one size"
        raise FaultError(message)
    own = re.compile(rf"^\s*address ({ADDRESS.pattern})", re.MULTILINE)
    for device in list(site.devices.values()):
        found = own.findall(device.files.get(INTERFACES, ""))
        if not any(IPv4.parse(text) in old for text in found):
            continue
        for path, text in device.files.items():
            moved = ADDRESS.sub(lambda match: _moved(match[0], old, new), text)
            if moved != text:
                site = site.with_device(site.devices[device.name].with_file(path, moved))
    return site


def _moved(text: str, old: Network, new: Network) -> str:
    """The same host in the other network."""
    try:
        address = IPv4.parse(text)
    except ValueError:
        return text
    return str(IPv4(int(new.address) + int(address) - int(old.address))) if address in old else text


FAULTS = (mtu_too_large, pmtu_black_hole, nat_overlap)
