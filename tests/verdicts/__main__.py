"""`make verdicts`: every case of the corpus, or of the scenarios named, and a table of false passes and false fails."""

from __future__ import annotations

import sys
from collections import Counter

from tests.verdicts.corpus import load, wrong


def say(*parts: str) -> None:
    """One line."""
    sys.stdout.write(" ".join(parts) + "\n")


def main() -> int:
    """Judge everything; 0 where every verdict is as expected."""
    table: dict[str, Counter[str]] = {}
    named = sys.argv[1:]
    for case in load():
        if named and case.scenario not in named:
            continue
        row = table.setdefault(case.scenario, Counter())
        row["cases"] += 1
        for verdict in wrong(case):
            row[verdict.kind] += 1
            say(f"{verdict.kind}: {case}: {verdict.check} is {verdict.got}, expected {verdict.expected}")
            say(f"    {verdict.said}\n    ({case.why})")
    columns = ("cases", "false pass", "false fail", "other verdict")
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
