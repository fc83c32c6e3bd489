"""The format of rooms in a scenario: what can be measured there, and how a room reacts to weather, people, devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.messages import message
from labs.model.world import Climate, DayCycle, Quantity, Room, Schedule, Stock, Total
from labs.scenario.durations import Duration
from labs.scenario.schema import (
    MISSING,
    Choice,
    Either,
    Field,
    ListOf,
    MapOf,
    Number,
    Parsed,
    Record,
    Report,
    Spec,
    String,
    suggest,
)
from labs.scenario.yaml_tree import Node

__all__ = ["ROOMS", "check_rooms", "quantities_of"]

NAME = r"[a-z][a-z0-9-]{0,30}"
QUANTITY_NAME = r"[a-z][a-z0-9_-]{0,30}"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Heat loss per m3 of room and degree of difference (the "coefficient G" of a building), rounded.
INSULATION_W_PER_M3_K = {"good": 0.6, "fair": 1.2, "poor": 2.0, "glass": 4.0}
HOUR_NS = 3_600_000_000_000
BY_CLIMATE = ("temperature", "humidity", "co2")


def parse_hour(text: str) -> float:
    """`8`, `8.5` or `8:30`. Raises ValueError."""
    hours, colon, minutes = text.partition(":")
    try:
        value = float(hours) + (int(minutes) / 60 if colon else 0.0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 24 or (colon and not (hours.isdecimal() and minutes.isdecimal() and int(minutes) < 60)):
        said = message('"{text}" is not an hour of the day; write 8, 8.5 or 8:30', text=text)
        raise ValueError(said)
    return value


HOUR = Parsed(parse_hour, "an hour of the day such as 8:30")
DRIVEN = MapOf(Number(), NAME, "what runs in the room, such as heater or pump")
LIMITS = {
    "lowest": Field(Number(), "it never gets lower", default=float("-inf")),
    "highest": Field(Number(), "it never gets higher", default=float("inf")),
}
CYCLE = Record(
    {
        "mean": Field(Number(), "the average over a day"),
        "swing": Field(Number(0), "how far it goes up and down in a day", default=0.0),
        "peak": Field(Number(0, 24), "the hour of the day with the highest value", default=15.0, attribute="peak_hour"),
        "wander": Field(Number(0), "largest slow irregular deviation", default=0.0),
        "driven": Field(DRIVEN, "what runs here -> what it adds at full level", default={}),
        **LIMITS,
    },
    build=DayCycle,
)
PEOPLE = Record(
    {
        "count": Field(Number(0, 1000), "how many people"),
        "from": Field(HOUR, "when they come", attribute="from_hour"),
        "to": Field(HOUR, "when they go", attribute="to_hour"),
        "days": Field(ListOf(Choice(DAYS, "a day of the week"), single=True), "on which days", default=DAYS),
        "early_or_late": Field(Number(0, 240), "by how many minutes each may differ", default=0.0),
        "otherwise": Field(Number(0, 1000), "how many people are there the rest of the time", default=0.0),
    },
    build=lambda days, early_or_late, **rest: Schedule(
        days=frozenset(DAYS.index(day) for day in days), jitter_min=early_or_late, **rest
    ),
)
STOCK = Record(
    {
        "start": Field(Number(), "what there is when the site is switched on"),
        "per_hour": Field(Number(), "what comes in (or goes, with a minus) all by itself", default=0.0),
        "driven": Field(DRIVEN, "what runs here -> what it adds per hour at full level", default={}),
        **LIMITS,
    },
    build=Stock,
)
TOTAL = Record(
    {
        "adds_up": Field(String("a quantity of the room", QUANTITY_NAME), "what the meter counts", attribute="of"),
        "start": Field(Number(), "what the meter shows when the site is switched on", default=0.0),
    },
    build=Total,
)
SHAPES: dict[str, Spec] = {"mean": CYCLE, "count": PEOPLE, "adds_up": TOTAL, "start": STOCK}


class _Quantity(Spec):
    """One of four shapes, told apart by the key that only it needs."""

    expects = "a quantity with one of mean (a daily cycle), count (people), adds_up (a meter), start (a store)"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A Quantity."""
        if not isinstance(node.value, dict):
            return self._wrong(node, path, report)
        for key, shape in SHAPES.items():
            if key in node.value:
                return shape.read(node, path, report)
        return CYCLE.read(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """Any of the shapes."""
        return {"anyOf": [shape.json_schema() for shape in SHAPES.values()]}


def _climate(insulation: Any, loss: float | None, inertia: int, **rest: Any) -> Climate:
    volume = rest["volume_m3"]
    watts = INSULATION_W_PER_M3_K[insulation] * volume if loss is None else loss
    return Climate(loss_w_per_k=watts, inertia_h=inertia / HOUR_NS, **rest)


CLIMATE = Record(
    {
        "outside": Field(String("a room", NAME), "the room that is outside"),
        "volume": Field(Number(1, 1e6), "m3 of air", default=50.0, attribute="volume_m3"),
        "insulation": Field(
            Choice(tuple(INSULATION_W_PER_M3_K), "how well it keeps heat"), "how well it keeps heat", default="fair"
        ),
        "loss": Field(Number(0.1), "heat that leaks away, in W per degree; instead of insulation", default=None),
        "inertia": Field(
            Duration(low=HOUR_NS // 60, high=8760 * HOUR_NS), "how slowly it follows the weather", default=8 * HOUR_NS
        ),
        "heater": Field(Number(0), "W of heat at full level", default=0.0, attribute="heater_w"),
        "cooler": Field(Number(0), "W taken away at full level", default=0.0, attribute="cooler_w"),
        "sun": Field(Number(0), "W of sun that come in at the brightest", default=0.0, attribute="sun_w"),
        "air_changes": Field(Number(0, 100), "how often an hour the air is renewed by itself", default=0.5),
        "window": Field(
            Number(0, 100), "air changes more with the window wide open", default=6.0, attribute="window_air_changes"
        ),
        "fan": Field(
            Number(0, 100), "air changes more with the ventilation at full", default=4.0, attribute="fan_air_changes"
        ),
        "moisture": Field(
            Number(0), "g of water vapour per hour from plants or work", default=0.0, attribute="moisture_g_per_h"
        ),
        "start": Field(Number(-50, 100), "temperature when the site is switched on", default=None),
    },
    build=_climate,
)


class _Room(Spec):
    """What can be measured in a room, and `climate` where it has one."""

    expects = "a mapping of quantities"
    _quantities = MapOf(_Quantity(), QUANTITY_NAME, "a quantity such as temperature")

    def read(self, node: Node, path: str, report: Report) -> Any:
        """Quantities and climate."""
        if node.value is None:
            return {}, None
        if not isinstance(node.value, dict):
            return self._wrong(node, path, report)
        rest = {key: child for key, child in node.value.items() if key != "climate"}
        quantities = self._quantities.read(Node(rest, node.line, node.keys), path, report)
        climate = None
        if "climate" in node.value:
            climate = CLIMATE.read(node.value["climate"], f"{path}.climate", report)
            if climate is MISSING:
                return MISSING
        return quantities, climate

    def json_schema(self) -> dict[str, Any]:
        """Object."""
        quantity = _Quantity().json_schema()
        return {
            "type": ["object", "null"],
            "properties": {"climate": CLIMATE.json_schema()},
            "additionalProperties": quantity,
        }


class _Rooms(Spec):
    """A list of rooms, or rooms with what can be measured in them."""

    _full = MapOf(_Room())
    expects = "a list of rooms, or a mapping of rooms to quantities"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """Room by name."""
        if isinstance(node.value, list):
            names = ListOf(String("a room name", NAME)).read(node, path, report)
            return {name: Room(name) for name in names}
        if not isinstance(node.value, dict):
            return self._wrong(node, path, report)
        found = self._full.read(node, path, report)
        return {name: Room(name, quantities, climate) for name, (quantities, climate) in found.items()}

    def json_schema(self) -> dict[str, Any]:
        """Array or object."""
        return Either(ListOf(String()), self._full).json_schema()


ROOMS = _Rooms()


def quantities_of(room: Room) -> list[str]:
    """Everything that can be measured in a room."""
    return list(dict.fromkeys((*room.quantities, *(BY_CLIMATE if room.climate else ()))))


def check_rooms(rooms: Mapping[str, Room], report: Report) -> None:
    """What only shows when all rooms are known: that `outside` and `adds_up` lead somewhere."""
    for name, room in rooms.items():
        if room.climate is not None:
            _check_outside(name, room.climate, rooms, report)
        for quantity, value in room.quantities.items():
            path = f"site.rooms.{name}.{quantity}"
            if isinstance(value, Total):
                _check_total(path, value, room.quantities, report)


def _check_outside(name: str, climate: Climate, rooms: Mapping[str, Room], report: Report) -> None:
    path = f"site.rooms.{name}.climate.outside"
    outside = rooms.get(climate.outside)
    if outside is None:
        known = ", ".join(rooms)
        report.add(
            1,
            path,
            message(
                '"{outside}" is not a room; rooms: {known}{near}',
                outside=climate.outside,
                known=known,
                near=suggest(climate.outside, rooms),
            ),
        )
    elif outside.climate is not None:
        report.add(
            1,
            path,
            message("{outside} has a climate itself; outside is a room with a daily cycle", outside=climate.outside),
        )
    elif "temperature" not in outside.quantities:
        report.add(1, path, message("{outside} has no temperature", outside=climate.outside))


def _check_total(path: str, value: Total, quantities: Mapping[str, Quantity], report: Report) -> None:
    of = quantities.get(value.of)
    if of is None:
        report.add(
            1, path, message('there is no "{of}" in this room{near}', of=value.of, near=suggest(value.of, quantities))
        )
    elif not isinstance(of, DayCycle) or (of.lowest, of.highest) != (float("-inf"), float("inf")):
        report.add(
            1,
            path,
            message("{of} is not a daily cycle without lowest and highest: only such a one adds up", of=value.of),
        )
