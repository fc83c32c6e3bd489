"""What a site asks of the kernel and this one lacks: refused by name before anything is built, never silently wrong."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from labs.engines.kernel.services import CATALOGUE
from labs.model.site import Link, Site
from labs.net.linux.units import WANTS

__all__ = ["lacking"]

INTERFACES = "/etc/network/interfaces"
AWARE = re.compile(r"^\s*bridge[_-]vlan[_-]aware\s+yes", re.MULTILINE)
TAGGED = re.compile(r"^\s*(?:iface\s+\S+\.\d+\s|vlan-raw-device\s)", re.MULTILINE)
TUNNEL = re.compile(
    r"^\s*(?:pre-|post-)?up\s+ip\s+(?:tunnel|link)\s+add\s.*\b(?:mode|type)\s+(?:gre|ipip)\b", re.MULTILINE
)
TLS = re.compile(r"^\s*(?:certfile|keyfile|ssl_certificate)\s|^\s*tls\s*=\s*true", re.MULTILINE)
SEEN_NS = 1_000_000  # a delay below this drowns in what the machine itself takes


def _tried(*commands: str) -> bool:
    """True where the kernel takes every command; it runs in the engine's own network namespace."""
    return all(
        subprocess.run(command.split(), capture_output=True, check=False).returncode == 0 for command in commands
    )


def _filters_vlans() -> bool:
    able = _tried("ip link add name trybr type bridge vlan_filtering 1")
    _tried("ip link del trybr")
    return able


def _tags_vlans() -> bool:
    able = _tried("ip link add name tryv type veth peer name tryw", "ip link add link tryv name tryv.2 type vlan id 2")
    _tried("ip link del tryv")
    return able


def _tunnels() -> bool:
    able = all(
        _tried(f"ip tunnel add tryt mode {mode} local 192.0.2.1 remote 192.0.2.2", "ip tunnel del tryt")
        for mode in ("gre", "ipip")
    )
    _tried("ip tunnel del tryt")
    return able


def _delays() -> bool:
    able = _tried("ip link add name tryv type veth peer name tryw", "tc qdisc add dev tryv root netem delay 1ms")
    _tried("ip link del tryv")
    return able


def slow(link: Link) -> bool:
    """True for a lead whose delay or jitter can be told from none."""
    return link.delay_ns >= SEEN_NS or link.jitter_ns >= SEEN_NS


def _asks(pattern: re.Pattern[str]) -> Callable[[Site], str]:
    def find(site: Site) -> str:
        return next((d.name for d in site.devices.values() if pattern.search(d.files.get(INTERFACES, ""))), "")

    return find


def _slow_lead(site: Site) -> str:
    return next((str(link) for link in site.links if slow(link)), "")


NEEDS: tuple[tuple[Callable[[Site], str], Callable[[], bool], str], ...] = (
    (_asks(AWARE), _filters_vlans, "this kernel has no VLAN filtering in bridges (CONFIG_BRIDGE_VLAN_FILTERING)"),
    (_asks(TAGGED), _tags_vlans, "this kernel has no VLAN interfaces (module 8021q)"),
    (_asks(TUNNEL), _tunnels, "this kernel has no tunnels (modules ip_gre and ipip)"),
    (_slow_lead, _delays, "this kernel cannot delay packets (module sch_netem)"),
)


def _without_service(site: Site) -> str:
    for device in site.devices.values():
        for path in device.files:
            name = path.removeprefix(WANTS).removesuffix(".service")
            if path.startswith(WANTS) and name not in CATALOGUE:
                return f"{name}, and {device.name} needs it"
    return ""


def _encrypted(site: Site) -> str:
    """Keys and certificates of a site are judged by the simulator, but no real ones."""
    return next((d.name for d in site.devices.values() if any(TLS.search(text) for text in d.files.values())), "")


def lacking(site: Site) -> str:
    """What is missing, and who needs it, in one line; empty where nothing is."""
    service = _without_service(site)
    if service:
        return f"the engine kernel has no service {service}; use the engine sim"
    who = _encrypted(site)
    if who:
        return f"the engine kernel has no TLS for the keys of a site, and {who} needs it; use the engine sim"
    for asks, able, text in NEEDS:
        who = asks(site)
        if who and not able():
            return f"{text}, and {who} needs it; use the engine sim"
    return ""
