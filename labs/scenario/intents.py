"""The vocabulary of checks: what an author can ask of a site. `grader.checks` judges what is named here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labs.model.services import Service
from labs.scenario.control_intents import CONTROL_INTENTS
from labs.scenario.data_intents import DATA_INTENTS
from labs.scenario.durations import SECOND_NS, Duration, Watched
from labs.scenario.schema import Choice, Field, ListOf, Number, Parsed, Record, Report, Spec, String
from labs.scenario.yaml_tree import Node

__all__ = [
    "INTENTS",
    "Fresh",
    "Kept",
    "PolicyHolds",
    "Reach",
    "Refuse",
    "Resolve",
    "Shows",
    "Unique",
    "Untouched",
    "Withstands",
]

NAME = r"[a-z][a-z0-9-]{0,30}"
DEVICES = ListOf(String("a device", NAME), single=True, at_least=1)
SERVICES = ListOf(Parsed(Service.parse, "a service such as https or tcp/8080"), single=True, at_least=1)
MINUTE = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Reach:
    """Each of `sources` gets an answer from each of `targets` for each service, every time over `during` (ns)."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    services: tuple[Service, ...]
    during: int
    every: int
    load: int = 0
    """Bytes that have to arrive each time; 0 for a connection alone."""
    at: str = ""
    """The device that has to answer where the target is a name; without it anybody may."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """None of `sources` gets through to any of `targets`, because a firewall says so."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Resolve:
    """A device looks up a name and gets the address of another device."""

    source: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Unique:
    """Every address of a subnet has one owner, and no address that is taken can be handed out again."""

    subnet: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """A message arrives on a topic of the broker within a time, and again after that."""

    broker: str
    topic: str
    within: int
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Shows:
    """A screen shows the true value of a quantity in a room, within a tolerance, and keeps following it."""

    display: str
    room: str
    quantity: str
    tolerance: float
    unit: str
    within: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The broker keeps no message that is older than it may be."""

    broker: str
    older_than: int
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Withstands:
    """The site goes on working when somebody closes a loop on any of `switches`."""

    switches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Untouched:
    """What is not the trainee's stays as it was found: devices, and no new lead between some rooms."""

    devices: tuple[str, ...]
    apart: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyHolds:
    """What can flow between the zones, compared with what may flow.

    `exact`: neither more nor less; `at_most`: nothing more; `at_least`: everything that may, does.
    """

    mode: str


class _PolicyMode(Spec):
    """The one word after `policy:`."""

    doc = "what can flow, compared with what the policy allows: exact, at_most or at_least"
    _choice = Choice(("exact", "at_most", "at_least"), "a way to compare with the policy")

    def read(self, node: Node, path: str, report: Report) -> Any:
        """PolicyHolds."""
        value = self._choice.read(node, path, report)
        return PolicyHolds(value) if isinstance(value, str) else value

    def json_schema(self) -> dict[str, Any]:
        """Enum."""
        return self._choice.json_schema()


def _reach(
    *,
    sources: list[str],
    targets: list[str],
    services: list[Service],
    during: int,
    every: int,
    load: float,
    at: str,
) -> Reach:
    return Reach(tuple(sources), tuple(targets), tuple(services), during, every, int(load), at)


BROKER_LOGIN = {
    "user": Field(String(), "user the grader logs in as", default=""),
    "password": Field(String(), "password of that user", default=""),
}

INTENTS: dict[str, Spec] = {
    "reach": Record(
        {
            "from": Field(DEVICES, "who begins", attribute="sources"),
            "to": Field(
                ListOf(String("a device or host name", r"[a-z0-9][a-z0-9.-]*"), single=True, at_least=1),
                "who must answer",
                attribute="targets",
            ),
            "service": Field(SERVICES, "what for", attribute="services"),
            "during": Field(Watched(), "how long it must work without a gap", default=0),
            "every": Field(Duration(low=SECOND_NS), "how often that is tried", default=MINUTE),
            "bytes": Field(Number(0), "how many bytes have to arrive each time", default=0, attribute="load"),
            "at": Field(String("a device", NAME), "the device that must answer where `to` is a name", default=""),
        },
        build=_reach,
        doc="one device gets an answer from another",
    ),
    "refuse": Record(
        {
            "from": Field(DEVICES, "who tries", attribute="sources"),
            "to": Field(DEVICES, "who must not be reached", attribute="targets"),
            "service": Field(SERVICES, "what for", attribute="services"),
        },
        build=lambda sources, targets, services: Refuse(tuple(sources), tuple(targets), tuple(services)),
        doc="a firewall keeps one device from another",
    ),
    "resolve": Record(
        {
            "from": Field(String("a device", NAME), "who asks", attribute="source"),
            "name": Field(String("a host name", r"[a-z0-9][a-z0-9.-]*"), "what for"),
            "to": Field(String("a device", NAME), "whose address must come back", attribute="target"),
        },
        build=Resolve,
        doc="a name leads to the right address",
    ),
    "unique": Record(
        {"subnet": Field(String("a subnet", NAME), "the subnet")},
        build=Unique,
        doc="every address has one owner",
    ),
    "fresh": Record(
        {
            "broker": Field(String("a device", NAME), "where the broker runs"),
            "topic": Field(String("a topic filter"), "what is listened to"),
            "within": Field(Duration(), "how long there may be silence"),
            **BROKER_LOGIN,
        },
        build=Fresh,
        doc="messages keep arriving",
    ),
    "shows": Record(
        {
            "display": Field(String("a device", NAME), "the screen"),
            "room": Field(String("a room", NAME), "where the truth is measured"),
            "quantity": Field(String("a quantity", NAME), "what"),
            "tolerance": Field(Number(0), "how far it may be off, in the unit"),
            "unit": Field(String(), "the unit that must stand on the screen", default="°C"),
            "within": Field(Duration(), "how old the value may be"),
        },
        build=Shows,
        doc="a screen shows the truth",
    ),
    "kept": Record(
        {
            "broker": Field(String("a device", NAME), "where the broker runs"),
            "older_than": Field(Duration(), "how old a kept message may be"),
            **BROKER_LOGIN,
        },
        build=Kept,
        doc="no stale message is kept",
    ),
    "withstands": Record(
        {
            "loop_on": Field(
                DEVICES, "the switches on which a lead is put from one free port to another", attribute="switches"
            )
        },
        build=lambda switches: Withstands(tuple(switches)),
        doc="a lead that closes a loop does no harm",
    ),
    **DATA_INTENTS,
    **CONTROL_INTENTS,
    "untouched": Record(
        {
            "devices": Field(DEVICES, "devices that stay as they were found", default=()),
            "apart": Field(
                ListOf(String("a room", NAME), at_least=2), "rooms between which no lead may be added", default=()
            ),
        },
        build=lambda devices, apart: Untouched(tuple(devices), tuple(apart)),
        doc="what is somebody else's stays as it was found",
    ),
    "policy": _PolicyMode(),
}
