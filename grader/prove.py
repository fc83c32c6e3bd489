"""Whether a scenario proves itself.

The healthy site must pass every check, the broken one must fail, every fault by itself must break something, the
reference repair and every other repair must pass, and whatever a lazy or clever person might try instead must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from grader.grade import judge
from grader.side_by_side import side_by_side
from grader.verdict import Grade, Outcome, Verdict
from labs.journal import Header
from labs.lab import engine_named
from labs.messages import Message, message
from labs.model.rings import has_ring
from labs.model.site import Kind, Site
from labs.scenario.scenario import Scenario
from labs.scenario.variant import Variant, break_site, draw
from labs.version import version

__all__ = ["Line", "Proof", "prove"]

NEGATIVE = frozenset({"refuse", "policy"})
Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was tried: what, how it went, and whether that is as it must be."""

    what: str
    said: Message
    good: bool
    grade: Grade | None = None


@dataclass(slots=True)
class Proof:
    """Everything that was tried for one scenario, by seed."""

    scenario: str
    seeds: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Everything went as it must."""
        return bool(self.lines) and all(line.good for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Something to try: a site, what is typed there, and what its grade means."""

    what: str
    variant: Variant
    site: Site
    typed: Lines
    meaning: Callable[[Grade], tuple[Message, bool]]

    def same_as(self, other: _Attempt) -> bool:
        """True where another tries the same, whatever it takes it for."""
        mine, others = self.variant, other.variant
        return (mine.seed, self.typed, self.site) == (others.seed, other.typed, other.site)


def prove(
    scenario: Scenario,
    seeds: Iterable[int | str] = (0, 1, 2),
    *,
    engine: str = "sim",
    at_once: int = 1,
    tell: Callable[[int, int, Line], None] | None = None,
) -> Proof:
    """Try a scenario out.

    Every seed is tried with the healthy site, the broken site and the repairs; every fault of the file by itself, and
    the cheats, on the first seed. A site that two attempts have in common is judged once.

    Parameters
    ----------
    scenario
        What to try.
    seeds
        Of the variants.
    engine
        On the engine kernel it takes real time.
    at_once
        How many labs run side by side: worth it where they wait in real time.
    tell
        Is called after each attempt: how many are done, of how many, and the line.
    """
    proof = Proof(scenario.id, tuple(str(seed) for seed in seeds))
    attempts: list[_Attempt] = []
    for index, seed in enumerate(proof.seeds):
        attempts += _attempts(draw(scenario, seed), first=index == 0)
    groups: list[list[int]] = []
    for number, attempt in enumerate(attempts):
        group = next((known for known in groups if attempts[known[0]].same_as(attempt)), None)
        if group is None:
            groups.append([number])
        else:
            group.append(number)
    lines: dict[int, Line] = {}
    storm = Lock()
    tasks = [partial(_judged, attempts[group[0]], engine, storm) for group in groups]
    for place, grade in side_by_side(tasks, at_once):
        for number in groups[place]:
            attempt = attempts[number]
            said, good = attempt.meaning(grade)
            if not good and attempt.meaning is _full_marks and engine == "sim":
                said = _with_refused_line(attempt, said)
            lines[number] = Line(f"{attempt.what} (seed {attempt.variant.seed})", said, good, grade)
            if tell is not None:
                tell(len(lines), len(attempts), lines[number])
    proof.lines = [lines[number] for number in range(len(attempts))]
    proof.lines += _beyond(proof.lines)
    return proof


def _beyond(lines: Iterable[Line]) -> list[Line]:
    """What the engine could not judge, each sentence once."""
    every = [line.grade.beyond for line in lines if line.grade is not None and line.grade.beyond is not None]
    told = {str(beyond): beyond for beyond in every}
    return [Line("what cannot be judged here", beyond, good=False) for beyond in told.values()]


def _judged(attempt: _Attempt, engine: str, storm: AbstractContextManager[object]) -> Grade:
    """Where nobody repairs a loop, it takes a core of a real kernel as long as it lasts: one such site at a time."""
    variant = attempt.variant
    header = Header(variant.scenario.id, variant.scenario.digest, variant.seed, engine, version())
    screams = has_ring(attempt.site) and attempt.meaning is not _full_marks
    with storm if screams else nullcontext():
        return judge(variant, header, site=attempt.site, lines=attempt.typed)


def _with_refused_line(attempt: _Attempt, said: Message) -> Message:
    """What was said of a repair, and its first line that ended with an error."""
    engine = engine_named("sim")
    engine.start(attempt.site)
    for place, line in attempt.typed:
        output = engine.run(place, line)
        if output.status:
            return message(
                "{said}; {place}: {line} ended with status {status}: {answer}",
                said=said,
                place=place,
                line=line.partition("\n")[0],
                status=output.status,
                answer=output.text.strip().rpartition("\n")[2] or "-",
            )
    return said


def _attempts(variant: Variant, *, first: bool) -> Iterator[_Attempt]:
    """Everything that is tried with one seed."""
    scenario, broken = variant.scenario, variant.broken
    yield _Attempt("healthy site", variant, variant.healthy, [], _full_marks)
    yield _Attempt("broken site, do nothing", variant, broken, [], _fails)
    for choice in scenario.faults if first else ():
        for use in choice.options:
            site = break_site(scenario, variant.healthy, (use,), variant.placeholders)
            yield _Attempt(use.fault, variant, site, [], _noticed)
    for name, steps in [("reference repair", scenario.solution), *scenario.other_solutions.items()]:
        yield _Attempt(name, variant, broken, _typed(variant.steps(steps)), _full_marks)
    for name, steps in scenario.not_enough.items():
        yield _Attempt(name, variant, broken, _typed(variant.steps(steps)), _not_enough)
    for name, lines in _cheats(variant).items() if first else ():
        yield _Attempt(name, variant, broken, lines, _earns_nothing)


def _full_marks(grade: Grade) -> tuple[Message, bool]:
    """Healthy sites and repairs pass everything."""
    passed = sum(result.verdict is Verdict.PASS for result in grade.results)
    wrong = [result for result in grade.results if result.verdict is not Verdict.PASS]
    if wrong:
        said = message(
            "passes {passed} of {all}; {id}: {why}",
            passed=passed,
            all=len(grade.results),
            id=wrong[0].id,
            why=wrong[0].rationale,
        )
    else:
        said = message("passes {passed} of {all} checks", passed=passed, all=len(grade.results))
    return said, not wrong and grade.outcome is Outcome.PASSED


def _failed(grade: Grade) -> list[str]:
    return [result.id for result in grade.results if result.verdict is not Verdict.PASS]


def _fails(grade: Grade) -> tuple[Message, bool]:
    """The broken site fails, and doing nothing is not enough."""
    failed = _failed(grade)
    said = message("fails {failed} of {all}: {ids}", failed=len(failed), all=len(grade.results), ids=", ".join(failed))
    return said, bool(failed) and grade.outcome is Outcome.BELOW


def _noticed(grade: Grade) -> tuple[Message, bool]:
    """Every fault by itself breaks at least one check."""
    broken = _failed(grade)
    said = message("breaks {ids}", ids=", ".join(broken)) if broken else message("breaks nothing: no check notices it")
    return said, bool(broken) and grade.outcome is not Outcome.UNGRADABLE


def _enough(grade: Grade) -> Message:
    return message("{points} of {max} points: that is enough to pass", points=grade.points, max=grade.max_points)


def _not_enough(grade: Grade) -> tuple[Message, bool]:
    """What the author says is not enough does not pass."""
    said = message(
        "is not enough: {points} of {max} points; {ids}",
        points=grade.points,
        max=grade.max_points,
        ids=", ".join(_failed(grade)),
    )
    if grade.outcome is Outcome.PASSED:
        said = _enough(grade)
    return said, grade.outcome is Outcome.BELOW


def _earns_nothing(grade: Grade) -> tuple[Message, bool]:
    """None of the short cuts reaches the threshold; a dead or closed site earns nothing for being safe."""
    negative = [r.id for r in grade.results if r.kind in NEGATIVE and r.verdict is Verdict.PASS]
    said = message("{points} of {max} points", points=grade.points, max=grade.max_points)
    if grade.outcome is Outcome.PASSED:
        said = _enough(grade)
    elif negative:
        said = message("earns {ids} without doing anything for it", ids=", ".join(negative))
    return said, grade.outcome is Outcome.BELOW and not negative


def _typed(steps: Iterable[tuple[str, str]]) -> Lines:
    """What a person would type, line by line."""
    from labs.shell.bash import logical_lines

    return [(place, line) for place, text in steps for line in logical_lines(text)]


DROP_ALL = """nft flush ruleset
nft add table inet shut
nft add chain inet shut input '{ type filter hook input priority 0; policy drop; }'
nft add chain inet shut forward '{ type filter hook forward priority 0; policy drop; }'
nft add chain inet shut output '{ type filter hook output priority 0; policy drop; }'
nft list ruleset > /etc/nftables.conf
"""
ACCEPT_ALL = """nft flush ruleset
echo 'flush ruleset' > /etc/nftables.conf
"""
FACTORY_RESET = """rm -f /etc/network/interfaces /etc/nftables.conf /etc/dnsmasq.conf /etc/sensor.toml /etc/display.toml
rm -f /etc/mosquitto/mosquitto.conf
reboot
"""


def _cheats(variant: Variant) -> dict[str, Lines]:
    devices = variant.healthy.devices
    reachable = [d.name for d in devices.values() if d.kind is not Kind.INTERNET]
    firewalls = [d.name for d in devices.values() if "/etc/nftables.conf" in d.files and d.kind is not Kind.INTERNET]
    linked = sorted({str(end) for link in variant.broken.links for end in link.ends})
    cheats: dict[str, Lines] = {
        "drop everything": [(name, line) for name in reachable for line in DROP_ALL.splitlines()],
        "all leads out": [("hands", f"unplug {end}") for end in linked],
        "everything off": [("hands", f"power off {name}") for name in devices],
        "reset everything": [(name, line) for name in reachable for line in FACTORY_RESET.splitlines()],
    }
    if firewalls:
        cheats["accept everything"] = [(name, line) for name in firewalls for line in ACCEPT_ALL.splitlines()]
    return cheats
