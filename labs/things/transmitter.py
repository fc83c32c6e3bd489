"""A transmitter or probe: its file, and what it puts on the line for what it senses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from labs.model.field import Signal
from labs.things.chain.current_loop import FAULT_HIGH_MA, FAULT_LOW_MA, current_of, voltage_of
from labs.things.chain.instrument import element_stages
from labs.things.chain.stage import Chain, noise
from labs.things.library import MODELS, Model
from labs.things.library.model import Channel, Role
from labs.things.thing_config import Key, ThingConfigError, read_keys
from labs.things.units import BASE_UNITS, UnitError, to_unit

__all__ = ["TRANSMITTER_KEYS", "Felt", "FieldDevice", "TransmitterConfig", "parse_transmitter_config"]

TRANSMITTER_KEYS = (
    Key("transmitter.name", str),
    Key("transmitter.model", str),
    Key("transmitter.quantity", str),
    Key("transmitter.unit", str),
    Key("transmitter.low", float, None, -1e9, 1e9),
    Key("transmitter.high", float, None, -1e9, 1e9),
    Key("transmitter.damping_s", float, 0.0, 0, 3600),
    Key("transmitter.offset", float, 0.0, -1e6, 1e6),
    Key("transmitter.fault", str, "low"),
    Key("transmitter.firmware", str, ""),
)
FAULT_CURRENTS = {"low": FAULT_LOW_MA, "high": FAULT_HIGH_MA}


class Felt(Protocol):
    """What a device can feel of the world."""

    @property
    def serial(self) -> str:
        """What tells this unit from every other."""

    def felt(self, quantity: str, now: int, tau_s: float) -> float:
        """A quantity as a probe with a time constant has followed it. Raises KeyError where there is none."""


@dataclass(frozen=True, slots=True)
class TransmitterConfig:
    """What /etc/transmitter.toml says: the range `low` to `high` in `unit` is 4 to 20 mA (0 to 10 V)."""

    name: str
    model: Model
    channel: Channel
    unit: str
    low: float
    high: float
    damping_s: float
    offset: float
    fault: str


def parse_transmitter_config(text: str) -> TransmitterConfig:
    """Read /etc/transmitter.toml. Raises ThingConfigError."""
    values = read_keys(text, TRANSMITTER_KEYS)
    model = MODELS.get(str(values["transmitter.model"]))
    if model is None or model.role not in (Role.TRANSMITTER, Role.PROBE):
        message = f'"transmitter.model" is not a transmitter or probe: "{values["transmitter.model"]}"'
        raise ThingConfigError(message)
    quantity, unit = str(values["transmitter.quantity"]), str(values["transmitter.unit"])
    channel = model.channel(quantity)
    if channel is None:
        known = ", ".join(c.quantity for c in model.channels)
        raise ThingConfigError(f'"transmitter.quantity" of {model.name} is {known}, not "{quantity}"')
    try:
        to_unit(0.0, BASE_UNITS.get(quantity, unit), unit)
    except UnitError as error:
        raise ThingConfigError(f'"transmitter.unit" does not fit {quantity}: {error}') from None
    low, high = float(values["transmitter.low"]), float(values["transmitter.high"])
    if low >= high:
        raise ThingConfigError(f'"transmitter.low" is {low:g}; it must be below "transmitter.high" ({high:g})')
    fault = str(values["transmitter.fault"])
    if fault not in FAULT_CURRENTS:
        raise ThingConfigError(f'"transmitter.fault" is "{fault}"; it must be low or high')
    damping, offset = float(values["transmitter.damping_s"]), float(values["transmitter.offset"])
    return TransmitterConfig(str(values["transmitter.name"]), model, channel, unit, low, high, damping, offset, fault)


class FieldDevice:
    """A transmitter or probe in operation."""

    __slots__ = ("_base", "_chain", "_plain", "config", "felt")

    def __init__(self, config: TransmitterConfig, felt: Felt) -> None:
        self.config = config
        self.felt = felt
        model, channel = config.model, config.channel
        stages = element_stages(model, channel, felt.serial)
        if model.role is Role.TRANSMITTER:  # what follows the element is inside: it gives the quantity back
            stages = [stage for stage in stages if stage.unit != "ohm"]
            stages.append(noise(channel.step / 3, f"{felt.serial}/{channel.quantity}"))
        self._chain = Chain(stages)
        self._base = BASE_UNITS.get(channel.quantity, config.unit)
        self._plain = self._base == config.unit

    @property
    def output(self) -> str:
        """What it puts on the line: a word of `Signal`."""
        return self.config.model.outputs

    def measured(self, now: int) -> float:
        """The quantity (base unit) or, of a resistive probe, the resistance. Raises KeyError where there is none."""
        config = self.config
        tau = config.channel.response_s + config.damping_s
        return self._chain.value(self.felt.felt(config.channel.quantity, now, tau), now)

    def truth(self, now: int) -> float:
        """The quantity at the probe, through its own inertia."""
        return self.felt.felt(self.config.channel.quantity, now, self.config.channel.response_s)

    def wanted(self, now: int) -> float:
        """The current (mA) or voltage (V) that it wants to send; the fault current where it senses nothing."""
        config = self.config
        try:
            value = self.measured(now)
        except KeyError:
            return FAULT_CURRENTS[config.fault] if config.model.outputs == Signal.CURRENT else 0.0
        channel = config.channel
        value = min(max(value, channel.low), channel.high)
        if not self._plain:
            value = to_unit(value, self._base, config.unit)
        value += config.offset
        if config.model.outputs == Signal.VOLTAGE:
            return voltage_of(value, config.low, config.high)
        return current_of(value, config.low, config.high)
