"""Verdicts, results and grades: frozen values that every report renders."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from grader.evidence import Evidence
from labs.messages import Message

__all__ = ["Finding", "Grade", "Outcome", "Result", "Unjudgeable", "Verdict"]


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    FAIL = "fail"
    BLOCKED = "blocked"
    """It could not be judged: another check failed first, or the test had no witness."""
    ERROR = "error"
    """Our fault, not the trainee's."""


class Unjudgeable(Exception):
    """What was seen is not enough, or too much, to decide about a check. `reason` says why."""

    def __init__(self, reason: Message) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Finding:
    """What a judge says of one check. `evidence` shows it: the way of a packet, what was printed or heard.

    `devices` are those it is about, where that is fewer than the check names; `needs` are the names of the checks that
    have to pass first; `beyond` is why the engine could not judge it.
    """

    verdict: Verdict
    rationale: Message
    help: Message | None = None
    evidence: tuple[Evidence, ...] = ()
    devices: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One check, judged. Texts and evidence are values; `str()` gives English."""

    id: str
    kind: str
    title: Message
    verdict: Verdict
    points: int
    max_points: int
    rationale: Message
    help: Message | None = None
    evidence: tuple[Evidence, ...] = ()
    gate: bool = False
    hidden: bool = False
    devices: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Outcome(StrEnum):
    """How the whole ended."""

    PASSED = "passed"
    BELOW = "below"
    UNGRADABLE = "ungradable"


@dataclass(frozen=True, slots=True)
class Grade:
    """The judgement of one site. `points` counts passes alone; a failed gate fails everything."""

    scenario: str
    scenario_digest: str
    seed: str
    engine: str
    trainee: str
    threshold: float
    results: tuple[Result, ...] = ()
    used_ns: int = 0
    entries: int = 0
    hints: int = 0
    notices: tuple[Message, ...] = field(default=())
    ungradable: Message | None = None
    beyond: Message | None = None
    """Which checks the engine could not judge, and why."""

    @property
    def remarks(self) -> tuple[Message, ...]:
        """Whatever else has to be said: the notices, and what the engine could not judge."""
        return self.notices if self.beyond is None else (*self.notices, self.beyond)

    @property
    def points(self) -> int:
        """Points earned."""
        return sum(result.points for result in self.results)

    @property
    def max_points(self) -> int:
        """Points of a perfect site."""
        return sum(result.max_points for result in self.results)

    @property
    def failed_gates(self) -> tuple[Result, ...]:
        """Gates that did not pass."""
        return tuple(result for result in self.results if result.gate and result.verdict is not Verdict.PASS)

    @property
    def outcome(self) -> Outcome:
        """Passed, below the threshold, or not gradable at all."""
        if self.ungradable is not None or not self.max_points or any(r.verdict is Verdict.ERROR for r in self.results):
            return Outcome.UNGRADABLE
        # Integers: 3 of 4 points is 75 % on every machine.
        enough = self.points * 1000 >= round(self.threshold * 1000) * self.max_points
        return Outcome.PASSED if enough and not self.failed_gates else Outcome.BELOW

    @property
    def exit_code(self) -> int:
        """0 passed, 1 below, 4 ungradable."""
        return {Outcome.PASSED: 0, Outcome.BELOW: 1, Outcome.UNGRADABLE: 4}[self.outcome]
