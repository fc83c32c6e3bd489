"""What `sensorctl read` tells: the value now, and with `--raw` what the chain had after every stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.shell.daemons.inputs import read_one
from labs.shell.daemons.sensor import instrument_of, read_sensor
from labs.shell.instrument import read_instrument
from labs.shell.thing_kinds import Config, ThingFailure
from labs.things.inputs import InputsConfig
from labs.things.lorawan.config import EndDevice
from labs.things.sensor import SensorConfig
from labs.things.transmitter import FieldDevice, TransmitterConfig
from labs.things.units import BASE_UNITS, symbol

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.things.chain.stage import Step

__all__ = ["reading_lines"]

SYMBOLS = {"ohm": "Ω", "": ""}


def _step(step: Step) -> str:
    unit = SYMBOLS.get(step.unit, symbol(step.unit))
    number = f"{step.value:.0f}" if step.unit == "counts" else f"{step.value:.3f}"
    return f"  {step.name:<14}{number:>12} {unit}".rstrip()


def reading_lines(node: LinuxNode, config: Config, number: int | None, *, raw: bool) -> list[str]:
    """The lines. `number` asks for one input of a module. Raises ThingFailure."""
    if number is not None and not isinstance(config, InputsConfig):
        message = "only a module has numbered inputs"
        raise ThingFailure(message)
    if isinstance(config, SensorConfig):
        return _sensor(node, config, raw=raw)
    if isinstance(config, EndDevice):
        try:
            value = read_instrument(node, config.quantity)
        except ValueError as error:
            raise ThingFailure(str(error)) from None
        return [f"{config.quantity} {value:.1f} {symbol(BASE_UNITS.get(config.quantity, ''))}".rstrip()]
    if isinstance(config, InputsConfig):
        return _inputs(node, config, number, raw=raw)
    if isinstance(config, TransmitterConfig):
        return _transmitter(node, config, raw=raw)
    message = "this thing measures nothing; try: sensorctl status"
    raise ThingFailure(message)


def _sensor(node: LinuxNode, config: SensorConfig, *, raw: bool) -> list[str]:
    instrument = instrument_of(node, config)
    try:
        value = read_sensor(node, config, instrument)
    except ValueError as error:
        raise ThingFailure(str(error)) from None
    lines = [f"{config.quantity} {value} {symbol(config.unit)}"]
    if instrument is None:
        return lines
    if raw:
        lines += [_step(step) for step in instrument.steps(node.now)]
        lines.append(f"  file: times {config.scale:g}, plus {config.offset:g}, in {symbol(config.unit)}")
    for name, other in instrument.others(node.now).items():
        lines.append(f"{name} {other} {symbol(BASE_UNITS.get(name, ''))}".rstrip())
    return lines


def _inputs(node: LinuxNode, config: InputsConfig, number: int | None, *, raw: bool) -> list[str]:
    lines = []
    for one in config.inputs:
        if number not in (None, one.number):
            continue
        reading = read_one(node, config, one)
        value = "--" if reading.value is None else f"{reading.value:g} {symbol(one.unit)}"
        lines.append(f"input {one.number} {one.name or '-'} {value} ({reading.quality.text})")
        if raw:
            lines += [_step(step) for step in reading.steps]
    if not lines:
        used = ", ".join(str(one.number) for one in config.inputs) or "none"
        message = f"input {number} is off; in use: {used}"
        raise ThingFailure(message)
    return lines


def _transmitter(node: LinuxNode, config: TransmitterConfig, *, raw: bool) -> list[str]:
    device = FieldDevice(config, node.world)
    try:
        value = device.measured(node.now)
    except KeyError:
        message = f"there is no {config.channel.quantity} to measure here"
        raise ThingFailure(message) from None
    unit = {"pt100": "Ω", "pt1000": "Ω", "ntc": "Ω", "pulse": "pulses"}.get(
        device.output, symbol(BASE_UNITS.get(config.channel.quantity, config.unit))
    )
    lines = [f"{config.channel.quantity} {value:.2f} {unit}"]
    if raw and device.output in ("4-20mA", "0-10V"):
        low, high = config.low, config.high
        lines.append(f"  sends {device.wanted(node.now):.3f} {'mA' if device.output == '4-20mA' else 'V'}")
        lines.append(f"  range {low:g} to {high:g} {symbol(config.unit)}")
    return lines
