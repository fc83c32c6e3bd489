"""Grading: replay on a clean lab, judge every check, count the points.

The same function judges a running lab, a submission and a proof: `judge` takes a variant and the entries to replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from grader.judging import Watch, title_of, titles_of
from grader.trial import Trial
from grader.verdict import Finding, Grade, Result, Verdict
from labs.engines.base import BeyondEngine, CommandRejected, Engine
from labs.journal import DESK, Entry, Header, Journal, JournalError
from labs.lab import ENGINES, Lab
from labs.messages import Message, listed, message
from labs.model.site import Site
from labs.scenario.library import submitted_scenario
from labs.scenario.scenario import Check, Scenario, ScenarioError
from labs.scenario.variant import Variant, draw
from labs.version import version

__all__ = ["check", "grade", "judge"]


def _unwatched(_: Message) -> None:
    """Nobody is told."""


def check(lab: Lab, *, watch: Watch | None = None) -> Grade:
    """Judge a lab as it stands, on a fresh replay: the lab itself is not touched. `watch` is told what is judged."""
    return judge(lab.variant, lab.journal.header, lab.journal.entries, watch=watch)


def grade(
    path: str | Path, *, scenario: Scenario | None = None, engine: str | None = None, watch: Watch | None = None
) -> Grade:
    """Judge a submission file. A file that cannot be judged gives an ungradable grade, never an exception.

    Parameters
    ----------
    path
        The submission.
    scenario
        Where the name in the submission cannot be found by itself.
    engine
        Which engine replays it; None for the one that it was made on. Another one, and one in real time, answers
        otherwise: then exit statuses are compared, and the grade tells of the first line that ended otherwise.
    watch
        Is told the title of each check before it is judged; from several threads where time is real.
    """
    try:
        journal = Journal.load(Path(path))
        known = scenario or submitted_scenario(journal.header.scenario)
        if known is None:
            unknown = message(
                "the scenario {name} is not one of those that are shipped; give its file: --scenario FILE",
                name=journal.header.scenario,
            )
            return _ungradable(journal.header, unknown)
        variant = draw(known, journal.header.seed)
    except JournalError as error:
        return _ungradable(None, error.said)
    except ScenarioError as error:
        return _ungradable(None, message("the scenario cannot be used: {error}", error=str(error)))
    refusal = _refusal(journal.header, known)
    if refusal is not None:
        return _ungradable(journal.header, refusal)
    graded = judge(variant, journal.header, journal.entries, engine=engine, watch=watch)
    if journal.notice:
        graded = replace(graded, notices=(*graded.notices, journal.notice))
    return graded


def _refusal(header: Header, scenario: Scenario) -> Message | None:
    if header.scenario != scenario.id:
        return message("the submission is for {found}, not for {wanted}", found=header.scenario, wanted=scenario.id)
    if header.scenario_digest != scenario.digest:
        return message("the submission was made with another edition of {scenario}", scenario=scenario.id)
    if header.engine not in ENGINES:
        return message('the submission was made on the engine "{engine}", which is not here', engine=header.engine)
    return None


def _ungradable(header: Header | None, why: Message) -> Grade:
    return Grade(
        scenario=header.scenario if header else "",
        scenario_digest=header.scenario_digest if header else "",
        seed=header.seed if header else "",
        engine=header.engine if header else "",
        trainee=header.trainee if header else "",
        threshold=1.0,
        ungradable=why,
    )


def judge(
    variant: Variant,
    header: Header,
    entries: Sequence[Entry] = (),
    *,
    site: Site | None = None,
    lines: Sequence[tuple[str, str]] | None = None,
    engine: str | None = None,
    opened: Engine | None = None,
    watch: Watch | None = None,
) -> Grade:
    """Judge what a site has become.

    Parameters
    ----------
    variant
        What was drawn; its broken site is where the replay starts, unless `site` says otherwise.
    header
        Goes into the grade.
    entries
        Journal entries to replay; a replay that answers differently makes the grade ungradable.
    site
        Another site to start from (proofs begin with the healthy one).
    lines
        Instead of entries: place and text, typed without comparing answers (proofs).
    engine
        Which engine replays; None for that of the header.
    opened
        An engine on which all of that has already been done.
    watch
        Is told the title of each check before it is judged.
    """
    scenario = variant.scenario
    chosen = engine or header.engine
    base = Grade(
        scenario=scenario.id,
        scenario_digest=scenario.digest,
        seed=variant.seed,
        engine=chosen,
        trainee=header.trainee,
        threshold=scenario.threshold,
        entries=sum(entry.place != DESK for entry in entries),
        hints=sum(entry.place == DESK and entry.line.startswith("hint") for entry in entries),
    )
    effective = Journal(header, tuple(entries)).effective()
    start = site if site is not None else variant.broken
    trial = Trial(
        chosen, variant, start, effective, lines or (), chosen == header.engine, watch or _unwatched, opened=opened
    )
    try:
        tried = trial.run()
    except (BeyondEngine, CommandRejected) as error:
        return replace(base, ungradable=message("the submission cannot be replayed: {error}", error=str(error)))
    if tried.refusal is not None:
        return replace(base, ungradable=tried.refusal)
    notices = (*_notices(header), *([] if tried.notice is None else [tried.notice]))
    beyond = _beyond(chosen, scenario, tried.findings)
    return replace(
        base, used_ns=tried.used_ns, results=_results(scenario, tried.findings), notices=notices, beyond=beyond
    )


def _beyond(engine: str, scenario: Scenario, findings: Mapping[str, Finding]) -> Message | None:
    """Which checks the engine could not judge, and why, in one line; None where it could judge all."""
    reasons: dict[str, list[Check]] = {}
    for check_ in scenario.checks:
        why = findings[check_.id].beyond
        if why:
            reasons.setdefault(why, []).append(check_)
    told = [message("{checks} ({why})", checks=titles_of(checks), why=why) for why, checks in reasons.items()]
    return message("the engine {engine} cannot judge {checks}", engine=engine, checks=listed(told)) if told else None


def _notices(header: Header) -> tuple[Message, ...]:
    if header.netwerf and header.netwerf != version():
        return (message("made with version {made}, judged with {judged}", made=header.netwerf, judged=version()),)
    return ()


def _results(scenario: Scenario, findings: dict[str, Finding]) -> tuple[Result, ...]:
    results = []
    for check_ in scenario.checks:
        finding = findings[check_.id]
        results.append(
            Result(
                id=check_.id,
                kind=check_.kind,
                title=title_of(check_),
                verdict=finding.verdict,
                points=check_.points if finding.verdict is Verdict.PASS else 0,
                max_points=check_.points,
                rationale=_hidden(finding) if check_.hidden else finding.rationale,
                help=None if check_.hidden else finding.help,
                evidence=() if check_.hidden else finding.evidence,
                gate=check_.gate,
                hidden=check_.hidden,
                devices=() if check_.hidden else finding.devices,
                needs=() if check_.hidden else finding.needs,
            )
        )
    return tuple(results)


def _hidden(finding: Finding) -> Message:
    return message("holds") if finding.verdict is Verdict.PASS else message("does not hold")
