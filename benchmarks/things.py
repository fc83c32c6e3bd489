"""A site of sensors that report over MQTT: simulated sensor-seconds per second, hop by hop, express, in bare SimPy.

Each sensor is a whole device: it measures its room every ten seconds and publishes over TCP through an access switch
and a core switch to a broker; a screen shows one of them. Bare SimPy only waits: one timeout for each hop of each
report, with nothing that measures, sends, receives or acknowledges at either end.

`python -m benchmarks.things 24` measures so many hours in the end instead of one; a second number is that of sensors;
`--day` runs a day of a thousand sensors and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator

import simpy

from benchmarks.common import Case, heading, measure, seconds, table
from labs.engines.sim import SimEngine
from labs.model.addresses import IPv4, Mac
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.world import DayCycle, Room, World
from labs.net.linux.units import enabled_path

SENSORS = 1_000
PER_SWITCH = 50
INTERVAL_S = 10
HOPS = 3
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
BROKER = "10.0.0.1"
SENSOR = """[sensor]
name = "{name}"
quantity = "temperature"
unit = "C"
interval_s = {interval}

[mqtt]
host = "{broker}"
port = 1883
topic = "site/{name}"
client_id = "{name}"
"""
DISPLAY = """[screen]
title = "First"
unit = "C"
stale_after_s = 60

[mqtt]
host = "{broker}"
port = 1883
topic = "site/t0"
client_id = "screen"
"""


def sensor_site(sensors: int = SENSORS, interval_s: int = INTERVAL_S) -> Site:
    """Sensors on access switches of fifty, these on a core switch with the broker and a screen."""
    devices: dict[str, Device] = {}
    links: list[Link] = []

    def add(name: str, kind: Kind, ports: list[str], interfaces: str, units: str = "", **files: str) -> None:
        first = 0x024E_0000_0000 + (len(devices) << 8)
        every = {"/etc/hostname": f"{name}\n", **{path.replace("__", "/"): text for path, text in files.items()}}
        every["/etc/network/interfaces"] = "auto lo\niface lo inet loopback\n\n" + interfaces
        every |= {enabled_path(unit): "" for unit in ("networking", *units.split())}
        made = tuple(Port(port, Mac(first + number)) for number, port in enumerate(ports))
        devices[name] = Device(name, kind, made, every, room="hall")

    def host(name: str, kind: Kind, number: int, unit: str, switch: str, port: str, **files: str) -> None:
        address = f"{IPv4(0x0A000000 + number)}/16"
        add(name, kind, ["eth0"], f"auto eth0\niface eth0 inet static\n    address {address}\n", unit, **files)
        links.append(Link(Endpoint(name, "eth0"), Endpoint(switch, port)))

    def switch(name: str, ports: list[str]) -> None:
        bridge = f"auto br0\niface br0 inet manual\n    bridge_ports {' '.join(ports)}\n    up ip link set dev br0 up\n"
        add(name, Kind.SWITCH, ports, bridge)

    count = -(-sensors // PER_SWITCH)
    switch("core", ["p0", "p1", *(f"d{number}" for number in range(count))])
    conf = {"__etc__mosquitto__mosquitto.conf": "listener 1883\nallow_anonymous true\nlog_dest none\n"}
    host("broker", Kind.SERVER, 1, "mosquitto", "core", "p0", **conf)
    for number in range(count):
        switch(f"s{number}", ["up", *(f"p{port}" for port in range(PER_SWITCH))])
        links.append(Link(Endpoint(f"s{number}", "up"), Endpoint("core", f"d{number}")))
    for number in range(sensors):
        toml = {"__etc__sensor.toml": SENSOR.format(name=f"t{number}", broker=BROKER, interval=interval_s)}
        place = f"s{number // PER_SWITCH}", f"p{number % PER_SWITCH}"
        host(f"t{number}", Kind.SENSOR, 10 + number, "sensor", *place, **toml)
    host("screen", Kind.DISPLAY, 2, "display", "core", "p1", **{"__etc__display.toml": DISPLAY.format(broker=BROKER)})
    world = World({"hall": Room("hall", {"temperature": DayCycle(20.0, 3.0)})})
    return Site(devices, tuple(links), world=world)


def bare_simpy(sensors: int) -> Callable[[int], None]:
    """The same reports as timeouts alone; the returned function lets time pass."""
    environment = simpy.Environment()

    def sensor(number: int) -> Generator[simpy.Event, None, None]:
        yield environment.timeout(number)
        while True:
            for _ in range(HOPS):
                yield environment.timeout(6_000)
            yield environment.timeout(INTERVAL_S * SECOND - HOPS * 6_000)

    for number in range(sensors):
        environment.process(sensor(number))
    return lambda duration: environment.run(environment.now + duration)


def started(sensors: int, *, express: bool) -> SimEngine:
    """The site, up and reporting."""
    engine = SimEngine(express=express)
    engine.start(sensor_site(sensors))
    engine.wait(MINUTE)
    return engine


def reports(engine: SimEngine) -> int:
    """Readings that have reached the broker."""
    return sum(
        int(json.loads(engine.node(name).files.get("/run/sensor.json"))["published"])
        for name, device in engine.site.devices.items()
        if device.kind is Kind.SENSOR
    )


def run_for(hours: float, sensors: int) -> None:
    """Let the site run, and print what an hour of it takes of the processor."""
    engine = started(sensors, express=True)
    before, begin, processor = reports(engine), time.perf_counter(), time.process_time()
    for minute in range(1, round(hours * 60) + 1):
        engine.wait(MINUTE)
        if minute % 60 == 0 and hours > 1:
            taken = time.process_time() - processor
            print(f"  after {minute // 60} h: {minute * 60 * sensors / taken:,.0f} sensor-seconds/s", flush=True)
    taken, processor = time.perf_counter() - begin, time.process_time() - processor
    done = reports(engine) - before
    rate = done / processor
    print(
        f"\n  {hours:g} h of {sensors} sensors: {done:,} reports in {taken:.0f} s, {processor:.0f} s of processor time"
    )
    print(
        f"  per second of the processor {rate:,.0f} reports, {hours * 3600 * sensors / processor:,.0f} sensor-seconds"
    )
    print(f"  a day takes {24 / hours * processor / 60:.1f} minutes of the processor")


def main() -> None:
    """Measure and print."""
    if "--day" in sys.argv:
        heading("Things", f"a day of {SENSORS} sensors, one report each {INTERVAL_S} s over {HOPS} leads")
        run_for(24.0, SENSORS)
        return
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    sensors = int(sys.argv[2]) if len(sys.argv) > 2 else SENSORS
    heading("Things", f"{sensors} sensors, one report each {INTERVAL_S} s over {HOPS} leads; a minute at a time")
    engines = {"every hop through the layers": False, "express way": True}
    waits: dict[str, Callable[[int], None]] = {
        name: started(sensors, express=express).wait for name, express in engines.items()
    }
    waits["bare SimPy, a timeout for each hop"] = bare_simpy(sensors)
    cases = [
        Case(name, lambda wait=wait: seconds(lambda: wait(MINUTE), time.process_time), sensors * 60)  # type: ignore[misc]
        for name, wait in waits.items()
    ]
    measure(cases, 3)
    table(
        ["", "sensor-seconds/s", "us per report", "to hop by hop"],
        [
            [
                case.name,
                f"{case.rate:,.0f}",
                f"{1e6 * case.seconds / (sensors * 60 / INTERVAL_S):.1f}",
                f"{case.rate / cases[0].rate:.2f}x",
            ]
            for case in cases
        ],
    )
    run_for(hours, sensors)


if __name__ == "__main__":
    main()
