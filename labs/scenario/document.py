"""The scenario format: every key, what it takes and what it means. Reader, messages and JSON Schema come from here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labs.faults import CATALOGUE, Parameter
from labs.messages import message
from labs.model.text import Text
from labs.scenario.intents import INTENTS
from labs.scenario.scenario import (
    Check,
    Conduit,
    FaultChoice,
    FaultUse,
    Policy,
    Scenario,
    Step,
)
from labs.scenario.schema import (
    MISSING,
    Boolean,
    Choice,
    Field,
    ListOf,
    MapOf,
    Number,
    Parsed,
    Record,
    Report,
    Spec,
    String,
    Tagged,
    join,
    suggest,
)
from labs.scenario.yaml_tree import Node

__all__ = ["SCENARIO", "SCENARIO_NAME", "json_schema"]
from labs.scenario.site_document import NAME, NAMES, SERVICES, SITE, TEXT_FIELD

SCENARIO_NAME = r"[a-z][a-z0-9-]{2,60}"

POLICY = Record(
    {
        "zones": Field(MapOf(NAMES), "zone -> devices in it"),
        "allow": Field(
            ListOf(
                Record(
                    {
                        "from": Field(String("a zone", NAME), "zone that may begin", attribute="source"),
                        "to": Field(String("a zone", NAME), "zone that may be reached", attribute="target"),
                        "service": Field(SERVICES, "what for", attribute="services"),
                        "tls": Field(Boolean(), "whether what flows there has to be encrypted", default=False),
                    },
                    build=lambda source, target, services, tls, line: Conduit(
                        source, target, tuple(services), line, tls
                    ),
                    line=True,
                )
            ),
            "what may flow; everything else is refused",
        ),
    },
    build=lambda zones, allow: Policy({name: tuple(members) for name, members in zones.items()}, tuple(allow)),
)

CHECK = Tagged(
    tags=INTENTS,
    shared={
        "id": Field(String("a check name", NAME), "name of the check"),
        "points": Field(Number(0, 100, whole=True), "what it is worth", default=1),
        "gate": Field(Boolean(), "whether failing it fails everything, whatever the points", default=False),
        "hidden": Field(Boolean(), "whether reports keep its explanation to themselves", default=False),
        "needs": Field(NAMES, "checks that must pass before this one can be judged", default=()),
        "survives": Field(Choice(("reboot",), "a trial"), "what the repair must outlast", default=""),
        "title": Field(TEXT_FIELD, "what the report calls it", default=None),
    },
    build=lambda needs, **rest: Check(needs=tuple(needs), **rest),
    what="a check",
)


def _unless_placeholder(parameter: Parameter) -> Callable[[str], Any]:
    """Read a parameter now, or keep its text where only the variant will know (`${home.99}`)."""

    def parse(text: str) -> Any:
        return text if parameter.parse is None or "${" in text else parameter.parse(text)

    return parse


class _FaultSpec(Spec):
    """`fault-name: {on: device, …}`, or `one_of: [ … ]`."""

    expects = "a fault such as {host-wrong-gateway: {on: till}}"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A FaultChoice."""
        if not isinstance(node.value, dict) or len(node.value) != 1:
            return self._wrong(node, path, report)
        ((name, body),) = node.value.items()
        if name != "one_of":
            use = self._use(name, body, node.keys[name], path, report)
            return MISSING if use is MISSING else FaultChoice((use,))
        if not isinstance(body.value, list) or not body.value:
            return self._wrong(body, join(path, name), report)
        choices = [self.read(child, join(join(path, name), i), report) for i, child in enumerate(body.value)]
        if any(choice is MISSING or len(choice.options) != 1 for choice in choices):
            return MISSING
        return FaultChoice(tuple(choice.options[0] for choice in choices))

    def _use(self, name: str, body: Node, line: int, path: str, report: Report) -> Any:
        fault = CATALOGUE.get(name)
        if fault is None:
            report.add(
                line,
                path,
                message(
                    '"{name}" is not a fault of the catalogue{near} (see: netwerf faults)',
                    name=name,
                    near=suggest(name, CATALOGUE),
                ),
            )
            return MISSING
        fields = {
            parameter.name: Field(
                Parsed(_unless_placeholder(parameter), parameter.expects),
                parameter.expects,
                default=MISSING if parameter.required else None,
            )
            for parameter in fault.parameters
        }
        values = Record(fields, nothing=True).read(body, join(path, name), report)
        if values is MISSING:
            return MISSING
        return FaultUse(name, {key: value for key, value in values.items() if value is not None}, line)

    def json_schema(self) -> dict[str, Any]:
        """Any fault of the catalogue."""
        faults = {
            name: {
                "type": ["object", "null"],
                "description": fault.symptom,
                "properties": {
                    p.name: {"type": ["string", "number"], "description": p.expects} for p in fault.parameters
                },
                "required": [p.name for p in fault.parameters if p.required],
                "additionalProperties": False,
            }
            for name, fault in CATALOGUE.items()
        }
        one = {
            "type": "object",
            "properties": faults,
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }
        many = {
            "type": "object",
            "properties": {"one_of": {"type": "array", "items": one}},
            "required": ["one_of"],
            "additionalProperties": False,
        }
        return {"anyOf": [one, many]}


class _StepSpec(Spec):
    """`place: lines`."""

    expects = "a step such as {laptop: ip route}"

    def read(self, node: Node, path: str, report: Report) -> Any:
        """A Step."""
        if not isinstance(node.value, dict) or len(node.value) != 1:
            return self._wrong(node, path, report)
        ((place, body),) = node.value.items()
        text = String().read(body, join(path, place), report)
        return MISSING if text is MISSING else Step(place, text, node.keys[place])

    def json_schema(self) -> dict[str, Any]:
        """One key."""
        return {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}}


STEPS = ListOf(_StepSpec())

SCENARIO = Record(
    {
        "scenario": Field(
            String("a scenario name of small letters, digits and hyphens", SCENARIO_NAME),
            "its name",
            attribute="id",
        ),
        "title": Field(TEXT_FIELD, "what it is called"),
        "module": Field(String("a module such as m1-home", r"[a-z0-9][a-z0-9-]*"), "module of the syllabus"),
        "level": Field(Number(1, 5, whole=True), "1 beginner to 5 expert"),
        "minutes": Field(Number(5, 600, whole=True), "how long it takes"),
        "activities": Field(
            ListOf(String("an activity such as C11.4", r"C\d{1,2}\.\d{1,2}")),
            "activities of the qualification that it practises",
            default=(),
        ),
        "customer": Field(TEXT_FIELD, "who ordered the work (fictitious)", default=Text()),
        "order": Field(String(), "number of the work order", default=""),
        "story": Field(TEXT_FIELD, "what the trainee is told"),
        "pass": Field(Number(0, 1), "share of the points that passes", default=0.75, attribute="threshold"),
        "why": Field(
            Choice(("on", "off"), "a word for whether why answers"), "whether the command why answers", default="on"
        ),
        "site": Field(SITE, "the healthy site"),
        "policy": Field(POLICY, "what may flow between zones", default=None),
        "checks": Field(ListOf(CHECK, at_least=1), "what must hold"),
        "faults": Field(ListOf(_FaultSpec(), at_least=1), "what is broken"),
        "solution": Field(STEPS, "one reference repair"),
        "other_solutions": Field(
            MapOf(STEPS, r"[^\n]{1,80}", "a short description"), "other repairs that must earn full marks", default={}
        ),
        "not_enough": Field(
            MapOf(STEPS, r"[^\n]{1,80}", "a short description"),
            "half repairs that must not pass, whatever they earn",
            default={},
        ),
        "hints": Field(
            MapOf(ListOf(TEXT_FIELD, single=True)), "check -> hints, from a nudge to nearly the answer", default={}
        ),
        "debrief": Field(TEXT_FIELD, "what is told after a passed submission", default=Text()),
    },
    build=lambda checks, faults, solution, other_solutions, not_enough, hints, activities, why, **rest: Scenario(
        why=why == "on",
        checks=tuple(checks),
        faults=tuple(faults),
        solution=tuple(solution),
        other_solutions={name: tuple(steps) for name, steps in other_solutions.items()},
        not_enough={name: tuple(steps) for name, steps in not_enough.items()},
        hints={name: tuple(texts) for name, texts in hints.items()},
        activities=tuple(activities),
        **rest,
    ),
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Netwerf scenario",
        **SCENARIO.json_schema(),
    }
