"""One definition reads, explains and documents."""

from __future__ import annotations

import pytest

from labs.scenario.durations import Duration
from labs.scenario.schema import MISSING, Choice, Field, ListOf, MapOf, Number, Record, Report, Spec, String, Tagged
from labs.scenario.yaml_tree import parse_yaml

RECORD = Record(
    {
        "name": Field(String("a name", "[a-z]+"), "its name"),
        "kind": Field(Choice(("host", "router"), "a kind"), "what it is", default="host"),
        "level": Field(Number(1, 5, whole=True), "level", default=1),
    }
)


def read(spec: Spec, text: str) -> tuple[object, list[str]]:
    report = Report()
    value = spec.read(parse_yaml(text), "", report)
    return value, [problem.render("f.yaml") for problem in sorted(report.problems)]


def test_right_record_is_built_with_its_defaults() -> None:
    assert read(RECORD, "name: gw\nlevel: 3") == ({"name": "gw", "kind": "host", "level": 3}, [])


def test_every_mistake_is_reported_at_once_with_its_line() -> None:
    value, problems = read(RECORD, "nmae: gw\nkind: ruoter\nlevel: 9\n")
    assert value is MISSING
    assert problems == [
        'f.yaml:1: the key "name" is missing (its name)',
        'f.yaml:1: nmae: unknown key "nmae"; allowed: name, kind, level; did you mean "name"?',
        'f.yaml:2: kind: "ruoter" is not a kind; allowed: host, router; did you mean "router"?',
        "f.yaml:3: level: expected a whole number from 1 to 5, found the number 9",
    ]


@pytest.mark.parametrize(
    ("spec", "text", "found"),
    [
        (ListOf(Number()), "x: 1", "expected a list, found a mapping"),
        (MapOf(Number()), "Gw: 1", '"Gw" is not a name'),
        (Number(0), "true", "found the truth value true"),
        (String(), "[1]", "found a list"),
        (Duration(), "soon", '"soon" is not a duration'),
        (RECORD, "null", "found nothing"),
    ],
)
def test_wrong_value_is_named_beside_what_was_expected(spec: Spec, text: str, found: str) -> None:
    value, problems = read(spec, text)
    assert len(problems) == 1
    assert found in problems[0]
    assert not value


def test_tagged_mapping_with_two_tags_is_refused() -> None:
    spec = Tagged({"reach": Number(), "refuse": Number()}, {}, dict, "a check")
    value, problems = read(spec, "reach: 1\nrefuse: 2\n")
    assert value is MISSING
    assert "exactly one of reach, refuse; found reach and refuse" in problems[0]


def test_json_schema_carries_bounds_and_words() -> None:
    schema = RECORD.json_schema()
    assert schema["required"] == ["name"]
    assert schema["properties"]["level"]["maximum"] == 5
    assert schema["properties"]["kind"]["enum"] == ["host", "router"]
    assert schema["additionalProperties"] is False
