"""A hall with a heater that rules switch, for tests of things that act."""

from __future__ import annotations

RULES = """timezone Europe/Brussels
input hall hall/temperature stale 5 min
output heater hall/heater/set safe off
rule warm
    when  hall < 19 and time 17:00-23:00 and day fri-sun
    until hall > 20 or time 23:00-17:00
    then  heater on
    else  heater off
"""
CONTROL = """
scenario: control-one
title: Control
module: m3-sensors
level: 1
minutes: 10
story: A hall.
site:
  start: 2026-10-24 14:40
  rooms:
    garden: {temperature: {mean: 9, swing: 4, peak: 15}}
    hall: {climate: {outside: garden, volume: 300, insulation: fair, heater: 9000, inertia: 10 h, start: 16}}
  subnets: {lan: 192.168.1.0/24}
  devices:
    sw: {kind: switch, ports: 6}
    server:
      kind: server
      at: {lan: .10}
      services:
        broker: {users: {thing: geheim-woord, eyes: kijk-maar}}
        rules:
          broker: server
          user: thing
          password: geheim-woord
          text: |
            %s
        dashboard:
          broker: server
          user: eyes
          password: kijk-maar
          title: Hall
          tiles:
            hall: {topic: hall/temperature, unit: °C, max_age: 5 min, low: 12, high: 24}
            heater: {topic: hall/heater/state}
    probe:
      kind: sensor
      at: {lan: .20}
      room: hall
      services:
        sensor:
          quantity: temperature
          every: 60 s
          broker: server
          topic: hall/temperature
          user: thing
          password: geheim-woord
    boiler:
      kind: actuator
      at: {lan: .21}
      room: hall
      services:
        actuator:
          drives: heater
          topic: hall/heater/set
          state: hall/heater/state
          broker: server
          user: thing
          password: geheim-woord
  links: [[sw, server], [sw, probe], [sw, boiler]]
faults: [mqtt-wrong-port: {on: probe}]
solution: []
checks:
  - {id: it, %s}
"""


def control(check: str, rules: str = RULES) -> str:
    """The text of a scenario with one check."""
    return CONTROL % (rules.replace("\n", "\n            "), check)
