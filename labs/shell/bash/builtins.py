"""The commands that are part of the shell (POSIX.1-2017, XCU §2.14, with bash's own)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.process import Pipe, Process, Wait
from labs.shell.bash import conditions, printing
from labs.shell.bash.arithmetic import ArithmeticFault, evaluate
from labs.shell.bash.interpreter import Interpreter, LoopJump, Return, ShellExit
from labs.shell.bash.programs import launch, locate, where
from labs.shell.bash.state import ReadOnlyVariable, State
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["BUILTINS", "KEYWORDS"]

KEYWORDS = frozenset("if then else elif fi while until for do done case esac { } ! [[ ]] in function time".split())
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
Builtin = Callable[[Interpreter, list[str], Streams], "Step | int"]


def _usage(shell: Interpreter, streams: Streams, text: str) -> int:
    streams.stderr.write(text + "\n")
    return 2


def _invalid_option(shell: Interpreter, words: list[str], streams: Streams, usage: str, option: str) -> int:
    shell.error(f"{words[0]}: {option}: invalid option", streams)
    return _usage(shell, streams, f"{words[0]}: usage: {usage}")


# Printing and testing


def _echo(shell: Interpreter, words: list[str], streams: Streams) -> int:
    streams.stdout.write(printing.echo(words[1:]))
    return 0


def _printf(shell: Interpreter, words: list[str], streams: Streams) -> int:
    arguments = words[1:]
    target = None
    if arguments[:1] == ["-v"] and len(arguments) > 1:
        target, arguments = arguments[1], arguments[2:]
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        return _usage(shell, streams, "printf: usage: printf [-v var] format [arguments]")
    text, complaints, status = printing.printf(arguments[0], arguments[1:])
    for complaint in complaints:
        shell.error(f"printf: {complaint}", streams)
    if target is not None:
        shell.state.variables[target] = text
    else:
        streams.stdout.write(text)
    return status


def _test(shell: Interpreter, words: list[str], streams: Streams) -> int:
    arguments = words[1:]
    if words[0] == "[":
        if arguments[-1:] != ["]"]:
            shell.error("[: missing `]'", streams)
            return 2
        arguments = arguments[:-1]
    try:
        return int(not conditions.test(arguments, shell.node.files, shell.state.directory))
    except conditions.ConditionError as error:
        shell.error(f"{words[0]}: {error}", streams)
        return 2


def _status(status: int) -> Builtin:
    return lambda shell, words, streams: status


# Directories


def _cd(shell: Interpreter, words: list[str], streams: Streams) -> int:
    state, files = shell.state, shell.node.files
    arguments = [word for word in words[1:] if word not in ("-P", "-L", "--")]
    if len(arguments) > 1:
        shell.error("cd: too many arguments", streams)
        return 1
    target = arguments[0] if arguments else state.variables.get("HOME", "")
    if not arguments and not target:
        shell.error("cd: HOME not set", streams)
        return 1
    if target.startswith("-") and target != "-":
        return _invalid_option(shell, words, streams, "cd [-L|[-P [-e]] [-@]] [dir]", target[:2])
    if target == "-":
        if "OLDPWD" not in state.variables:
            shell.error("cd: OLDPWD not set", streams)
            return 1
        target = state.variables["OLDPWD"]
        streams.stdout.write(target + "\n")
    path = files.resolve(target, state.directory) if target else state.directory
    if not files.is_directory(path):
        why = "Not a directory" if files.is_file(path) else "No such file or directory"
        shell.error(f"cd: {target}: {why}", streams)
        return 1
    state.variables["OLDPWD"], state.variables["PWD"] = state.directory, path
    state.directory = path
    return 0


def _pwd(shell: Interpreter, words: list[str], streams: Streams) -> int:
    streams.stdout.write(shell.state.directory + "\n")
    return 0


# Variables


def _declare(command: str, act: Callable[[Interpreter, str, str | None], None]) -> Builtin:
    """A builtin of the form `command name[=value]…`; without names it lists."""

    def run(shell: Interpreter, words: list[str], streams: Streams) -> int:
        names = [word for word in words[1:] if word not in ("-p", "--")]
        if not names:
            _list_variables(shell, streams, command)
            return 0
        status = 0
        for word in names:
            name, equals, value = word.partition("=")
            if word.startswith("-"):
                return _invalid_option(shell, words, streams, f"{command} [name[=value] ...]", word[:2])
            if not NAME.match(name):
                shell.error(f"{command}: `{word}': not a valid identifier", streams)
                status = 1
                continue
            act(shell, name, value if equals else None)
        return status

    return run


def _list_variables(shell: Interpreter, streams: Streams, command: str) -> None:
    variables = shell.state.variables
    shown = {"export": variables.exported, "readonly": variables.read_only}.get(command, set())
    flag = "r" if command == "readonly" else "x"
    for name in sorted(shown & set(variables)):
        value = variables[name].replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
        streams.stdout.write(f'declare -{flag} {name}="{value}"\n')


def _export(shell: Interpreter, name: str, value: str | None) -> None:
    if value is not None:
        shell.state.variables[name] = value
    shell.state.variables.exported.add(name)


def _readonly(shell: Interpreter, name: str, value: str | None) -> None:
    if value is not None:
        shell.state.variables[name] = value
    shell.state.variables.read_only.add(name)


def _local(shell: Interpreter, words: list[str], streams: Streams) -> int:
    state = shell.state
    if state.locals is None:
        shell.error("local: can only be used in a function", streams)
        return 1
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if not NAME.match(name):
            shell.error(f"local: `{word}': not a valid identifier", streams)
            return 1
        state.locals.setdefault(name, state.variables.get(name))
        state.variables[name] = value if equals else ""
    return 0


def _unset(shell: Interpreter, words: list[str], streams: Streams) -> int:
    status = 0
    for word in words[1:]:
        if word in ("-v", "-f"):
            continue
        try:
            if word in shell.state.variables:
                del shell.state.variables[word]
            else:
                shell.state.functions.pop(word, None)
        except ReadOnlyVariable:
            shell.error(f"unset: {word}: cannot unset: readonly variable", streams)
            status = 1
    return status


def _set(shell: Interpreter, words: list[str], streams: Streams) -> int:
    state = shell.state
    if len(words) == 1:
        for name in sorted(state.variables):
            value = state.variables[name]
            streams.stdout.write(f"{name}={shlex.quote(value) if value else ''}\n")
        return 0
    attributes = {"e": "errexit", "u": "nounset", "x": "xtrace"}
    rest = words[1:]
    while rest and re.match(r"[-+].", rest[0]) and rest[0] != "--":
        word = rest.pop(0)
        on = word[0] == "-"
        if word[1:] == "o" and rest:
            option = rest.pop(0)
            if option not in ("errexit", "nounset", "xtrace", "pipefail"):
                return _refuse(f"set -o {option}", streams)
            chosen = [option]
        else:
            unknown = next((letter for letter in word[1:] if letter not in attributes), None)
            if unknown is not None:
                return _refuse(f"set {word[0]}{unknown}", streams)
            chosen = [attributes[letter] for letter in word[1:]]
        if "errexit" in chosen and on and shell.interactive:
            return _refuse("set -e at the prompt (it would log you out at the first error)", streams)
        for attribute in chosen:
            setattr(state, attribute, on)
    if rest:
        state.arguments = rest[1:] if rest[0] == "--" else rest
    return 0


def _refuse(what: str, streams: Streams) -> int:
    streams.stderr.write(f"netwerf: {what} is not simulated here\n")
    return 2


def _refused(what: str) -> Builtin:
    return lambda shell, words, streams: _refuse(what, streams)


def _let(shell: Interpreter, words: list[str], streams: Streams) -> int:
    if len(words) == 1:
        shell.error("let: expression expected", streams)
        return 1
    value = 0
    for word in words[1:]:
        try:
            value = evaluate(word, shell.state.variables)
        except ArithmeticFault as fault:
            shell.error(f"let: {fault}", streams)
            return 1
    return int(value == 0)


def _shift(shell: Interpreter, words: list[str], streams: Streams) -> int:
    count = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 1
    if count > len(shell.state.arguments):
        return 1
    del shell.state.arguments[:count]
    return 0


def _read(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    raw, names, prompt = False, [], ""
    rest = words[1:]
    while rest:
        word = rest.pop(0)
        if word == "-r":
            raw = True
        elif word in ("-p", "-t", "-d", "-n", "-u", "-a"):
            if word != "-p":
                return _refuse(f"read {word}", streams)
            prompt = rest.pop(0) if rest else ""
        elif word.startswith("-") and len(word) > 1:
            return _invalid_option(shell, words, streams, "read [-r] [-p prompt] [name ...]", word[:2])
        elif not NAME.match(word):
            shell.error(f"read: `{word}': not a valid identifier", streams)
            return 1
        else:
            names.append(word)
    if prompt:
        streams.stderr.write(prompt)
    line = yield from streams.stdin.read_line()
    complete = line.endswith("\n")
    line = line.removesuffix("\n")
    while not raw and line.endswith("\\") and complete:
        more = yield from streams.stdin.read_line()
        complete = more.endswith("\n")
        line = line[:-1] + more.removesuffix("\n")
    if not raw:
        line = re.sub(r"\\(.)", r"\1", line)
    _distribute(shell.state, line, names)
    return 0 if complete else 1


def _distribute(state: State, line: str, names: list[str]) -> None:
    """Give each name a field, and the last one the rest."""
    separators = state.variables.get("IFS", " \t\n")
    if not names:
        state.variables["REPLY"] = line
        return
    blanks = "".join(char for char in separators if char in " \t\n")
    others = "".join(char for char in separators if char not in " \t\n")
    rest = line.strip(blanks) if blanks else line
    for name in names[:-1]:
        if not separators:
            state.variables[name], rest = rest, ""
            continue
        inner = f"[{re.escape(blanks)}]*" if blanks else ""
        edge = f"{inner}[{re.escape(others)}]{inner}|" if others else ""
        match = re.search(edge + (f"[{re.escape(blanks)}]+" if blanks else "(?!)"), rest)
        if match is None:
            state.variables[name], rest = rest, ""
        else:
            state.variables[name], rest = rest[: match.start()], rest[match.end() :]
    state.variables[names[-1]] = rest


# Control


def _number_argument(shell: Interpreter, words: list[str], streams: Streams, default: int) -> int:
    if len(words) == 1:
        return default
    if not re.fullmatch(r"[-+]?\d{1,18}", words[1]):
        shell.error(f"{words[0]}: {words[1]}: numeric argument required", streams)
        return 2
    return int(words[1]) & 0xFF


def _exit(shell: Interpreter, words: list[str], streams: Streams) -> int:
    status = _number_argument(shell, words, streams, shell.state.status)
    if shell.interactive:
        streams.stderr.write("logout\n")  # a login shell
    raise ShellExit(status)


def _return(shell: Interpreter, words: list[str], streams: Streams) -> int:
    if shell.state.locals is None and shell.interactive:
        shell.error("return: can only `return' from a function or sourced script", streams)
        return 2
    raise Return(_number_argument(shell, words, streams, shell.state.status))


def _jump(shell: Interpreter, words: list[str], streams: Streams) -> int:
    if not shell.loops:
        shell.error(f"{words[0]}: only meaningful in a `for', `while', or `until' loop", streams)
        return 0
    levels = _number_argument(shell, words, streams, 1)
    if levels < 1:
        shell.error(f"{words[0]}: {words[1]}: loop count out of range", streams)
        return 1
    raise LoopJump(levels, again=words[0] == "continue")


def _source(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    if len(words) < 2:
        shell.error(f"{words[0]}: filename argument required", streams)
        return _usage(shell, streams, f"{words[0]}: usage: {words[0]} filename [arguments]")
    try:
        text = shell.node.files.read(shell.node.files.resolve(words[1], shell.state.directory))
    except FileError as error:
        message = "is a directory" if str(error) == "Is a directory" else str(error)
        shell.error(
            f"{words[0]}: {words[1]}: {message}" if message.startswith("is") else f"{words[1]}: {message}", streams
        )
        return 1
    saved = list(shell.state.arguments)
    if len(words) > 2:
        shell.state.arguments = words[2:]
    if shell.depth > 15:
        return _refuse("sourcing files in each other", streams)
    shell.depth += 1
    try:
        return (yield from shell.run_text_with(text, streams))
    except Return as end:
        return end.status
    finally:
        shell.depth -= 1
        shell.state.arguments = saved


def _eval(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    if shell.depth > 15:
        return _refuse("eval in eval in eval", streams)
    shell.depth += 1
    try:
        return (yield from shell.run_text_with(" ".join(words[1:]), streams))
    finally:
        shell.depth -= 1


def _command(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    rest = words[1:]
    if rest[:1] in (["-v"], ["-V"]):
        if rest[0] == "-V":
            return _type(shell, ["type", *rest[1:]], streams)
        found = [text for name in rest[1:] if (text := _found(shell, name)) is not None]
        for text in found:
            streams.stdout.write(text + "\n")
        return int(not found)
    if not rest:
        return 0
    builtin = BUILTINS.get(rest[0])
    if builtin is not None:
        result = builtin(shell, rest, streams)
        return result if isinstance(result, int) else (yield from result)
    return (yield from shell.external(rest, streams))


def _found(shell: Interpreter, name: str) -> str | None:
    if name in KEYWORDS or name in shell.state.functions or name in BUILTINS:
        return name
    return where(shell.node, name, shell.state.directory)


def _type(shell: Interpreter, words: list[str], streams: Streams) -> int:
    status = 0
    names = [word for word in words[1:] if not word.startswith("-")]
    short = "-t" in words
    for name in names:
        path = where(shell.node, name, shell.state.directory)
        if name in KEYWORDS:
            kind, text = "keyword", f"{name} is a shell keyword"
        elif name in shell.state.functions:
            kind, text = "function", f"{name} is a function"
        elif name in BUILTINS:
            kind, text = "builtin", f"{name} is a shell builtin"
        elif path is not None:
            kind, text = "file", f"{name} is {path}"
        else:
            status = 1
            if not short:
                shell.error(f"type: {name}: not found", streams)
            continue
        streams.stdout.write((kind if short else text) + "\n")
    return status


def _exec(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    if len(words) == 1:
        return _refuse("exec without a command", streams)
    raise ShellExit((yield from shell.external(words[1:], streams)))


def _history(shell: Interpreter, words: list[str], streams: Streams) -> int:
    lines = shell.state.history
    if words[1:] == ["-c"]:
        lines.clear()
        return 0
    count = int(words[1]) if len(words) > 1 and words[1].isdecimal() else len(lines)
    first = max(len(lines) - count, 0)
    for number, line in enumerate(lines[first:], first + 1):
        streams.stdout.write(f"{number:5d}  {line}\n")
    return 0


def _umask(shell: Interpreter, words: list[str], streams: Streams) -> int:
    if len(words) > 1:
        return _refuse("changing the umask (files have no permissions)", streams)
    streams.stdout.write("0022\n")
    return 0


def _help(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    return (yield from shell.external(words, streams))


# Jobs


def _jobs(shell: Interpreter, words: list[str], streams: Streams) -> int:
    jobs = shell.state.jobs
    for job in list(jobs.table):
        if "-p" in words[1:]:
            streams.stdout.write(f"{job.processes[-1].pid}\n")
        else:
            streams.stdout.write(job.line(jobs.mark(job), pid="-l" in words[1:]) + "\n")
    jobs.collect()
    return 0


def _wait(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    jobs = shell.state.jobs
    status = 0
    if len(words) == 1:
        yield from _wait_until_over(shell, [process for job in jobs.table for process in job.processes])
        if not shell.interactive:
            jobs.collect()
        return 0
    for word in words[1:]:
        if word.startswith("-"):
            return _refuse(f"wait {word}", streams)
        job = jobs.find(word) if word.startswith("%") else _job_of(shell, word)
        if job is None:
            known = "no such job" if word.startswith("%") else "is not a child of this shell"
            shell.error(f"wait: {word}: {known}" if word.startswith("%") else f"wait: pid {word} {known}", streams)
            status = 127
            continue
        yield from _wait_until_over(shell, job.processes)
        status = job.status
        jobs.table.remove(job)
    return status


def _job_of(shell: Interpreter, word: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    pid = int(word) if word.isdecimal() else -1
    return next((job for job in shell.state.jobs.table if any(p.pid == pid for p in job.processes)), None)


def _wait_until_over(shell: Interpreter, processes: list[Process]) -> Generator[Wait, None, None]:
    """Wait without making them the foreground: Ctrl-C ends the waiting, not the jobs."""
    before = shell.process.endless
    try:
        for process in processes:
            while process.running:
                shell.process.endless = before or any(p.endless for p in processes if p.running)
                yield Wait((process.exited,))
    finally:
        shell.process.endless = before


def _fg(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    jobs = shell.state.jobs
    if not shell.interactive:
        shell.error(f"{words[0]}: no job control", streams)
        return 1
    job = jobs.find(words[1] if len(words) > 1 else "%+")
    if job is None or not job.running:
        shell.error(f"{words[0]}: {words[1] if len(words) > 1 else 'current'}: no such job", streams)
        return 1
    if words[0] == "bg":
        shell.error(f"bg: job {job.number} already in background", streams)
        return 0
    streams.stdout.write(job.source + "\n")
    jobs.table.remove(job)
    return (yield from shell.wait_for(job.processes))


def _kill(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    """Job numbers become process numbers; the rest is the program's."""
    out = [words[0]]
    for word in words[1:]:
        if word.startswith("%"):
            job = shell.state.jobs.find(word)
            if job is None:
                shell.error(f"kill: {word}: no such job", streams)
                return 1
            out.extend(str(process.pid) for process in job.processes if process.running)
        else:
            out.append(word)
    program, _ = locate(shell.node, "kill", "/")
    if program is None:
        shell.error("kill: command not found", streams)
        return 127
    child = launch(
        shell.process, program, [f"{shell.prefix()}kill", *out[1:]], stdin=Pipe(closed=True), stdout=streams.stdout,
        stderr=streams.stderr,
    )  # fmt: skip
    return (yield from shell.wait_for([child]))


BUILTINS: dict[str, Builtin] = {
    ".": _source,
    ":": _status(0),
    "[": _test,
    "alias": _refused("alias"),
    "bg": _fg,
    "break": _jump,
    "cd": _cd,
    "command": _command,
    "continue": _jump,
    "declare": _refused("declare"),
    "disown": _refused("disown"),
    "echo": _echo,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "export": _declare("export", _export),
    "false": _status(1),
    "fg": _fg,
    "getopts": _refused("getopts"),
    "hash": _status(0),
    "help": _help,
    "history": _history,
    "jobs": _jobs,
    "kill": _kill,
    "let": _let,
    "local": _local,
    "logout": _exit,
    "mapfile": _refused("mapfile"),
    "printf": _printf,
    "pwd": _pwd,
    "read": _read,
    "readonly": _declare("readonly", _readonly),
    "return": _return,
    "set": _set,
    "shift": _shift,
    "shopt": _refused("shopt"),
    "source": _source,
    "test": _test,
    "trap": _refused("trap"),
    "true": _status(0),
    "type": _type,
    "typeset": _refused("typeset"),
    "ulimit": _refused("ulimit"),
    "umask": _umask,
    "unalias": _refused("unalias"),
    "unset": _unset,
    "wait": _wait,
}
