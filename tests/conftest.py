"""What every test can use: golden files, and the rule that on a machine able to judge nothing is skipped in silence."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

GOLDEN = Path(__file__).parent / "golden"
JUDGED = ("kernel", "browser")  # there is one kernel and one browser
OWN_NAMESPACES = "tests/engines/kernel/"
NO_SKIP = (*JUDGED, "oracles")  # markers whose skips NETWERF_NO_SKIP turns into failures

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate-golden", action="store_true", help="write the golden files instead of comparing")
    parser.addoption("--conformance-examples", type=int, default=0, help="how many random sites both engines run")
    parser.addoption("--conformance-seed", type=int, default=1, help="where the random sites begin")
    parser.addoption("--conformance-grades", action="store_true", help="grade every shipped scenario on both engines")
    parser.addoption("--oracle-examples", type=int, default=0, help="how many random rows of routers solvers judge")
    parser.addoption("--conformance-shrink", action="store_true", help="make counter-examples small (takes minutes)")


@cache
def _scope(root: Path, path: str) -> str:
    """Which files one worker takes together.

    Whatever a kernel judges by settings of the whole machine stays with one worker (`tests.kernel_lab.ERROR_COST`).
    Labs of the engine live in namespaces of their own and mostly wait: another one may take those, a file at a time.
    """
    # The one who hands out work has collected nothing and knows no marks, hence the look at the text.
    text = (root / path).read_text(encoding="utf-8")
    judged = re.search("|".join([*(rf"\bmark\.{marker}\b" for marker in JUDGED), r"\bneeds_kernel\b"]), text)
    return "judged" if judged and not path.startswith(OWN_NAMESPACES) else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A worker takes what belongs together (`_scope`)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(Path(config.rootpath), nodeid.partition("::")[0])

    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers what waits for real time comes first: nobody is left to wait for it at the end."""
    if config.getoption("numprocesses", None) or os.environ.get("PYTEST_XDIST_WORKER"):
        root = Path(config.rootpath)
        paths = {item: item.nodeid.partition("::")[0] for item in items}
        items.sort(key=lambda i: (_scope(root, paths[i]) != "judged", not paths[i].startswith(OWN_NAMESPACES)))


def _may_not_skip() -> frozenset[str]:
    """NETWERF_NO_SKIP is a list of markers separated by commas, or 1 for all of them."""
    value = os.environ.get("NETWERF_NO_SKIP", "")
    return frozenset(NO_SKIP) if value == "1" else frozenset(value.split(",")) & frozenset(NO_SKIP)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        for marker in sorted(_may_not_skip()):
            if item.get_closest_marker(marker):
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
                report.outcome = "failed"
                report.longrepr = f"{item.nodeid}: marked {marker}, which may not be skipped here ({reason})"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.outcome == "skipped" and _may_not_skip():
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: a whole file may not be skipped here ({report.longrepr})"
    return report


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden("m1/first.txt", text)`: the text is what tests/golden/m1/first.txt says.

    `pytest --regenerate-golden` (make golden) writes the file instead.
    """
    regenerate = request.config.getoption("--regenerate-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if regenerate:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        elif not path.exists():
            pytest.fail(f"there is no tests/golden/{name}; make golden writes it")
        else:
            assert text == path.read_text(encoding="utf-8")

    return compare
