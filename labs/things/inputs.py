"""An input module: its file, and the number it makes of what arrives at each of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from labs.model.field import Signal
from labs.things.chain.current_loop import Ne43, judge_current, value_of
from labs.things.chain.resistance import ntc_celsius, platinum_celsius
from labs.things.chain.stage import Step, lagged
from labs.things.chain.thermocouple import celsius_of, millivolt
from labs.things.library import MODELS, Model
from labs.things.library.model import Role
from labs.things.mqtt.topics import valid_topic
from labs.things.thing_config import MQTT_KEYS, Key, MqttConfig, ThingConfigError, mqtt_config, read_keys
from labs.things.wiring import Arriving

__all__ = [
    "INPUTS_KEYS",
    "MAX_INPUTS",
    "InputConfig",
    "InputReading",
    "InputsConfig",
    "Quality",
    "parse_inputs_config",
    "read_input",
]

MAX_INPUTS = 8
OFF = "off"
CURRENT_FULL_V = 5.5  # what a 250 ohm shunt gives at 22 mA
VOLTAGE_FULL_V = 10.5
OHM_FULL = {"pt100": 400.0, "pt1000": 4000.0, "ntc": 1e6}
MILLIVOLT_FULL = 80.0


def _input_keys(number: int) -> tuple[Key, ...]:
    table = f"input{number}"
    return (
        Key(f"{table}.name", str, ""),
        Key(f"{table}.type", str, OFF),
        Key(f"{table}.unit", str, "C"),
        Key(f"{table}.low", float, 0.0, -1e9, 1e9),
        Key(f"{table}.high", float, 100.0, -1e9, 1e9),
        Key(f"{table}.zero_ma", float, 4.0, 0, 4),
        Key(f"{table}.shunt_ohm", float, 250.0, 1, 10_000),
        Key(f"{table}.beta", float, 3950.0, 500, 10_000),
        Key(f"{table}.couple", str, "K"),
        Key(f"{table}.cold_junction", bool, default=True),
        Key(f"{table}.per_pulse", float, 1.0, 1e-9, 1e9),
        Key(f"{table}.offset", float, 0.0, -1e6, 1e6),
        Key(f"{table}.filter_s", float, 0.0, 0, 86_400),
        Key(f"{table}.topic", str, ""),
    )


INPUTS_KEYS = (
    Key("module.name", str),
    Key("module.model", str, "analogue-input-4"),
    Key("module.interval_s", int, 10, 1, 86_400),
    Key("module.firmware", str, ""),
    Key("module.user", str, "admin"),
    Key("module.password", str, ""),
    *(key if key.name != "mqtt.topic" else key._replace(default="module") for key in MQTT_KEYS),
    Key("mqtt.retain", bool, default=False),
    *(key for number in range(1, MAX_INPUTS + 1) for key in _input_keys(number)),
)


@dataclass(frozen=True, slots=True)
class InputConfig:
    """One input. `low` to `high` is what 4 to 20 mA or 0 to 10 V stand for, in `unit`."""

    number: int
    name: str
    type: str
    unit: str
    low: float
    high: float
    zero_ma: float
    shunt_ohm: float
    beta: float
    couple: str
    cold_junction: bool
    per_pulse: float
    offset: float
    filter_s: float
    topic: str


@dataclass(frozen=True, slots=True)
class InputsConfig:
    """What /etc/inputs.toml says; inputs that are off are left out."""

    name: str
    model: Model
    interval_s: int
    retain: bool
    mqtt: MqttConfig
    inputs: tuple[InputConfig, ...]


class Quality(NamedTuple):
    """Whether a number can be trusted; `text` says what is wrong."""

    good: bool
    text: str


GOOD = Quality(True, "good")  # noqa: FBT003 - reads as a value


class InputReading(NamedTuple):
    """What an input makes of what arrives. `value` is None where there is nothing to tell."""

    value: float | None
    quality: Quality
    steps: tuple[Step, ...]


def parse_inputs_config(text: str) -> InputsConfig:
    """Read /etc/inputs.toml. Raises ThingConfigError."""
    values = read_keys(text, INPUTS_KEYS)
    model = MODELS.get(str(values["module.model"]))
    if model is None or model.role is not Role.INPUTS:
        raise ThingConfigError(f'"module.model" is not an input module: "{values["module.model"]}"')
    inputs = []
    for number in range(1, MAX_INPUTS + 1):
        one = InputConfig(number, *(values[key.name] for key in _input_keys(number)))  # type: ignore[arg-type]
        if one.type == OFF:
            continue
        if number > model.inputs:
            raise ThingConfigError(f'"input{number}": {model.name} has {model.inputs} inputs')
        inputs.append(_checked(one, model))
    return InputsConfig(
        str(values["module.name"]),
        model,
        int(values["module.interval_s"]),
        bool(values["mqtt.retain"]),
        mqtt_config(values, wildcards=False),
        tuple(inputs),
    )


def _checked(one: InputConfig, model: Model) -> InputConfig:
    where = f"input{one.number}"
    if one.type not in model.input_types:
        raise ThingConfigError(f'"{where}.type" is "{one.type}"; it must be one of off, {", ".join(model.input_types)}')
    if one.low >= one.high:
        raise ThingConfigError(f'"{where}.low" is {one.low:g}; it must be below "{where}.high" ({one.high:g})')
    if one.couple not in ("K", "J"):
        raise ThingConfigError(f'"{where}.couple" is "{one.couple}"; it must be K or J')
    if one.topic and not valid_topic(one.topic):
        raise ThingConfigError(f'"{where}.topic" is not a topic to publish to: {one.topic!r}')
    return one


def read_input(
    config: InputConfig, bits: int, arriving: Callable[[int], Arriving | None], cold_c: float, now: int
) -> InputReading:
    """One input at a time (ns). `arriving` gives what stands on its terminals; `cold_c` is how warm the module is."""
    first = arriving(now)
    if first is None:
        first_steps = (Step("terminals", 0.0, "nothing connected"),)
        return InputReading(None, Quality(False, "not connected"), first_steps)  # noqa: FBT003
    amount = first.amount
    if config.filter_s and first.kind is not Signal.PULSE:
        amount = lagged(lambda at: _amount(arriving(at)), now, config.filter_s)
    return READERS[config.type](config, bits, Arriving(first.kind, amount, first.loop), cold_c)


def _amount(found: Arriving | None) -> float:
    return 0.0 if found is None else found.amount


def _counts(part: float, bits: int) -> float:
    """A share of full scale in whole counts, within the range of the converter."""
    top = (1 << bits) - 1
    return float(min(max(round(part * top), 0), top))


def _bad(text: str, *steps: Step) -> InputReading:
    return InputReading(None, Quality(False, text), steps)  # noqa: FBT003


def _told(config: InputConfig, value: float, quality: Quality, *steps: Step) -> InputReading:
    value = round(value + config.offset, 2) + 0.0
    return InputReading(value, quality, (*steps, Step("value", value, config.unit)))


def _read_current(config: InputConfig, bits: int, found: Arriving, cold_c: float) -> InputReading:
    del cold_c
    volt = found.amount * found.loop.shunt_ohm / 1000 if found.kind is Signal.CURRENT else min(found.amount, 5.5)
    if found.kind not in (Signal.CURRENT, Signal.VOLTAGE):
        volt = 0.0
    counts = _counts(volt / CURRENT_FULL_V, bits)
    ma = counts / ((1 << bits) - 1) * CURRENT_FULL_V / config.shunt_ohm * 1000
    verdict = judge_current(ma)
    steps = (Step("shunt", volt, "V"), Step("converter", counts, "counts"), Step("current", ma, f"mA, {verdict}"))
    if verdict in (Ne43.NONE, Ne43.FAILED_LOW):
        return _bad("wire break" if verdict is Ne43.NONE else "failure current (low)", *steps)
    if verdict is Ne43.FAILED_HIGH:
        return _bad("overcurrent or failure current (high)", *steps)
    quality = GOOD if verdict is Ne43.GOOD else Quality(False, verdict.value)  # noqa: FBT003
    return _told(config, value_of(ma, config.low, config.high, config.zero_ma), quality, *steps)


def _read_voltage(config: InputConfig, bits: int, found: Arriving, cold_c: float) -> InputReading:
    del cold_c
    volt = found.amount if found.kind is Signal.VOLTAGE else 0.0
    counts = _counts(volt / VOLTAGE_FULL_V, bits)
    seen = counts / ((1 << bits) - 1) * VOLTAGE_FULL_V
    steps = (Step("terminals", volt, "V"), Step("converter", counts, "counts"), Step("voltage", seen, "V"))
    if volt < -0.1:
        return _bad("polarity", *steps)
    if seen >= VOLTAGE_FULL_V - 0.01:
        return _bad("over range", *steps)
    return _told(config, config.low + (config.high - config.low) * seen / 10.0, GOOD, *steps)


def _read_resistance(config: InputConfig, bits: int, found: Arriving, cold_c: float) -> InputReading:
    del cold_c
    full = OHM_FULL[config.type]
    resistive = found.kind in (Signal.PT100, Signal.PT1000, Signal.NTC)
    ohm = found.amount if resistive else full * 10
    if config.type == "ntc":  # ratio against a resistor of the same size
        top = (1 << bits) - 1
        counts = _counts(ohm / (ohm + 10_000.0), bits)
        seen = 10_000.0 * counts / max(top - counts, 0.5)
    else:
        counts = _counts(ohm / full, bits)
        seen = counts / ((1 << bits) - 1) * full
    steps = (Step("terminals", min(ohm, 1e9), "ohm"), Step("converter", counts, "counts"))
    if ohm >= full:
        return _bad("over range: open, or another type of probe", *steps)
    lowest = {"pt100": 18.0, "pt1000": 180.0, "ntc": 10.0}[config.type]
    if ohm < lowest:
        return _bad("under range: short, or another type of probe", *steps)
    celsius = (
        ntc_celsius(seen, config.beta)
        if config.type == "ntc"
        else platinum_celsius(seen, 100.0 if config.type == "pt100" else 1000.0)
    )
    return _told(config, celsius, GOOD, *steps)


def _read_couple(config: InputConfig, bits: int, found: Arriving, cold_c: float) -> InputReading:
    mv = found.amount if found.kind is Signal.THERMOCOUPLE_K else float("inf")
    if mv > MILLIVOLT_FULL:
        return _bad("burnout: open couple", Step("terminals", 1e9, "ohm"))
    top = (1 << bits) - 1
    counts = float(round((mv + MILLIVOLT_FULL) / (2 * MILLIVOLT_FULL) * top))
    seen = counts / top * 2 * MILLIVOLT_FULL - MILLIVOLT_FULL
    added = millivolt(cold_c, config.couple) if config.cold_junction else 0.0
    steps = (Step("terminals", mv, "mV"), Step("converter", counts, "counts"), Step("cold junction", added, "mV"))
    return _told(config, celsius_of(seen + added, config.couple), GOOD, *steps)


def _read_pulses(config: InputConfig, bits: int, found: Arriving, cold_c: float) -> InputReading:
    del bits, cold_c
    count = found.amount if found.kind is Signal.PULSE else 0.0
    return _told(config, count * config.per_pulse, GOOD, Step("counter", count, "pulses"))


READERS: dict[str, Callable[[InputConfig, int, Arriving, float], InputReading]] = {
    "4-20mA": _read_current,
    "0-10V": _read_voltage,
    "pt100": _read_resistance,
    "pt1000": _read_resistance,
    "ntc": _read_resistance,
    "thermocouple-k": _read_couple,
    "pulse": _read_pulses,
}
