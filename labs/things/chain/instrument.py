"""The chain of a whole instrument, from its model: element, converter, calibration, digits."""

from __future__ import annotations

from labs.things.chain.resistance import (
    ntc_celsius,
    ntc_ohm,
    platinum_celsius,
    platinum_ohm,
)
from labs.things.chain.stage import Chain, Stage, calibrated, class_error, noise, quantised, rounded
from labs.things.library.model import Channel, Element, Model

__all__ = ["element_stages", "sensor_chain"]

DIVIDER_OHM = 10_000.0
DIVIDER_V = 3.3
PLATINUM_STEP = 0.03  # of an ohm on a Pt1000: what a 15 bit ratio converter such as the MAX31865 resolves


def element_stages(model: Model, channel: Channel, serial: str) -> list[Stage]:
    """Up to what leaves the element: a resistance, or the quantity itself where the element is digital."""
    limit = Stage("", "", lambda value, _: value)
    if channel.error or channel.relative:
        limit = class_error(lambda value: channel.error + channel.relative * abs(value), f"{serial}/{channel.quantity}")
    stages = [limit] if limit.name else []
    match model.element:
        case Element.PT100:
            stages.append(Stage("element", "ohm", lambda value, _: platinum_ohm(value)))
        case Element.PT1000:
            stages.append(Stage("element", "ohm", lambda value, _: platinum_ohm(value, 1000.0)))
        case Element.NTC:
            beta = model.beta
            stages.append(Stage("element", "ohm", lambda value, _: ntc_ohm(max(value, -100.0), beta)))
        case Element.CONTACT:
            stages.append(Stage("contact", "", lambda value, _: 1.0 if value > 0.5 else 0.0))
        case _:
            pass
    return stages


def sensor_chain(
    model: Model, channel: Channel, serial: str, *, beta: float, scale: float = 1.0, offset: float = 0.0
) -> Chain:
    """A sensor with its element inside. `beta` is of an NTC, `scale` and `offset` are of its file."""
    stages = element_stages(model, channel, serial)
    step = channel.step
    if model.element is Element.NTC:
        counts = float((1 << model.bits) - 1)
        stages += [
            Stage("divider", "V", lambda ohm, _: DIVIDER_V * ohm / (ohm + DIVIDER_OHM)),
            Stage("converter", "counts", lambda volt, _: float(round(volt / DIVIDER_V * counts))),
            Stage("converter", "ohm", lambda n, _: DIVIDER_OHM * n / max(counts - n, 0.5)),
            Stage("formula", "C", lambda ohm, _: ntc_celsius(ohm, beta)),
        ]
    elif model.element is Element.PT1000:
        stages += [
            Stage("converter", "ohm", lambda ohm, _: round(ohm / PLATINUM_STEP) * PLATINUM_STEP),
            Stage("formula", "C", lambda ohm, _: platinum_celsius(ohm, 1000.0)),
        ]
    elif model.element is Element.DIGITAL:
        if channel.error:
            stages.append(noise(step / 3, f"{serial}/{channel.quantity}"))
        stages.append(quantised(step, channel.low, channel.high))
    if (scale, offset) != (1.0, 0.0):
        stages.append(calibrated(scale, offset))
    return Chain([*stages, rounded(channel.decimals)])
