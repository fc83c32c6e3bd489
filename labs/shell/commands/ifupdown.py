"""`ifup`, `ifdown` and `ifquery`, after ifupdown 0.8: they turn paragraphs of /etc/network/interfaces into commands.

As with the real programs every step is a line of shell; the words of an error are those of the command that failed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from labs.net.filesystem import FileError
from labs.net.ifupdown import InterfacesError, InterfacesFile, canonical, parse_interfaces
from labs.net.process import Process, Program, Routine
from labs.shell.interface_plan import with_defaults
from labs.shell.interface_steps import PATH, Run, bring_up, configured_names, stanzas_of, take_down
from labs.shell.options import UsageError, parse_options

__all__ = ["COMMANDS", "ifdown", "ifquery", "ifup"]

MAX_SOURCES = 64
SHORT = "hVavnfi:X:o:"
LONG = [
    "help", "version", "all", "allow=", "interfaces=", "state-dir=", "exclude=", "no-act", "verbose", "option=",
    "no-mappings", "no-scripts", "no-loopback", "force", "ignore-errors", "read-environment", "list", "state",
]  # fmt: skip
VERSION = "ifup version 0.8.41"
USAGE = (
    "Usage: {} <options> <ifaces...>",
    "",
    "Options:",
    "	-h, --help             this help",
    '	-a, --all              process all interfaces marked "auto"',
    '	--allow CLASS          ignore non-"allow-CLASS" interfaces',
    "	-i, --interfaces FILE  use FILE for interface definitions",
    "	-X, --exclude PATTERN  exclude interfaces from the list of",
    "	                       interfaces to operate on by a PATTERN",
    "	-n, --no-act           print out what would happen, but don't do it",
    "	-v, --verbose          print out what would happen before doing it",
    "	-f, --force            force de/configuration",
    "	--ignore-errors        ignore errors",
)


__all__ = ["COMMANDS", "ifdown", "ifquery", "ifup"]


class Usage(Exception):
    """A wrong command line: lines to print and the status."""

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.status = status


def ifup(process: Process) -> Routine:
    """Bring interfaces up."""
    return (yield from _main(process, "ifup"))


def ifdown(process: Process) -> Routine:
    """Take interfaces down."""
    return (yield from _main(process, "ifdown"))


def ifquery(process: Process) -> Routine:
    """Show what the file says, or what is configured."""
    return (yield from _main(process, "ifquery"))


def _main(process: Process, command: str) -> Routine:
    try:
        run, names = _arguments(process, command)
    except Usage as mistake:
        for line in mistake.lines:
            (process.print if mistake.status == 0 else process.error)(line)
        return mistake.status
    if command == "ifquery" and run.stating:
        return _print_state(run, names)
    try:
        run.file = read_interfaces(process, run.path)
    except (InterfacesError, FileError) as error:
        if isinstance(error, FileError):
            run.complain(f'couldn\'t open interfaces file "{run.path}": {error}')
        else:
            run.complain(str(error))
            run.complain(f'couldn\'t read interfaces file "{run.path}"')
        return 1
    if command == "ifquery":
        return _query(run, names)
    if run.everything:
        names = _all_names(run)
    failed = False
    for name in names:
        works = (yield from bring_up(run, name)) if command == "ifup" else (yield from take_down(run, name))
        failed = failed or not works
    return 1 if failed else 0


def _arguments(process: Process, command: str) -> tuple[Run, list[str]]:
    run = Run(process, command)
    try:
        options, names = parse_options(process.argv[1:], SHORT, LONG)
    except UsageError as error:
        raise Usage(f"{command}: {error}", f"{command}: Use --help for help") from None
    for option, value in options:
        if option in ("-h", "--help"):
            raise Usage(*(line.format(command) for line in USAGE), status=0)
        if option in ("-V", "--version"):
            raise Usage(VERSION, status=0)
        if option in ("-a", "--all"):
            run.everything = True
        elif option == "--allow":
            run.group = value
        elif option in ("-i", "--interfaces"):
            run.path = value
        elif option in ("-X", "--exclude"):
            run.excluded.append(value)
        elif option in ("-n", "--no-act"):
            run.dry = True
        elif option in ("-v", "--verbose"):
            run.verbose = True
        elif option in ("-f", "--force"):
            run.force = True
        elif option == "--ignore-errors":
            run.ignore_errors = True
        elif option == "--list":
            run.listing = True
        elif option == "--state":
            run.stating = True
        elif option in ("-o", "--option", "--state-dir"):
            raise Usage(f'{command}: "{option}" is not simulated here')
    if command == "ifquery":
        if not (run.listing or run.stating or names):
            raise Usage("ifquery: Use --help for help")
        return run, names
    if run.everything and names:
        text = f"{command}: either use the --all option, or specify interface(s), but not both"
        raise Usage(text, f"{command}: Use --help for help")
    if not run.everything and not names:
        raise Usage(f"{command}: no interface(s) specified", f"{command}: Use --help for help")
    run.verbose = run.verbose or run.dry
    return run, [name for name in names if not _excluded(run, name)]


def _excluded(run: Run, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in run.excluded)


def read_interfaces(process: Process, path: str = PATH) -> InterfacesFile:
    """The file with everything its `source` lines bring in. Raises InterfacesError, FileError."""
    node = process.node
    absolute = node.files.resolve(path, process.directory)
    found = parse_interfaces(node.files.read(absolute), file=path)
    for pattern in found.sources[:MAX_SOURCES]:
        folder, _, name = node.files.resolve(pattern, "/etc/network").rpartition("/")
        if node.files.is_directory(folder or "/"):
            for entry in node.files.list(folder or "/"):
                source = f"{folder}/{entry}"
                if fnmatch.fnmatchcase(entry, name) and node.files.is_file(source):
                    found = found.merged(parse_interfaces(node.files.read(source), file=source))
    return found


def _all_names(run: Run) -> list[str]:
    names = [name for name in run.file.names(run.group) if not _excluded(run, name)]
    if run.group == "auto" and "lo" not in names and not _excluded(run, "lo"):
        names.insert(0, "lo")
    if run.command == "ifdown":
        configured = configured_names(run.node)
        names = [name for name in reversed(configured) if not _excluded(run, name)]
    return names


def _print_state(run: Run, names: Sequence[str]) -> int:
    configured = configured_names(run.node)
    if not names:
        run.process.print(*[f"{name}={name}" for name in reversed(configured)])
        return 0
    for name in names:
        if name in configured:
            run.process.print(f"{name}={name}")
    return 0 if all(name in configured for name in names) else 1


def _query(run: Run, names: Sequence[str]) -> int:
    status = 0
    if run.listing:
        listed = _all_names(run)
        if run.group == "auto" and run.file.auto and "lo" not in run.file.auto:
            listed = ["lo", *[name for name in listed if name != "lo"]]
        for name in listed:
            if name != "lo" and not run.file.of(name):
                run.complain(f"unknown interface {name}")
                status = 1
        run.process.print(*[name for name in listed if name == "lo" or run.file.of(name)])
        return status
    for name in names:
        stanzas = stanzas_of(run, name)
        if not stanzas:
            run.complain(f"unknown interface {name}")
            status = 1
        for stanza in stanzas:
            values = [(canonical(option), value) for option, value in stanza.options]
            run.process.print(*[f"{option}: {value}" for option, value in with_defaults(stanza, values)])
    return status


def start_networking(process: Process) -> Routine:
    process.argv = ["/sbin/ifup", "-a", "--read-environment"]
    return (yield from _main(process, "ifup"))


def stop_networking(process: Process) -> Routine:
    process.argv = ["/sbin/ifdown", "-a", "--read-environment", "--exclude=lo"]
    return (yield from _main(process, "ifdown"))


COMMANDS: dict[str, Program] = {"ifup": ifup, "ifdown": ifdown, "ifquery": ifquery}
