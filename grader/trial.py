"""A trial: what was typed is typed again on a fresh site, every check is judged, and once more after a power cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from grader.judging import Watch, judge_all
from grader.side_by_side import side_by_side
from grader.verdict import Finding, Verdict
from labs.engines.base import BeyondEngine, Engine
from labs.journal import Entry
from labs.lab import engine_named, replay
from labs.messages import Message, message
from labs.model.site import Site
from labs.model.world import ARRIVAL_NS
from labs.scenario.scenario import Check
from labs.scenario.variant import Variant

__all__ = ["Trial", "Tried"]

SECOND = 1_000_000_000
OUTAGE_NS = 10 * SECOND
BOOT_NS = 120 * SECOND  # how long a site may take to come back after a power cut
WATCHING = frozenset({"reacts", "stays"})  # they let hours pass anyhow, and ask for the hours from now on
STORMY = frozenset({"withstands"})  # on a real kernel a loop takes all of a core as long as it lasts
MAX_LEFT_NS = 48 * 3600 * SECOND  # how long a judge waits for what was left to happen by itself
AFTER_NS = 120 * SECOND  # until those notice who can go on for a while, such as the ends of a connection
MAX_LAB_NS = 60 * 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it: findings by the name of the check and working time, or why the replay cannot be judged.

    `notice` is what has to be said about the replay.
    """

    findings: dict[str, Finding]
    used_ns: int
    refusal: Message | None = None
    notice: Message | None = None


@dataclass(frozen=True, slots=True)
class _Replayed:
    """A site on which everything has been typed, or why that cannot be judged; `notice` is said of it."""

    engine: Engine
    refusal: Message | None = None
    notice: Message | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a site, what is typed there, and on which engine.

    `entries` are those of a journal, `lines` are typed without comparing answers. `same` is true on the engine that the
    entries were typed on. `opened` is an engine on which all of that has already been done.
    """

    engine: str
    variant: Variant
    site: Site
    entries: list[Entry]
    lines: Sequence[tuple[str, str]]
    same: bool
    watch: Watch
    opened: Engine | None = None

    def run(self) -> Tried:
        """Judge everything once, and what must survive a restart once more after one.

        In real time both happen side by side, each on a lab of its own: a judge there mostly waits. Two storms at once
        would keep each other from ever being judged.
        """
        begun = self._replayed(self.site) if self.opened is None else _Replayed(self.opened)
        used_ns = begun.engine.now - ARRIVAL_NS
        if begun.refusal is not None:
            begun.engine.stop()
            return Tried({}, used_ns, refusal=begun.refusal)
        checks = self.variant.scenario.checks
        lasting = [check for check in checks if check.survives == "reboot"]
        findings: dict[str, Finding] = {}
        after: dict[str, Finding] = {}
        left: list[bool] = []
        left_after: list[bool] = []
        tasks = [
            partial(self._at_once, begun.engine, findings, left),
            partial(self._afterwards, lasting, findings, after, left_after),
        ]
        alone = begun.engine.repeats or not lasting or any(check.kind in STORMY for check in checks)
        for number, _ in side_by_side(tasks, 1 if alone else 2):
            if number == 0 and not any(_still_wanted(check, findings) for check in lasting):
                break
        for check in lasting:
            finding = after.get(check.id)
            if finding is not None and _still_wanted(check, findings) and finding.verdict is not Verdict.PASS:
                text = message("holds now, but not after a power cut: {cause}", cause=finding.rationale)
                help_ = message("what is typed is gone after a restart; what stands in a file is read again")
                findings[check.id] = replace(finding, rationale=text, help=help_, devices=())
        if left:
            self._later(self._in_the_end, checks, findings)
        if left_after:
            self._later(self._in_the_end_after_a_power_cut, lasting, findings)
        return Tried(findings, used_ns, notice=begun.notice)

    def _at_once(self, engine: Engine, findings: dict[str, Finding], left: list[bool]) -> None:
        from grader.checks.context import SETTLE_NS, Context  # the judges and the analysis of packets are heavy

        try:
            engine.settle(SETTLE_NS)
            engine.login()
            left.extend([True] if _is_left(engine) else [])
            context = Context(engine, self.variant, self._again, self.site)
            findings.update(judge_all(self.variant.scenario.checks, context, self.watch))
        finally:
            engine.stop()

    def _afterwards(
        self, lasting: Sequence[Check], findings: dict[str, Finding], after: dict[str, Finding], left: list[bool]
    ) -> None:
        from grader.checks.context import Context

        wanted = [check for check in lasting if _still_wanted(check, findings)]
        if not wanted:
            return
        engine = self._replayed(self.site).engine
        try:
            _power_cut(engine)
            engine.login()
            left.extend([True] if _is_left(engine) else [])
            context = Context(engine, self.variant, self._after_a_power_cut, self.site)
            after.update(judge_all(wanted, context, self._watch_after, partial(_still_wanted, findings=findings)))
        finally:
            engine.stop()

    def _later(
        self, begin: Callable[[int | None], Engine], checks: Sequence[Check], findings: dict[str, Finding]
    ) -> None:
        """What holds is judged again when what was left to happen by itself has happened: no repair ends tonight."""
        from grader.checks.context import Context

        wanted = [check for check in checks if check.kind not in WATCHING and _still_wanted(check, findings)]
        if not wanted:
            return
        engine = begin(None)
        try:
            context = Context(engine, self.variant, begin, self.site)
            later = judge_all(wanted, context, self._watch_later, partial(_still_wanted, findings=findings))
        finally:
            engine.stop()
        for name, finding in later.items():
            if finding.verdict is not Verdict.PASS:
                text = message(
                    "holds now, but not when what was left waiting has happened: {cause}", cause=finding.rationale
                )
                help_ = message(
                    "a job that sleeps, an address or an element of a set that ends: look for what is still to come"
                )
                findings[name] = replace(finding, rationale=text, help=help_, devices=())

    def _watch_later(self, title: Message) -> None:
        self.watch(message("when what was left waiting has happened: {title}", title=title))

    def _watch_after(self, title: Message) -> None:
        self.watch(message("after a power cut: {title}", title=title))

    # Sites on which everything has been typed

    def _replayed(self, site: Site, *, answers: bool = True) -> _Replayed:
        """The replay; `answers` where it has to say what it said, to the byte, on an engine that repeats itself."""
        engine = engine_named(self.engine)
        engine.start(site)
        for place, text in self.lines:
            engine.run(place, text)
        exact = self.same and engine.repeats and answers
        divergence = replay(engine, self.entries, strict=exact, answers=exact)
        if divergence is not None and exact:
            told = message("the submission {what}: it was edited, or made by another version", what=str(divergence))
            return _Replayed(engine, refusal=told)
        if divergence is not None and self.same and not engine.repeats:
            engine.stop()  # in real time: what was typed in haste now may have been waited for then
            engine = engine_named(self.engine)
            engine.start(site)
            divergence = replay(engine, self.entries, strict=False, answers=False, paced=True)
        if engine.now > MAX_LAB_NS:
            return _Replayed(engine, refusal=message("the submission takes more than 60 days of simulated time"))
        if divergence is None:
            return _Replayed(engine)
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
        return _Replayed(engine, notice=told)

    def _again(self, start_s: int | None = None) -> Engine:
        """The replay once more.

        On another day the answers are others, and where they would be the same to the byte nobody compares them. In
        real time exit statuses count as always: a repair that went another way is none to judge. Raises BeyondEngine.
        """
        from grader.checks.context import SETTLE_NS

        another_day = start_s is not None
        site = self.site if start_s is None else replace(self.site, world=replace(self.site.world, epoch_s=start_s))
        replayed = self._replayed(site, answers=not another_day)
        if another_day and not replayed.engine.repeats and replayed.notice is not None:
            replayed.engine.stop()
            raise BeyondEngine("a line of the repair ends otherwise on another day")
        replayed.engine.settle(SETTLE_NS)
        replayed.engine.login()
        return replayed.engine

    def _after_a_power_cut(self, start_s: int | None = None) -> Engine:
        engine = self._again(start_s)
        _power_cut(engine)
        engine.login()
        return engine

    def _in_the_end(self, start_s: int | None = None) -> Engine:
        return _outlasted(self._again(start_s))

    def _in_the_end_after_a_power_cut(self, start_s: int | None = None) -> Engine:
        return _outlasted(self._after_a_power_cut(start_s))


def _still_wanted(check: Check, findings: dict[str, Finding]) -> bool:
    """Whether it matters how a check ends after a restart: not where it fails without one."""
    return not findings or findings[check.id].verdict is Verdict.PASS


def _power_cut(engine: Engine) -> None:
    """Everything that is on goes off, and on again."""
    powered = [name for name, device in engine.observe().devices.items() if device.powered]
    for name in powered:
        engine.power(name, on=False)
    engine.settle(OUTAGE_NS)
    for name in powered:
        engine.power(name, on=True)
    engine.settle(BOOT_NS)


def _is_left(engine: Engine) -> bool:
    """Something was left to happen by itself. An engine in real time does not say."""
    if not engine.repeats:
        return False
    return any(d.state is not None and d.state.left_until_ns is not None for d in engine.observe().devices.values())


def _outlasted(engine: Engine) -> Engine:
    """The engine when what was left to happen by itself has happened, and shells in which nothing of it is heard."""
    last = engine.now + MAX_LEFT_NS
    while True:
        ends = [device.state.left_until_ns for device in engine.observe().devices.values() if device.state is not None]
        first = min((end for end in ends if end is not None), default=last)
        if first >= last:
            engine.login()
            return engine
        engine.settle(first - engine.now + AFTER_NS)
