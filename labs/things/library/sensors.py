"""Sensors that report over the network by themselves.

Figures: the data sheets of Sensirion SHT3x and SCD4x, Aosong DHT22 (AM2302), Bosch BME280, Maxim DS18B20, Sensirion
SPS30, Milesight EM300-TH and Dragino LHT65N classes; where those say nothing, what such devices usually do. Receivers
that stay on: Semtech SX1276 (11.5 mA), Espressif ESP32 (95 mA), TI CC2530 (24 mA). `climate-logger` is no product.
"""

from __future__ import annotations

from typing import Any

from labs.things.library.model import Battery, Channel, Element, Model, Role

__all__ = ["SENSORS"]

ESP32: dict[str, Any] = {
    "sleep_ua": 10.0, "awake_ma": 95.0, "send_ma": 120.0, "send_ms": 1500.0, "supply_v": (3.0, 3.6), "bits": 12,
}  # fmt: skip
TWO_AA = Battery("2 x AA alkaline", 2500, 0.8, 7.0, 3.0, 2.2)
ER18505 = Battery("2 x ER18505 Li-SOCl2", 8000, 0.85, 15.0)
CR2032 = Battery("CR2032", 220, 0.8, 8.0, 3.0, 2.4)


def _humidity(error: float, response: float = 8.0) -> Channel:
    return Channel("humidity", 0, 100, error, step=0.01, response_s=response)


SENSORS = (
    Model(
        "sht31-node", Role.SENSOR, "temperature and humidity, SHT31 on a Wi-Fi node",
        (Channel("temperature", -40, 125, 0.3, step=0.01, response_s=8), _humidity(2.0)),
        measure_ma=0.8, measure_ms=15, firmware=("1.2.0", "1.3.1"), login="admin:admin", **ESP32,
    ),
    Model(
        "dht22-node", Role.SENSOR, "temperature and humidity, DHT22 on a Wi-Fi node",
        (Channel("temperature", -40, 80, 0.5, step=0.1, response_s=30), _humidity(5.0, 20)),
        measure_ma=1.5, measure_ms=2000, intervals_s=(2, 86_400), firmware=("0.9.4", "1.0.2"),
        login="admin:admin", **ESP32,
    ),
    Model(
        "bme280-node", Role.SENSOR, "temperature, humidity and air pressure, BME280 on a Wi-Fi node",
        (
            Channel("temperature", -40, 85, 1.0, step=0.01, response_s=10), _humidity(3.0),
            Channel("pressure", 300, 1100, 1.0, step=0.01),
        ),
        measure_ma=0.7, measure_ms=40, firmware=("1.0.0", "1.1.0"), login="admin:admin", **ESP32,
    ),
    Model(
        "ds18b20-node", Role.SENSOR, "temperature, DS18B20 on a cable",
        (Channel("temperature", -55, 125, 0.5, step=0.0625, response_s=20),),
        measure_ma=1.5, measure_ms=750, firmware=("2.0.0", "2.1.3"), login="admin:admin", **ESP32,
    ),
    Model(
        "ntc-node", Role.SENSOR, "temperature, NTC 10k B3950 in a divider on a Wi-Fi node",
        (Channel("temperature", -40, 125, 0.3, 0.005, step=0.01, response_s=12),),
        element=Element.NTC, measure_ma=1.0, measure_ms=20, firmware=("1.4.0", "1.5.2"), login="admin:admin", **ESP32,
    ),
    Model(
        "pt1000-node", Role.SENSOR, "temperature, Pt1000 class B strapped to a pipe",
        (Channel("temperature", -30, 110, 0.3, 0.005, step=0.01, response_s=60),),
        element=Element.PT1000, supply_v=(10.0, 30.0), firmware=("3.1.0", "3.2.0"), login="admin:1234",
    ),
    Model(
        "scd41", Role.SENSOR, "CO2, temperature and humidity, SCD41",
        (
            Channel("co2", 400, 5000, 40, 0.05, step=1, response_s=60, decimals=0),
            Channel("temperature", -10, 60, 0.8, step=0.01, response_s=60), _humidity(6.0, 60),
        ),
        sleep_ua=15, measure_ma=15, measure_ms=5000, intervals_s=(5, 86_400), firmware=("1.0.3", "1.1.0"),
        notes={"self_calibration": "takes the lowest value of a week for 400 ppm"},
    ),
    Model(
        "em300-th", Role.SENSOR, "temperature and humidity, battery, ten years",
        (Channel("temperature", -30, 70, 0.3, step=0.1, response_s=120), _humidity(3.0, 120)),
        sleep_ua=6, awake_ma=11.5, measure_ma=2, measure_ms=50, send_ma=44, send_ms=250, battery=ER18505,
        intervals_s=(60, 64_800),
        firmware=("1.24", "1.31"), login=":123456",
    ),
    Model(
        "lht65n", Role.SENSOR, "temperature and humidity, battery, with a cable probe",
        (Channel("temperature", -40, 80, 0.3, step=0.01, response_s=60), _humidity(2.0, 60)),
        sleep_ua=6, awake_ma=11.5, measure_ma=2, measure_ms=50, send_ma=44, send_ms=250,
        battery=Battery("Li-MnO2 pack", 2400, 0.85, 10.0, 3.0, 2.5), intervals_s=(60, 86_400), firmware=("1.7", "1.8"),
    ),
    Model(
        "climate-logger", Role.SENSOR, "temperature and humidity, LoRaWAN, one AA lithium cell",
        (Channel("temperature", -20, 60, 0.3, step=0.01, response_s=60), _humidity(2.0, 60)),
        sleep_ua=5, awake_ma=11.5, measure_ma=2, measure_ms=50, send_ma=44, send_ms=250,
        battery=Battery("AA Li-SOCl2", 2400, 0.85, 10.0), intervals_s=(5, 86_400),
        firmware=("2.0.3", "2.1.0"), leaks={"2.0.3": 200.0},
        notes={"advisory": "2.0.3 leaves the display controller powered: about 0.2 mA more in sleep; cured by 2.1.0"},
    ),
    Model(
        "soil-probe", Role.SENSOR, "soil moisture, capacitive, battery",
        (Channel("soil_moisture", 0, 100, 3.0, step=0.1, response_s=60),),
        sleep_ua=8, awake_ma=95, measure_ma=5, measure_ms=100, send_ma=120, send_ms=1500, battery=TWO_AA,
        intervals_s=(60, 86_400), firmware=("1.0.0", "1.0.5"), login="admin:admin",
    ),
    Model(
        "lux-node", Role.SENSOR, "daylight",
        (Channel("illuminance", 0, 120_000, 5, 0.05, step=1, decimals=0),),
        measure_ma=0.3, measure_ms=120, firmware=("1.0.0", "1.1.0"), login="admin:admin", **ESP32,
    ),
    Model(
        "pir", Role.SENSOR, "movement of people, 12 m, hold time 30 s",
        (Channel("presence", 0, 1, 0.0, step=1, decimals=0),), element=Element.CONTACT,
        sleep_ua=65, awake_ma=24, send_ma=40, send_ms=30, battery=TWO_AA, firmware=("1.1.0",), login="admin:0000",
        notes={"heat": "a heater in view moves warm air and triggers it"},
    ),
    Model(
        "door-contact", Role.SENSOR, "reed contact of a door or window",
        (Channel("opening", 0, 1, 0.0, step=1, decimals=0),), element=Element.CONTACT,
        sleep_ua=2, awake_ma=24, send_ma=30, send_ms=20, battery=CR2032, firmware=("1.0.0", "1.0.1"),
    ),
    Model(
        "water-leak", Role.SENSOR, "water on the floor",
        (Channel("leak", 0, 1, 0.0, step=1, decimals=0),), element=Element.CONTACT,
        sleep_ua=4, awake_ma=24, send_ma=30, send_ms=20, battery=TWO_AA, firmware=("1.0.0",),
    ),
    Model(
        "dust-node", Role.SENSOR, "fine dust PM2.5, laser",
        (Channel("pm25", 0, 1000, 10, 0.1, step=1, response_s=10, decimals=0),),
        supply_v=(4.5, 5.5), measure_ma=60, measure_ms=30_000, intervals_s=(30, 86_400), firmware=("2.2.0",),
    ),
    Model(
        "p1-dongle", Role.SENSOR, "Belgian digital meter, P1 port",
        (
            Channel("power", -20_000, 20_000, 0.0, 0.01, step=1, decimals=0),
            Channel("energy", 0, 1e9, 0.0, 0.0, step=1, decimals=0),
        ),
        supply_v=(4.5, 5.5), intervals_s=(1, 3600), firmware=("5.0.1", "5.1.0"),
        notes={"port": "the customer opens it at the network operator"},
    ),
    Model(
        "energy-meter", Role.SENSOR, "energy meter of class 1, 230 V, direct",
        (
            Channel("power", -23_000, 23_000, 0.0, 0.01, step=1, decimals=0),
            Channel("energy", 0, 1e9, 0.0, 0.01, step=1, decimals=0),
        ),
        supply_v=(190, 265), intervals_s=(1, 3600), firmware=("1.3",),
    ),
)  # fmt: skip
