"""Probes and transmitters at one end of an analogue line, and the modules at the other.

Figures: IEC 60751 class B for platinum, IEC 60584-2 class 1 for type K, and typical data sheets of head transmitters
(0.1 % of span, 10 to 30 V), pressure transmitters (0.5 % of span), ultrasonic level (0.25 % of span, 18 to 36 V).
"""

from __future__ import annotations

from labs.things.library.model import Channel, Element, Model, Role

__all__ = ["FIELD_DEVICES"]

FOUR_TYPES = ("4-20mA", "0-10V", "pt100", "pt1000", "ntc", "thermocouple-k", "pulse")

FIELD_DEVICES = (
    Model(
        "pt100-transmitter", Role.TRANSMITTER, "Pt100 class B with head transmitter 4-20 mA, two wires",
        (Channel("temperature", -50, 150, 0.3, 0.005, step=0.01, response_s=30),),
        element=Element.PT100, outputs="4-20mA", supply_v=(10.0, 30.0), firmware=("2.3",),
    ),
    Model(
        "humidity-transmitter", Role.TRANSMITTER, "relative humidity 4-20 mA, two wires",
        (Channel("humidity", 0, 100, 2.0, step=0.01, response_s=15),),
        outputs="4-20mA", supply_v=(12.0, 30.0), firmware=("1.6",),
    ),
    Model(
        "pressure-transmitter", Role.TRANSMITTER, "gauge pressure 4-20 mA, two wires",
        (Channel("pressure", 0, 16_000, 50, step=0.1, response_s=0.1),),
        outputs="4-20mA", supply_v=(10.0, 30.0), firmware=("4.0",),
    ),
    Model(
        "ultrasonic-level", Role.TRANSMITTER, "level by ultrasound 4-20 mA",
        (Channel("level", 0.0, 6.0, 0.015, step=0.001, response_s=5, decimals=2),),
        outputs="4-20mA", supply_v=(18.0, 36.0), firmware=("3.2", "3.3"),
        notes={"echo": "keep 0.3 m free below the head"},
    ),
    Model(
        "co2-transmitter", Role.TRANSMITTER, "CO2 0-10 V, fed by itself",
        (Channel("co2", 0, 5000, 50, 0.03, step=1, response_s=60, decimals=0),),
        outputs="0-10V", supply_v=(18.0, 30.0), firmware=("1.1",),
    ),
    Model(
        "light-transmitter", Role.TRANSMITTER, "daylight 4-20 mA, two wires",
        (Channel("illuminance", 0, 120_000, 500, 0.03, step=10, response_s=1, decimals=0),),
        outputs="4-20mA", supply_v=(10.0, 30.0), firmware=("1.0",),
    ),
    Model(
        "pt100-probe", Role.PROBE, "Pt100 class B", (Channel("temperature", -200, 600, 0.3, 0.005, response_s=25),),
        element=Element.PT100, outputs="pt100",
    ),
    Model(
        "pt1000-probe", Role.PROBE, "Pt1000 class B", (Channel("temperature", -50, 400, 0.3, 0.005, response_s=25),),
        element=Element.PT1000, outputs="pt1000",
    ),
    Model(
        "ntc-probe", Role.PROBE, "NTC 10k B3950, 1 %", (Channel("temperature", -40, 125, 0.2, 0.003, response_s=12),),
        element=Element.NTC, outputs="ntc",
    ),
    Model(
        "thermocouple-k-probe", Role.PROBE, "thermocouple K class 1",
        (Channel("temperature", -40, 1000, 1.5, response_s=3),),
        element=Element.THERMOCOUPLE_K, outputs="thermocouple-k",
    ),
    Model(
        "pulse-meter", Role.PROBE, "meter with an S0 output, 1000 pulses per kWh",
        (Channel("energy", 0, 1e9, 0.0, step=1, decimals=0),), element=Element.PULSE, outputs="pulse",
    ),
    Model(
        "analogue-input-4", Role.INPUTS, "input module, four universal inputs, MQTT",
        inputs=4, input_types=FOUR_TYPES, bits=16, supply_v=(18.0, 30.0), firmware=("2.0.1", "2.1.0"),
        login="admin:admin",
    ),
    Model(
        "analogue-input-8", Role.INPUTS, "input module, eight current and voltage inputs, MQTT",
        inputs=8, input_types=("4-20mA", "0-10V", "pulse"), bits=12, supply_v=(18.0, 30.0), firmware=("1.0.0", "1.2.0"),
        login="admin:admin",
    ),
)  # fmt: skip
