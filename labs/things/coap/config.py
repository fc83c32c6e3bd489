"""/etc/coap.toml: what a CoAP server offers."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from labs.things.thing_config import Key, ThingConfigError, read_keys

__all__ = ["COAP", "CoapConfig", "Offer", "parse_coap"]

COAP = "/etc/coap.toml"
MAX_RESOURCES = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """A resource: a quantity that is measured, or a value that can be set."""

    path: str
    quantity: str
    value: str
    writable: bool
    every_s: int


@dataclass(frozen=True, slots=True)
class CoapConfig:
    """The port, and the resources in the order of the file."""

    port: int
    offers: tuple[Offer, ...]


def parse_coap(text: str) -> CoapConfig:
    """Raises ThingConfigError."""
    try:
        names = tomllib.loads(text).get("resource", {})
    except tomllib.TOMLDecodeError:
        names = {}
    if not isinstance(names, dict) or len(names) > MAX_RESOURCES:
        raise ThingConfigError(f'"resource" must be a table of at most {MAX_RESOURCES} resources')
    keys = [Key("coap.port", int, 5683, 1, 65535)]
    for name in names:
        head = f"resource.{name}"
        keys += [
            Key(f"{head}.path", str, name),
            Key(f"{head}.quantity", str, ""),
            Key(f"{head}.value", str, ""),
            Key(f"{head}.writable", bool, default=False),
            Key(f"{head}.every_s", int, 10, 1, 86_400),
        ]
    values = read_keys(text, keys)
    offers = []
    for name in names:
        head = f"resource.{name}"
        path = str(values[f"{head}.path"])
        if not re.fullmatch(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*", path):
            raise ThingConfigError(f'"{head}.path" is "{path}"; it must be names with / between them')
        quantity, writable = str(values[f"{head}.quantity"]), bool(values[f"{head}.writable"])
        if quantity and writable:
            raise ThingConfigError(f'"{head}" measures {quantity}: it cannot be written')
        offers.append(Offer(path, quantity, str(values[f"{head}.value"]), writable, int(values[f"{head}.every_s"])))
    return CoapConfig(int(values["coap.port"]), tuple(offers))
