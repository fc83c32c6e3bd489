"""The format of things in a scenario: models of the library, transmitters, input modules, actuators."""

from __future__ import annotations

from typing import Any

from labs.messages import message
from labs.model.field import Signal
from labs.scenario.durations import Duration
from labs.scenario.schema import MISSING, Boolean, Choice, Field, ListOf, MapOf, Number, Record, Report, Spec, String
from labs.scenario.yaml_tree import Node
from labs.things.inputs import MAX_INPUTS
from labs.things.library import MODELS
from labs.things.library.model import Role

__all__ = ["ACTUATOR_MODEL", "FIELD_SERVICES", "SENSOR_MODEL"]

NAME = r"[a-z][a-z0-9-]{0,30}"
QUANTITY = r"[a-z][a-z0-9_-]{0,30}"


def _models(*roles: Role) -> Choice:
    return Choice(tuple(m.name for m in MODELS.values() if m.role in roles), "a model of the library for this")


class _Range(Spec):
    """`[0, 50]`: two numbers, the first below the second."""

    expects = "two numbers such as [0, 50], the first below the second"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A pair."""
        if not isinstance(node.value, list):
            return self._wrong(node, path, report)
        found = ListOf(Number()).read(node, path, report)
        if len(found) != 2 or found[0] >= found[1]:
            report.add(node.line, path, message("expected {wanted}", wanted=self.wanted))
            return MISSING
        return float(found[0]), float(found[1])

    def json_schema(self) -> dict[str, Any]:
        """Array of two."""
        return {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


MQTT = {
    "broker": Field(String(), "device, name or address"),
    "user": Field(String(), "user name", default=""),
    "password": Field(String(), "password", default=""),
    "tls": Field(Boolean(), "whether it speaks TLS (port 8883)", default=False),
}
LOGIN = Field(String(), "password of the device itself (drawn where it is left out)", default="")

SENSOR_MODEL = {
    "model": Field(_models(Role.SENSOR), "model of the library", default=""),
    "also": Field(
        ListOf(String("a quantity", QUANTITY), single=True),
        "further quantities of the model in each message",
        default=(),
    ),
    "sample": Field(Duration(), "how often it measures; unless said with each report", default=0),
    "login": LOGIN,
}

ACTUATOR_MODEL = {"model": Field(_models(Role.ACTUATOR), "model of the library", default=""), "login": LOGIN}

CHANNEL = Record(
    {
        "name": Field(String(), "what it is", default=""),
        "type": Field(Choice(tuple(Signal), "a type of input"), "what it reads", default=Signal.CURRENT.value),
        "unit": Field(String(), "unit of what it reports", default="C"),
        "range": Field(_Range(), "what 4 and 20 mA (0 and 10 V) stand for", default=(0.0, 100.0)),
        "filter": Field(Duration(), "time constant of its filter", default=0),
        "per_pulse": Field(Number(1e-9), "what one pulse stands for", default=1.0),
        "topic": Field(String(), "topic it publishes to", default=""),
    }
)

FIELD_SERVICES = {
    "transmitter": Field(
        Record(
            {
                "model": Field(_models(Role.TRANSMITTER, Role.PROBE), "model of the library"),
                "quantity": Field(String("a quantity", QUANTITY), "what it measures in its room"),
                "unit": Field(String(), "unit of its range", default="C"),
                "range": Field(_Range(), "what it sends as 4 and 20 mA (0 and 10 V)", default=(0.0, 100.0)),
                "damping": Field(Duration(), "time constant of its output", default=0),
            }
        ),
        "a transmitter or probe at the end of an analogue line; it needs no network",
        default=None,
    ),
    "inputs": Field(
        Record(
            {
                "model": Field(_models(Role.INPUTS), "model of the library", default="analogue-input-4"),
                **MQTT,
                "every": Field(Duration(), "how often it reports", default=10_000_000_000),
                "channels": Field(
                    MapOf(CHANNEL, rf"[1-{MAX_INPUTS}]", f"the number of an input, 1 to {MAX_INPUTS}"),
                    "input -> settings",
                ),
                "login": LOGIN,
            }
        ),
        "a module that reads analogue lines and publishes over MQTT",
        default=None,
    ),
}
