"""Mechanical mutants of the grader: one comparison turned round at a time, and who notices.

`python -m tests.verdicts.mutants [MODULE…]` tries those of all judges, or of some modules of `grader` (`wiretap`,
`checks.wiretap`, `reach.topics`, `judging`). Only the checks that use the module are judged, the others get the verdict
that they must get. Modules with a `+` between them are tried together; a name of a scenario leaves out the cases of
others. First every case is judged once by a grader that notes which comparisons it asks and how they end;
then each mutant meets the cases that ask its comparison, until one of them gets another verdict than it must. What
nobody notices is printed: a gap of the corpus, or a comparison that changes nothing that can be seen. Those of the
second kind stand in `EQUIVALENT`, with the reason.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import inspect
import itertools
import mmap
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

import grader
from grader import judging, trial
from grader.checks import JUDGES
from grader.checks.context import Context
from grader.verdict import Finding, Verdict
from labs.engines.base import Engine
from labs.messages import message
from labs.scenario.scenario import Check
from labs.scenario.variant import Variant
from tests.verdicts.corpus import Case, compared, expected, load, variant_of
from tests.verdicts.runner import Crash, side_by_side

ROOT = Path(grader.__file__).parent
TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
FIRST_CASES = 60
MOST_CASES = 40
TIMES_AS_LONG = 20  # a mutant that needs so many times the processor time of the whole grader is noticed, too
SHORTEST_LIMIT_S = 20.0
TOLD = "{} mutants, {} change nothing, {} never asked, {} not noticed"
EQUIVALENT: dict[tuple[str, str], str] = {
    ("checks.battery", "life < body.years"): "how many fall short is told; the verdict is that of the worst",
    (
        "checks.hearing",
        "text.count('\\n') >= MOST_MESSAGES",
    ): "asked in real time alone; the other of its kind is tested",
    ("checks.policy", "a != b"): "how many pairs were proved is told",
    ("checks.policy", "trial.policy.zone_of(a) != trial.policy.zone_of(b)"): "how many pairs were proved is told",
    (
        "checks.policy",
        "trial.policy.zone_of(name) != trial.policy.zone_of(device)",
    ): "in which order neighbours are asked",
    ("checks.policy", "len(parts) > SHOWN"): "how much is told",
    ("checks.loops", "_broken(context, flows) is None"): "asked in real time alone, where it ends a wait",
}
"""Comparisons that may be turned round without any verdict being another one: module and text, and why."""

BY_TESTS: dict[tuple[str, str], str] = {
    ("checks.entrance", "direction is Direction.WRITE"): "tests/grader/test_entrance.py",
    ("checks.entrance", "topic not in used"): "tests/grader/test_entrance.py",
    ("checks.hearing", "_key(other) == key"): "tests/grader/test_hearing.py",
    ("checks.hearing", "body.port != 1883"): "tests/grader/test_hearing.py",
    ("checks.hearing", "host == '127.0.0.1'"): "tests/grader/test_hearing.py",
    ("checks.hearing", "known.ended_ns - known.began_ns >= body.during"): "tests/grader/test_hearing.py",
    ("checks.hearing", "output.status == STOPPED"): "tests/grader/test_hearing.py",
    ("checks.hearing", "output.text.count('\\n') >= FLOOD"): "tests/grader/test_hearing.py",
    ("checks.hearing", "path == 'value'"): "tests/grader/test_hearing.py",
    ("checks.hearing", "output.status == 0"): "tests/grader/test_data.py",
    ("checks.hearing", "output.text.count('\\n') >= MOST_MESSAGES"): "tests/grader/test_data.py",
    ("checks.loops", "observation is None"): "tests/grader/test_loops.py",
    ("checks.messages", "age * SECOND <= body.within"): "tests/grader/test_shows.py",
}
"""Comparisons that no case can ask, or that decide about words: which tests notice when they are turned round."""


@dataclass(frozen=True)
class Mutant:
    """One comparison of a module, by its number in the order of the syntax tree."""

    module: str
    number: int
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} ({self.text})"


class _Comparisons(ast.NodeTransformer):
    """Puts something else in the place of comparisons, which are numbered from the inside out."""

    def __init__(self, change: Callable[[int, ast.Compare], ast.expr]) -> None:
        self._change = change
        self._seen = -1

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        self._seen += 1
        return self._change(self._seen, node)


def _path(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


def mutants(module: str) -> Iterator[Mutant]:
    """Every comparison of a module."""
    found: list[Mutant] = []

    def count(number: int, node: ast.Compare) -> ast.expr:
        found.append(Mutant(module, number, node.lineno, ast.unparse(node)))
        return node

    _Comparisons(count).visit(_tree(module))
    yield from found


@contextlib.contextmanager
def turned(mutant: Mutant) -> Iterator[None]:
    """The grader with that comparison turned round."""

    def turn(number: int, node: ast.Compare) -> ast.expr:
        if number == mutant.number:
            node.ops[0] = TURNED[type(node.ops[0])]()
        return node

    with _rewritten(mutant.module, turn):
        yield


@contextlib.contextmanager
def noting(module: str, asked: dict[int, set[bool]]) -> Iterator[None]:
    """The grader with comparisons that write their number and how they end into `asked`."""

    def note(number: int, node: ast.Compare) -> ast.expr:
        return ast.Call(ast.Name("_note_", ast.Load()), [ast.Constant(number), node], [])

    def noted(number: int, value: object) -> object:
        asked.setdefault(number, set()).add(bool(value))
        return value

    names = vars(importlib.import_module(f"grader.{module}"))
    names["_note_"] = noted
    with _rewritten(module, note):
        yield
    del names["_note_"]


@contextlib.contextmanager
def _rewritten(module: str, change: Callable[[int, ast.Compare], ast.expr]) -> Iterator[None]:
    """Each function of a module as it is, with other code in it: whoever holds one has the changed one."""
    tree = ast.fix_missing_locations(_Comparisons(change).visit(_tree(module)))
    codes = {
        (code.co_qualname, code.co_firstlineno): code for code in _codes(compile(tree, str(_path(module)), "exec"))
    }
    whole = importlib.import_module(f"grader.{module}")
    before = []
    for function in _functions(vars(whole), whole.__name__):
        code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if code is not None:
            before.append((function, function.__code__))
            function.__code__ = code
    try:
        yield
    finally:
        for function, code in before:
            function.__code__ = code


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _functions(
    names: dict[str, object] | types.MappingProxyType[str, object], home: str
) -> Iterator[types.FunctionType]:
    """The functions of a module and of its classes; those inside other functions come with them."""
    for value in list(names.values()):
        if isinstance(value, type):
            if value.__module__ == home:
                yield from _functions(vars(value), home)
            continue
        found = [value.fget] if isinstance(value, property) else [getattr(value, "func", value)]
        for one in found:
            function = inspect.unwrap(getattr(one, "__func__", one))
            if isinstance(function, types.FunctionType) and function.__module__ == home:
                yield function


# What a module has to do with a check


@functools.cache
def _uses(module: str) -> frozenset[str]:
    """The modules of the grader that a module uses, and those that they use; imports for types alone do not count."""
    near = set()
    waiting: list[ast.AST] = [_tree(module)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("grader."):
            inner = (node.module or "").removeprefix("grader.")
            names = [f"{inner}.{alias.name}" for alias in node.names]
            near |= {name for name in [inner, *names] if _path(name).is_file()}
            if inner == "reach":  # the package hands on what its modules have
                near |= {f"reach.{path.stem}" for path in (ROOT / "reach").glob("*.py")} - {"reach.__init__"}
    return frozenset(near | {module}) | {far for one in near for far in _uses(one)}


def concerned(check: Check, modules: list[str]) -> bool:
    """Whether one of the modules can have a say in the verdict of a check."""
    own = JUDGES[check.kind].__module__.removeprefix("grader.")
    return any(module in _uses(own) or not module.startswith(("checks.", "reach.")) for module in modules)


@contextlib.contextmanager
def only_with(modules: list[str], case: Case, variant: Variant) -> Iterator[None]:
    """The grader, which takes for granted what none of the modules has a say in."""
    checks = {check.id: check for check in variant.scenario.checks}
    due = {name: Verdict(expected(case, checks, name)) for name in checks}
    judged_ = {
        check.id
        for check in checks.values()
        if concerned(check, modules) or (check.survives and due[check.id] is Verdict.FAIL)  # now, or after a restart?
    }
    whole, still_wanted = judging._judge_one, trial._still_wanted

    def judge_one(check: Check, context: Context) -> Finding:
        return whole(check, context) if check.id in judged_ else Finding(due[check.id], message("holds"))

    def wanted(check: Check, findings: dict[str, Finding]) -> bool:
        return check.id in judged_ and still_wanted(check, findings)

    if judged_ != set(checks):
        with mock.patch.object(judging, "_judge_one", judge_one), mock.patch.object(trial, "_still_wanted", wanted):
            yield
    else:
        yield


# Who is asked what


@dataclass(frozen=True)
class Asked:
    """The comparisons that are made in a case, with how they ended; which checks find fault; the processor time."""

    comparisons: dict[tuple[str, int], frozenset[bool]]
    fails: frozenset[str]
    seconds: float


def comparisons(modules: list[str]) -> Callable[[Case, Variant, Engine], Asked]:
    """Work for the runner: the comparisons that the grader makes in a case."""

    def work(case: Case, variant: Variant, engine: Engine) -> Asked:
        asked: dict[str, dict[int, set[bool]]] = {module: {} for module in modules}
        begun = time.process_time()
        with contextlib.ExitStack() as stack:
            stack.enter_context(only_with(modules, case, variant))
            for module in modules:
                stack.enter_context(noting(module, asked[module]))
            odd = compared(case, variant, engine)
        if odd:
            raise ValueError("; ".join(f"{one.check} is {one.got}, not {one.expected}: {one.said}" for one in odd))
        found = {
            (module, number): frozenset(ends) for module, numbers in asked.items() for number, ends in numbers.items()
        }
        checks = variant.scenario.checks
        fails = frozenset(check.id for check in checks if check.id in case.expect and concerned(check, modules))
        return Asked(found, fails, time.process_time() - begun)

    return work


# Who notices

_Manner = tuple[frozenset[bool], frozenset[str]]


def trials(
    asked: dict[str, list[Mutant]], alive: mmap.mmap, numbers: dict[Mutant, int], seconds: dict[str, float]
) -> Callable[..., None]:
    """Work for the runner: the mutants that a case notices are no longer alive."""

    def work(case: Case, variant: Variant, engine: Engine) -> None:
        limit_s = max(SHORTEST_LIMIT_S, TIMES_AS_LONG * seconds[str(case)])
        for mutant in asked[str(case)]:
            if not alive[numbers[mutant]]:
                continue
            child = os.fork()
            if not child:
                signal.signal(signal.SIGPROF, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_PROF, limit_s)  # ends the process, and that is noticed, too
                os._exit(int(_notices(case, variant, engine, mutant)))
            if os.waitpid(child, 0)[1]:
                alive[numbers[mutant]] = 0

    return work


def _notices(case: Case, variant: Variant, engine: Engine | None, mutant: Mutant) -> bool:
    try:
        with only_with([mutant.module], case, variant), turned(mutant):
            return bool(compared(case, variant, engine))
    except BaseException:  # noqa: BLE001 - a mutant that breaks the grader is noticed, too
        return True


def noticed_by(mutant: Mutant, case: Case) -> bool:
    """Whether a case gets another verdict from the mutant."""
    return _notices(case, variant_of(case), None, mutant)


def noticed_by_tests(mutant: Mutant, path: str) -> bool:
    """Whether the tests of a file fail with the mutant; they run in a process of their own."""
    child = os.fork()
    if not child:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            with turned(mutant):
                os._exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", path]) == pytest.ExitCode.TESTS_FAILED))
    return bool(os.waitpid(child, 0)[1])


def survivors(tried: list[Mutant], cases: list[Case], most: int) -> tuple[list[Mutant], list[Mutant]]:
    """The mutants that nobody notices: those whose comparison no case asks, and the others."""
    modules = sorted({mutant.module for mutant in tried})
    known = {(mutant.module, mutant.number): mutant for mutant in tried}
    askers: dict[Mutant, dict[str, _Manner]] = {mutant: {} for mutant in tried}
    seconds: dict[str, float] = {}
    for case, found in side_by_side(cases, comparisons(modules)):
        if isinstance(found, Crash):
            sys.stdout.write(f"left out: {case}: {found.said}\n")
            continue
        seconds[str(case)] = found.seconds
        for key in found.comparisons.keys() & known.keys():
            askers[known[key]][str(case)] = (found.comparisons[key], found.fails)
    numbers = {mutant: number for number, mutant in enumerate(tried)}
    alive = mmap.mmap(-1, max(1, len(tried)))  # shared with every process
    alive[:] = b"\x01" * len(alive)
    for first, last in ((0, 3), (3, most)):  # most are noticed by the first that ask
        asked: dict[str, list[Mutant]] = {str(case): [] for case in cases}
        for mutant, names in askers.items():
            for name in _likely(mutant, names)[first:last]:
                if alive[numbers[mutant]]:
                    asked[name].append(mutant)
        needed = [case for case in cases if asked[str(case)]]
        for _ in side_by_side(needed, trials(asked, alive, numbers, seconds)):
            pass
    left = [mutant for mutant in tried if alive[numbers[mutant]]]
    return [m for m in left if not askers[m]], [m for m in left if askers[m]]


def in_turns(tried: list[Mutant], cases: list[Case]) -> tuple[list[Mutant], list[Mutant]]:
    """The survivors: some cases first, the others only for what those leave."""
    asking = _with_a_say(cases, sorted({mutant.module for mutant in tried}))
    asking.sort(key=lambda case: hash_of(str(case)))
    unasked, left = survivors(tried, asking[:FIRST_CASES], MOST_CASES)
    if not asking[FIRST_CASES:] or not unasked + left:
        return unasked, left
    still_unasked, still_left = survivors(unasked + left, asking[FIRST_CASES:], MOST_CASES)
    return (
        [mutant for mutant in unasked if mutant in still_unasked],
        [mutant for mutant in left if mutant in still_unasked + still_left] + [m for m in unasked if m in still_left],
    )


def _with_a_say(cases: list[Case], modules: list[str]) -> list[Case]:
    """The cases of scenarios with a check in which one of the modules has a say."""
    firsts = {case.scenario: case for case in reversed(cases)}
    used = {
        name for name, case in firsts.items() if any(concerned(c, modules) for c in variant_of(case).scenario.checks)
    }
    return [case for case in cases if case.scenario in used]


def _likely(mutant: Mutant, askers: dict[str, _Manner]) -> list[str]:
    """The cases that ask a comparison: in turn one of those in which it ends alike and the same checks find fault."""
    alike: dict[_Manner, list[str]] = {}
    for name in sorted(askers, key=lambda name: hash_of(f"{mutant}/{name}")):
        alike.setdefault(askers[name], []).append(name)
    groups = sorted(alike.values(), key=len)
    return [name for names in itertools.zip_longest(*groups) for name in names if name is not None]


def hash_of(text: str) -> bytes:
    """An order that is the same on every machine."""
    return hashlib.sha256(text.encode()).digest()


def named(word: str) -> str:
    """A module of the grader by its path, or by its last word."""
    for package in ("", "checks.", "reach.", "report."):
        if _path(package + word).is_file():
            return package + word
    message_ = f"no module {word} in grader"
    raise ValueError(message_)


def _by_tests(mutant: Mutant) -> bool:
    path = BY_TESTS.get((mutant.module, mutant.text))
    return path is not None and noticed_by_tests(mutant, path)


def main() -> int:
    """Try the mutants of the modules named, or of all judges; 0 where each is noticed or known to change nothing."""
    cases = load()
    scenarios = {case.scenario for case in cases}
    some = [case for case in cases if case.scenario in sys.argv[1:]] or cases
    words = [word for word in sys.argv[1:] if word not in scenarios] or sorted(
        path.stem for path in (ROOT / "checks").glob("*.py") if path.stem != "__init__"
    )
    totals = [0, 0, 0, 0]
    for group in words:
        tried = [mutant for word in group.split("+") for mutant in mutants(named(word))]
        equal = [mutant for mutant in tried if (mutant.module, mutant.text) in EQUIVALENT]
        unasked, left = in_turns([mutant for mutant in tried if mutant not in equal], some)
        unasked, left = ([one for one in known if not _by_tests(one)] for known in (unasked, left))
        for mutant in unasked:
            sys.stdout.write(f"never asked: {mutant}\n")
        for mutant in left:
            sys.stdout.write(f"not noticed: {mutant}\n")
        counts = (len(tried), len(equal), len(unasked), len(left))
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        sys.stdout.write(f"{group}: {TOLD.format(*counts)}\n")
        sys.stdout.flush()
    sys.stdout.write(f"all: {TOLD.format(*totals)}\n")
    return int(any(totals[2:]))


if __name__ == "__main__":
    sys.exit(main())
