"""The format of field wiring in a scenario: which line runs from which transmitter or probe to which input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from labs.messages import message
from labs.model.field import SUPPLY_V, Loop, Signal, conductor_ohm
from labs.scenario.schema import Choice, Field, MapOf, Number, Parsed, Record, Report, String, suggest

if TYPE_CHECKING:
    from labs.scenario.scenario import DeviceSpec

__all__ = ["LOOPS", "LoopSpec", "build_loops"]

NAME = r"[a-z][a-z0-9-]{0,30}"


class InputPlace(NamedTuple):
    """`module:1`: an input of a device."""

    device: str
    number: int


def parse_input(text: str) -> InputPlace:
    """Raises ValueError."""
    device, colon, number = text.partition(":")
    if not colon or not device or not number.isdecimal() or not 1 <= int(number) <= 64:
        said = message('"{text}" is not an input; write DEVICE:NUMBER such as module:1', text=text)
        raise ValueError(said)
    return InputPlace(device, int(number))


class LoopSpec(NamedTuple):
    """One line as written."""

    source: str
    into: InputPlace
    signal: str
    wires: int
    length: float
    section: float
    shunt: float
    supply: float
    line: int


LOOP = Record(
    {
        "from": Field(String("a device", NAME), "transmitter or probe", attribute="source"),
        "to": Field(Parsed(parse_input, "an input such as module:1"), "input of a module", attribute="into"),
        "signal": Field(Choice(tuple(Signal), "a signal"), "what the line carries", default="4-20mA"),
        "wires": Field(Number(2, 4, whole=True), "conductors", default=2),
        "length": Field(Number(0, 5000), "length of the cable in m", default=10.0),
        "section": Field(Number(0.05, 50), "copper of each conductor in mm2", default=0.75),
        "shunt": Field(Number(1, 10_000), "resistor across a current input, in ohm", default=250.0),
        "supply": Field(Number(0, 60), "voltage that feeds the loop", default=SUPPLY_V),
    },
    build=LoopSpec,
    line=True,
)
LOOPS = MapOf(LOOP)


def build_loops(specs: Mapping[str, LoopSpec], devices: Mapping[str, DeviceSpec], report: Report) -> tuple[Loop, ...]:
    """The lines as they stand; reports devices that are not what a line needs and inputs that are taken twice."""
    found = []
    taken: dict[InputPlace, str] = {}
    for name, spec in specs.items():
        path = f"site.loops.{name}"
        for key, device, service in (("from", spec.source, "transmitter"), ("to", spec.into.device, "inputs")):
            if device not in devices:
                report.add(
                    spec.line,
                    f"{path}.{key}",
                    message('"{device}" is not a device{near}', device=device, near=suggest(device, devices)),
                )
            elif service not in devices[device].services:
                report.add(
                    spec.line,
                    f"{path}.{key}",
                    message("{device} has no service {service}", device=device, service=service),
                )
        if spec.into in taken:
            report.add(
                spec.line, f"{path}.to", message("the line {taken} is on that input already", taken=taken[spec.into])
            )
        taken[spec.into] = name
        found.append(_loop(name, spec))
    return tuple(found)


def _loop(name: str, spec: LoopSpec) -> Loop:
    values: dict[str, Any] = {"wires": spec.wires, "shunt_ohm": spec.shunt, "supply_v": spec.supply}
    lead = round(conductor_ohm(spec.length, spec.section), 4)
    return Loop(name, spec.source, spec.into.device, spec.into.number, Signal(spec.signal), lead_ohm=lead, **values)
