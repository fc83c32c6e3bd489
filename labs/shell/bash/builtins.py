"""The commands that are part of the shell (POSIX.1-2017, XCU §2.14, with bash's own)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.shell.bash import conditions, printing
from labs.shell.bash.builtin import Builtin, invalid_option, refuse, usage
from labs.shell.bash.builtin_arrays import ARRAYS
from labs.shell.bash.builtin_jobs import JOBS
from labs.shell.bash.builtin_variables import VARIABLES
from labs.shell.bash.control import LoopJump, Return, ShellExit
from labs.shell.bash.interpreter import Interpreter
from labs.shell.bash.programs import where
from labs.shell.bash.streams import Streams

if TYPE_CHECKING:
    from labs.shell.bash.interpreter import Step

__all__ = ["BUILTINS", "KEYWORDS"]

KEYWORDS = frozenset("if then else elif fi while until for do done case esac { } ! [[ ]] in function time".split())


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
        return usage(shell, streams, "printf: usage: printf [-v var] format [arguments]")
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
        return invalid_option(shell, words, streams, "cd [-L|[-P [-e]] [-@]] [dir]", target[:2])
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


def _refused(what: str) -> Builtin:
    return lambda shell, words, streams: refuse(what, streams)


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
        return usage(shell, streams, f"{words[0]}: usage: {words[0]} filename [arguments]")
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
        return refuse("sourcing files in each other", streams)
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
        return refuse("eval in eval in eval", streams)
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
        return refuse("exec without a command", streams)
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
        return refuse("changing the umask (files have no permissions)", streams)
    streams.stdout.write("0022\n")
    return 0


def _help(shell: Interpreter, words: list[str], streams: Streams) -> Step:
    return (yield from shell.external(words, streams))


BUILTINS: dict[str, Builtin] = {
    **ARRAYS,
    **JOBS,
    **VARIABLES,
    ".": _source,
    ":": _status(0),
    "[": _test,
    "alias": _refused("alias"),
    "break": _jump,
    "cd": _cd,
    "command": _command,
    "continue": _jump,
    "disown": _refused("disown"),
    "echo": _echo,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "false": _status(1),
    "hash": _status(0),
    "help": _help,
    "history": _history,
    "logout": _exit,
    "printf": _printf,
    "pwd": _pwd,
    "return": _return,
    "source": _source,
    "test": _test,
    "true": _status(0),
    "type": _type,
    "ulimit": _refused("ulimit"),
    "umask": _umask,
    "unalias": _refused("unalias"),
}
