"""Opening and grading shipped scenarios on the simulator and on the engine kernel, in turns.

A few of them, or those that are named, or `--all`, which takes most of an hour. What is graded is the site with its
fault, so without the power cut that a pass has to survive. Where the kernel lacks what a scenario needs, the row says
what. A grade on the kernel takes as long as what it listens to, and the days that a scenario looks at are lived through
there, too.
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.common import Case, heading, measure, seconds, table
from grader.grade import judge
from labs.engines.base import EngineUnavailable
from labs.journal import Header
from labs.lab import engine_named
from labs.scenario.library import load_scenario, scenario_files
from labs.scenario.variant import Variant, draw
from labs.version import version

SEED = "7"
ROUNDS = 1  # beside the one that is not measured
FEW = ("bakery-address-clash", "greenhouse-current-loop", "tasting-room-guests")


def _open(name: str, variant: Variant) -> float:
    engine = engine_named(name)
    try:
        return seconds(lambda: engine.start(variant.broken))
    finally:
        engine.stop()


def _grade(name: str, variant: Variant) -> float:
    scenario = variant.scenario
    header = Header(scenario.id, scenario.digest, SEED, name, version())
    return seconds(lambda: judge(variant, header, site=variant.broken))


def main() -> None:
    """A row per scenario."""
    heading("the two engines", "from nothing to a lab that answers, and to a whole grade", ROUNDS)
    rows = []
    named = sys.argv[1:] or FEW
    for path in scenario_files():
        if path.stem not in named and "--all" not in named:
            continue
        variant = draw(load_scenario(path), SEED)
        cases = [Case(name, partial(work, name, variant)) for work in (_open, _grade) for name in ("sim", "kernel")]
        try:
            measure(cases, ROUNDS)
        except EngineUnavailable as error:
            rows.append([variant.scenario.id, "", "", "", "", "", str(error).partition(", and")[0]])
            continue
        opened, opened_kernel, graded, graded_kernel = (case.seconds for case in cases)
        rows.append([
            variant.scenario.id, f"{1000 * opened:.0f} ms", f"{opened_kernel:.2f} s", f"{opened_kernel / opened:.0f}x",
            f"{graded:.2f} s", f"{graded_kernel:.1f} s", f"{graded_kernel / graded:.0f}x",
        ])  # fmt: skip
    table(["what", "open: sim", "kernel", "ratio", "grade: sim", "kernel", "ratio"], rows)


if __name__ == "__main__":
    main()
