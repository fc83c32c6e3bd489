"""Whether a scenario proves itself.

The healthy site must pass every check, the broken one must fail, every fault by itself must break something, the
reference repair and every other repair must pass, and whatever a lazy or clever person might try instead must not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grader.grade import judge
from grader.verdict import Grade, Outcome, Verdict
from labs.journal import Header
from labs.messages import Message, message
from labs.model.site import Kind, Site
from labs.scenario.scenario import FaultUse, Scenario
from labs.scenario.variant import Variant, break_site, draw
from labs.version import version

__all__ = ["Line", "Proof", "prove"]

NEGATIVE = frozenset({"refuse", "policy"})
Lines = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was tried: what, how it went, and whether that is as it must be."""

    what: str
    said: Message
    good: bool
    grade: Grade | None = None


@dataclass(slots=True)
class Proof:
    """Everything that was tried for one scenario, by seed."""

    scenario: str
    seeds: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)

    @property
    def proved(self) -> bool:
        """Everything went as it must."""
        return bool(self.lines) and all(line.good for line in self.lines)


def prove(scenario: Scenario, seeds: Iterable[int | str] = (0, 1, 2), *, engine: str = "sim") -> Proof:
    """Try a scenario out.

    Every seed is tried with the healthy site, the broken site and the repairs; every fault of the file by itself, and
    the cheats, on the first seed. On the engine kernel that takes real time.
    """
    proof = Proof(scenario.id, tuple(str(seed) for seed in seeds))
    for index, seed in enumerate(proof.seeds):
        variant = draw(scenario, seed)
        trial = _Trial(variant, proof, engine)
        trial.healthy()
        trial.broken()
        if index == 0:
            trial.faults_alone()
        trial.repairs()
        trial.half_repairs()
        if index == 0:
            trial.cheats()
    return proof


class _Trial:
    """One seed."""

    def __init__(self, variant: Variant, proof: Proof, engine: str) -> None:
        self._variant = variant
        self._proof = proof
        scenario = variant.scenario
        self._header = Header(scenario.id, scenario.digest, variant.seed, engine, version())

    def _judge(self, site: Site, lines: Sequence[tuple[str, str]] = ()) -> Grade:
        return judge(self._variant, self._header, site=site, lines=lines)

    def _note(self, what: str, said: Message, grade: Grade, *, good: bool) -> None:
        self._proof.lines.append(Line(f"{what} (seed {self._variant.seed})", said, good, grade))

    def healthy(self) -> None:
        """Passes everything."""
        grade = self._judge(self._variant.healthy)
        self._full_marks("healthy site", grade)

    def _full_marks(self, what: str, grade: Grade) -> None:
        passed = sum(result.verdict is Verdict.PASS for result in grade.results)
        wrong = [result for result in grade.results if result.verdict is not Verdict.PASS]
        if wrong:
            said = message(
                "passes {passed} of {all}; {id}: {why}",
                passed=passed,
                all=len(grade.results),
                id=wrong[0].id,
                why=wrong[0].rationale,
            )
        else:
            said = message("passes {passed} of {all} checks", passed=passed, all=len(grade.results))
        self._note(what, said, grade, good=not wrong and grade.outcome is Outcome.PASSED)

    def broken(self) -> None:
        """Fails, and doing nothing is not enough."""
        grade = self._judge(self._variant.broken)
        failed = [result.id for result in grade.results if result.verdict is not Verdict.PASS]
        said = message(
            "fails {failed} of {all}: {ids}", failed=len(failed), all=len(grade.results), ids=", ".join(failed)
        )
        self._note("broken site, do nothing", said, grade, good=bool(failed) and grade.outcome is Outcome.BELOW)

    def faults_alone(self) -> None:
        """Every fault by itself breaks at least one check."""
        scenario = self._variant.scenario
        for choice in scenario.faults:
            for use in choice.options:
                self._fault_alone(use)

    def _fault_alone(self, use: FaultUse) -> None:
        variant = self._variant
        site = break_site(variant.scenario, variant.healthy, (use,), variant.placeholders)
        grade = self._judge(site)
        broken = [result.id for result in grade.results if result.verdict is not Verdict.PASS]
        said = (
            message("breaks {ids}", ids=", ".join(broken)) if broken else message("breaks nothing: no check notices it")
        )
        self._note(use.fault, said, grade, good=bool(broken) and grade.outcome is not Outcome.UNGRADABLE)

    def repairs(self) -> None:
        """The reference repair and every other repair earn full marks."""
        scenario = self._variant.scenario
        for name, steps in [("reference repair", scenario.solution), *scenario.other_solutions.items()]:
            self._full_marks(name, self._judge(self._variant.broken, _typed(self._variant.steps(steps))))

    def half_repairs(self) -> None:
        """What the author says is not enough does not pass."""
        for name, steps in self._variant.scenario.not_enough.items():
            grade = self._judge(self._variant.broken, _typed(self._variant.steps(steps)))
            failed = [result.id for result in grade.results if result.verdict is not Verdict.PASS]
            said = message(
                "is not enough: {points} of {max} points; {ids}",
                points=grade.points,
                max=grade.max_points,
                ids=", ".join(failed),
            )
            if grade.outcome is Outcome.PASSED:
                said = message(
                    "{points} of {max} points: that is enough to pass", points=grade.points, max=grade.max_points
                )
            self._note(name, said, grade, good=grade.outcome is Outcome.BELOW)

    def cheats(self) -> None:
        """None of the short cuts reaches the threshold; a dead or closed site earns nothing for being safe."""
        for name, lines in _cheats(self._variant).items():
            grade = self._judge(self._variant.broken, lines)
            negative = [r.id for r in grade.results if r.kind in NEGATIVE and r.verdict is Verdict.PASS]
            said = message("{points} of {max} points", points=grade.points, max=grade.max_points)
            good = grade.outcome is Outcome.BELOW and not negative
            if grade.outcome is Outcome.PASSED:
                said = message(
                    "{points} of {max} points: that is enough to pass", points=grade.points, max=grade.max_points
                )
            elif negative:
                said = message("earns {ids} without doing anything for it", ids=", ".join(negative))
            self._note(name, said, grade, good=good)


def _typed(steps: Iterable[tuple[str, str]]) -> Lines:
    """What a person would type, line by line."""
    from labs.shell.bash import logical_lines

    return [(place, line) for place, text in steps for line in logical_lines(text)]


DROP_ALL = """nft flush ruleset
nft add table inet shut
nft add chain inet shut input '{ type filter hook input priority 0; policy drop; }'
nft add chain inet shut forward '{ type filter hook forward priority 0; policy drop; }'
nft add chain inet shut output '{ type filter hook output priority 0; policy drop; }'
nft list ruleset > /etc/nftables.conf
"""
ACCEPT_ALL = """nft flush ruleset
echo 'flush ruleset' > /etc/nftables.conf
"""
FACTORY_RESET = """rm -f /etc/network/interfaces /etc/nftables.conf /etc/dnsmasq.conf /etc/sensor.toml /etc/display.toml
rm -f /etc/mosquitto/mosquitto.conf
reboot
"""


def _cheats(variant: Variant) -> dict[str, Lines]:
    devices = variant.healthy.devices
    reachable = [d.name for d in devices.values() if d.kind is not Kind.INTERNET]
    firewalls = [d.name for d in devices.values() if "/etc/nftables.conf" in d.files and d.kind is not Kind.INTERNET]
    linked = sorted({str(end) for link in variant.broken.links for end in link.ends})
    cheats: dict[str, Lines] = {
        "drop everything": [(name, line) for name in reachable for line in DROP_ALL.splitlines()],
        "all leads out": [("hands", f"unplug {end}") for end in linked],
        "everything off": [("hands", f"power off {name}") for name in devices],
        "reset everything": [(name, line) for name in reachable for line in FACTORY_RESET.splitlines()],
    }
    if firewalls:
        cheats["accept everything"] = [(name, line) for name in firewalls for line in ACCEPT_ALL.splitlines()]
    return cheats
