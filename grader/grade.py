"""Grading: replay on a clean lab, judge every check, count the points.

The same function judges a running lab, a submission and a proof: `judge` takes a variant and the entries to replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from grader.side_by_side import side_by_side
from grader.verdict import Finding, Grade, Result, Unjudgeable, Verdict
from labs.engines.base import BeyondEngine, CommandRejected, Engine
from labs.journal import DESK, Entry, Header, Journal, JournalError
from labs.lab import ENGINES, Lab, engine_named, replay
from labs.messages import Message, message
from labs.model.site import Site
from labs.model.world import ARRIVAL_NS
from labs.scenario.library import find_scenario
from labs.scenario.scenario import Check, Scenario, ScenarioError
from labs.scenario.variant import Variant, draw
from labs.version import version

if TYPE_CHECKING:
    from grader.checks import Context

__all__ = ["Watch", "check", "grade", "judge"]

Watch = Callable[[Message], None]
"""Is told what is being judged now, where that takes its time."""

SECOND = 1_000_000_000
OUTAGE_NS = 10 * SECOND
BOOT_NS = 120 * SECOND  # how long a site may take to come back after a power cut
DISTURBING = frozenset({"origin"})  # devices lose power: what was only typed is gone for whoever is judged later
STORMY = frozenset({"withstands"})  # on a real kernel a loop takes all of a core as long as it lasts
MAX_LAB_NS = 60 * 24 * 3600 * SECOND


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
        known = scenario or find_scenario(journal.header.scenario)
        variant = draw(known, journal.header.seed)
    except JournalError as error:
        return _ungradable(None, message("{error}", error=str(error)))
    except ScenarioError as error:
        return _ungradable(None, message("the scenario cannot be used: {error}", error=str(error)))
    refusal = _refusal(journal.header, known)
    if refusal is not None:
        return _ungradable(journal.header, refusal)
    graded = judge(variant, journal.header, journal.entries, engine=engine, watch=watch)
    if journal.notice:
        graded = replace(graded, notices=(*graded.notices, message("{notice}", notice=journal.notice)))
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
    try:
        findings, used_ns, outcome = _trial(
            chosen,
            variant,
            start,
            effective,
            lines,
            same=chosen == header.engine,
            opened=opened,
            watch=watch or _unwatched,
        )
    except (BeyondEngine, CommandRejected) as error:
        return replace(base, ungradable=message("the submission cannot be replayed: {error}", error=str(error)))
    if outcome.refusal is not None:
        return replace(base, ungradable=outcome.refusal)
    notices = (
        *_notices(header),
        *([] if outcome.notice is None else [outcome.notice]),
        *_unjudged(chosen, findings),
    )
    return replace(base, used_ns=used_ns, results=_results(scenario, findings), notices=notices)


def _beyond(engine: str, why: str) -> Message:
    return message("the engine {engine} cannot judge this: {error}", engine=engine, error=why)


def _unjudged(engine: str, findings: Mapping[str, Finding]) -> tuple[Message, ...]:
    """Which checks the engine could not judge, and why, in one line; none where it could judge all."""
    reasons: dict[str, list[str]] = {}
    for name, finding in findings.items():
        if finding.rationale.template == _beyond("", "").template:
            reasons.setdefault(str(finding.rationale.values["error"]), []).append(name)
    if not reasons:
        return ()
    told = "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())
    return (unjudged(engine, told),)


def unjudged(engine: str, checks: str) -> Message:
    """The notice that names what an engine could not judge."""
    return message("the engine {engine} cannot judge {checks}", engine=engine, checks=checks)


def _notices(header: Header) -> tuple[Message, ...]:
    if header.netwerf and header.netwerf != version():
        return (message("made with version {made}, judged with {judged}", made=header.netwerf, judged=version()),)
    return ()


@dataclass(frozen=True, slots=True)
class _Replay:
    """How a replay went: why it cannot be judged, or what has to be said about it."""

    refusal: Message | None = None
    notice: Message | None = None


def _replayed(
    name: str, site: Site, entries: list[Entry], lines: Sequence[tuple[str, str]] | None, *, same: bool
) -> tuple[Engine, _Replay]:
    """The site after the replay. `same` is true on the engine that the entries were typed on."""
    engine = engine_named(name)
    engine.start(site)
    for place, text in lines or ():
        engine.run(place, text)
    exact = same and engine.repeats
    divergence = replay(engine, entries, strict=exact, answers=exact)
    if divergence is not None and exact:
        text_ = message("the submission {what}: it was edited, or made by another version", what=str(divergence))
        return engine, _Replay(text_)
    if divergence is not None and same:  # in real time: what was typed in haste now may have been waited for then
        engine.stop()
        engine = engine_named(name)
        engine.start(site)
        divergence = replay(engine, entries, strict=False, answers=False, paced=True)
    if engine.now > MAX_LAB_NS:
        return engine, _Replay(message("the submission takes more than 60 days of simulated time"))
    if divergence is None:
        return engine, _Replay()
    entry = divergence.entry
    told = message(
        "entry {n} ({place}: {line}) ended with status {now} in the replay, and with {then} when it was typed;"
        " judged is what the replay led to",
        n=entry.n,
        place=entry.place,
        line=entry.line.splitlines()[0],
        now=divergence.output.status,
        then=entry.status,
    )
    return engine, _Replay(notice=told)


def _once_more(
    replayed: Callable[[Site, bool], tuple[Engine, _Replay]], site: Site, start_s: int | None = None, *, repeats: bool
) -> Engine:
    """The replay once more.

    On another day the answers are others, and where they would be the same to the byte nobody compares them. In real
    time exit statuses count as always: a repair that went another way is none to judge. Raises BeyondEngine.
    """
    from grader.checks.context import SETTLE_NS

    there = site if start_s is None else replace(site, world=replace(site.world, epoch_s=start_s))
    fresh, outcome = replayed(there, start_s is None or not repeats)
    if start_s is not None and not repeats and outcome.notice is not None:
        fresh.stop()
        raise BeyondEngine("a line of the repair ends otherwise on another day")
    fresh.settle(SETTLE_NS)
    return fresh


def _trial(
    name: str,
    variant: Variant,
    site: Site,
    entries: list[Entry],
    lines: Sequence[tuple[str, str]] | None,
    *,
    same: bool,
    opened: Engine | None,
    watch: Watch,
) -> tuple[dict[str, Finding], int, _Replay]:
    """Judge everything once, and what must survive a restart once more after one.

    In real time both happen side by side, each on a lab of its own: a judge there mostly waits. Two storms at once
    would keep each other from ever being judged.
    """
    from grader.checks.context import SETTLE_NS, Context  # the judges and the analysis of packets are heavy

    if opened is None:
        engine, outcome = _replayed(name, site, entries, lines, same=same)
    else:
        engine, outcome = opened, _Replay()
    used_ns = engine.now - ARRIVAL_NS
    if outcome.refusal is not None:
        engine.stop()
        return {}, used_ns, outcome
    checks = variant.scenario.checks
    lasting = [check_ for check_ in checks if check_.survives == "reboot"]
    findings: dict[str, Finding] = {}

    again = partial(
        _once_more,
        lambda there, alike: _replayed(name, there, entries, lines, same=same and alike),
        site,
        repeats=engine.repeats,
    )

    def after_a_power_cut(start_s: int | None = None) -> Engine:
        fresh = again(start_s)
        _power_cut(fresh)
        return fresh

    def at_once() -> None:
        engine.settle(SETTLE_NS)
        try:
            findings.update(_judge_all(checks, Context(engine, variant, again, site), watch))
        finally:
            engine.stop()

    def afterwards() -> dict[str, Finding]:
        wanted = [check_ for check_ in lasting if _still_wanted(check_, findings)]

        def watch_(title: Message) -> None:
            watch(message("after a power cut: {title}", title=title))

        if not wanted:
            return {}
        cut, _ = _replayed(name, site, entries, lines, same=same)
        try:
            _power_cut(cut)
            still = partial(_still_wanted, findings=findings)
            return _judge_all(wanted, Context(cut, variant, after_a_power_cut, site), watch_, still)
        finally:
            cut.stop()

    after: dict[str, Finding] = {}
    alone = engine.repeats or not lasting or any(check_.kind in STORMY for check_ in checks)
    for number, found in side_by_side([at_once, afterwards], 1 if alone else 2):
        after = after if found is None else found
        if number == 0 and not any(_still_wanted(check_, findings) for check_ in lasting):
            break
    for check_ in lasting:
        finding = after.get(check_.id)
        if finding is not None and _still_wanted(check_, findings) and finding.verdict is not Verdict.PASS:
            text = message("holds now, but not after a power cut: {cause}", cause=finding.rationale)
            help_ = message("what is typed is gone after a restart; what stands in a file is read again")
            findings[check_.id] = Finding(finding.verdict, text, help_, finding.evidence)
    return findings, used_ns, outcome


def _still_wanted(check_: Check, findings: dict[str, Finding]) -> bool:
    """Whether it matters how a check ends after a restart: not where it fails without one."""
    return not findings or findings[check_.id].verdict is Verdict.PASS


def _power_cut(engine: Engine) -> None:
    """Everything that is on goes off, and on again."""
    powered = [name for name, device in engine.observe().devices.items() if device.powered]
    for name in powered:
        engine.power(name, on=False)
    engine.settle(OUTAGE_NS)
    for name in powered:
        engine.power(name, on=True)
    engine.settle(BOOT_NS)


def _judge_all(
    checks: Sequence[Check], context: Context, watch: Watch, wanted: Callable[[Check], bool] = lambda _: True
) -> dict[str, Finding]:
    """Judge in an order in which whatever a check needs comes first; what is not `wanted` any more is left out."""
    findings: dict[str, Finding] = {}
    here = {check.id: check for check in checks}

    def settle(check: Check, trail: tuple[str, ...]) -> Finding:
        if check.id in findings:
            return findings[check.id]
        missing = [
            need
            for need in check.needs
            if need in here and need not in trail and settle(here[need], (*trail, check.id)).verdict is not Verdict.PASS
        ]
        if missing:
            wanting = _listed([_title(here[need]) for need in missing])
            finding = Finding(
                Verdict.BLOCKED, message("not judged yet: needs {checks}", checks=wanting), needs=tuple(missing)
            )
        else:
            watch(_title(check))
            finding = _judge_one(check, context)
        findings[check.id] = finding
        return finding

    for check_ in sorted(checks, key=lambda check: check.kind in DISTURBING):
        if wanted(check_):
            settle(check_, ())
    context.leave_other_days()
    return findings


def _judge_one(check: Check, context: Context) -> Finding:
    from grader.checks import JUDGES

    judge_ = JUDGES.get(check.kind)
    if judge_ is None:
        return Finding(Verdict.ERROR, message('the grader does not know the check "{kind}"', kind=check.kind))
    try:
        return judge_(context, check.body)  # type: ignore[operator, no-any-return]
    except Unjudgeable as error:
        return Finding(Verdict.ERROR, error.reason)
    except BeyondEngine as error:
        text = _beyond(context.engine.name, str(error))
        return Finding(Verdict.ERROR, text, message("on the engine sim it is judged"))
    except Exception as error:  # noqa: BLE001 - a bug of ours must never cost or give a trainee points
        return Finding(Verdict.ERROR, message("the grader failed: {error}", error=f"{type(error).__name__}: {error}"))


def _results(scenario: Scenario, findings: dict[str, Finding]) -> tuple[Result, ...]:
    results = []
    for check_ in scenario.checks:
        finding = findings[check_.id]
        results.append(
            Result(
                id=check_.id,
                kind=check_.kind,
                title=_title(check_),
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


def _title(check_: Check) -> Message:
    """What the author calls it, else its name."""
    title = check_.title
    if title is None:
        return Message("{text}", {"text": check_.id.replace("-", " ")})
    return _Localised("", {"en": title.en, "nl": title.nl})


def _listed(titles: Sequence[Message]) -> Message:
    """Titles in quotes, one after the other."""
    listed = Message('"{text}"', {"text": titles[0]})
    for title in titles[1:]:
        listed = Message('{listed}, "{text}"', {"listed": listed, "text": title})
    return listed


def _hidden(finding: Finding) -> Message:
    return message("holds") if finding.verdict is Verdict.PASS else message("does not hold")


class _Localised(Message):
    """A title that the author wrote in both languages."""

    def in_language(self, language: str) -> str:
        return (
            str(self.values["nl"] or self.values["en"])
            if language == "nl"
            else str(self.values["en"] or self.values["nl"])
        )
