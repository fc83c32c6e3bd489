"""The library of models: every model measures in a room that has its quantities, and stays within its class."""

from __future__ import annotations

import pytest

from labs.model.world import DayCycle, Room, World
from labs.scenario.things_files import login_of, transmitter
from labs.things.library import MODELS
from labs.things.library.model import Channel, Model, Role
from labs.things.sensing import Instrument
from labs.things.sensor import parse_sensor_config
from labs.things.transmitter import FieldDevice, parse_transmitter_config
from labs.things.units import BASE_UNITS
from labs.things.world import RoomSense

MEANS = {
    "temperature": 21.0, "humidity": 55.0, "co2": 800.0, "pressure": 1013.0, "soil_moisture": 40.0,
    "illuminance": 12_000.0, "presence": 1.0, "opening": 1.0, "leak": 0.0, "pm25": 12.0, "power": 1500.0,
    "energy": 12_345.0, "level": 2.5,
}  # fmt: skip
WORLD = World({"hall": Room("hall", {name: DayCycle(mean) for name, mean in MEANS.items()})})
HOUR = 3600 * 10**9
SENSORS = [(model, channel) for model in MODELS.values() if model.role is Role.SENSOR for channel in model.channels]
NAMES = [f"{model.name}-{channel.quantity}" for model, channel in SENSORS]
FIELD = [m for m in MODELS.values() if m.role in (Role.TRANSMITTER, Role.PROBE)]


def test_library_has_at_least_sixteen_models_with_a_login_of_their_own() -> None:
    assert len(MODELS) >= 16
    for model in MODELS.values():
        assert login_of("a", model, "") != login_of("b", model, "")
        assert model.firmware
        assert model.supply_v[0] < model.supply_v[1]


@pytest.mark.parametrize(("model", "channel"), SENSORS, ids=NAMES)
def test_sensor_of_the_library_reads_within_its_class(model: Model, channel: Channel) -> None:
    text = f"""[sensor]
name = "x"
quantity = "{channel.quantity}"
unit = "{BASE_UNITS.get(channel.quantity, "1")}"
interval_s = 600
model = "{model.name}"
[mqtt]
host = "b"
topic = "t"
client_id = "c"
"""
    config = parse_sensor_config(text)
    for serial in range(20):
        sense = RoomSense(WORLD, "hall", str(serial), "unit")
        instrument = Instrument(config, model, sense)
        truth = sense.sense(channel.quantity, HOUR)
        allowed = channel.error + channel.relative * abs(truth) + channel.step * 2 + 0.5 * 10**-channel.decimals
        allowed += instrument.own_heat_k if channel.quantity == "temperature" else 0.0
        assert instrument.read(HOUR) == pytest.approx(truth, abs=allowed + 1e-9)
        assert instrument.read(HOUR) == instrument.read(HOUR)


@pytest.mark.parametrize("model", FIELD, ids=lambda model: model.name)
def test_transmitter_of_the_library_sends_the_share_of_its_range(model: Model) -> None:
    channel = model.channels[0]
    low, high = max(channel.low, -1e6), min(channel.high, 1e6)
    unit = BASE_UNITS[channel.quantity]
    service = {"model": model.name, "quantity": channel.quantity, "unit": unit, "range": (low, high), "damping": 0}
    device = FieldDevice(parse_transmitter_config(transmitter("x", service)), RoomSense(WORLD, "hall", "0", "x"))
    truth = MEANS[channel.quantity]
    share = (truth - low) / (high - low)
    error = (channel.error + channel.relative * abs(truth) + 2 * channel.step) / (high - low)
    if model.outputs == "4-20mA":
        assert device.wanted(HOUR) == pytest.approx(4 + 16 * share, abs=16 * error + 1e-9)
    elif model.outputs == "0-10V":
        assert device.wanted(HOUR) == pytest.approx(10 * share, abs=10 * error + 1e-9)
    else:
        assert device.measured(HOUR) > 0
