"""Rounds, medians and the table that every benchmark prints."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time

__all__ = ["ROUNDS", "Case", "heading", "measure", "seconds", "table"]

ROUNDS = 5


@dataclass(slots=True)
class Case:
    """One way to do the work. `run` returns the seconds of the part that counts, its own preparation left out."""

    name: str
    run: Callable[[], float]
    amount: int = 1
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median of the rounds."""
        return median(self.times)

    @property
    def rate(self) -> float:
        """Amount per second."""
        return self.amount / self.seconds


def seconds(work: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    """How long a call takes, with the garbage collector out of the way. `process_time` leaves out who else is busy."""
    gc.collect()
    gc.disable()
    try:
        start = clock()
        work()
        return clock() - start
    finally:
        gc.enable()


def processor_seconds(work: Callable[[], object]) -> float:
    """How long a call keeps the processor busy: for contestants that have one thread each."""
    return seconds(work, process_time)


def measure(cases: Sequence[Case], rounds: int = ROUNDS) -> None:
    """Run every case once unmeasured, then in rounds, one after the other, so that a busy moment hits all alike."""
    for case in cases:
        case.run()
    for _ in range(rounds):
        for case in cases:
            case.times.append(case.run())


def heading(title: str, note: str = "", rounds: int = ROUNDS) -> None:
    """Name the measurement and the machine."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    often = f"median of {rounds} rounds" if rounds > 1 else "one round"
    print(f"{title}\n  {python}, {sys.platform} {platform.machine()}, {often}{note and '; ' + note}\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their head; the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        first, *numbers = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "   ".join([first, *numbers]))
