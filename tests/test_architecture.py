"""The house keeps its shape: imports point one way, the protocol machines stay pure, files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for package in ("labs", "grader") for path in (ROOT / package).rglob("*.py"))

# Who may know whom. A part also knows itself; "" is `labs` or `grader` itself, the published names.
MACHINES = frozenset({"labs.model", "labs.net", "labs.things"})
LEAVES = frozenset({"labs.data", "labs.version", "labs.messages"})
ENGINES = MACHINES | {"labs.shell", "labs.hands", "labs.engines"}
LAB = ENGINES | LEAVES | {"labs.faults", "labs.scenario", "labs.journal", "labs.lab"}
MAY_KNOW: dict[str, frozenset[str]] = {
    "labs.data": frozenset(),
    "labs.version": frozenset(),
    "labs.messages": frozenset({"labs.data", "labs.model"}),
    "labs.model": frozenset(),
    "labs.net": frozenset({"labs.model"}),
    "labs.things": frozenset({"labs.model", "labs.net"}),
    "labs.shell": MACHINES,
    "labs.hands": MACHINES | {"labs.messages"},
    "labs.faults": MACHINES,
    "labs.scenario": MACHINES | LEAVES | {"labs.faults"},
    "labs.engines": MACHINES | LEAVES | {"labs.shell", "labs.hands"},
    "labs.journal": LAB,
    "labs.lab": LAB,
    "labs.testing": LAB,
    "labs": LAB,
    "grader": LAB | {"labs", "labs.testing"},
    "labs.ui": LAB | {"labs", "labs.testing", "grader"},
}

KNOWN_WITH_REASON = {
    ("labs", "labs.ui.notebook"): "`%load_ext labs` has to find the magics",
}

# The engine on a real kernel is three processes deep, and nobody knows who holds it.
KERNEL = "labs.engines.kernel"
KERNEL_DEPTHS = ("lab", "device", "sandbox")

PURE = ("labs.model", "labs.net", "labs.things", "labs.shell", "labs.hands", "labs.faults")
IMPURE_MODULES = frozenset(
    "asyncio concurrent logging multiprocessing os pathlib queue random secrets select selectors shutil signal simpy "
    "socket subprocess sys tempfile threading time urllib uuid".split()
)
IMPURE_CALLS = frozenset({"breakpoint", "input", "open", "print"})
CLOCKS = frozenset({"now", "today", "utcnow"})  # of datetime and date, which are welcome for calendar sums
PURE_WITH_REASON: dict[str, frozenset[str]] = {}  # module -> impure modules it may import, with the reason beside it

BAGS = frozenset({"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"})
MAX_LINES = 500
LONG_WITH_REASON: dict[str, str] = {}  # path -> why it is one chapter

HEAVY = (
    "IPython click ipykernel jinja2 lark matplotlib mininet nbformat networkx numpy paho prompt_toolkit pymodbus rich"
    " simpy"
).split()


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`labs.net.linux.node` is of the part labs.net; everything in grader is grader."""
    package, *rest = module.split(".")
    return package if package == "grader" or not rest else f"{package}.{rest[0]}"


def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, those for type checking and inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            if node.module in ("labs", "grader"):
                for alias in node.names:
                    below = f"{node.module}.{alias.name}"
                    yield node.lineno, below if is_module(below) else node.module
            else:
                yield node.lineno, node.module


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_imports_point_one_way() -> None:
    wrong = []
    for path in MODULES:
        part = part_of(module_name(path))
        if part not in MAY_KNOW:
            wrong.append(f"{where(path, 1)}: {part} has no place in MAY_KNOW: say what it may import")
            continue
        for line, imported in imports(syntax_tree(path)):
            known = part_of(imported)
            ours = imported.split(".")[0] in ("labs", "grader")
            if ours and known not in {part, *MAY_KNOW[part]} and (part, imported) not in KNOWN_WITH_REASON:
                wrong.append(f"{where(path, line)}: {part} may not know {known} ({imported})")
    assert not wrong, "\n".join(wrong)


def test_device_of_the_kernel_knows_no_lab_and_its_sandbox_no_device() -> None:
    wrong = []
    for path in MODULES:
        module = module_name(path)
        for depth, inner in enumerate(KERNEL_DEPTHS):
            outer = tuple(f"{KERNEL}.{name}." for name in KERNEL_DEPTHS[:depth])
            if module.startswith(f"{KERNEL}.{inner}."):
                known = [(line, name) for line, name in imports(syntax_tree(path)) if name.startswith(outer)]
                wrong += [f"{where(path, line)}: {inner} may not know {name}" for line, name in known if outer]
    assert not wrong, "\n".join(wrong)


def test_no_part_knows_somebody_who_knows_it() -> None:
    """MAY_KNOW itself has no cycle, except journal and lab, which are one part in two files."""
    pair = {"labs.journal", "labs.lab"}
    both_ways = [
        f"{one} <-> {other}"
        for one, others in MAY_KNOW.items()
        for other in others
        if one < other and one in MAY_KNOW.get(other, ()) and {one, other} != pair
    ]
    assert not both_ways


def test_machines_import_no_clock_no_chance_no_outside_world() -> None:
    wrong = []
    for path in MODULES:
        module = module_name(path)
        if part_of(module) not in PURE:
            continue
        tree = syntax_tree(path)
        allowed = PURE_WITH_REASON.get(module, frozenset())
        for line, imported in imports(tree):
            if imported.split(".")[0] in IMPURE_MODULES - allowed:
                wrong.append(f"{where(path, line)}: a pure module imports {imported}")
        wrong += [f"{where(path, line)}: a pure module calls {name}()" for line, name in impure_calls(tree)]
    assert not wrong, "\n".join(wrong)


def impure_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Calls of built-in functions that reach outside, and of the clocks of datetime."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        *owner, name = called.split(".")
        if (not owner and name in IMPURE_CALLS) or (owner and owner[-1] in ("date", "datetime") and name in CLOCKS):
            yield node.lineno, called


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("print(1)", ["print"]),
        ("process.print('x')", []),
        ("datetime.datetime.now(tz)", ["datetime.datetime.now"]),
        ("date.today()", ["date.today"]),
        ("datetime.fromtimestamp(0, UTC)", []),
        ("node.now", []),
    ],
)
def test_impure_call_is_found(code: str, found: list[str]) -> None:
    assert [name for _, name in impure_calls(ast.parse(code))] == found


def test_every_module_starts_with_a_docstring() -> None:
    """An empty file that only makes a package needs none."""
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if (tree := syntax_tree(path)).body and not ast.get_docstring(tree)
    ]
    assert not silent


def test_no_module_is_a_bag() -> None:
    bags = [module_name(path) for path in MODULES if module_name(path).split(".")[-1] in BAGS]
    assert [bag for bag in bags if bag != "labs.engines.base"] == []


def test_no_file_is_two_chapters() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES and path not in LONG_WITH_REASON} == {}
    assert [path for path in LONG_WITH_REASON if lengths.get(path, 0) <= MAX_LINES] == [], "no longer long"


@pytest.mark.parametrize("package", ["labs", "grader"])
def test_importing_a_package_loads_no_heavy_module(package: str) -> None:
    """Heavy modules load where they are first used; the count of modules says so on every machine alike."""
    program = f"import sys, {package}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert [name for name in HEAVY if name in loaded] == []
