"""The command line of awk, and its input record by record."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.commandline import Lines, fail
from labs.shell.commands.awk.control import Exit, NextRecord
from labs.shell.commands.awk.interpreter import Interpreter
from labs.shell.commands.awk.lexer import AwkError, unescape
from labs.shell.commands.awk.parser import parse
from labs.shell.commands.awk.tree import Node, Script
from labs.shell.commands.awk.values import Strnum, text

__all__ = ["COMMANDS"]

USAGE = """Usage: awk [-F SEPARATOR] [-v NAME=VALUE] 'PROGRAM' [FILE | NAME=VALUE]...
       awk [-F SEPARATOR] [-v NAME=VALUE] -f FILE [FILE]...
  Patterns BEGIN, END, /regex/, conditions and ranges; print, printf, if, while, do, for, delete, next, exit, arrays,
  functions, getline and getline < FILE; length substr index split sub gsub match sprintf toupper tolower int sqrt
  Not simulated here: system(), COMMAND | getline, print | COMMAND"""
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
EXIT_FAILED = 2


def awk(process: Process) -> Routine:
    """Run a program over records."""
    arguments = process.argv[1:]
    options: list[tuple[str, str]] = []
    while arguments and arguments[0].startswith("-") and arguments[0] != "-":
        word = arguments.pop(0)
        if word == "--":
            break
        if word == "--help":
            process.print(*USAGE.splitlines())
            return 0
        if word[:2] not in ("-F", "-v", "-f"):
            return fail(process, f"not an option: {word}", EXIT_FAILED)
        if len(word) == 2 and not arguments:
            return fail(process, f"option requires an argument -- {word[1]}", EXIT_FAILED)
        options.append((word[:2], word[2:] or arguments.pop(0)))
    try:
        return (yield from _run(process, options, arguments))
    except AwkError as error:
        return fail(process, str(error), EXIT_FAILED)


def _run(process: Process, options: list[tuple[str, str]], arguments: list[str]) -> Routine:
    files = process.node.files
    texts = []
    for name in (value for option, value in options if option == "-f"):
        try:
            texts.append(files.read(files.resolve(name, process.directory)))
        except FileError as error:
            raise AwkError(f"cannot open {name} ({error})") from None
    if not texts:
        if not arguments:
            process.error(*USAGE.splitlines())
            return EXIT_FAILED
        texts = [arguments.pop(0)]
    script = parse("\n".join(texts))
    begun: set[str] = set()

    def write(target: str, how: str, out: str) -> None:
        if not how or target in ("/dev/stdout", "-"):
            process.stdout.write(out)
        elif target == "/dev/stderr":
            process.stderr.write(out)
        else:
            path = files.resolve(target, process.directory)
            try:
                if how == ">" and path not in begun:
                    files.write(path, out)
                else:
                    files.append(path, out)
            except FileError as error:
                raise AwkError(f'cannot open "{target}" for output ({error})') from None
            begun.add(path)

    def read(name: str) -> str | None:
        try:
            return files.read(files.resolve(name, process.directory))
        except FileError:
            return None

    interpreter = Interpreter(script, write, read, process.node.world.wall_clock(process.node.now))
    interpreter.globals["ENVIRON"] = {name: Strnum(value) for name, value in process.environment.items()}
    argv = [process.name, *arguments]
    interpreter.globals["ARGV"] = {str(index): Strnum(word) for index, word in enumerate(argv)}
    interpreter.globals["ARGC"] = float(len(argv))
    for option, value in options:
        if option == "-F":
            interpreter.set_variable("FS", "\t" if value == "t" else unescape(value))
        elif option == "-v":
            _assign(interpreter, value)
    return (yield from _follow(process, script, interpreter, arguments))


def _assign(interpreter: Interpreter, word: str) -> bool:
    found = ASSIGNMENT.fullmatch(word)
    if found is None:
        return False
    interpreter.set_variable(found[1], Strnum(unescape(found[2])))
    return True


def _follow(process: Process, script: Script, interpreter: Interpreter, operands: list[str]) -> Routine:
    kinds = {rule.kind for rule in script.rules}
    failed = False
    try:
        interpreter.run_rules("BEGIN")
        if kinds - {"BEGIN"}:
            failed = yield from _records(process, script, interpreter, operands)
    except Exit:
        pass
    except NextRecord:
        raise AwkError("next used in BEGIN or END") from None
    with contextlib.suppress(Exit):
        interpreter.run_rules("END")
    return interpreter.status or (EXIT_FAILED if failed else 0)


def _records(
    process: Process, script: Script, interpreter: Interpreter, operands: list[str]
) -> Generator[Wait, None, bool]:
    """Read everything. Raises Exit, AwkError."""
    names = [word for word in operands if word and not ASSIGNMENT.fullmatch(word)]
    for word in operands:
        if ASSIGNMENT.fullmatch(word):
            _assign(interpreter, word)
            continue
        if word and (yield from _file(process, script, interpreter, word)):
            return True
    return False if names else (yield from _file(process, script, interpreter, "-"))


def _file(process: Process, script: Script, interpreter: Interpreter, name: str) -> Generator[Wait, None, bool]:
    lines = Lines(process, [name], missing="cannot open {name} ({error})", directory="read failure ({error})")
    if not lines.open():
        return True
    interpreter.globals["FILENAME"] = Strnum("" if name == "-" else name)
    interpreter.globals["FNR"] = 0.0
    separator = text(interpreter.plain("RS"))
    if separator == "\n" and not any(_asks(rule.action) for rule in script.rules):
        line = yield from lines.next()
        while line:
            if not _one(interpreter, line.removesuffix("\n")):
                return False
            line = yield from lines.next()
        return False
    waiting = _divided(interpreter, "".join((yield from lines.rest())), separator)[::-1]
    interpreter.next_line = lambda: waiting.pop() if waiting else None
    while waiting:
        if not _one(interpreter, waiting.pop()):
            return False
    return False


def _one(interpreter: Interpreter, record: str) -> bool:
    """One record; False after `nextfile`."""
    interpreter.set_record(record)
    interpreter.count()
    try:
        interpreter.run_record()
    except NextRecord as jump:
        return not jump.file
    return True


def _divided(interpreter: Interpreter, whole: str, separator: str) -> list[str]:
    """The records of a text."""
    if separator == "\n":
        return whole.removesuffix("\n").split("\n") if whole else []
    if separator == "":
        return [part for part in re.split(r"\n{2,}", whole.strip("\n")) if part]
    pieces = whole.split(separator) if len(separator) == 1 else interpreter.regex(separator).split(whole)
    if pieces and pieces[-1] in ("", "\n"):
        pieces.pop()
    elif pieces and len(separator) > 1:
        pieces[-1] = pieces[-1].removesuffix("\n")
    return pieces


def _asks(node: Node | None) -> bool:
    """True where a part of the program reads the next record by itself."""
    if not isinstance(node, tuple):
        return False
    return (node[:1] == ("getline",) and node[2] is None) or any(
        _asks(part) for part in node if isinstance(part, tuple)
    )


COMMANDS: dict[str, Program] = {"awk": awk, "mawk": awk}
