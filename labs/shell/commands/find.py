"""find (GNU findutils): files below a directory by name and kind."""

from __future__ import annotations

from labs.net.filesystem import FileError, FileSystem
from labs.net.process import Process, Program
from labs.shell.bash import patterns
from labs.shell.commandline import fail
from labs.shell.commands.files import is_directory, resolve_path

__all__ = ["COMMANDS"]


FIND = """find [PATH]... [-maxdepth N] [-mindepth N] [TEST]...
  -name GLOB    -iname GLOB    -path GLOB    -type f|d    -empty    -not TEST    -print    -delete"""


class _FindError(Exception):
    """A wrong expression."""


def find(process: Process) -> int:
    """Walk below directories."""
    arguments = list(process.argv[1:])
    if arguments == ["--help"]:
        process.print(f"Usage: {FIND}")
        return 0
    starts = []
    while arguments and not arguments[0].startswith(("-", "!", "(")):
        starts.append(arguments.pop(0))
    try:
        tests = _Tests(arguments)
    except _FindError as error:
        return fail(process, str(error))
    files, status = process.node.files, 0
    for start in starts or ["."]:
        path = resolve_path(process, start)
        if not files.exists(path):
            status = fail(process, f"‘{start}’: No such file or directory")
            continue
        pending = [(start, path, 0)]
        found: list[tuple[str, str]] = []
        while pending:
            shown, path, depth = pending.pop()
            if tests.hold(files, shown, path, depth):
                found.append((shown, path))
            if is_directory(files, path) and depth < tests.deepest:
                prefix = shown if shown.endswith("/") else shown + "/"
                pending.extend((prefix + n, f"{path.rstrip('/')}/{n}", depth + 1) for n in reversed(files.list(path)))
        for shown, path in reversed(found) if tests.delete else found:
            if not tests.delete:
                process.print(shown)
                continue
            try:
                (files.remove_directory if is_directory(files, path) else files.remove)(path)
            except FileError as error:
                status = fail(process, f"cannot delete ‘{shown}’: {error}")
    return status


class _Tests:
    def __init__(self, arguments: list[str]) -> None:
        self.deepest, self.shallowest, self.delete = 1000, 0, False
        self.tests: list[tuple[bool, str, str]] = []
        negated = False
        while arguments:
            word = arguments.pop(0)
            if word in ("!", "-not"):
                negated = not negated
                continue
            value = ""
            if word in ("-name", "-iname", "-path", "-type", "-maxdepth", "-mindepth"):
                if not arguments:
                    raise _FindError(f"missing argument to `{word}'")
                value = arguments.pop(0)
            if word in ("-maxdepth", "-mindepth"):
                if not value.isdecimal():
                    raise _FindError(f"Expected a positive decimal integer argument to {word}, but got ‘{value}’")
                if word == "-maxdepth":
                    self.deepest = int(value)
                else:
                    self.shallowest = int(value)
            elif word == "-delete":
                self.delete = True
            elif word in ("-name", "-iname", "-path", "-type", "-empty"):
                if word == "-type" and value not in ("f", "d"):
                    raise _FindError(
                        f"-type {value} is not simulated here"
                        if value in tuple("lbcps")
                        else f"Unknown argument to -type: {value}"
                    )
                self.tests.append((negated, word, value))
                negated = False
            elif word not in ("-print", "-a", "-and"):
                known = (
                    "-o",
                    "-or",
                    "-exec",
                    "-size",
                    "-mtime",
                    "-newer",
                    "-user",
                    "-perm",
                    "-ls",
                    "-regex",
                    "(",
                    "-print0",
                    "-execdir",
                    "-ok",
                )
                raise _FindError(
                    f"{word} is not simulated here"
                    if word in known
                    else f"unknown predicate `{word}'"
                    if word.startswith("-")
                    else f"paths must precede expression: `{word}'"
                )

    def hold(self, files: FileSystem, shown: str, path: str, depth: int) -> bool:
        """True where every test holds."""
        if not self.shallowest <= depth <= self.deepest:
            return False
        return all(self._one(files, shown, path, word, value) != negated for negated, word, value in self.tests)

    @staticmethod
    def _one(files: FileSystem, shown: str, path: str, word: str, value: str) -> bool:
        name = shown.rstrip("/").rpartition("/")[2] or "/"
        directory = is_directory(files, path)
        if word == "-type":
            return directory == (value == "d")
        if word == "-empty":
            return not files.list(path) if directory else not files.read(path)
        if word == "-path":
            return patterns.matches(value, shown)
        if word == "-iname":
            return patterns.matches(value.lower(), name.lower())
        return patterns.matches(value, name)


COMMANDS: dict[str, Program] = {"find": find}
