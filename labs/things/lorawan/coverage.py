"""How strong the gateways of a site hear a LoRaWAN sensor, by where they all stand."""

from __future__ import annotations

from labs.model.site import Site
from labs.things.lorawan.config import DEVICE, FORWARDER, REGIONS_MHZ, parse_device
from labs.things.radio import received_dbm

__all__ = ["best_rssi"]

POWER_DBM = 14.0


def best_rssi(site: Site, device: str) -> float | None:
    """The strongest signal of a sensor at a gateway that has power, in dBm; None where there is no gateway.

    Raises ThingConfigError for a file of the sensor that cannot be read.
    """
    config = parse_device(site.devices[device].files.get(DEVICE, ""))
    place = (device, site.devices[device].room)
    found = [
        received_dbm(site.radio, place, (gateway.name, gateway.room), POWER_DBM, REGIONS_MHZ[config.region][0])
        for gateway in site.devices.values()
        if FORWARDER in gateway.files and gateway.powered
    ]
    return max(found, default=None)
