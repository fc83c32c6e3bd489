"""What joins devices without being a lead: Wi-Fi, LoRa and Zigbee, serial buses and analogue lines.

Who belongs to whom is read from the files of both: a sensor that was paired elsewhere hangs on nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from labs.model.site import Device, Endpoint, Link, Site
from labs.things.lorawan.config import DEVICE as LORAWAN
from labs.things.lorawan.config import FORWARDER
from labs.things.radio import received_dbm
from labs.things.wifi.config import HOSTAPD, SUPPLICANT, WifiConfigError, parse_hostapd, parse_supplicant
from labs.things.zigbee.config import BRIDGE, NETWORK, Network, parse_network
from labs.things.zigbee.config import DEVICE as ZIGBEE
from labs.ui.style import marked

__all__ = ["LINE_NAMES", "Line", "LineKind", "by_radio", "lines_of", "with_lines"]

LORA_DBM, LORA_MHZ = 14.0, 868.1


class LineKind(StrEnum):
    """What sort of line it is."""

    WIFI = "wifi"
    LORA = "lora"
    ZIGBEE = "zigbee"
    BUS = "bus"
    ANALOGUE = "analogue"


LINE_NAMES = {
    LineKind.WIFI: "Wi-Fi",
    LineKind.LORA: "LoRa",
    LineKind.ZIGBEE: "Zigbee",
    LineKind.BUS: marked("bus"),
    LineKind.ANALOGUE: marked("analogue line"),
}


class Line(NamedTuple):
    """A line from whoever is asked or listened to, to the device at its far end; `live` where it can carry anything."""

    kind: LineKind
    link: Link
    live: bool
    bus: str = ""


def by_radio(device: Device) -> bool:
    """Whether a device needs no lead because it has a radio."""
    radio = any(path in device.files for path in (LORAWAN, ZIGBEE))
    return radio or any(port.name.startswith("wlan") for port in device.ports)


def lines_of(site: Site) -> list[Line]:
    """Every such line of a site."""
    return [*_wifi(site), *_lora(site), *_zigbee(site), *_buses(site), *_analogue(site)]


def with_lines(site: Site, lines: list[Line]) -> Site:
    """The site as the map places it: with these lines as if they were leads."""
    return replace(site, links=(*site.links, *(line.link for line in lines)))


def _on(site: Site, *names: str) -> bool:
    return all(site.devices[name].powered for name in names)


def _line(site: Site, kind: LineKind, ends: tuple[str, str, str, str], *, live: bool = True) -> Line:
    near, port, far, far_port = ends
    return Line(kind, Link(Endpoint(near, port), Endpoint(far, far_port)), live and _on(site, near, far))


def _wifi(site: Site) -> Iterator[Line]:
    points: dict[str, str] = {}
    for name, device in site.devices.items():
        if HOSTAPD in device.files:
            try:
                points.setdefault(parse_hostapd(device.files[HOSTAPD]).ssid, name)
            except WifiConfigError:
                continue
    for name, device in site.devices.items():
        if SUPPLICANT not in device.files:
            continue
        try:
            point = points.get(parse_supplicant(device.files[SUPPLICANT]).ssid)
        except WifiConfigError:
            continue
        if point is not None:
            yield _line(site, LineKind.WIFI, (point, "wlan0", name, "wlan0"), live=_has_carrier(device))


def _has_carrier(device: Device) -> bool:
    """Whether its Wi-Fi is associated; a site that was not observed is believed to be."""
    if device.state is None:
        return True
    return next((interface.carrier for interface in device.state.interfaces if interface.name == "wlan0"), False)


def _lora(site: Site) -> Iterator[Line]:
    """To the gateway that hears it best."""
    gateways = [device for device in site.devices.values() if FORWARDER in device.files]
    for device in site.devices.values():
        if LORAWAN in device.files and gateways:
            heard = {
                gateway.name: received_dbm(
                    site.radio, (gateway.name, gateway.room), (device.name, device.room), LORA_DBM, LORA_MHZ
                )
                for gateway in gateways
            }
            yield _line(site, LineKind.LORA, (max(heard, key=heard.__getitem__), "lora", device.name, "lora"))


def _zigbee(site: Site) -> Iterator[Line]:
    """To the coordinator of its PAN; live where channel and key agree."""
    networks = {
        name: network
        for name, device in site.devices.items()
        if BRIDGE in device.files and (network := _network(device)) is not None
    }
    for name, device in site.devices.items():
        own = parse_network(device.files.get(NETWORK, "")) if ZIGBEE in device.files else None
        hub = next((hub for hub, other in networks.items() if own is not None and other.pan_id == own.pan_id), None)
        if hub is not None:
            yield _line(site, LineKind.ZIGBEE, (hub, "zigbee", name, "zigbee"), live=networks[hub] == own)


def _network(device: Device) -> Network | None:
    from labs.things.thing_config import ThingConfigError
    from labs.things.zigbee.config import parse_bridge

    try:
        return parse_bridge(device.files[BRIDGE]).network
    except ThingConfigError:
        return None


def _buses(site: Site) -> Iterator[Line]:
    """From the device with a lead, or the first of the cable, to every other drop; broken where the cable is."""
    plugged = {end.device for link in site.links for end in link.ends}
    for bus in site.buses:
        if not bus.drops:
            continue
        head = next((drop for drop in bus.drops if drop.device in plugged), bus.drops[0])
        reached = next(piece for piece in bus.pieces() if head in piece)
        for drop in bus.drops:
            if drop is not head:
                ends = (head.device, head.port, drop.device, f"{drop.at_m:g} m")
                yield _line(site, LineKind.BUS, ends, live=drop in reached)._replace(bus=bus.name)


def _analogue(site: Site) -> Iterator[Line]:
    for loop in site.loops:
        ends = (loop.target, f"in{loop.input}", loop.source, str(loop.signal))
        yield _line(site, LineKind.ANALOGUE, ends, live=not loop.broken)
