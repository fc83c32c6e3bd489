"""A sensor: its file, what it measures and what it says about it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from labs.things.battery import mah_per_day
from labs.things.library import MODELS, Model
from labs.things.library.model import Role
from labs.things.thing_config import (
    MQTT_KEYS,
    Key,
    MqttConfig,
    ThingConfigError,
    Values,
    mqtt_config,
    read_keys,
)
from labs.things.units import BASE_UNITS, UnitError, to_unit

__all__ = ["SENSOR_KEYS", "SensorConfig", "accuracy", "measure", "parse_sensor_config", "sensor_payload", "to_unit"]

SENSOR_KEYS = (
    Key("sensor.name", str),
    Key("sensor.quantity", str),
    Key("sensor.unit", str),
    Key("sensor.interval_s", int, None, 1, 86_400),
    Key("sensor.scale", float, 1.0, -1e6, 1e6),
    Key("sensor.offset", float, 0.0, -1e6, 1e6),
    Key("sensor.model", str, ""),
    Key("sensor.also", str, ""),
    Key("sensor.sample_s", int, 0, 0, 86_400),
    Key("sensor.filter_s", float, 0.0, 0, 86_400),
    Key("sensor.beta", float, 3950.0, 500, 10_000),
    Key("device.firmware", str, ""),
    Key("device.verify_updates", bool, default=True),
    Key("device.stay_awake", bool, default=False),
    Key("device.user", str, "admin"),
    Key("device.password", str, ""),
    *MQTT_KEYS,
    Key("mqtt.retain", bool, default=False),
)
# Largest error of a healthy instrument: (absolute, per unit of the value), in the base unit of the quantity.
# Temperature is IEC 60751 class A; the others are typical of data sheets.
ACCURACY = {
    "temperature": (0.15, 0.002),
    "humidity": (2.0, 0.0),
    "soil_moisture": (3.0, 0.0),
    "co2": (30.0, 0.03),
    "noise": (1.0, 0.0),
    "pressure": (1.0, 0.0),
}
OTHER_ACCURACY = (0.0, 0.01)
DECIMALS = 1


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """What /etc/sensor.toml says. A reading is `scale` times the measurement in `unit`, plus `offset`."""

    name: str
    quantity: str
    unit: str
    interval_s: int
    scale: float
    offset: float
    retain: bool
    mqtt: MqttConfig
    model: Model | None = None
    also: tuple[str, ...] = ()
    """Further quantities of the model that go into each message."""
    sample_s: int = 0
    """How often it measures; 0 is with each report."""
    filter_s: float = 0.0
    beta: float = 3950.0
    firmware: str = ""
    stay_awake: bool = False
    """A setting for the workbench: its radio never sleeps."""

    @property
    def mah_per_day(self) -> float:
        """What it takes of its battery. A sensor without a model takes nothing."""
        if self.model is None:
            return 0.0
        version = self.firmware or self.model.firmware[0]
        return mah_per_day(self.model, self.interval_s, self.sample_s, firmware=version, awake=self.stay_awake)


def parse_sensor_config(text: str) -> SensorConfig:
    """Read /etc/sensor.toml. Raises ThingConfigError."""
    values = read_keys(text, SENSOR_KEYS)
    quantity, unit = str(values["sensor.quantity"]), str(values["sensor.unit"])
    if quantity in BASE_UNITS:
        try:
            to_unit(0.0, BASE_UNITS[quantity], unit)
        except UnitError as error:
            raise ThingConfigError(f'"sensor.unit" does not fit {quantity}: {error}') from None
    model = _model(values, quantity)
    also = tuple(word for word in re.split(r"[ ,]+", str(values["sensor.also"])) if word)
    for extra in also:
        if model is None or model.channel(extra) is None:
            raise ThingConfigError(f'"sensor.also": {model.name if model else "no model"} does not measure "{extra}"')
    if values["sensor.sample_s"] and float(values["sensor.sample_s"]) > float(values["sensor.interval_s"]):
        raise ThingConfigError('"sensor.sample_s" is longer than "sensor.interval_s"')
    return SensorConfig(
        str(values["sensor.name"]),
        quantity,
        unit,
        int(values["sensor.interval_s"]),
        float(values["sensor.scale"]),
        float(values["sensor.offset"]),
        bool(values["mqtt.retain"]),
        mqtt_config(values, wildcards=False),
        model,
        also,
        int(values["sensor.sample_s"]),
        float(values["sensor.filter_s"]),
        float(values["sensor.beta"]),
        str(values["device.firmware"]),
        bool(values["device.stay_awake"]),
    )


def _model(values: Values, quantity: str) -> Model | None:
    name = str(values["sensor.model"])
    if not name:
        return None
    model = MODELS.get(name)
    if model is None or model.role is not Role.SENSOR:
        raise ThingConfigError(f'"sensor.model" is not a sensor of the library: "{name}"')
    if model.channel(quantity) is None:
        known = ", ".join(channel.quantity for channel in model.channels)
        raise ThingConfigError(f'"sensor.quantity" of {name} is {known}, not "{quantity}"')
    low, high = model.intervals_s
    if not low <= int(values["sensor.interval_s"]) <= high:
        raise ThingConfigError(f'"sensor.interval_s" of {name} is from {low} to {high}')
    return model


def accuracy(quantity: str, value: float) -> float:
    """The largest error of a healthy instrument at a value, both in the base unit of the quantity."""
    absolute, relative = ACCURACY.get(quantity, OTHER_ACCURACY)
    return absolute + relative * abs(value)


@lru_cache(maxsize=16_384)
def _bias(device: str, quantity: str) -> float:
    """Where in its class one instrument lies, from -1 to 1, for ever."""
    digest = hashlib.sha256(f"{device}/{quantity}".encode()).digest()
    return int.from_bytes(digest[:8]) / (1 << 63) - 1.0


def measure(config: SensorConfig, truth: float, device: str) -> float:
    """What the instrument of a device reads where `truth` is, in the unit of its file, to one decimal.

    Raises ValueError for a result that is not a number.
    """
    raw = truth + _bias(device, config.quantity) * accuracy(config.quantity, truth)
    value = to_unit(raw, BASE_UNITS.get(config.quantity, config.unit), config.unit) * config.scale + config.offset
    if not math.isfinite(value):
        message = f"{value} is not a reading"
        raise ValueError(message)
    return round(value, DECIMALS) + 0.0  # no minus in front of zero


def sensor_payload(value: float, unit: str, unix_s: float, more: Mapping[str, float] | None = None) -> bytes:
    """The message: value, unit, the moment of the measurement by the clock of the sensor, what else there is."""
    known = f'{{"value": {_number(value)}, "unit": {_quoted(unit)}, "at": "{_moment(int(unix_s))}"'
    return (known + ", " + json.dumps(more, ensure_ascii=False)[1:] if more else known + "}").encode()


def _number(value: float) -> str:
    """As JSON writes it."""
    return repr(value) if math.isfinite(value) else json.dumps(value)


@lru_cache(maxsize=1024)
def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@lru_cache(maxsize=64)
def _moment(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
