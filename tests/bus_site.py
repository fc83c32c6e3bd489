"""A small site with a bus: a gateway, a broker, a laptop and four slaves."""

from __future__ import annotations

from pathlib import Path

from labs.engines.sim import SimEngine
from labs.model.site import Site
from labs.scenario.library import parse_scenario
from labs.scenario.variant import draw

TEXT = """
scenario: bus-site
title: Bus
module: m0-tests
level: 1
minutes: 10
story: A bus.
site:
  rooms:
    hall: {temperature: {mean: 21, swing: 0}}
    cell: {temperature: {mean: -20, swing: 0}}
  subnets: {lan: 192.168.10.0/24}
  devices:
    server: {kind: server, at: {lan: .10}, services: {broker: {users: {gw: one, all: two}}}}
    gw:
      kind: gateway
      at: {lan: .11}
      services: {gateway: {broker: server, topic: plant, user: gw, password: one, speed: SPEED, every: 5 s}}
    pc: {kind: host, at: {lan: .12}}
    sw: {kind: switch}
    s1: {kind: sensor, room: hall, services: {modbus: {unit: 1, quantity: temperature, speed: SPEED}}}
    s2: {kind: sensor, room: cell, services: {modbus: {unit: 2, quantity: temperature, speed: SPEED}}}
    s3:
      kind: sensor
      room: cell
      services:
        modbus:
          unit: 3
          speed: SPEED
          registers:
            meter: {table: holding, address: 6, type: float32, quantity: temperature}
            limit: {table: holding, address: 20, value: 8}
            relay: {table: coil, address: 0, type: bool}
    s4: {kind: sensor, room: hall, services: {modbus: {unit: 4, quantity: temperature, speed: SPEED}}}
  links: [[server, sw], [gw, sw], [pc, sw]]
  buses:
    field: {length: 300, drops: [gw, s1, s2, s3, s4]}
checks:
  - {id: f, fresh: {broker: server, topic: plant/s1/temperature, within: 2 min, user: all, password: two}}
faults: [{a-b-swapped: {on: s1}}]
solution: [{hands: swap s1 a b}]
"""


def bus_site(speed: int = 115_200) -> Site:
    """The healthy site."""
    scenario = parse_scenario(TEXT.replace("SPEED", str(speed)), str(Path(__file__)))
    return draw(scenario, "0").healthy


def started(site: Site | None = None, seconds: int = 10) -> SimEngine:
    """The site in operation, some seconds after the arrival."""
    engine = SimEngine()
    engine.start(bus_site() if site is None else site)
    engine.wait(seconds * 10**9)
    return engine


def counters(engine: SimEngine) -> dict[int, dict[str, int]]:
    """What `gatewayctl stats` says, by unit: ok, timeout, crc, exception."""
    lines = engine.run("gw", "gatewayctl stats").text.splitlines()[1:]
    names = ("ok", "timeout", "crc", "exception")
    return {int(line.split()[0]): dict(zip(names, map(int, line.split()[1:5]), strict=True)) for line in lines}
