"""The vocabulary of checks on data: what a broker may be heard to say, to whom, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labs.scenario.durations import Duration, Watched
from labs.scenario.schema import Boolean, Field, ListOf, MapOf, Number, Record, Spec, String

__all__ = [
    "DATA_INTENTS",
    "Authenticated",
    "Authorised",
    "BatteryLife",
    "Duplicate",
    "Gap",
    "InRange",
    "Listening",
    "Monotonic",
    "NoPlaintext",
    "OnTopic",
    "Origin",
    "Reading",
    "Unit",
]

NAME = r"[a-z][a-z0-9-]{0,30}"
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Somebody listens at a broker for a time (ns). `cafile`, a path on the broker, makes it a TLS connection."""

    broker: str
    user: str = ""
    password: str = ""
    port: int = 1883
    cafile: str = ""
    during: int = 10 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTopic(Listening):
    """Nothing is published but on topics that match one of these filters."""

    only: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Messages(Listening):
    """About the messages whose topic matches a filter."""

    topic: str
    field: str = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(_Messages):
    """Every value is the truth in a room, within a tolerance in the unit; None: the accuracy of the class."""

    room: str
    quantity: str
    tolerance: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InRange(_Messages):
    """Every value lies between two limits."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit(_Messages):
    """Every message names this unit."""

    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(_Messages):
    """No topic is silent for longer than `longest` (ns); at least `topics` different ones speak."""

    longest: int
    topics: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(_Messages):
    """No message comes twice: `field` tells one from the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monotonic(_Messages):
    """A time or counter in the messages never goes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlaintext(Listening):
    """What these devices say over a topic, and their passwords, cannot be read at their own sockets' leads."""

    devices: tuple[str, ...]
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin(Listening):
    """What is published on each topic comes from its device: the topic falls silent when the device has no power."""

    of: Mapping[str, str]
    """Topic -> device."""
    field: str = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """The broker lets the right user in and nobody else: tried from a device."""

    broker: str
    source: str
    user: str
    password: str
    port: int = 1883
    cafile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """A client may publish and receive on these topics alone. `user` is one who may do everything."""

    broker: str
    user: str
    password: str
    client: str
    client_password: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    port: int = 1883
    cafile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryLife(Listening):
    """A new battery of each device would last so many years, as they are now set and as far as their radio reaches."""

    devices: tuple[str, ...]
    years: float
    acknowledged: bool = False
    """Every message has to be confirmed."""


FILTERS = ListOf(String("a topic filter"), single=True)
DEVICES = ListOf(String("a device", NAME), single=True, at_least=1)
DOOR = {
    "broker": Field(String("a device", NAME), "where the broker runs"),
    "port": Field(Number(1, 65535, whole=True), "port of the broker", default=1883),
    "cafile": Field(String("a path", r"/[A-Za-z0-9._/-]+"), "authority for TLS, a file on that device", default=""),
}
LOGIN = {
    "user": Field(String(), "user the grader logs in as", default=""),
    "password": Field(String(), "password of that user", default=""),
}
EAR = {**DOOR, **LOGIN, "during": Field(Watched(), "how long is listened", default=10 * MINUTE)}
TOPIC = {"topic": Field(String("a topic filter"), "what is listened to")}


def _field(default: str, doc: str) -> dict[str, Field]:
    return {"field": Field(String("a name such as value or data.temperature", r"[\w.-]+"), doc, default=default)}


VALUE = _field("value", "where the number stands in the message")
STAMP = _field("at", "the time or counter in the message")


def _tuples(build: Any, *names: str) -> Any:
    """A builder that makes tuples of some lists."""
    return lambda **values: build(**{key: tuple(v) if key in names else v for key, v in values.items()})


DATA_INTENTS: dict[str, Spec] = {
    "reading": Record(
        {
            **EAR,
            **TOPIC,
            **VALUE,
            "room": Field(String("a room", NAME), "where the truth is measured"),
            "quantity": Field(String("a quantity", NAME), "what"),
            "tolerance": Field(
                Number(0), "how far it may be off, in the unit (default: the class of the sensor)", default=None
            ),
            "unit": Field(String(), "the unit it must be in (default: that of the quantity)", default=""),
        },
        build=Reading,
        doc="what is published is the truth",
    ),
    "range": Record(
        {**EAR, **TOPIC, **VALUE, "low": Field(Number(), "lowest value"), "high": Field(Number(), "highest value")},
        build=InRange,
        doc="every value is possible",
    ),
    "unit": Record(
        {**EAR, **TOPIC, **VALUE, "unit": Field(String(), "the unit that must stand in the message")},
        build=Unit,
        doc="every message names the unit",
    ),
    "gap": Record(
        {
            **EAR,
            **TOPIC,
            **VALUE,
            "longest": Field(Duration(), "how long there may be silence"),
            "topics": Field(Number(1, whole=True), "how many topics have to be heard", default=1),
        },
        build=Gap,
        doc="no long silence",
    ),
    "topic": Record(
        {**EAR, "only": Field(ListOf(String("a topic filter"), single=True, at_least=1), "where data may be")},
        build=_tuples(OnTopic, "only"),
        doc="data is where it belongs",
    ),
    "origin": Record(
        {
            **EAR,
            **VALUE,
            "of": Field(MapOf(String("a device", NAME), r"\S+", "a topic filter"), "topic -> the device it comes from"),
            "during": Field(Watched(), "how long is listened each time", default=3 * MINUTE),
        },
        build=Origin,
        doc="what is published comes from the device that measures it",
    ),
    "duplicate": Record({**EAR, **TOPIC, **STAMP}, build=Duplicate, doc="no message comes twice"),
    "monotonic": Record({**EAR, **TOPIC, **STAMP}, build=Monotonic, doc="time and counters never go back"),
    "no_plaintext": Record(
        {
            **EAR,
            **TOPIC,
            "from": Field(DEVICES, "whose lines are listened in on", attribute="devices"),
            "during": Field(Watched(), "how long", default=3 * MINUTE),
        },
        build=_tuples(NoPlaintext, "devices"),
        doc="nothing can be read on the way",
    ),
    "authenticated": Record(
        {
            **DOOR,
            "from": Field(
                String("a device", NAME), "where it is tried (default: at the broker)", attribute="source", default=""
            ),
            "user": Field(String(), "a user who must be let in"),
            "password": Field(String(), "password of that user"),
        },
        build=Authenticated,
        doc="only who is known gets in",
    ),
    "authorised": Record(
        {
            **DOOR,
            "user": Field(String(), "a user who may read and write everything"),
            "password": Field(String(), "password of that user"),
            "client": Field(String(), "the user who is tried"),
            "client_password": Field(String(), "password of the user who is tried"),
            "publish": Field(FILTERS, "where it may publish", default=()),
            "subscribe": Field(FILTERS, "what it may receive", default=()),
        },
        build=_tuples(Authorised, "publish", "subscribe"),
        doc="a client may do what it needs and no more",
    ),
    "battery": Record(
        {
            **EAR,
            "of": Field(DEVICES, "sensors with a model that has a battery", attribute="devices"),
            "years": Field(Number(0), "how long a new battery must last"),
            "acknowledged": Field(Boolean(), "every message has to be acknowledged", default=False),
        },
        build=_tuples(BatteryLife, "devices"),
        doc="a battery lasts, and its device still reports",
    ),
}
