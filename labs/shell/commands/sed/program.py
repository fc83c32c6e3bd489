"""The command line of sed: options, scripts, files in place."""

from __future__ import annotations

import re
from collections.abc import Generator

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.commandline import Lines, begin, fail, split_lines
from labs.shell.commands.sed.editor import Editor
from labs.shell.commands.sed.script import Command, ScriptError, parse

__all__ = ["COMMANDS"]

USAGE = """sed [OPTION]... {script-only-if-no-other-script} [input-file]...
  -n                print only what p asks for      -E, -r  extended expressions
  -e script         add the script                  -f file  add the script in the file
  -i[SUFFIX]        change the files themselves, and keep the old ones with the suffix
  -s                count the lines of each file    -z  lines end in a zero byte
  addresses: N  $  N,M  /regex/  /a/,/b/  N,+M  N~M  0,/regex/  and ! for all others
  commands: s/regex/text/[g][p][i][N][w file]  p P d D a i c q Q = y n N g G h H x l r w z F b t T :label { }"""


class _Texts:
    """The lines of one text."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = split_lines(text)[::-1]

    def next(self) -> Generator[Wait, None, str]:
        """The next line."""
        return self._lines.pop() if self._lines else ""
        yield

    def rest(self) -> list[str]:
        """What was not asked for."""
        return self._lines[::-1]


def sed(process: Process) -> Routine:
    """Edit a stream."""
    arguments = list(process.argv[1:])
    suffix: str | None = None
    for index, word in enumerate(arguments):  # -i takes its value only when glued to it
        match = re.fullmatch(r"(-[nErsz]*)i(.*)|--in-place(?:=(.*))?", word, re.DOTALL)
        if match and word != "--":
            suffix = match[2] or match[3] or ""
            letters = match[1] or "-"
            arguments[index : index + 1] = [letters] if letters != "-" else []
            break
        if word in ("-e", "-f", "--"):
            continue
    process.argv = [process.argv[0], *arguments]
    long = ["quiet", "silent", "regexp-extended", "expression=", "file=", "separate", "null-data", "unbuffered"]
    parsed = begin(process, "nErse:f:l:zu", long, usage=USAGE)
    if isinstance(parsed, int):
        return parsed
    options, operands = parsed
    flags = {option for option, _ in options}
    if "-l" in flags:
        return fail(process, '"-l" is not simulated here')
    try:
        commands = _commands(process, options, operands, extended=bool(flags & {"-E", "-r", "--regexp-extended"}))
        if commands is None:
            process.error(f"Usage: {USAGE}")
            return 1
        editor = Editor(process, commands, quiet=bool(flags & {"-n", "--quiet", "--silent"}))
        if flags & {"-z", "--null-data"}:
            return (yield from _null_data(process, editor, operands))
        if suffix is not None:
            return (yield from _in_place(process, editor, operands, suffix))
        return (yield from _stream(process, editor, operands, apart=bool(flags & {"-s", "--separate"})))
    except ScriptError as error:
        return fail(process, str(error), error.status)


def _commands(
    process: Process, options: list[tuple[str, str]], operands: list[str], *, extended: bool
) -> list[Command] | None:
    """The script of all -e and -f, or the first operand. Raises ScriptError."""
    texts = []
    name = "-e expression #1"
    for option, value in options:
        if option in ("-e", "--expression"):
            texts.append(value)
        elif option in ("-f", "--file"):
            files = process.node.files
            try:
                texts.append(files.read(files.resolve(value, process.directory)))
            except FileError as error:
                raise ScriptError(f"couldn't open file {value}: {error}") from None
            name = f"file {value}"
    if not texts and not operands:
        return None
    return parse("\n".join(texts or [operands.pop(0)]), extended=extended, name=name)


def _stream(process: Process, editor: Editor, names: list[str], *, apart: bool) -> Routine:
    failed = False
    for group in [[name] for name in names] if apart and names else [names]:
        lines = Lines(process, group, missing="can't read {name}: {error}", directory="couldn't read {name}: {error}")
        if apart:
            editor.restart(process.stdout.write)
        go_on = yield from editor.run(lines)
        failed |= lines.failed
        if not go_on:
            break
    return editor.status or (2 if failed else 0)


def _in_place(process: Process, editor: Editor, names: list[str], suffix: str) -> Routine:
    if not names:
        return fail(process, "no input files")
    files, status = process.node.files, 0
    for name in names:
        path = files.resolve(name, process.directory)
        try:
            text = files.read(path)
        except FileError as error:
            is_directory = str(error) == "Is a directory"
            fail(
                process, f"couldn't edit {name}: not a regular file" if is_directory else f"can't read {name}: {error}"
            )
            status = 4 if is_directory else 2
            continue
        out: list[str] = []
        editor.restart(out.append)
        source = _Texts(name, text)
        go_on = yield from editor.run(source)
        out += source.rest()
        if suffix:
            folder, _, base = path.rpartition("/")
            files.write(f"{folder}/{suffix.replace('*', base) if '*' in suffix else base + suffix}", text)
        files.write(path, "".join(out))
        if not go_on:
            return editor.status or status
    return editor.status or status


def _null_data(process: Process, editor: Editor, names: list[str]) -> Routine:
    """-z: the whole text is one line, unless it holds zero bytes, which no file here does."""
    lines = Lines(process, names, missing="can't read {name}: {error}", directory="couldn't read {name}: {error}")
    while lines.open():
        text = "".join((yield from lines.rest()))
        out: list[str] = []
        editor.restart(out.append)
        yield from editor.run(_Whole(lines.name, text))
        printed = "".join(out)
        process.stdout.write(printed.removesuffix("\n") if not text.endswith("\n\n") else printed)
    return editor.status or (2 if lines.failed else 0)


class _Whole:
    """A text as one line."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text

    def next(self) -> Generator[Wait, None, str]:
        """The text, once."""
        text, self._text = self._text, ""
        return text + "\n" if text else ""
        yield


COMMANDS: dict[str, Program] = {"sed": sed}
