"""Where help is: help, man, which; and the shells as programs: sh, bash."""

from __future__ import annotations

import re

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine
from labs.shell.bash.programs import where
from labs.shell.bash.script import run_script
from labs.shell.commandline import begin, fail
from labs.shell.manual import HIDDEN, OWN_WORDS, SUMMARIES
from labs.shell.registry import command, command_names

__all__ = ["COMMANDS"]


def which(process: Process) -> int:
    """Where a command is."""
    parsed = begin(process, "a", usage="which NAME...", intermixed=False)
    if isinstance(parsed, int):
        return parsed
    found = [where(process.node, name, process.directory) for name in parsed[1]]
    process.print(*[path for path in found if path])
    return int(not found or None in found)


def man(process: Process) -> int:
    """There are no manual pages; say where help is."""
    names = [word for word in process.argv[1:] if not word.startswith("-") and not word.isdecimal()]
    if not names:
        process.error("What manual page do you want?", "For example, try 'man man'.")
        return 1
    name = names[0]
    if command(name) is None and name not in SUMMARIES:
        process.error(f"No manual entry for {name}")
        return 16
    process.print(f"{name} - {SUMMARIES[name][1]}" if name in SUMMARIES else name)
    process.print(f"netwerf: manual pages are not simulated here; try: {name} --help")
    return 0


def help_(process: Process) -> int:
    """Every command in one line each."""
    from labs.shell.bash.builtins import BUILTINS  # the builtins run programs: either one comes first

    known = {*command_names(), *BUILTINS}
    words = process.argv[1:]
    if words and words != ["--help"]:
        for word in words:
            if word in SUMMARIES and word in known:
                process.print(f"{word}: {SUMMARIES[word][1]}")
            else:
                return fail(process, f"no help topics match `{word}'.")
        return 0
    groups: dict[str, list[str]] = {}
    for name in sorted(known):
        if name in HIDDEN or (name not in SUMMARIES and name in BUILTINS):
            continue
        group, sentence = SUMMARIES.get(name, ("Other", ""))
        groups.setdefault(group, []).append(f"  {name:<12}{sentence}".rstrip())
    order = list(dict.fromkeys([*[group for group, _ in SUMMARIES.values()], "Other"]))
    for group in order:
        if group in groups:
            process.print(group, *groups[group], "")
    process.print("Words of the lab, typed without a device in mind")
    process.print(*[f"  {word:<12}{sentence}" for word, sentence in OWN_WORDS.items()])
    process.print("", "Most commands explain themselves: NAME --help")
    return 0


def shell(process: Process) -> Routine:
    """Sh FILE, sh -c TEXT."""
    name = process.name.rpartition("/")[2]
    words, trace = process.argv[1:], ""
    if words[:1] == ["--help"]:
        process.print(f"Usage: {name} [-ex] (FILE [ARGUMENT]... | -c TEXT [NAME [ARGUMENT]...])")
        return 0
    while words and re.fullmatch(r"-[exu]+", words[0]):
        trace += words.pop(0)[1:]
    before = f"set -{trace}\n" if trace else ""
    if words[:1] in (["-c"], ["-lc"]):
        if len(words) < 2:
            return fail(
                process, "-c: option requires an argument" if name == "bash" else "0: -c requires an argument", 2
            )
        return (
            yield from run_script(
                process, before + words[1], name=words[2] if len(words) > 2 else name, arguments=words[3:], shell=name
            )
        )
    if not words or words[0] == "-s":
        text = yield from process.stdin.read_all()
        return (yield from run_script(process, before + text, name=name, shell=name))
    if words[0].startswith("-"):
        return fail(process, f"{words[0]}: only -c, -e, -u and -x are simulated here", 2)
    try:
        text = process.node.files.read(process.node.files.resolve(words[0], process.directory))
    except FileError as error:
        if name == "bash":
            return fail(
                process, f"{words[0]}: {error}", 126 if "directory" in str(error) and "No" not in str(error) else 127
            )
        return fail(process, f"0: cannot open {words[0]}: No such file", 2)
    return (yield from run_script(process, before + text, name=words[0], arguments=words[1:], shell=name))


COMMANDS: dict[str, Program] = {
    "bash": shell,
    "dash": shell,
    "help": help_,
    "man": man,
    "sh": shell,
    "which": which,
}
