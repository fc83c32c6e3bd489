"""Mechanical mutants of the grader: one comparison of a judge turned round at a time, and who notices.

`python -m tests.verdicts.mutants [MODULE…]` tries all of them, or those of some modules of `grader.checks`. Each meets
a repair that must pass and up to six cases in which a judge of that module must find fault. What nobody notices is
printed: a gap of the corpus, or a comparison that changes nothing that can be seen.
"""

from __future__ import annotations

import ast
import functools
import importlib
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader import checks
from tests.verdicts.corpus import Case, load, variant_of, wrong

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
MOST_CASES = 6


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
    name = f"grader.checks.{mutant.module}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    whole = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(tree, str(path), "exec"), module.__dict__)
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
        """Every function of the module, wherever a judge has it by name."""
        name = self._module.__name__
        whole = importlib.import_module(name)
        for word, value in list(vars(whole).items()):
            if not (isinstance(value, types.FunctionType) and value.__module__ == name):
                continue
            new = vars(self._module)[word]
            for other in [m for n, m in list(sys.modules.items()) if n.startswith("grader.checks")]:
                for known, held in list(vars(other).items()):
                    if held is value:
                        self._before.append((other, known, held))
                        setattr(other, known, new)
            for kind, judge in list(checks.JUDGES.items()):
                if judge is value:
                    self._before.append((checks.JUDGES, kind, judge))
                    checks.JUDGES[kind] = new

    def __exit__(self, *_: object) -> None:
        for holder, word, value in self._before:
            if isinstance(holder, dict):
                holder[word] = value
            else:
                setattr(holder, word, value)


@functools.cache
def cases_for(module: str) -> list[Case]:
    """Cases whose verdicts come from the judges of a module: first those that expect it to find fault."""
    own = {kind for kind, judge in checks.JUDGES.items() if judge.__module__ == f"grader.checks.{module}"}
    asked: dict[str, set[str]] = {}
    faults, passes = [], []
    for case in load():
        if case.scenario not in asked:
            asked[case.scenario] = {c.id for c in variant_of(case).scenario.checks if not own or c.kind in own}
        expected = asked[case.scenario]
        if expected & set(case.expect):
            faults.append(case)
        elif expected and not case.expect:
            passes.append(case)
    spread = faults[:: max(1, len(faults) // MOST_CASES)]
    return [*passes[:1], *spread]


def survivor(mutant: Mutant) -> bool:
    """True where no case notices it."""
    with Replaced(turned(mutant)):
        for case in cases_for(mutant.module):
            try:
                if wrong(case):
                    return False
            except Exception:  # noqa: BLE001 - a mutant that breaks the grader is noticed, too
                return False
    return True


def main() -> int:
    """Try the mutants of the modules named, or of all."""
    modules = sys.argv[1:] or sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")
    tried = left = 0
    for module in modules:
        for mutant in mutants(module):
            tried += 1
            if survivor(mutant):
                left += 1
                sys.stdout.write(f"not noticed: {mutant}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{tried} mutants, {left} not noticed\n")
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())
