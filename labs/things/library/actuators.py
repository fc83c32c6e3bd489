"""What moves or switches something: relays, motors, valves, lamps. Figures are typical of such devices."""

from __future__ import annotations

from labs.things.library.model import Drive, Model, Role

__all__ = ["ACTUATORS"]

ACTUATORS = (
    Model(
        "relay", Role.ACTUATOR, "relay 16 A, falls back without power", drive=Drive("heater"),
        firmware=("1.8.0", "1.9.2"), login="admin:admin",
    ),
    Model(
        "window-motor", Role.ACTUATOR, "rack motor of a greenhouse window, 24 V, stays where it is",
        drive=Drive("window", stays=True, steps=False, seconds=120), supply_v=(20.0, 28.0), firmware=("3.0",),
    ),
    Model(
        "valve", Role.ACTUATOR, "heating valve with motor, 0 to 100 %",
        drive=Drive("heater", stays=True, steps=False, seconds=60), supply_v=(20.0, 28.0), firmware=("2.1",),
    ),
    Model(
        "fan-controller", Role.ACTUATOR, "ventilation, 0 to 100 %", drive=Drive("fan", steps=False),
        firmware=("1.2", "1.3"), login="admin:admin",
    ),
    Model("pump-contactor", Role.ACTUATOR, "pump behind a contactor", drive=Drive("pump"), firmware=("1.0",)),
    Model("lamp", Role.ACTUATOR, "lamp with dimmer", drive=Drive("lamp", steps=False), firmware=("1.0", "1.1")),
    Model("siren", Role.ACTUATOR, "siren with flash", drive=Drive("siren"), firmware=("1.0",)),
)  # fmt: skip
