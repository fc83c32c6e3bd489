"""Runs cases side by side: each site is opened once, lines that cases have in common are typed once.

The cases of one variant are a tree of typed lines. Where they part, the process that holds the site forks, and each
child goes on from there; at a leaf it judges. A token is the right to use a core: who waits for children has none.
Only for systems that can fork.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from grader.checks.context import as_found
from labs.engines.base import Engine
from labs.lab import engine_named
from labs.scenario.variant import Variant
from tests.verdicts.corpus import Case, typed, variant_of

__all__ = ["Crash", "side_by_side"]

FORK = multiprocessing.get_context("fork")
PATIENCE_S = 1.0
Line = tuple[str, str]
Work = Callable[[Case, Variant, Engine], Any]


@dataclass(frozen=True)
class Crash:
    """What a case ended with instead of a result."""

    said: str


@dataclass
class _Node:
    """A site after some lines: the cases that end here, and the lines with which others go on."""

    cases: list[Case] = field(default_factory=list)
    further: dict[Line, _Node] = field(default_factory=dict)

    def all(self) -> Iterator[Case]:
        """Every case from here on."""
        yield from self.cases
        for node in self.further.values():
            yield from node.all()


def side_by_side(cases: Iterable[Case], work: Work, processes: int | None = None) -> Iterator[tuple[Case, Any]]:
    """Each case with what `work` made of it, in the order in which they end; `Crash` where it raised.

    `work` gets an engine of its own on which the lines of the case have been typed, and returns what can be pickled.
    """
    known = {str(case): case for case in cases}
    variants: dict[tuple[str, str], list[Case]] = {}
    for case in known.values():
        variants.setdefault((case.scenario, case.seed), []).append(case)
    forest = sorted(variants.values(), key=len, reverse=True)
    reader, writer = FORK.Pipe(duplex=False)
    crew = _Crew(processes or len(os.sched_getaffinity(0)), writer, work)
    gc.collect()
    gc.freeze()  # a collection in a child would otherwise write to, and so copy, every page
    foreman = FORK.Process(target=crew.lead, args=(forest,))
    foreman.start()
    gc.unfreeze()
    writer.close()
    left = set(known)
    while left:
        try:
            name, result = reader.recv()
        except EOFError:  # every process is gone
            break
        left.discard(name)
        yield known[name], result
    foreman.join()
    for name in sorted(left):
        yield known[name], Crash("its process ended without a word")


class _Crew:
    """The processes of one run."""

    def __init__(self, processes: int, answers: Connection, work: Work) -> None:
        self._tokens = FORK.Semaphore(processes)
        self._lock = FORK.Lock()
        self._answers = answers
        self._work = work
        self._holds = False

    def lead(self, forest: list[list[Case]]) -> None:
        """The first process: a child for each variant."""
        self._apart([lambda cases=cases: self._open(cases) for cases in forest])

    def _open(self, cases: list[Case]) -> None:
        variant = variant_of(cases[0])
        root = _Node()
        for case in cases:
            try:
                lines = typed(case, variant)
            except ValueError as error:
                self._say(case, Crash(str(error)))
                continue
            node = root
            for line in lines:
                node = node.further.setdefault(line, _Node())
            node.cases.append(case)
        if variant.scenario.policy is not None:
            as_found(variant.broken)
        engine = engine_named("sim")
        engine.start(variant.broken)
        self._go_on(root, variant, engine)

    def _go_on(self, node: _Node, variant: Variant, engine: Engine) -> None:
        """Type what all cases from here on have in common; where they part, part with them."""
        while not node.cases and len(node.further) == 1:
            (line,), (node,) = node.further, node.further.values()
            self._type(engine, line, node)
        ways: list[Callable[[], None]] = [lambda case=case: self._finish(case, variant, engine) for case in node.cases]

        def follow(line: Line, after: _Node) -> None:
            self._type(engine, line, after)
            self._go_on(after, variant, engine)

        ways += [lambda line=line, after=after: follow(line, after) for line, after in node.further.items()]
        if len(ways) == 1:
            ways[0]()
        else:
            self._apart(ways)

    def _type(self, engine: Engine, line: Line, after: _Node) -> None:
        try:
            engine.run(*line)
        except Exception:
            for case in after.all():
                self._say(case, Crash(traceback.format_exc()))
            raise

    def _finish(self, case: Case, variant: Variant, engine: Engine) -> None:
        try:
            result = self._work(case, variant, engine)
        except Exception as error:  # noqa: BLE001 - whatever it is, the case is not as expected
            result = Crash(f"{type(error).__name__}: {error}")
        self._say(case, result)

    def _say(self, case: Case, result: Any) -> None:
        with self._lock:
            self._answers.send((str(case), result))

    def _apart(self, ways: list[Callable[[], None]]) -> None:
        """Each way in a process of its own, as many at a time as there are tokens. Nothing is done here after that."""
        if self._holds:
            self._holds = False
            self._tokens.release()
        children: list[int] = []
        for way in ways:
            while not self._tokens.acquire(timeout=PATIENCE_S):
                children = [child for child in children if not self._ended(child, os.WNOHANG)]
            child = os.fork()
            if not child:
                self._child(way)
            children.append(child)
        for child in children:
            self._ended(child, 0)

    def _ended(self, child: int, options: int) -> bool:
        """Whether a child is gone. One that was killed could not give its token back."""
        pid, status = os.waitpid(child, options)
        if pid and os.WIFSIGNALED(status):
            self._tokens.release()
        return pid != 0

    def _child(self, way: Callable[[], None]) -> NoReturn:
        self._holds = True
        gc.disable()  # it ends soon
        try:
            way()
        except BaseException:  # noqa: BLE001 - a child never goes on with what its parent does
            traceback.print_exc()
        finally:
            if self._holds:
                self._tokens.release()
            os._exit(0)
