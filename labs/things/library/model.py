"""What the library says of a model. Values only; figures are typical of data sheets of such a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

__all__ = ["Battery", "Channel", "Drive", "Element", "Model", "Role"]


class Role(StrEnum):
    """What a model is in the chain."""

    SENSOR = "sensor"
    PROBE = "probe"
    TRANSMITTER = "transmitter"
    INPUTS = "inputs"
    ACTUATOR = "actuator"


class Element(StrEnum):
    """What turns the quantity into something electrical. DIGITAL converts inside the element."""

    DIGITAL = "digital"
    PT100 = "pt100"
    PT1000 = "pt1000"
    NTC = "ntc"
    THERMOCOUPLE_K = "thermocouple-k"
    CONTACT = "contact"
    PULSE = "pulse"


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity of a model, in its base unit.

    The largest error of a healthy one is `error + relative * |value|`. `step` is what its converter resolves,
    `response_s` its time constant in air, `decimals` what it tells.
    """

    quantity: str
    low: float
    high: float
    error: float
    relative: float = 0.0
    step: float = 0.01
    response_s: float = 0.0
    decimals: int = 1


@dataclass(frozen=True, slots=True)
class Battery:
    """The cell a model leaves the factory with: `usable` is the share that is there before it gives in."""

    cell: str
    capacity_mah: float
    usable: float = 0.85
    shelf_years: float = 10.0
    full_v: float = 3.6
    empty_v: float = 2.8


@dataclass(frozen=True, slots=True)
class Drive:
    """What an actuator moves: `stays` where it keeps its place without power, `seconds` from closed to open."""

    moves: str
    stays: bool = False
    steps: bool = True
    """True for on and off alone; False where any level is possible."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    """A type of device as it can be bought.

    Currents are averages over their times: `sleep_ua` always, `measure_ma` for `measure_ms` a sample, `send_ma` for
    `send_ms` a report, `awake_ma` beside sleep where a setting keeps its receiver on. `intervals_s` are the shortest
    and longest reporting interval it takes. `firmware` lists the versions there are, oldest first; `leaks` what some of
    them draw in their sleep beyond `sleep_ua`, in microamperes.
    """

    name: str
    role: Role
    title: str
    channels: tuple[Channel, ...] = ()
    element: Element = Element.DIGITAL
    beta: float = 3950.0
    bits: int = 16
    outputs: str = "mqtt"
    inputs: int = 0
    input_types: tuple[str, ...] = ()
    supply_v: tuple[float, float] = (3.0, 5.5)
    sleep_ua: float = 0.0
    awake_ma: float = 0.0
    measure_ma: float = 0.0
    measure_ms: float = 0.0
    send_ma: float = 0.0
    send_ms: float = 0.0
    battery: Battery | None = None
    intervals_s: tuple[int, int] = (1, 86_400)
    firmware: tuple[str, ...] = ("1.0.0",)
    leaks: Mapping[str, float] = field(default_factory=dict)
    login: str = ""
    """USER:PASSWORD with which it leaves the factory; empty where every unit has its own."""
    drive: Drive | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", MappingProxyType(dict(self.notes)))
        object.__setattr__(self, "leaks", MappingProxyType(dict(self.leaks)))

    def channel(self, quantity: str) -> Channel | None:
        """The channel of a quantity, if the model measures it."""
        return next((channel for channel in self.channels if channel.quantity == quantity), None)
