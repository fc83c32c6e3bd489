"""What a fault is: a pure function from a site to a site, with a name, parameters, a symptom and a fix.

A fault changes what a device boots from, or which lead sits where; never running state. A function that finds nothing
to break raises `FaultError` in words for the author of the scenario.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labs.model.addresses import IPv4, Network
from labs.model.site import Device, Endpoint, Site
from labs.things.thing_config import parse_number

__all__ = ["A_DEVICE", "Fault", "FaultError", "Parameter", "device_of", "fault"]


class FaultError(ValueError):
    """The fault does not fit this site. The author's to mend."""


def _endpoint(text: str) -> Endpoint:
    device, colon, port = text.partition(":")
    if not colon or not device or not port:
        message = f'"{text}" is not a port; write DEVICE:PORT, such as router:eth1'
        raise ValueError(message)
    return Endpoint(device, port)


def _number(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        message = f'"{text}" is not a whole number'
        raise ValueError(message)
    return int(text)


def _decimal(text: str) -> float:
    try:
        return parse_number(text)
    except ValueError:
        message = f'"{text}" is not a number'
        raise ValueError(message) from None


# How the text of an author becomes the type that a fault asks for in its signature.
PARSERS: dict[str, tuple[Callable[[str], Any] | None, str]] = {
    "str": (None, "text"),
    "int": (_number, "a whole number"),
    "float": (_decimal, "a number"),
    "IPv4": (IPv4.parse, "an IPv4 address"),
    "Network": (Network.parse, "a network such as 192.168.1.0/24"),
    "Endpoint": (_endpoint, "a port such as router:eth1"),
}


A_DEVICE = "a device"
DEVICES = ("on", "of", "over")  # parameters that are always the name of one


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault. `parse` turns the author's text into its value; None keeps the text."""

    name: str
    required: bool
    parse: Callable[[str], Any] | None
    expects: str


@dataclass(frozen=True, slots=True)
class Fault:
    """An entry of the catalogue. `family` is the page it stands on; `shown_by` the tool that shows the symptom."""

    name: str
    family: str
    symptom: str
    shown_by: str
    fix: str
    parameters: tuple[Parameter, ...]
    change: Callable[..., Site]

    def value_of(self, name: str, text: str) -> Any:
        """The value of a parameter that was written as text. Raises ValueError."""
        parameter = next(parameter for parameter in self.parameters if parameter.name == name)
        return text if parameter.parse is None else parameter.parse(text)

    def apply(self, site: Site, parameters: Mapping[str, Any]) -> Site:
        """The site with the fault in it. Raises FaultError."""
        known = {parameter.name for parameter in self.parameters}
        arguments = {
            ("on" if key == "on" else key.replace("-", "_")): value for key, value in parameters.items() if key in known
        }
        return self.change(site, **arguments)


def fault(family: str, *, symptom: str, shown_by: str, fix: str) -> Callable[[Callable[..., Site]], Fault]:
    """Make a catalogue entry of a function; its parameters after the site are the parameters of the fault."""

    def wrap(function: Callable[..., Site]) -> Fault:
        parameters = []
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            kind = str(parameter.annotation).removesuffix(" | None")
            parse, expects = PARSERS[kind]
            required = parameter.default is inspect.Parameter.empty
            parameters.append(
                Parameter(name.replace("_", "-"), required, parse, A_DEVICE if name in DEVICES else expects)
            )
        name = function.__name__.replace("_", "-")
        return Fault(name, family, symptom, shown_by, fix, tuple(parameters), function)

    return wrap


def device_of(site: Site, name: str) -> Device:
    """The device of that name. Raises FaultError."""
    if name not in site.devices:
        message = f'there is no device "{name}"; devices: {", ".join(site.devices)}'
        raise FaultError(message)
    return site.devices[name]
