"""The catalogue of faults. To add one: write a function on the page of its family and name it in that page's FAULTS."""

from labs.faults import (
    addressing,
    brokers,
    buses,
    cabling,
    control,
    exposure,
    firewall,
    ipv6,
    measuring,
    messaging,
    paths,
    power,
    radio,
    services,
    switching,
    trees,
    wifi,
    wiring,
    zigbee,
)
from labs.faults.fault import A_DEVICE, Fault, FaultError, Parameter

__all__ = ["A_DEVICE", "CATALOGUE", "Fault", "FaultError", "Parameter"]

CATALOGUE: dict[str, Fault] = {
    fault.name: fault
    for page in (
        cabling,
        buses,
        wiring,
        switching,
        trees,
        addressing,
        ipv6,
        services,
        firewall,
        messaging,
        brokers,
        measuring,
        control,
        paths,
        power,
        radio,
        wifi,
        zigbee,
        exposure,
    )
    for fault in page.FAULTS
}
