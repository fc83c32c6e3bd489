"""What arrives at an input: the device at the far end, the leads in between, and the input itself as a load.

Currents by Ohm's law around the loop (`labs.things.chain.current_loop`), resistances through their leads, thermocouple
voltages with both junctions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from labs.model.field import Extension, Loop, Signal
from labs.things.chain.current_loop import loop_current
from labs.things.chain.resistance import OPEN_OHM, seen_through_leads
from labs.things.chain.thermocouple import line_millivolt
from labs.things.thing_config import ThingConfigError
from labs.things.transmitter import Felt, FieldDevice, parse_transmitter_config

__all__ = ["Arriving", "Source", "Wiring"]

OPEN_VOLT = 0.0  # an open voltage input is pulled down
HEAD_WARMER_K = 5.0  # a connection head stands in the air around the process


class Source(NamedTuple):
    """The device at the far end of a line: the text of its file, whether it works, and what it feels."""

    text: str
    powered: bool
    felt: Felt


class Arriving(NamedTuple):
    """What an input meets. `amount` is in mA, V, ohm, mV or pulses, as `kind` says; `loop` is the line."""

    kind: Signal
    amount: float
    loop: Loop


class Wiring:
    """The lines of a site. `loop_at` finds the line on an input, `source` the device at its far end."""

    def __init__(self, loop_at: Callable[[str, int], Loop | None], source: Callable[[str], Source | None]) -> None:
        self._loop_at = loop_at
        self._source = source
        self._devices: dict[str, tuple[str, Felt, FieldDevice | None]] = {}

    def device(self, name: str) -> FieldDevice | None:
        """A transmitter or probe as its file says now; None where there is none or its file is wrong."""
        source = self._source(name)
        if source is None:
            return None
        known = self._devices.get(name)
        if known is not None and known[0] == source.text and known[1] is source.felt:
            return known[2]
        try:
            made: FieldDevice | None = FieldDevice(parse_transmitter_config(source.text), source.felt)
        except ThingConfigError:
            made = None
        self._devices[name] = (source.text, source.felt, made)
        return made

    def arriving(self, module: str, number: int, now: int, *, mode: str, cold_c: float = 20.0) -> Arriving | None:
        """What the input of a module meets, set to a `mode` (a word of `Signal`); None where no line is connected."""
        loop = self._loop_at(module, number)
        if loop is None:
            return None
        source = self._source(loop.source)
        device = self.device(loop.source)
        alive = source is not None and source.powered
        output = device.output if device is not None else loop.signal.value
        if output == Signal.CURRENT:
            return _current(loop, device if alive else None, mode, now)
        if output == Signal.VOLTAGE:
            volt = (
                device.wanted(now) if device is not None and alive and not (loop.broken or loop.shorted) else OPEN_VOLT
            )
            return Arriving(Signal.VOLTAGE, -volt if loop.polarity_reversed else volt, loop)
        if output == Signal.PULSE:
            through = device is not None and not (loop.broken or loop.shorted or loop.polarity_reversed)
            count = device.measured(now) if device is not None and through else 0.0
            return Arriving(Signal.PULSE, float(int(count)), loop)
        if output == Signal.THERMOCOUPLE_K:
            return _thermocouple(loop, device, now, cold_c)
        return _resistance(loop, device, now)


def _current(loop: Loop, device: FieldDevice | None, mode: str, now: int) -> Arriving:
    """A current loop. Into a voltage input hardly anything flows, and nearly the whole supply stands across it."""
    minimum = device.config.model.supply_v[0] if device is not None else 0.0
    if loop.broken or (loop.polarity_reversed and not loop.shorted) or (device is None and not loop.shorted):
        return Arriving(Signal.CURRENT if mode != Signal.VOLTAGE else Signal.VOLTAGE, 0.0, loop)
    if mode == Signal.VOLTAGE:
        return Arriving(Signal.VOLTAGE, max(loop.supply_v - minimum, 0.0), loop)
    wanted = device.wanted(now) if device is not None else 0.0
    flows = loop_current(
        wanted,
        supply_v=loop.supply_v,
        minimum_v=minimum,
        loop_ohm=loop.shunt_ohm + 2 * loop.lead_ohm,
        shorted=loop.shorted,
        leak_ohm=loop.leak_ohm,
    )
    return Arriving(Signal.CURRENT, flows, loop)


def _resistance(loop: Loop, device: FieldDevice | None, now: int) -> Arriving:
    if device is None or loop.broken:
        return Arriving(loop.signal, OPEN_OHM, loop)
    ohm = 0.0 if loop.shorted else device.measured(now)
    leak = 0.0 if loop.shorted else loop.leak_ohm
    seen = seen_through_leads(
        ohm, wires=loop.wires, lead_ohm=loop.lead_ohm, mismatch_ohm=loop.mismatch_ohm, leak_ohm=leak
    )
    return Arriving(Signal(device.output), seen, loop)


def _thermocouple(loop: Loop, device: FieldDevice | None, now: int, cold_c: float) -> Arriving:
    if device is None or loop.broken:
        return Arriving(Signal.THERMOCOUPLE_K, float("inf"), loop)
    hot = device.measured(now)
    head = cold_c + HEAD_WARMER_K
    if loop.shorted:  # the couple is where the short is: at the head
        hot = head
    mv = line_millivolt(
        hot,
        head,
        cold_c,
        compensating=loop.extension is Extension.COMPENSATING,
        head_reversed=loop.head_reversed,
        line_reversed=loop.polarity_reversed,
    )
    return Arriving(Signal.THERMOCOUPLE_K, mv, loop)
