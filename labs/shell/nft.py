"""The command `nft`: options, files, listing, exit status.

Read first: nft(8), section "OPTIONS". A pure function: the adapter to a process reads files and keeps the ruleset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from labs.net.nftables.apply import apply
from labs.net.nftables.errors import NftError
from labs.net.nftables.inclusion import Inclusions
from labs.net.nftables.json_schema import chain_json, document, rule_json, set_json, table_json, to_json
from labs.net.nftables.parser import parse
from labs.net.nftables.render import (
    Style,
    render_chain,
    render_chains,
    render_ruleset,
    render_set,
    render_sets,
    render_table,
    render_tables,
)
from labs.net.nftables.state import EvaluationState
from labs.net.nftables.syntax import Command
from labs.net.nftables.tree import Chain, Ruleset, Set, Table

__all__ = ["NftResult", "nft"]

VERSION = "nftables v1.0.6 (Lester Gooch #5)\n"
EXTENDED_VERSION = VERSION + "  cli:\t\teditline\n  json:\t\tyes\n  minigmp:\tno\n  libxtables:\tyes\n"
USAGE = """Usage: nft [ options ] [ cmds... ]

Options (general):
  -h, --help                      Show this help
  -v, --version                   Show version information
  -V                              Show extended version information

Options (ruleset input handling):
  -f, --file <filename>           Read input from <filename>
  -c, --check                     Check commands validity without actually applying the changes.

Options (ruleset list formatting):
  -a, --handle                    Output rule handle.
  -s, --stateless                 Omit stateful information of ruleset.
  -t, --terse                     Omit contents of sets.
  -S, --service                   Translate ports to service names as described in /etc/services.
  -n, --numeric                   Print fully numerical output.
  -y, --numeric-priority          Print chain priority numerically.
  -p, --numeric-protocol          Print layer 4 protocols numerically.

Options (command output formatting):
  -j, --json                      Format output in JSON

"""
_LONG = {
    "help": "h", "version": "v", "file": "f", "check": "c", "handle": "a", "stateless": "s", "terse": "t",
    "service": "S",
    "numeric": "n", "numeric-priority": "y", "numeric-protocol": "p", "numeric-time": "T", "json": "j",
    "interactive": "i",
    "define": "D", "includepath": "I", "optimize": "o", "reversedns": "N", "guid": "u", "echo": "e", "debug": "d",
}  # fmt: skip
_REFUSED = {"i": "-i", "D": "-D", "I": "-I", "o": "-o", "N": "-N", "e": "-e", "d": "-d", "u": "-u"}
_STYLE = {
    "a": {"handles": True}, "s": {"stateless": True}, "t": {"terse": True}, "S": {"services": True},
    "n": {"numeric_protocol": True, "numeric_priority": True, "numeric_symbols": True},
    "y": {"numeric_priority": True},
    "p": {"numeric_protocol": True}, "T": {},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NftResult:
    """What the command printed, its exit status, and the ruleset afterwards."""

    text: str
    error: str
    status: int
    ruleset: Ruleset


@dataclass(slots=True)
class _Options:
    """The command line, read."""

    style: Style = field(default_factory=Style)
    check: bool = False
    as_json: bool = False
    file: str | None = None
    words: tuple[str, ...] = ()
    answer: str | None = None


class _UsageError(Exception):
    """The command line cannot be read; the text goes to standard error."""


def nft(
    argv: list[str],
    ruleset: Ruleset,
    state: EvaluationState,
    read_file: Callable[[str], str],
    stdin: str,
    *,
    interfaces: Iterable[str] | None = None,
    find_files: Callable[[str], Sequence[str]] | None = None,
) -> NftResult:
    """Run `nft` with these arguments (without the name of the command itself).

    `read_file` raises OSError for a file that cannot be read; `interfaces` are the names that `iif` and `oif` may use;
    `find_files` gives the files that the pattern of an `include` means.
    """
    try:
        options = _read_options(argv)
    except _UsageError as error:
        return NftResult("", str(error), 1, ruleset)
    if options.answer is not None:
        return NftResult(options.answer, "", 0, ruleset)
    source: str | None = None
    if options.file is not None:
        source = "/dev/stdin" if options.file == "-" else options.file
        try:
            text = stdin if options.file == "-" else read_file(options.file)
        except OSError as error:
            reason = error.strerror or "No such file or directory"
            return NftResult(
                "", f'internal:0:0-0: Error: Could not open file "{options.file}": {reason}\n\n\n', 1, ruleset
            )
    elif options.words:
        text = " ".join(options.words) + "\n"
    else:
        return NftResult("", "nft: no command specified\n", 1, ruleset)
    inclusions = Inclusions(text, source, find=find_files, read=read_file)
    try:
        return _run(parse(text, inclusions), options, ruleset, state, interfaces)
    except NftError as error:
        return NftResult("", inclusions.render(error), 1, ruleset)


def _read_options(argv: list[str]) -> _Options:
    options = _Options()
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        letters = _letters(word)
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "f":
                value = letters or (rest.pop(0) if rest else "")
                if not value:
                    raise _UsageError("nft: option requires an argument -- 'f'\n")
                options.file, letters = value, ""
            else:
                _set_option(options, letter)
    options.words = tuple(rest)
    return options


def _letters(word: str) -> str:
    if not word.startswith("--"):
        return word[1:]
    name, equals, value = word[2:].partition("=")
    if name not in _LONG:
        raise _UsageError(f"nft: unrecognized option '{word}'\n")
    return _LONG[name] + value if equals else _LONG[name]


def _set_option(options: _Options, letter: str) -> None:
    if letter in _REFUSED:
        raise _UsageError(f"Error: option {_REFUSED[letter]} is not simulated\n")
    if letter in _STYLE:
        options.style = replace(options.style, **_STYLE[letter])
    elif letter == "c":
        options.check = True
    elif letter == "j":
        options.as_json = True
    elif letter in {"h", "v", "V"}:
        options.answer = options.answer or {"h": USAGE, "v": VERSION, "V": EXTENDED_VERSION}[letter]
    else:
        raise _UsageError(f"nft: invalid option -- '{letter}'\n")


def _run(
    commands: list[Command],
    options: _Options,
    ruleset: Ruleset,
    state: EvaluationState,
    interfaces: Iterable[str] | None,
) -> NftResult:
    """Changes first, one transaction; then the lists, which show what they left."""
    lists = [command for command in commands if command.verb in {"list", "get"}]
    changes = [command for command in commands if command.verb not in {"list", "get"}]
    after = apply(ruleset, changes, interfaces=interfaces)
    errors = [error for command in lists if (error := _missing(command, after)) is not None]
    if errors:
        raise errors[0].with_others(tuple(errors[1:]))
    if options.check:
        after = ruleset
    text = "".join(_listed(command, after, state, options) for command in lists)
    return NftResult(text, "", 0, after)


def _missing(command: Command, ruleset: Ruleset) -> NftError | None:
    """The error of a list command whose object is not there."""
    if command.verb == "get":
        return NftError.at("get element is not simulated", command.span)
    if command.table is None:
        return None
    table = ruleset.table(str(command.family), command.table)
    if command.name is None:
        return None if table is not None else NftError.at("No such file or directory", command.table_span)
    if table is None:
        return NftError.at("No such file or directory", command.table_span)
    found: Chain | Set | None
    if command.object == "chain":
        found = table.chain(command.name)
    else:
        found = table.set(command.name)
        if found is not None and found.kind != command.object:
            found = None
    return None if found is not None else NftError.at("No such file or directory", command.name_span)


def _listed(command: Command, ruleset: Ruleset, state: EvaluationState, options: _Options) -> str:
    if options.as_json:
        return json.dumps(_listed_json(command, ruleset, state)) + "\n"
    style, family = options.style, command.family
    table = ruleset.table(str(family), str(command.table))
    match command.object:
        case "ruleset":
            return render_ruleset(ruleset, state, style, family)
        case "tables":
            return render_tables(ruleset, family)
        case "chains":
            return render_chains(ruleset, style, family)
        case "sets" | "maps":
            return render_sets(ruleset, command.object[:-1], state, style, family, command.table)
    if table is None:
        return ""
    chain, entry = table.chain(str(command.name)), table.set(str(command.name))
    if command.object == "table":
        return render_table(table, state, style)
    if command.object == "chain":
        return "" if chain is None else render_chain(table, chain, state, style)
    return "" if entry is None else render_set(table, entry, state, style)


def _listed_json(command: Command, ruleset: Ruleset, state: EvaluationState) -> dict[str, object]:
    family = command.family
    tables = [table for table in ruleset.of_family(family) if command.table in {None, table.name}]
    match command.object:
        case "ruleset":
            return to_json(ruleset, state, family)
        case "table":
            return to_json(Ruleset(tuple(tables)), state)
        case "tables":
            return document({"table": table_json(table)} for table in tables)
        case "chains":
            return document({"chain": chain_json(table, chain)} for table in tables for chain in table.chains)
        case "chain":
            return document(
                entry
                for table in tables
                for chain in table.chains
                if chain.name == command.name
                for entry in _chain(table, chain, state)
            )
    kind = command.object.removesuffix("s")
    return document(
        {entry.kind: set_json(table, entry, state)}
        for table in tables
        for entry in table.sets
        if entry.kind == kind and command.name in {None, entry.name}
    )


def _chain(table: Table, chain: Chain, state: EvaluationState) -> list[dict[str, object]]:
    head: dict[str, object] = {"chain": chain_json(table, chain)}
    rules: list[dict[str, object]] = [{"rule": rule_json(table, chain, rule, state)} for rule in chain.rules]
    return [head, *rules]
