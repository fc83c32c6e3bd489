"""The grades of shipped scenarios: healthy, broken and repaired sites get the same verdicts on both engines.

In the CI size one scenario; all of them with `--conformance-grades`.
"""

from __future__ import annotations

import pytest

from grader.grade import judge
from grader.verdict import Verdict
from labs.engines.base import EngineUnavailable
from labs.journal import Header
from labs.scenario.library import find_scenario, scenario_files
from labs.scenario.variant import Variant, draw
from labs.shell.bash import logical_lines
from labs.version import version
from tests.conformance.deviations import LACKING, LACKING_HERE, UNGRADED
from tests.engines.kernel.kernel_site import needs_kernel

pytestmark = needs_kernel

ALWAYS = (("bakery-address-clash", "repaired"),)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every shipped scenario, or the few of the CI size."""
    everything = metafunc.config.getoption("--conformance-grades")
    if everything:
        cases = [
            (name, what)
            for name in sorted(path.stem for path in scenario_files())
            for what in ("healthy", "broken", "repaired")
        ]
    else:
        cases = list(ALWAYS)
    metafunc.parametrize(("name", "what"), cases)


def verdicts(variant: Variant, what: str, engine: str) -> dict[str, Verdict]:
    """The verdict of each check."""
    scenario = variant.scenario
    site = variant.healthy if what == "healthy" else variant.broken
    steps = variant.steps(scenario.solution) if what == "repaired" else ()
    typed = [(place, line) for place, text in steps for line in logical_lines(text)]
    header = Header(scenario.id, scenario.digest, variant.seed, engine, version())
    grade = judge(variant, header, site=site, lines=typed)
    return {result.id: result.verdict for result in grade.results}


def test_site_of_a_scenario_is_judged_the_verdicts_are_the_same(name, what):
    variant = draw(find_scenario(name), "0")
    if name in LACKING:
        with pytest.raises(EngineUnavailable, match=f"no {LACKING[name]}"):
            verdicts(variant, what, "kernel")
        return
    try:
        real = verdicts(variant, what, "kernel")
    except EngineUnavailable as error:
        if name in LACKING_HERE and LACKING_HERE[name] in str(error):
            return
        raise
    simulated = verdicts(variant, what, "sim")
    excused = {check for scenario, state, check in UNGRADED if (scenario, state) == (name, what)}
    assert {c: (simulated[c], real[c]) for c in simulated if simulated[c] != real[c] and c not in excused} == {}
