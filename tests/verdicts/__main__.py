"""`make verdicts`: every case of the corpus, or of the scenarios named, and a table of false passes and false fails."""

from __future__ import annotations

import sys
from collections import Counter

from tests.verdicts.corpus import compared, load
from tests.verdicts.runner import Crash, side_by_side


def say(*parts: str) -> None:
    """One line."""
    sys.stdout.write(" ".join(parts) + "\n")


def main() -> int:
    """Judge everything; 0 where every verdict is as expected."""
    named = sys.argv[1:]
    cases = [case for case in load() if not named or case.scenario in named]
    table: dict[str, Counter[str]] = {case.scenario: Counter() for case in cases}
    for case, found in side_by_side(cases, compared):
        row = table[case.scenario]
        row["cases"] += 1
        if isinstance(found, Crash):
            row["no verdict"] += 1
            say(f"no verdict: {case}: {found.said}\n    ({case.why})")
            continue
        for verdict in found:
            row[verdict.kind] += 1
            say(f"{verdict.kind}: {case}: {verdict.check} is {verdict.got}, expected {verdict.expected}")
            say(f"    {verdict.said}\n    ({case.why})")
    columns = ("cases", "false pass", "false fail", "other verdict", "no verdict")
    if not table:
        say("no cases of", *named)
        return 2
    width = max(len(name) for name in table)
    say(" " * width, *(column.rjust(13) for column in columns))
    total: Counter[str] = Counter()
    for name, row in table.items():
        total += row
        say(name.ljust(width), *(str(row[column]).rjust(13) for column in columns))
    say("all".ljust(width), *(str(total[column]).rjust(13) for column in columns))
    return int(any(total[column] for column in columns[1:]))


if __name__ == "__main__":
    sys.exit(main())
