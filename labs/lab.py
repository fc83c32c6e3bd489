"""A lab: a variant running on an engine, with a journal. Its state is the replay of the journal on a fresh site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labs.engines.base import CommandRejected, Engine, Output
from labs.journal import DESK, Entry, Header, Journal, JournalError, answer_digest
from labs.messages import message
from labs.model.durations import parse_duration
from labs.model.site import Site
from labs.model.world import ARRIVAL_NS
from labs.scenario.library import find_scenario
from labs.scenario.scenario import Scenario
from labs.scenario.variant import Variant, draw
from labs.version import version

__all__ = ["ENGINES", "Divergence", "Lab", "engine_named", "open_lab", "replay", "resume"]

HANDS = "hands"
LONGEST_PAUSE_NS = 60_000_000_000  # more than a spanning tree and an address by DHCP after it take
ALL_PAUSES_NS = 5 * LONGEST_PAUSE_NS
ENGINES = ("sim", "kernel")


class Divergence(Exception):
    """A replay answered differently from what the journal recorded."""

    def __init__(self, entry: Entry, output: Output) -> None:
        super().__init__(f"diverged at entry {entry.n} ({entry.place}: {entry.line.splitlines()[0]})")
        self.entry = entry
        self.output = output


def engine_named(name: str) -> Engine:
    """A fresh engine. Raises CommandRejected for an unknown name."""
    if name == "kernel":
        from labs.engines.kernel import KernelEngine

        return KernelEngine()
    if name != "sim":
        message = f'there is no engine "{name}"; engines: {", ".join(ENGINES)}'
        raise CommandRejected(message)
    from labs.engines.sim import SimEngine

    return SimEngine()


def replay(
    engine: Engine, entries: list[Entry], *, strict: bool = True, answers: bool = True, paced: bool = False
) -> Divergence | None:
    """Type the entries again. Returns the first divergence, or None.

    Parameters
    ----------
    strict
        Stop at the first divergence.
    answers
        Compare whole answers; otherwise exit statuses, where answers hold what is chance (an engine in real time).
    paced
        Leave as much time between two lines as there was when they were typed, at most LONGEST_PAUSE_NS, and
        ALL_PAUSES_NS altogether.
    """
    first: Divergence | None = None
    behind_ns, left_ns = 0, ALL_PAUSES_NS
    for entry in entries:
        if entry.place == DESK:
            continue
        if paced:
            late_ns = entry.at_ns - behind_ns - (engine.now - ARRIVAL_NS)
            pause_ns = min(max(late_ns, 0), LONGEST_PAUSE_NS, left_ns)
            engine.wait(pause_ns)
            left_ns -= pause_ns
            behind_ns = entry.at_ns - (engine.now - ARRIVAL_NS)  # what a longer pause leaves is not made up for
        output = engine.run(entry.place, entry.line)
        different = answer_digest(output) != entry.answer_digest if answers else output.status != entry.status
        if different:
            first = first or Divergence(entry, output)
            if strict:
                return first
    return first


class Lab:
    """What a trainee works in.

    Examples
    --------
    >>> import labs
    >>> lab = labs.open("bakery-address-clash", seed=7)
    >>> print(lab.run("till", "hostname").text.strip())
    till
    """

    def __init__(self, variant: Variant, journal: Journal, engine: Engine) -> None:
        self.variant = variant
        self.journal = journal
        self._engine = engine
        self.divergence: Divergence | None = None

    @property
    def scenario(self) -> Scenario:
        """The scenario it was opened from."""
        return self.variant.scenario

    @property
    def seed(self) -> str:
        """The seed of the variant."""
        return self.variant.seed

    @property
    def engine(self) -> Engine:
        """The engine in operation."""
        return self._engine

    @property
    def places(self) -> list[str]:
        """Where a line can be typed."""
        return [*self.variant.healthy.devices, HANDS]

    @property
    def now_ns(self) -> int:
        """Simulated working time since the trainee arrived."""
        return self._engine.now - ARRIVAL_NS

    def run(self, place: str, line: str) -> Output:
        """Type one line at a place. It is in the journal, on disk, before the answer is returned.

        Raises CommandRejected for a place that does not exist; nothing is recorded then.
        """
        if place not in self.places:
            message = f'there is no place "{place}"; places are: {", ".join(self.places)}'
            raise CommandRejected(message)
        at_ns = self.now_ns
        output = self._engine.run(place, line)
        self.journal.append(at_ns, place, line, output)
        return output

    def fetch(self, place: str, path: str) -> bytes:
        """A file of a device, byte for byte, such as a capture for Wireshark. Raises CommandRejected."""
        return self._engine.read_file(place, path)

    def wait(self, duration: str) -> Output:
        """Let simulated time pass, such as `10 min`. Raises ValueError."""
        parse_duration(duration)
        return self.run(HANDS, f"wait {duration}")

    def note(self, line: str) -> None:
        """Record something done at the desk (a hint that was taken); it changes nothing on site."""
        self.journal.append(self.now_ns, DESK, line, Output("", 0))

    def undo(self, count: int = 1) -> list[Entry]:
        """Take back the last lines by replaying the rest on a fresh site. Returns what was taken back."""
        before = [entry for entry in self.journal.effective() if entry.place != DESK]
        gone = before[-count:] if count > 0 else []
        if gone:
            self.journal.append(self.now_ns, DESK, f"undo {len(gone)}", Output("", 0))
            self._restart()
        return gone

    def _restart(self) -> None:
        self._engine.stop()
        self._engine = engine_named(self.journal.header.engine)
        self._engine.start(self.variant.broken)
        entries = self.journal.effective()
        self.divergence = replay(self._engine, entries, strict=False, answers=self._engine.repeats)

    def restore(self) -> None:
        """Build the site anew from the journal: what an interrupted line began is gone."""
        self._restart()

    def reset(self) -> list[Entry]:
        """Undo everything."""
        return self.undo(len(self.journal))

    def observe(self) -> Site:
        """The site as it now is."""
        return self._engine.observe()

    def drawing(self) -> Site:
        """The devices as they now are, with the leads of the plan.

        What somebody plugged since is not on a drawing; that is for the trainee to find (`look`).
        """
        return replace(self.observe(), links=self.variant.healthy.links)

    def save(self, path: str | Path) -> Path:
        """Write the submission file and return its path."""
        target = Path(path)
        self.journal.save(target)
        return target

    def close(self) -> None:
        """Stop the engine. The journal is on disk already."""
        self._engine.stop()


def open_lab(
    scenario: str | Scenario,
    *,
    seed: int | str = 0,
    engine: str = "sim",
    trainee: str = "",
    autosave: Path | bool = False,
) -> Lab:
    """Open a lab from the start.

    Parameters
    ----------
    scenario
        Name of a shipped scenario, path of a file, or a Scenario.
    seed
        Which variant.
    engine
        "sim", or "kernel" where this machine can run it.
    trainee
        A pseudonym for the header of the journal.
    autosave
        A file that the journal is written to while working; False for none.

    Raises
    ------
    ScenarioError
        Where the scenario does not exist or is wrong.
    EngineUnavailable
        Where this machine cannot run the engine.
    """
    known = scenario if isinstance(scenario, Scenario) else find_scenario(scenario)
    variant = draw(known, str(seed))
    header = Header(known.id, known.digest, str(seed), engine, version(), trainee)
    journal = Journal(header, path=autosave if isinstance(autosave, Path) else None)
    running = engine_named(engine)
    running.start(variant.broken)
    return Lab(variant, journal, running)


def resume(path: str | Path, *, scenario: Scenario | None = None, keep_file: bool = True) -> Lab:
    """Go on where a journal stopped; `scenario` is needed where the header's name cannot be found.

    Raises JournalError or ScenarioError.
    """
    journal = Journal.load(Path(path), keep_file=keep_file)
    scenario = scenario or find_scenario(journal.header.scenario)
    if scenario.digest != journal.header.scenario_digest:
        said = message("the scenario {name} has changed since this journal was begun; begin again", name=scenario.id)
        raise JournalError(said)
    variant = draw(scenario, journal.header.seed)
    engine = engine_named(journal.header.engine)
    engine.start(variant.broken)
    lab = Lab(variant, journal, engine)
    lab.divergence = replay(engine, journal.effective(), strict=False, answers=engine.repeats)
    return lab
