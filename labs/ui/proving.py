"""Scenarios that prove themselves, one after the other or on every core."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from labs.engines.base import EngineUnavailable, SandboxMissing
from labs.messages import Message, message
from labs.scenario.library import find_scenario, scenario_files
from labs.scenario.scenario import ScenarioError
from labs.ui.catalogue import scenario_named
from labs.ui.passing import PassingLine, passing_line
from labs.ui.style import Refusal, Screen

if TYPE_CHECKING:
    from grader.prove import Line

__all__ = ["prove_scenarios"]

WRONG = 2
NOT_PROVED = 1
LABS_A_CORE = 3  # attempts at once on the engine kernel: they wait, but who waits for hours of a site reckons
LAB_BYTES = 200 << 20  # of memory for an attempt: two labs of ten devices
WIDEST_NAME = 44
SEED = re.compile(r" \(seed [^)]*\)$")


@dataclass(slots=True)
class Tried:
    """What became of one scenario. Plain values: it may come from another process."""

    name: str
    lines: list[tuple[bool, str, Message]] = field(default_factory=list)
    problems: ScenarioError | None = None
    failure: str = ""
    excluded: str = ""
    """What the engine lacks for this scenario; nothing was tried then."""
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """0 proved, 1 not proved, 2 the scenario is wrong."""
        if self.problems is not None:
            return WRONG
        if self.excluded:
            return 0
        return NOT_PROVED if self.failure or not all(good for good, _, _ in self.lines) else 0


Tell = Callable[[int, int, "Line"], None]


def _try(name: str, seeds: int, engine: str, at_once: int = 1, tell: Callable[[str], Tell] | None = None) -> Tried:
    """Prove one scenario, `at_once` attempts at a time (0: what the machine carries).

    `tell` makes of its name who is told of each attempt.
    """
    from grader import prove

    tried = Tried(name)
    begun = time.perf_counter()
    try:
        scenario = find_scenario(name)
        tried.name = scenario.id
        told = tell(scenario.id) if tell is not None else None
        proof = prove(scenario, range(seeds), engine=engine, at_once=at_once or _room(), tell=told)
        tried.lines = [(line.good, line.what, line.said) for line in proof.lines]
    except SandboxMissing:
        raise
    except EngineUnavailable as error:
        tried.excluded = str(error)
    except ScenarioError as error:
        tried.problems = error
    except Exception as error:  # noqa: BLE001 - one scenario that trips over a bug must not hide the others
        tried.failure = f"{type(error).__name__}: {error}"
    tried.seconds = time.perf_counter() - begun
    return tried


def _room() -> int:
    """How many attempts on the engine kernel this machine carries side by side."""
    labs = LABS_A_CORE * (os.cpu_count() or 1)
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return labs
    return max(1, min(labs, free // LAB_BYTES))


def prove_scenarios(
    screen: Screen, *, scenarios: tuple[str, ...], every: bool, seeds: int, jobs: int, quiet: bool, engine: str
) -> int:
    """`netwerf prove`: a line for everything that was tried, and whether that is as it must be.

    `jobs` is how many scenarios are proved at once on the engine sim, and how many labs of one on the engine kernel; 0
    for as many as the machine carries.
    """
    if every and scenarios:
        raise Refusal("give names of scenarios or --all, not both")
    names = [str(path) for path in scenario_files()] if every else list(scenarios)
    if not names:
        raise Refusal("which scenario? Give names or files, or --all (see: netwerf list)")
    for name in names:
        with contextlib.suppress(ScenarioError):  # told when its turn comes
            scenario_named(name)
    if engine == "kernel":
        from labs.engines.kernel.engine import check_machine

        check_machine()  # what keeps it from running at all is told once, and no reason to exclude a scenario
    begun = time.perf_counter()
    worst, proved, excluded = 0, 0, 0
    with passing_line(screen) as line:
        progress = _Progress(screen, line, lasting=engine == "kernel" and not quiet)
        for tried in _tried(names, seeds, jobs, engine, progress):
            line.clear()
            if tried.excluded and len(names) == 1:
                raise EngineUnavailable(tried.excluded)
            _show(screen, tried, seeds, quiet=quiet)
            worst = max(worst, tried.status)
            proved += tried.status == 0 and not tried.excluded
            excluded += bool(tried.excluded)
    if excluded:
        screen.say("{count} of {all} scenarios are excluded by capability", count=excluded, all=len(names))
    if len(names) > 1:
        screen.say(
            "{proved} of {all} scenarios proved in {seconds} s",
            proved=proved,
            all=len(names),
            seconds=f"{time.perf_counter() - begun:.1f}",
        )
    return worst


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far it is: on the passing line; where there is none a line for each attempt, where `lasting`."""

    screen: Screen
    line: PassingLine
    lasting: bool

    def of(self, name: str) -> Tell:
        """Who is told of the attempts of one scenario."""
        begun = time.perf_counter()

        def tell(done: int, every: int, line: Line) -> None:
            seconds = f"{time.perf_counter() - begun:.0f}"
            values = {"name": name, "done": done, "all": every, "seconds": seconds, "what": line.what}
            shown = self.screen.phrase("{name}: {done} of {all} tried in {seconds} s: {what}", **values)
            self.line.show(shown)
            if self.lasting and not self.line.seen:
                self.screen.show(f"{shown}{'' if line.good else ' ✖'}", err=True)

        return tell


def _tried(names: list[str], seeds: int, jobs: int, engine: str, progress: _Progress) -> Iterator[Tried]:
    """In the order of the names; on several cores where there is more than one scenario and the machine lets us.

    On the engine kernel the labs of one scenario run side by side instead: they wait in real time.
    """
    attempt = partial(_try, seeds=seeds, engine=engine)
    workers = min(len(names), jobs or os.cpu_count() or 1) if engine == "sim" else 1
    done = 0
    if workers > 1:
        try:
            from concurrent.futures import ProcessPoolExecutor
            from multiprocessing import get_context

            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for tried in pool.map(attempt, names):
                    done += 1
                    yield tried
        except (
            OSError,
            ImportError,
            RuntimeError,
        ):  # no semaphores, no processes (a browser, a sandbox): one by one then
            pass
    labs = jobs if engine == "kernel" else 1
    yield from map(partial(attempt, at_once=labs, tell=progress.of), names[done:])


def _show(screen: Screen, tried: Tried, seeds: int, *, quiet: bool) -> None:
    if tried.problems is not None:
        for problem in tried.problems.lines(screen.language):
            screen.show(problem, err=True)
        screen.warn("{name}: the scenario is wrong, nothing was proved", name=tried.name)
        return
    if tried.excluded:
        screen.show(tried.name, bold=True)
        screen.say("  excluded by capability: {why}", why=tried.excluded)
        screen.show()
        return
    rows = _grouped(tried.lines)
    shown = [row for row in rows if not (quiet and row[0])]
    if shown or not quiet:
        screen.show(tried.name, bold=True)
    width = min(max((len(what) for _, what, _ in rows), default=0), WIDEST_NAME)
    for good, what, said in shown:
        word = "" if good else screen.phrase("   <- must not be")
        screen.verdict(f"  {'✔' if good else '✖'} {what:<{width}}  {said.in_language(screen.language)}{word}")
    if tried.failure:
        screen.warn("{name}: this is our fault: {error}", name=tried.name, error=tried.failure)
    values = {"seconds": f"{tried.seconds:.1f}", "seeds": "0" if seeds == 1 else f"0–{seeds - 1}", "name": tried.name}
    ending = {
        0: message("{name}: proved in {seconds} s, seeds {seeds}", **values),
        NOT_PROVED: message("{name}: not proved ({seconds} s, seeds {seeds})", **values),
    }[tried.status]
    if not quiet or tried.status:
        screen.verdict(f"  {'✔' if tried.status == 0 else '✖'} {ending.in_language(screen.language)}")
        screen.show()


def _grouped(lines: list[tuple[bool, str, Message]]) -> list[tuple[bool, str, Message]]:
    """What went alike for every seed stands in one line; what differed keeps the seed in its name."""
    alike: dict[str, list[tuple[bool, str, Message]]] = {}
    for line in lines:
        alike.setdefault(SEED.sub("", line[1]), []).append(line)
    rows: list[tuple[bool, str, Message]] = []
    for what, group in alike.items():
        good, _, said = group[0]
        if all((other[0], other[2]) == (good, said) for other in group):
            rows.append((good, what, said))
        elif len({full for _, full, _ in group}) == 1:  # one seed, a fault that is used twice
            rows += [(good, what, said) for good, _, said in group]
        else:
            rows += group
    return rows
