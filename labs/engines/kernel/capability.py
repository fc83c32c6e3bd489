"""What a site asks of the kernel and this one lacks: refused by name before anything is built, never silently wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec

from labs.engines.kernel.device.services import CATALOGUE
from labs.engines.kernel.things.fork import SHARED, WITHOUT_MQTT
from labs.engines.kernel.tunnels.way import lacking_tunnels
from labs.engines.kernel.vlans.way import lacking_vlans, tried
from labs.model.site import Link, Site
from labs.net.linux.units import WANTS

__all__ = ["lacking"]

TLS = re.compile(r'^\s*(?:certfile|keyfile|ssl_certificate)\s|^\s*tls\s*=\s*true|^\s*url\s*=\s*"https:', re.MULTILINE)
INSTALL = 'pip install "netwerf[kernel]"'
SEEN_NS = 1_000_000  # a delay below this drowns in what the machine itself takes


def _delays() -> bool:
    able = tried("ip link add name tryv type veth peer name tryw", "tc qdisc add dev tryv root netem delay 1ms")
    tried("ip link del tryv")
    return able


def slow(link: Link) -> bool:
    """True for a lead whose delay or jitter can be told from none."""
    return link.delay_ns >= SEEN_NS or link.jitter_ns >= SEEN_NS


def _slow_lead(site: Site) -> str:
    return next((str(link) for link in site.links if slow(link)), "")


def _needs(unit: str) -> Callable[[Site], str]:
    path = CATALOGUE[unit].config
    return lambda site: next((device.name for device in site.devices.values() if path in device.files), "")


def _speaks_mqtt(site: Site) -> str:
    return next((who for kind in SHARED if kind not in WITHOUT_MQTT and (who := _needs(kind)(site))), "")


NEEDS: tuple[tuple[Callable[[Site], str], Callable[[], bool], str], ...] = (
    (_slow_lead, _delays, "this kernel cannot delay packets (module sch_netem)"),
    (_speaks_mqtt, lambda: find_spec("paho") is not None, f"the engine kernel needs paho-mqtt ({INSTALL})"),
    (_needs("modbus"), lambda: find_spec("pymodbus") is not None, f"the engine kernel needs pymodbus ({INSTALL})"),
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
    vlans = lacking_vlans(site)
    if vlans:
        return f"{vlans}; use the engine sim"
    tunnels = lacking_tunnels(site)
    if tunnels:
        return f"{tunnels}; use the engine sim"
    for asks, able, text in NEEDS:
        who = asks(site)
        if who and not able():
            return f"{text}, and {who} needs it; use the engine sim"
    return ""
