"""Canonical JSON: same site, same bytes, on every machine. Texts are English whatever the locale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from grader.verdict import Grade, Result

__all__ = ["as_json", "grade_object"]

FORMAT = "netwerf-grade/1"


def _result(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "kind": result.kind,
        "title": str(result.title),
        "verdict": str(result.verdict),
        "points": result.points,
        "max_points": result.max_points,
        "gate": result.gate,
        "rationale": str(result.rationale),
        "help": str(result.help) if result.help else None,
        "evidence": [str(one) for one in result.evidence],
        "needs": list(result.needs),
    }


def grade_object(grade: Grade) -> dict[str, Any]:
    """A grade as plain values."""
    return {
        "format": FORMAT,
        "scenario": grade.scenario,
        "scenario_digest": grade.scenario_digest,
        "seed": grade.seed,
        "engine": grade.engine,
        "trainee": grade.trainee,
        "outcome": str(grade.outcome),
        "points": grade.points,
        "max_points": grade.max_points,
        "threshold": grade.threshold,
        "failed_gates": [result.id for result in grade.failed_gates],
        "simulated_seconds": grade.used_ns // 1_000_000_000,
        "entries": grade.entries,
        "hints": grade.hints,
        "ungradable": str(grade.ungradable) if grade.ungradable else None,
        "notices": [str(notice) for notice in grade.remarks],
        "results": [_result(result) for result in grade.results],
    }


def as_json(grades: Sequence[tuple[str, Grade]], language: str = "en") -> str:
    """One object for one submission, a list for several; each knows the file it came from.

    Programs read it, so the language of the reader changes nothing.
    """
    del language
    objects = [{"file": name, **grade_object(grade)} for name, grade in grades]
    whole: Any = objects[0] if len(objects) == 1 else objects
    return json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
