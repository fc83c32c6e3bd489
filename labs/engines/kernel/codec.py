"""Values of the model as JSON and back: what passes between the product and the engine's process.

Only the types listed here exist on the wire; anything else is refused on both sides.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from labs.engines.base import Disposition, Hop, Observation, Output, Probe
from labs.messages import Message
from labs.model.addresses import InterfaceAddress, IPv4, IPv6, Mac, Network
from labs.model.bus import Bus, Drop
from labs.model.field import Extension, Loop, Signal
from labs.model.radio import Neighbour, RadioPlan, Wall
from labs.model.site import Device, Endpoint, Kind, Link, Port, Site
from labs.model.state import (
    BridgePortState,
    BridgeState,
    DeviceState,
    InterfaceState,
    Listener,
    Route,
    StaticNeighbour,
)
from labs.model.text import Text
from labs.model.world import Act, Climate, DayCycle, Room, Schedule, Stock, Total, World
from labs.net.actions import Accepted, Delivered, Dropped, DropReason, Forwarded, PolicyVerdict
from labs.net.foresight import Answer
from labs.net.icmp import IcmpMessage
from labs.net.icmpv6 import Icmpv6Message
from labs.net.ipv4 import Ipv4Packet
from labs.net.ipv6 import Ipv6Packet
from labs.net.said import Ground, Said
from labs.net.serial import Parity
from labs.net.tcp import TcpSegment
from labs.net.udp import UdpDatagram

__all__ = ["decode", "encode"]

TEXTS: tuple[type, ...] = (Mac, IPv4, IPv6)
RECORDS: tuple[type, ...] = (
    DayCycle, Schedule, Stock, Total, Climate, Act, Room, World, Device, Link, Port, Site, Network, InterfaceAddress,
    Probe, Observation, DeviceState, InterfaceState, Listener, Route,
    BridgePortState, BridgeState, StaticNeighbour,
    Bus, Drop, Loop, RadioPlan, Wall, Neighbour, Text, Message, Said,
)  # fmt: skip
TUPLES: tuple[type, ...] = (
    Endpoint, Hop, Output, Accepted, Delivered, Dropped, Forwarded, PolicyVerdict, Ipv4Packet, IcmpMessage, UdpDatagram,
    TcpSegment, Ipv6Packet, Icmpv6Message,
)  # fmt: skip
ENUMS: tuple[type[Enum], ...] = (Kind, Disposition, DropReason, Answer, Ground, Signal, Extension, Parity)
_NAMED = {kind.__name__: kind for kind in (*TEXTS, *RECORDS, *TUPLES, *ENUMS)}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in RECORDS if is_dataclass(kind)}


def encode(value: object) -> Any:
    """A value as what `json.dumps` takes. Raises TypeError for a type that is not on the wire."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if kind in TEXTS:
        return {"$": kind.__name__, "v": str(value)}
    if kind in ENUMS:
        return {"$": kind.__name__, "v": value.value}  # type: ignore[attr-defined]
    if kind in _FIELDS:
        return {"$": kind.__name__, **{name: encode(getattr(value, name)) for name in _FIELDS[kind]}}
    if kind in TUPLES:
        return {"$": kind.__name__, "v": [encode(part) for part in value]}  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        return {"$": "map", "v": [[encode(key), encode(part)] for key, part in value.items()]}
    if kind is bytes:
        return {"$": "bytes", "v": base64.b64encode(value).decode()}  # type: ignore[arg-type]
    if kind in (tuple, frozenset):
        return {"$": kind.__name__, "v": [encode(part) for part in value]}  # type: ignore[attr-defined]
    if kind is list:
        return [encode(part) for part in value]  # type: ignore[attr-defined]
    message = f"{kind.__name__} is not on the wire"
    raise TypeError(message)


def decode(value: Any) -> Any:
    """The value that `encode` was given. Raises TypeError or ValueError for anything else."""
    if isinstance(value, list):
        return [decode(part) for part in value]
    if not isinstance(value, dict):
        return value
    name = value.get("$")
    if name == "map":
        return {decode(key): decode(part) for key, part in value["v"]}
    if name == "bytes":
        return base64.b64decode(value["v"])
    if name in ("tuple", "frozenset"):
        parts = (decode(part) for part in value["v"])
        return tuple(parts) if name == "tuple" else frozenset(parts)
    kind = _NAMED.get(str(name))
    if kind is None:
        message = f"{name} is not on the wire"
        raise TypeError(message)
    if kind in TEXTS:
        return kind.parse(value["v"])  # type: ignore[attr-defined]
    if kind in TUPLES:
        return kind(*(decode(part) for part in value["v"]))
    if kind in _FIELDS:
        return kind(**{key: decode(part) for key, part in value.items() if key != "$"})
    return kind(value["v"])
