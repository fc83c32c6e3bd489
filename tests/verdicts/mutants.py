"""Mechanical mutants of the grader: one comparison of a judge turned round at a time, and who notices.

`python -m tests.verdicts.mutants [MODULE…]` tries all of them, or those of some modules of `grader.checks`. First every
case is judged once by judges that note which comparisons they ask; then each mutant meets the cases that ask its
comparison, until one of them gets another verdict than it must. What nobody notices is printed: a gap of the corpus, or
a comparison that changes nothing that can be seen. Those of the second kind stand in `EQUIVALENT`, with the reason.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import mmap
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grader import checks
from labs.engines.base import Engine
from labs.scenario.variant import Variant
from tests.verdicts.corpus import Case, compared, judged, load, wrong
from tests.verdicts.runner import Crash, side_by_side

ROOT = Path(checks.__file__).parent
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
MOST_CASES = 25
LONGEST_S = 120
EQUIVALENT: dict[tuple[str, str], str] = {}
"""Comparisons that may be turned round without any verdict being another one: module and text, and why."""


@dataclass(frozen=True)
class Mutant:
    """One comparison of a module, by its number in the order of the syntax tree."""

    module: str
    number: int
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} ({self.text})"


class _Turn(ast.NodeTransformer):
    """Turns one comparison round."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._seen = -1

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        self._seen += 1
        if self._seen == self._wanted:
            node.ops[0] = TURNED[type(node.ops[0])]()
        return node


def mutants(module: str) -> Iterator[Mutant]:
    """Every comparison of a module, in the order in which `_Turn` meets them."""

    class Count(ast.NodeTransformer):
        def visit_Compare(self, node: ast.Compare) -> ast.AST:
            self.generic_visit(node)
            found.append(node)
            return node

    found: list[ast.Compare] = []
    Count().visit(ast.parse((ROOT / f"{module}.py").read_text(encoding="utf-8")))
    for number, node in enumerate(found):
        yield Mutant(module, number, node.lineno, ast.unparse(node))


def turned(mutant: Mutant) -> types.ModuleType:
    """The module with that comparison turned round; nobody uses it yet."""
    path = ROOT / f"{mutant.module}.py"
    tree = ast.fix_missing_locations(_Turn(mutant.number).visit(ast.parse(path.read_text(encoding="utf-8"))))
    return _compiled(mutant.module, tree, {})


def _compiled(word: str, tree: ast.AST, more: dict[str, object]) -> types.ModuleType:
    path = ROOT / f"{word}.py"
    name = f"grader.checks.{word}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    module.__dict__.update(more)
    whole = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(tree, str(path), "exec"), module.__dict__)  # type: ignore[arg-type]
    finally:
        if whole is not None:
            sys.modules[name] = whole
    return module


class Replaced:
    """The judges of a mutated module in place of the real ones."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._before: list[tuple[object, str, object]] = []

    def __enter__(self) -> None:
        """Every function and class of the module, wherever the grader has it by name."""
        name = self._module.__name__
        whole = importlib.import_module(name)
        sys.modules[f"{name} turned"] = self._module  # so that another one finds it, too
        for word, value in list(vars(whole).items()):
            if not (isinstance(value, types.FunctionType | type) and value.__module__ == name):
                continue
            new = vars(self._module)[word]
            for other in [m for n, m in list(sys.modules.items()) if n.startswith("grader.")]:
                for known, held in list(vars(other).items()):
                    if held is value:
                        self._before.append((other, known, held))
                        setattr(other, known, new)
            for kind, judge in list(checks.JUDGES.items()):
                if judge is value:
                    self._before.append((checks.JUDGES, kind, judge))
                    checks.JUDGES[kind] = new

    def __exit__(self, *_: object) -> None:
        del sys.modules[f"{self._module.__name__} turned"]
        for holder, word, value in self._before:
            if isinstance(holder, dict):
                holder[word] = value
            else:
                setattr(holder, word, value)


# Who is asked what


def noting(module: str, asked: set[int]) -> types.ModuleType:
    """The module with comparisons that write their number into `asked` when they are made."""

    class Note(ast.NodeTransformer):
        def __init__(self) -> None:
            self.seen = -1

        def visit_Compare(self, node: ast.Compare) -> ast.AST:
            self.generic_visit(node)
            self.seen += 1
            note = ast.Call(ast.Name("_note_", ast.Load()), [ast.Constant(self.seen)], [])
            return ast.BoolOp(ast.And(), [note, node])

    path = ROOT / f"{module}.py"
    tree = ast.fix_missing_locations(Note().visit(ast.parse(path.read_text(encoding="utf-8"))))
    return _compiled(module, tree, {"_note_": lambda number: asked.add(number) or True})


def comparisons(modules: list[str]) -> Callable[[Case, Variant, Engine], set[tuple[str, int]]]:
    """Work for the runner: the comparisons that the judges make in a case."""

    def work(case: Case, variant: Variant, engine: Engine) -> set[tuple[str, int]]:
        asked: dict[str, set[int]] = {module: set() for module in modules}
        with contextlib.ExitStack() as stack:
            for module in modules:
                stack.enter_context(Replaced(noting(module, asked[module])))
            judged(case, variant, engine)
        return {(module, number) for module, numbers in asked.items() for number in numbers}

    return work


# Who notices


def trials(asked: dict[str, list[Mutant]], alive: mmap.mmap, numbers: dict[Mutant, int]) -> Callable[..., list[str]]:
    """Work for the runner: the mutants that a case notices, of those that nobody noticed before."""

    def work(case: Case, variant: Variant, engine: Engine) -> None:
        for mutant in asked[str(case)]:
            if not alive[numbers[mutant]]:
                continue
            child = os.fork()
            if not child:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(LONGEST_S)  # ends the process, and that is noticed, too
                os._exit(int(_notices(case, variant, engine, mutant)))
            if os.waitpid(child, 0)[1]:
                alive[numbers[mutant]] = 0

    return work


def _notices(case: Case, variant: Variant, engine: Engine, mutant: Mutant) -> bool:
    try:
        with Replaced(turned(mutant)):
            return bool(compared(case, variant, engine))
    except BaseException:  # noqa: BLE001 - a mutant that breaks the grader is noticed, too
        return True


def noticed_by(mutant: Mutant, case: Case) -> bool:
    """Whether a case gets another verdict from the mutant."""
    with Replaced(turned(mutant)):
        try:
            return bool(wrong(case))
        except Exception:  # noqa: BLE001 - a mutant that breaks the grader is noticed, too
            return True


def survivors(tried: list[Mutant], cases: list[Case], most: int) -> tuple[list[Mutant], list[Mutant]]:
    """The mutants that nobody notices: those whose comparison no case asks, and the others."""
    modules = sorted({mutant.module for mutant in tried})
    known = {(mutant.module, mutant.number): mutant for mutant in tried}
    askers: dict[Mutant, list[str]] = {mutant: [] for mutant in tried}
    for case, found in side_by_side(cases, comparisons(modules)):
        if isinstance(found, Crash):
            raise RuntimeError(f"{case}: {found.said}")  # noqa: TRY004 - no type of an argument
        for key in found:
            if key in known:
                askers[known[key]].append(str(case))
    asked: dict[str, list[Mutant]] = {str(case): [] for case in cases}
    for mutant, names in askers.items():
        for name in sorted(names, key=lambda name: hash_of(f"{mutant}/{name}"))[:most]:
            asked[name].append(mutant)
    numbers = {mutant: number for number, mutant in enumerate(tried)}
    alive = mmap.mmap(-1, max(1, len(tried)))  # shared with every process
    alive[:] = b"\x01" * len(alive)
    needed = [case for case in cases if asked[str(case)]]
    for _ in side_by_side(needed, trials(asked, alive, numbers)):
        pass
    left = [mutant for mutant in tried if alive[numbers[mutant]]]
    return [m for m in left if not askers[m]], [m for m in left if askers[m]]


def hash_of(text: str) -> bytes:
    """An order that is the same on every machine."""
    return hashlib.sha256(text.encode()).digest()


def main() -> int:
    """Try the mutants of the modules named, or of all; 0 where each is noticed or known to change nothing."""
    modules = sys.argv[1:] or sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")
    tried = [mutant for module in modules for mutant in mutants(module)]
    equal = [mutant for mutant in tried if (mutant.module, mutant.text) in EQUIVALENT]
    unasked, left = survivors([mutant for mutant in tried if mutant not in equal], load(), MOST_CASES)
    for mutant in unasked:
        sys.stdout.write(f"never asked: {mutant}\n")
    for mutant in left:
        sys.stdout.write(f"not noticed: {mutant}\n")
    counts = f"{len(tried)} mutants, {len(equal)} change nothing, {len(unasked)} never asked, {len(left)} not noticed\n"
    sys.stdout.write(counts)
    return int(bool(unasked or left))


if __name__ == "__main__":
    sys.exit(main())
