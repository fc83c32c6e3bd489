"""A sensor of a model in operation: from what its probe feels to the digits that it tells."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from labs.things.battery import Charge, charge_left
from labs.things.chain.instrument import sensor_chain
from labs.things.chain.stage import Chain, Step
from labs.things.units import BASE_UNITS, to_unit

if TYPE_CHECKING:
    from labs.things.library.model import Channel, Model
    from labs.things.sensor import SensorConfig
    from labs.things.transmitter import Felt

__all__ = ["Instrument", "battery_of"]

SECOND = 1_000_000_000
ENCLOSURE_MW_PER_K = 150.0  # what a small closed box gives off per kelvin
SUPPLY_V = 3.3


class Instrument:
    """The channels of one sensor. Raises KeyError where there is nothing to measure."""

    __slots__ = ("_chains", "_felt", "_model", "_tail", "config")

    def __init__(self, config: SensorConfig, model: Model, felt: Felt) -> None:
        self.config = config
        self._model = model
        self._felt = felt
        self._chains: dict[str, tuple[Channel, Chain]] = {}
        for channel in model.channels:
            if channel.quantity in (config.quantity, *config.also):
                self._chains[channel.quantity] = (channel, sensor_chain(model, channel, felt.serial, beta=config.beta))

    @property
    def own_heat_k(self) -> float:
        """How much the electronics warm the probe beside them: their mean power over what the box gives off."""
        if not self._model.send_ms:
            return 0.0
        return self.config.mah_per_day / 24 * SUPPLY_V / ENCLOSURE_MW_PER_K

    def sampled_at(self, now: int) -> int:
        """The moment of the last sample."""
        sample = self.config.sample_s * SECOND
        return now - now % sample if sample else now

    def _truth(self, channel: Channel, now: int) -> float:
        value = self._felt.felt(channel.quantity, now, channel.response_s + self.config.filter_s)
        return value + self.own_heat_k if channel.quantity == "temperature" else value

    def read(self, now: int) -> float:
        """The main quantity in the unit of the file, scaled and with its digits. Raises ValueError for no number."""
        config = self.config
        channel, chain = self._chains[config.quantity]
        at = self.sampled_at(now)
        raw = chain.value(self._truth(channel, at), at)
        base = BASE_UNITS.get(config.quantity, config.unit)
        value = (raw if base == config.unit else to_unit(raw, base, config.unit)) * config.scale + config.offset
        if not math.isfinite(value):
            message = f"{value} is not a reading"
            raise ValueError(message)
        return round(value, channel.decimals) + 0.0

    def others(self, now: int) -> dict[str, float]:
        """The further quantities, in their base units."""
        at = self.sampled_at(now)
        found = {}
        for name in self.config.also:
            channel, chain = self._chains[name]
            found[name] = chain.value(self._truth(channel, at), at)
        return found

    def steps(self, now: int) -> list[Step]:
        """The main quantity after every stage."""
        config = self.config
        channel, chain = self._chains[config.quantity]
        at = self.sampled_at(now)
        unit = BASE_UNITS.get(config.quantity, config.unit)
        felt = self._truth(channel, at)
        return [Step("probe", felt, unit), *chain.steps(felt, at, unit)]


def battery_of(model: Model, per_day_mah: float, put_in: tuple[float, int], now: int) -> Charge | None:
    """What is left in the battery that was put in with a share at a time; None for a model on the mains."""
    if model.battery is None:
        return None
    share, since = put_in
    return charge_left(model.battery, share, (now - since) / SECOND, per_day_mah)
