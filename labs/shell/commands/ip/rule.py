"""`ip rule` and `ip netns`: the three rules that every Linux has, and the namespaces that none of these devices has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.shell.commands.ip.output import Record, Style, print_json
from labs.shell.commands.ip.words import EXIT_USAGE, IpError, Words, matches, refused

if TYPE_CHECKING:
    from labs.net.process import Process

__all__ = ["netns_command", "rule_command"]

# fib_default_rules_init, net/ipv4/fib_rules.c; IPv6 has no table "default"
RULES = ((0, "local"), (32766, "main"), (32767, "default"))
USAGE = (
    "Usage: ip rule { add | del } SELECTOR ACTION",
    "       ip rule { flush | save | restore }",
    "       ip rule [ list [ SELECTOR ]]",
)


def rule_command(process: Process, style: Style, words: Words) -> int:
    """`ip rule …`."""
    table = None
    if words.more:
        word = words.take()
        if any(matches(word, name) for name in ("add", "delete", "flush", "save", "restore")):
            raise refused(f"rule {word}")
        if matches(word, "help"):
            process.error(*USAGE)
            return EXIT_USAGE
        if not any(matches(word, name) for name in ("list", "lst", "show")):
            raise IpError(f'Command "{word}" is unknown, try "ip rule help".', status=EXIT_USAGE)
        while words.more:
            word = words.take()
            if word not in ("table", "lookup"):
                raise refused(f"rule list {word}")
            table = words.value()
    records = []
    for priority, name in RULES[: 2 if style.family == "inet6" else 3]:
        if table in (None, name):
            record = Record(style)
            record.add("priority", priority, f"{priority}:\t")
            record.add("src", "all", "from all ")
            record.add("table", name, f"lookup {name}")
            records.append(record)
    if style.json:
        print_json(process, style, [record.fields for record in records])
    else:
        process.print(*[record.text for record in records])
    return 0


def netns_command(_process: Process, _style: Style, words: Words) -> int:
    """`ip netns`: there is none, and none can be made."""
    word = words.take() if words.more else "list"
    if any(matches(word, name) for name in ("list", "show", "lst")):
        return 0
    raise refused(f"netns {word}")
