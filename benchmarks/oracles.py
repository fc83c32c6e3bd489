"""Proofs over all packets beside a BDD library, a SAT solver and an SMT solver, with equal answers.

Two problems of five routers in a row with 200 rules each and 20 subnets at each router, all 9,900 pairs of subnets:
`single_hosts` fixes the destination to one address, so that rules about its subnet say all there is to say about it;
`whole_subnets` asks from subnet to subnet, with several hosts and rules about single ones. Both sides are asked the
same, and any difference is an error. The rivals get the rules as they were drawn; we get the observed site, so reading
its rules and finding its routes is in our time.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from random import Random
from time import process_time

from benchmarks.common import Case, heading, measure, processor_seconds, table
from benchmarks.row.instance import Row, single_hosts, whole_subnets
from benchmarks.row.solvers import BddSolver, SatSolver, SmtSolver, Solver
from grader.reach import Reach
from labs.model.site import Site

SMT_PAIRS, SAT_PAIRS = 12, 400
Pairs = set[tuple[int, int]]


def by_reach(row: Row, site: Site) -> Pairs:
    """Build the analysis and ask it about every pair."""
    reach = Reach(site)
    ported = reach.analysis.services.full & ~reach.analysis.services.icmp
    return {
        (a, b)
        for a, services in enumerate(reach.matrix(row.names))
        for b, found in enumerate(services)
        if a != b and found & ported
    }


def by_solver(row: Row, solver: Solver) -> Pairs:
    """Ask a rival about every pair."""
    subnets = range(len(row.hosts))
    return {(a, b) for a in subnets for b in subnets if a != b and solver.passes(a, b)}


def by_sat(row: Row) -> Pairs:
    """The same, and give its memory back."""
    with SatSolver(row) as solver:
        return by_solver(row, solver)


def by_sample(row: Row, make: Callable[[], Solver], count: int, expected: Pairs) -> float:
    """Ask about some pairs only: seconds for all by extrapolation. Raises RuntimeError where an answer differs."""
    start = process_time()
    solver = make()
    built = process_time() - start
    subnets = range(len(row.hosts))
    random = Random("pairs")
    pairs = [tuple(random.sample(subnets, 2)) for _ in range(count)]
    start = process_time()
    for a, b in pairs:
        agree(type(solver).__name__, {(a, b)} if solver.passes(a, b) else set(), expected & {(a, b)})
    return built + (process_time() - start) / count * len(subnets) * (len(subnets) - 1)


def agree(name: str, found: Pairs, expected: Pairs) -> None:
    """Raise RuntimeError unless the answers are the same."""
    if found != expected:
        message = f"{name} finds other pairs: {sorted(found ^ expected)[:5]}"
        raise RuntimeError(message)


def all_pairs(title: str, row: Row) -> None:
    """One table."""
    heading(title, "processor time; the rivals get the rules as they are, we the whole observed site")
    site = row.site()
    answers: dict[str, Pairs] = {}

    def case(name: str, ask: Callable[[], Pairs]) -> Case:
        return Case(name, lambda: processor_seconds(lambda: answers.__setitem__(name, ask())))

    cases = [case("analysis (build and prove)", lambda: by_reach(row, site))]
    if installed("dd.cudd"):
        cases.append(case("dd.cudd", lambda: by_solver(row, BddSolver(row, import_module("dd.cudd")))))
    measure(cases)
    if installed("pysat"):
        cases.append(case("CaDiCaL, what rules share encoded once (one round)", lambda: by_sat(row)))
        cases[-1].times.append(cases[-1].run())
    expected = answers[cases[0].name]
    for name, found in answers.items():
        agree(name, found, expected)
    rows = [(found.name, found.seconds) for found in cases]
    if installed("pysat"):
        spent = by_sample(row, lambda: SatSolver(row, sharing=False), SAT_PAIRS, expected)
        rows.append((f"CaDiCaL, each rule for itself ({SAT_PAIRS} pairs, extrapolated)", spent))
    if installed("z3"):
        rows.append(
            (f"z3 ({SMT_PAIRS} pairs, extrapolated)", by_sample(row, lambda: SmtSolver(row), SMT_PAIRS, expected))
        )
    table(["", "time", "times ours"], [[name, f"{spent:.3f} s", f"{spent / rows[0][1]:.1f}"] for name, spent in rows])
    pairs = len(row.hosts) * (len(row.hosts) - 1)
    print(f"  {len(expected)} of {pairs} pairs can exchange something; all find the same pairs\n")


def installed(module: str) -> bool:
    """Whether a rival is here: they come with the extra `oracles`."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def main() -> None:
    """Both tables."""
    all_pairs("From subnet to subnet: four hosts in each, rules down to /32", whole_subnets())
    all_pairs("To one host in each subnet: no rule is narrower than a /24", single_hosts())


if __name__ == "__main__":
    main()
