"""The verdict corpus: repairs of many shapes, each with the verdict that every check must give.

A case starts from the broken site, types the lines of a repair and compares all verdicts. `after` is `solution` or the
name of another repair of the scenario, `without` leaves out its steps at some places, `change` replaces text in its
steps by place (a text that is not there is an error), `lines` are typed on top. Checks that `expect` does not name must
pass, or be blocked where they need one that does not.
Each expectation is what the site then does, worked out before the grader is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from grader.grade import judge
from grader.verdict import Grade, Verdict
from labs.engines.base import Engine
from labs.journal import Header
from labs.scenario.library import find_scenario
from labs.scenario.scenario import Check
from labs.scenario.variant import Variant, draw
from labs.shell.bash import logical_lines
from labs.version import version

HERE = Path(__file__).parent
SEED = "3"


@dataclass(frozen=True)
class Case:
    """One repair and what must be said of it."""

    scenario: str
    name: str
    why: str
    seed: str = SEED
    after: str = ""
    without: tuple[str, ...] = ()
    change: tuple[tuple[str, str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    expect: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.scenario}: {self.name}"


@dataclass(frozen=True)
class Wrong:
    """A verdict that is not the expected one."""

    case: Case
    check: str
    expected: str
    got: str
    said: str

    @property
    def kind(self) -> str:
        """False pass, false fail, or another verdict."""
        if self.got == Verdict.PASS:
            return "false pass"
        return "false fail" if self.expected == Verdict.PASS else "other verdict"


def load() -> list[Case]:
    """Every case of every file."""
    return [case for path in sorted(HERE.glob("*.yaml")) for case in _read(path)]


def _read(path: Path) -> Iterator[Case]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {"name", "why", "seed", "after", "without", "change", "lines", "expect"}
    for entry in document["cases"]:
        odd = set(entry) - known
        if odd or not entry.get("why"):
            message = f"{path.name}: {entry.get('name')}: unknown keys {sorted(odd)}, or no reason"
            raise ValueError(message)
        yield Case(
            document["scenario"],
            entry["name"],
            entry["why"],
            str(entry.get("seed", document.get("seed", SEED))),
            entry.get("after", ""),
            tuple(entry.get("without", ())),
            tuple((place, *pair) for place, texts in entry.get("change", {}).items() for pair in texts.items()),
            tuple((place, text) for step in entry.get("lines", ()) for place, text in step.items()),
            {check: str(verdict) for check, verdict in entry.get("expect", {}).items()},
        )


def typed(case: Case, variant: Variant) -> list[tuple[str, str]]:
    """What is typed, line by line."""
    scenario = variant.scenario
    repairs = {"": (), "solution": scenario.solution, **scenario.other_solutions, **scenario.not_enough}
    steps = [step for step in variant.steps(repairs[case.after]) if step[0] not in case.without]
    left_out = set(case.without) - {step.place for step in repairs[case.after]}
    if left_out:
        message = f"{case}: nothing is done at {sorted(left_out)} anyhow"
        raise ValueError(message)
    for place, old, new in case.change:
        before, after = variant.placeholders.fill(old), variant.placeholders.fill(new)
        if not any(at == place and before in text for at, text in steps):
            message = f'{case}: "{old}" is not typed at {place}'
            raise ValueError(message)
        steps = [(at, text.replace(before, after) if at == place else text) for at, text in steps]
    steps += [(place, variant.placeholders.fill(text)) for place, text in case.lines]
    return [(place, line) for place, text in steps for line in logical_lines(text)]


def variant_of(case: Case) -> Variant:
    """The drawn scenario: one of the collection, or one of `sites/`, which ask what no scenario asks yet."""
    own = HERE / "sites" / f"{case.scenario}.yaml"
    return draw(find_scenario(str(own) if own.is_file() else case.scenario), case.seed)


def expected(case: Case, checks: Mapping[str, Check], check: str) -> str:
    """The verdict that a check must get."""
    if check in case.expect:
        return case.expect[check]
    needs = [need for need in checks[check].needs if need in checks]
    return "pass" if all(expected(case, checks, need) == "pass" for need in needs) else "blocked"


def grade(case: Case) -> Grade:
    """Judge a case."""
    return judged(case, variant_of(case))


def judged(case: Case, variant: Variant, engine: Engine | None = None) -> Grade:
    """Judge a case on an engine on which its lines are typed already, if there is one."""
    header = Header(case.scenario, variant.scenario.digest, case.seed, "sim", version())
    return judge(variant, header, lines=typed(case, variant), opened=engine)


def wrong(case: Case) -> list[Wrong]:
    """The verdicts that are not as expected; an expectation for a check that is not there is an error."""
    return compared(case, variant_of(case))


def compared(case: Case, variant: Variant, engine: Engine | None = None) -> list[Wrong]:
    """The same for a variant that is drawn already, on an engine on which the lines are typed, if there is one."""
    given = judged(case, variant, engine)
    unknown = set(case.expect) - {result.id for result in given.results}
    if given.ungradable is not None or unknown:
        message = f"{case}: {given.ungradable or f'no check {sorted(unknown)}'}"
        raise ValueError(message)
    found = []
    checks = {check.id: check for check in variant.scenario.checks}
    for result in given.results:
        wanted = expected(case, checks, result.id)
        if wanted != str(result.verdict):
            found.append(Wrong(case, result.id, wanted, str(result.verdict), str(result.rationale)))
    return found
