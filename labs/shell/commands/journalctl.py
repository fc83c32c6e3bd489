"""`journalctl`: the log of the device in the short format, with the clock of the device."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from labs.net.process import Wait
from labs.shell.unit_text import concerns, journal_line

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode
    from labs.net.linux.units import JournalLine
    from labs.net.process import Process, Program, Routine

__all__ = ["COMMANDS", "journalctl"]

FOLLOW_LINES = 10
IGNORED = frozenset(
    "--no-pager -e --pager-end -x --catalog -q --quiet -a --all -l --full --no-hostname -m --merge"
    " --system --utc".split()
)
NOT_SIMULATED = frozenset(
    "--since -S --until -U -p --priority -g --grep --disk-usage --vacuum-size --vacuum-time --list-boots"
    " --rotate -D --verify -F -N -c --cursor".split()
)
WITH_VALUE = frozenset({"-u", "--unit", "-o", "--output", "-t", "--identifier"})
OUTPUTS = frozenset({"short", "cat"})


class Order:
    """What was asked for."""

    def __init__(self) -> None:
        self.units: list[str] = []
        self.identifiers: list[str] = []
        self.lines: int | None = None
        self.follow = False
        self.this_boot = False
        self.kernel = False
        self.reverse = False
        self.output = "short"


class Refusal(Exception):
    """A wrong or unknown option."""


def _parse(arguments: list[str]) -> Order:
    order = Order()
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word.startswith("-") and not word.startswith("--") and len(word) > 2:
            words = _split(word) + words
            continue
        name, equals, value = word.partition("=")
        if name in WITH_VALUE:
            if not equals:
                if not words:
                    raise Refusal(_missing(name))
                value = words.pop(0)
            _set(order, name, value)
        elif name in ("-n", "--lines"):
            if not equals:
                value = words.pop(0) if words and (words[0].isdecimal() or words[0] == "all") else "10"
            if value != "all" and not value.isdecimal():
                raise Refusal(f"Failed to parse lines '{value}'")
            order.lines = None if value == "all" else int(value)
        elif name in ("-b", "--boot"):
            if words and (words[0].lstrip("+-").isdecimal()) and words.pop(0) != "0":
                raise Refusal('journalctl: "-b" with another boot than this one is not simulated here')
            order.this_boot = True
        elif name in ("-f", "--follow"):
            order.follow = True
        elif name in ("-k", "--dmesg"):
            order.kernel = order.this_boot = True
        elif name in ("-r", "--reverse"):
            order.reverse = True
        elif name in NOT_SIMULATED:
            raise Refusal(f'journalctl: "{name}" is not simulated here')
        elif word not in IGNORED:
            raise Refusal(_unknown(word))
    return order


def _split(word: str) -> list[str]:
    """`-xeu NAME` and `-n20`: one option per letter, the rest of the word is the value of the first that takes one."""
    parts = []
    for index, letter in enumerate(word[1:], start=1):
        rest = word[index + 1 :]
        parts.append(f"-{letter}")
        if letter in "uotn" and rest:
            return [*parts, rest]
    return parts


def _missing(name: str) -> str:
    if name.startswith("--"):
        return f"journalctl: option '{name}' requires an argument"
    return f"journalctl: option requires an argument -- '{name[1:]}'"


def _unknown(word: str) -> str:
    if word.startswith("--"):
        return f"journalctl: unrecognized option '{word}'"
    if word.startswith("-"):
        return f"journalctl: invalid option -- '{word[1:2]}'"
    return f"Failed to add match '{word}': Invalid argument"


def _set(order: Order, name: str, value: str) -> None:
    if name in ("-u", "--unit"):
        order.units.append(value.removesuffix(".service"))
    elif name in ("-t", "--identifier"):
        order.identifiers.append(value)
    else:
        if value not in OUTPUTS:
            raise Refusal(f'journalctl: "-o {value}" is not simulated here')
        order.output = value


def _wanted(order: Order, line: JournalLine) -> bool:
    return (
        (not order.units or any(concerns(line, unit) for unit in order.units))
        and (not order.identifiers or line.identifier in order.identifiers)
        and (not order.kernel or line.identifier == "kernel")
    )


def _boots(journal: list[JournalLine]) -> list[int]:
    """Which boot each line belongs to: the kernel's first words begin one."""
    boots, boot = [], 0
    for line in journal:
        if line.identifier == "kernel" and line.text.startswith("Linux version"):
            boot += 1
        boots.append(boot)
    return boots


def _boot_line(node: LinuxNode, boot: int) -> str:
    name = "".join(f"{zlib.crc32(f'{node.name}/{boot}/{part}'.encode()):08x}" for part in range(4))
    return f"-- Boot {name} --"


def journalctl(process: Process) -> Routine:
    """Show the log."""
    node = process.node
    try:
        order = _parse(process.argv[1:])
    except Refusal as refusal:
        process.error(str(refusal))
        return 1
    journal = list(node.units.journal)
    boots = _boots(journal)
    last = boots[-1] if boots else 0
    rows = [
        (boot, line)
        for boot, line in zip(boots, journal, strict=True)
        if _wanted(order, line) and (not order.this_boot or boot == last)
    ]
    count = order.lines if order.lines is not None or not order.follow else FOLLOW_LINES
    if count is not None:
        rows = rows[len(rows) - min(count, len(rows)) :]
    if order.reverse:
        rows.reverse()
    if not rows and not order.follow:
        process.print("-- No entries --")
    before = rows[0][0] if rows else 0
    for boot, line in rows:
        if boot != before and order.output == "short":
            process.print(_boot_line(node, boot))
        before = boot
        process.print(line.text if order.output == "cat" else journal_line(node, line))
    if order.follow:
        yield from _follow(process, order)
    return 0


def _follow(process: Process, order: Order) -> Routine:
    """Print what is written from now on, until Ctrl-C."""
    units = process.node.units
    process.endless = True
    seen = units.count
    while True:
        yield Wait((units.written,))
        fresh = units.count - seen
        seen = units.count
        for line in list(units.journal)[-fresh:]:
            if _wanted(order, line):
                process.print(line.text if order.output == "cat" else journal_line(process.node, line))


COMMANDS: dict[str, Program] = {"journalctl": journalctl}
