"""A small site for the tests of things: broker, sensor and display on one switch."""

from __future__ import annotations

from collections.abc import Mapping

from labs.engines.sim import SimEngine
from labs.model.addresses import Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.world import DayCycle, Room, World

SECOND = 1_000_000_000
HOSTS = "127.0.0.1\tlocalhost\n192.168.1.10\tbroker\n"
WANTS = "/etc/systemd/system/multi-user.target.wants/"
SENSOR = """# the sensor in the garden
[sensor]
name = "garden"          # painted on it
quantity = "temperature"
unit = "C"
interval_s = 30

[mqtt]
host = "broker"
port = 1883
topic = "home/garden/temperature"
client_id = "garden-sensor"
username = ""
password = ""
retain = false
qos = 0
"""
DISPLAY = """[screen]
title = "Garden"
unit = "°C"
stale_after_s = 0

[mqtt]
host = "192.168.1.10"
port = 1883
topic = "home/garden/temperature"
client_id = "kitchen-display"
"""
BROKER = {"/etc/mosquitto/mosquitto.conf": "listener 1883\nallow_anonymous true\n"}


def device(name: str, kind: Kind, number: int, files: Mapping[str, str], units: tuple[str, ...] = ()) -> Device:
    """A device with a fixed address 192.168.1.NUMBER."""
    base = {
        "/etc/hostname": f"{name}\n",
        "/etc/hosts": HOSTS,
        "/etc/network/interfaces": (
            f"auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet static\n\taddress 192.168.1.{number}/24\n"
        ),
        **{f"{WANTS}{unit}.service": "" for unit in ("networking", *units)},
    }
    return Device(name, kind, (Port("eth0", Mac(0x024E_0000_0000 + number)),), {**base, **files}, room="garden")


def site(
    *, broker: Mapping[str, str] = BROKER, sensor: str = SENSOR, display: str = DISPLAY, more: tuple[Device, ...] = ()
) -> Site:
    """Broker .10, sensor .20, display .30 on a switch, and more devices beside them."""
    hosts = (
        device("broker", Kind.SERVER, 10, broker, ("mosquitto",)),
        device("sensor", Kind.SENSOR, 20, {"/etc/sensor.toml": sensor}, ("sensor",)),
        device("display", Kind.DISPLAY, 30, {"/etc/display.toml": display}, ("display",)),
        *more,
    )
    ports = tuple(Port(f"p{index}", Mac(0x024E_0000_1000 + index)) for index in range(len(hosts)))
    bridge = "auto br0\niface br0 inet manual\n\tbridge_ports " + " ".join(port.name for port in ports) + "\n"
    switch_files = {
        "/etc/hostname": "switch\n",
        "/etc/network/interfaces": bridge,
        f"{WANTS}networking.service": "",
    }
    switch = Device("switch", Kind.SWITCH, ports, switch_files)
    links = tuple(
        Link(Endpoint("switch", port.name), Endpoint(host.name, "eth0"))
        for port, host in zip(ports, hosts, strict=True)
    )
    world = World({"garden": Room("garden", {"temperature": DayCycle(15.0, 6.0), "humidity": DayCycle(60.0)})})
    return Site({host.name: host for host in (switch, *hosts)}, links, world=world)


def started(built: Site) -> SimEngine:
    """The engine with the site running for a minute."""
    engine = SimEngine()
    engine.start(built)
    return engine


def journal(engine: SimEngine, name: str, unit: str) -> list[str]:
    """What a unit wrote."""
    return [line.text for line in engine.node(name).units.journal if line.unit == unit]
