"""Files and directories (GNU coreutils, findutils). Owners, permissions, links and times are not kept."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from labs.net.filesystem import FileError, FileSystem
from labs.net.process import Process, Program
from labs.shell.commandline import begin, fail

__all__ = ["BLOCK", "COMMANDS", "is_directory", "resolve_path", "walk"]

CP = """cp [-rvn] SOURCE... TARGET
  -r  directories too    -v  say what is done    -n  never overwrite"""
MV = """mv [-vn] SOURCE... TARGET
  -v  say what is done    -n  never overwrite"""
RM = """rm [-rfv] FILE...
  -r  directories too    -f  no complaints about missing files    -v  say what is done"""
MKDIR = """mkdir [-pv] DIRECTORY...
  -p  parents too, and no complaint where it exists    -v  say what is done"""
BLOCK = 4096
MAX_COPIES = 2000


def resolve_path(process: Process, name: str) -> str:
    """The absolute path of a name that a program was given."""
    return process.node.files.resolve(name, process.directory)


def is_directory(files: FileSystem, path: str) -> bool:
    """True for a directory; a file whose name begins others, as under /proc, is none."""
    return files.is_directory(path) and not files.is_file(path)


# cp, mv, rm, mkdir, rmdir, touch


def walk(files: FileSystem, path: str) -> Iterator[str]:
    """Every file and directory below a directory, parents first."""
    for name in files.list(path):
        inner = f"{path.rstrip('/')}/{name}"
        yield inner
        if is_directory(files, inner):
            yield from walk(files, inner)


class _Way(NamedTuple):
    """From where to where, as typed and as the paths that are meant."""

    source: str
    origin: str
    shown: str
    goal: str


def _ways(process: Process, names: list[str]) -> list[_Way] | int:
    """What `cp` and `mv` are asked to bring where; or the exit status of a line that does not say it."""
    if len(names) < 2:
        fail(process, f"missing destination file operand after '{names[0]}'" if names else "missing file operand")
        process.error(f"Try '{process.name} --help' for more information.")
        return 1
    *sources, target = names
    files, place = process.node.files, resolve_path(process, target)
    inside = is_directory(files, place)
    if len(sources) > 1 and not inside:
        reason = " is not a directory" if files.exists(place) else ": No such file or directory"
        return fail(process, f"target '{target}'{reason}")
    ways = []
    for source in sources:
        origin = resolve_path(process, source)
        shown = f"{target.rstrip('/')}/{posixpath.basename(origin)}" if inside else target
        ways.append(_Way(source, origin, shown, resolve_path(process, shown)))
    return ways


def cp(process: Process) -> int:
    """Copy."""
    parsed = begin(process, "rRavnfpi", ["recursive", "archive", "verbose", "no-clobber", "force"], usage=CP)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] for option, _ in options}
    ways = _ways(process, names)
    if isinstance(ways, int):
        return ways
    files, status = process.node.files, 0
    for source, origin, shown, goal in ways:
        try:
            if is_directory(files, origin):
                if not flags & {"r", "R", "a"}:
                    status = fail(process, f"-r not specified; omitting directory '{source}'")
                    continue
                if goal == origin or goal.startswith(origin.rstrip("/") + "/"):
                    status = fail(process, f"cannot copy a directory, '{source}', into itself, '{shown}'")
                    continue
                _copy_tree(files, origin, goal)
            elif origin == goal:
                status = fail(process, f"'{source}' and '{shown}' are the same file")
                continue
            elif not ("n" in flags and files.is_file(goal)):
                text = _read_source(process, files, source, origin)
                if text is None:
                    status = 1
                    continue
                if shown.endswith("/"):
                    status = fail(process, f"cannot create regular file '{shown}': Not a directory")
                    continue
                files.write(goal, text)
        except FileError as error:
            status = fail(process, f"cannot create regular file '{shown}': {error}")
            continue
        if "v" in flags:
            process.print(f"'{source}' -> '{shown}'")
    return status


def _read_source(process: Process, files: FileSystem, source: str, origin: str) -> str | None:
    try:
        return files.read(origin)
    except FileError as error:
        fail(process, f"cannot stat '{source}': {error}")
        return None


def _copy_tree(files: FileSystem, origin: str, goal: str) -> None:
    if not files.is_directory(goal):
        files.make_directory(goal)
    for count, path in enumerate(list(walk(files, origin))):
        if count > MAX_COPIES:
            raise FileError("No space left on device")
        copy = goal + path[len(origin) :]
        if is_directory(files, path):
            if not files.is_directory(copy):
                files.make_directory(copy)
        else:
            files.write(copy, files.read(path))


def _remove_tree(files: FileSystem, path: str) -> list[tuple[str, bool]]:
    """Everything below, then the directory; what was removed, and whether it was a directory."""
    removed = []
    for inner in (*reversed(list(walk(files, path))), path):
        whole = is_directory(files, inner)
        if whole:
            files.remove_directory(inner)
        else:
            files.remove(inner)
        removed.append((inner, whole))
    return removed


def mv(process: Process) -> int:
    """Rename or move."""
    parsed = begin(process, "vnfi", ["verbose", "no-clobber", "force"], usage=MV)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] for option, _ in options}
    ways = _ways(process, names)
    if isinstance(ways, int):
        return ways
    files, status = process.node.files, 0
    for source, origin, shown, goal in ways:
        if not files.exists(origin):
            status = fail(process, f"cannot stat '{source}': No such file or directory")
            continue
        if origin == goal:
            status = fail(process, f"'{source}' and '{shown}' are the same file")
            continue
        if goal.startswith(origin.rstrip("/") + "/"):
            status = fail(process, f"cannot move '{source}' to a subdirectory of itself, '{shown}'")
            continue
        if "n" in flags and files.is_file(goal):
            continue
        try:
            if is_directory(files, origin):
                if files.is_file(goal):
                    status = fail(process, f"cannot overwrite non-directory '{shown}' with directory '{source}'")
                    continue
                _copy_tree(files, origin, goal)
                _remove_tree(files, origin)
            else:
                files.write(goal, files.read(origin))
                files.remove(origin)
        except FileError as error:
            status = fail(process, f"cannot move '{source}' to '{shown}': {error}")
            continue
        if "v" in flags:
            process.print(f"renamed '{source}' -> '{shown}'")
    return status


def rm(process: Process) -> int:
    """Delete."""
    parsed = begin(process, "rRfvid", ["recursive", "force", "verbose"], usage=RM)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0].lower() for option, _ in options}
    if not names and "f" not in flags:
        fail(process, "missing operand")
        process.error("Try 'rm --help' for more information.")
        return 1
    files, status = process.node.files, 0
    for name in names:
        path = resolve_path(process, name)
        if path == "/":
            status = fail(process, "it is dangerous to operate recursively on '/'")
            continue
        if name.rstrip("/").rpartition("/")[2] in (".", ".."):
            status = fail(process, f"refusing to remove '.' or '..' directory: skipping '{name}'")
            continue
        try:
            if is_directory(files, path):
                if "r" not in flags and "d" not in flags:
                    status = fail(process, f"cannot remove '{name}': Is a directory")
                    continue
                if "r" not in flags and any(walk(files, path)):
                    status = fail(process, f"cannot remove '{name}': Directory not empty")
                    continue
                for inner, whole in _remove_tree(files, path):
                    if "v" in flags:
                        shown = name.rstrip("/") + inner[len(path) :]
                        process.print(f"removed {'directory ' if whole else ''}'{shown}'")
            else:
                files.remove(path)
                if "v" in flags:
                    process.print(f"removed '{name}'")
        except FileError as error:
            missing = str(error) == "No such file or directory" and not files.is_file(path)
            if not ("f" in flags and missing):
                why = error if missing or "director" in str(error) else "Operation not permitted"
                status = fail(process, f"cannot remove '{name}': {why}")
    return status


def mkdir(process: Process) -> int:
    """Make directories."""
    parsed = begin(process, "pvm:", ["parents", "verbose"], usage=MKDIR)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] for option, _ in options}
    if not names:
        fail(process, "missing operand")
        process.error("Try 'mkdir --help' for more information.")
        return 1
    files, status = process.node.files, 0
    for name in names:
        path = resolve_path(process, name)
        wanted = [path]
        while "p" in flags and wanted[0] != "/" and not files.exists(posixpath.dirname(wanted[0])):
            wanted.insert(0, posixpath.dirname(wanted[0]))
        try:
            for each in wanted:
                if not ("p" in flags and is_directory(files, each)):
                    files.make_directory(each)
                    if "v" in flags:
                        process.print(f"mkdir: created directory '{name if each == path else each}'")
        except FileError as error:
            status = fail(process, f"cannot create directory ‘{name}’: {error}")
    return status


def rmdir(process: Process) -> int:
    """Remove empty directories."""
    parsed = begin(process, "", usage="rmdir DIRECTORY...")
    if isinstance(parsed, int):
        return parsed
    status = 0
    for name in parsed[1]:
        try:
            process.node.files.remove_directory(resolve_path(process, name))
        except FileError as error:
            status = fail(process, f"failed to remove '{name}': {error}")
    if not parsed[1]:
        fail(process, "missing operand")
        process.error("Try 'rmdir --help' for more information.")
        return 1
    return status


def touch(process: Process) -> int:
    """Make empty files."""
    parsed = begin(process, "camd:t:r:", ["no-create", "date="], usage="touch [-c] FILE...\n  -c  make none")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    if not names:
        fail(process, "missing file operand")
        process.error("Try 'touch --help' for more information.")
        return 1
    status, keep = 0, any(option in ("-c", "--no-create") for option, _ in options)
    for name in names:
        path = resolve_path(process, name)
        try:
            if not keep and not process.node.files.exists(path):
                process.node.files.write(path, "")
        except FileError as error:
            status = fail(process, f"cannot touch '{name}': {error}")
    return status


def _not_simulated(reason: str) -> Program:
    def run(process: Process) -> int:
        if process.argv[1:] == ["--help"]:
            process.print(f"{process.name.rpartition('/')[2]}: {reason}")
            return 0
        return fail(process, reason)

    return run


NO_MODES = "owners and permissions are not simulated here: root may read, write and run every file"

GRANTED = re.compile(r"(-R|--recursive|-v)|[uag]*[+][rwx]+|0?7[0-7][0-7]")


def chmod(process: Process) -> int:
    """Every file may be read, written and run already: what grants that is taken, everything else refused."""
    words = process.argv[1:]
    if not words or words[0] == "--help" or not all(GRANTED.fullmatch(word) for word in words[: _modes(words)]):
        return _not_simulated(NO_MODES)(process)  # type: ignore[return-value]
    status = 0
    for name in words[_modes(words) :]:
        if not process.node.files.exists(process.node.files.resolve(name, process.directory)):
            status = fail(process, f"cannot access '{name}': No such file or directory")
    return status


def _modes(words: list[str]) -> int:
    """How many of the words are options and the mode."""
    return next((index + 1 for index, word in enumerate(words) if not word.startswith("-")), len(words))


COMMANDS: dict[str, Program] = {
    "chgrp": _not_simulated(NO_MODES),
    "chmod": chmod,
    "chown": _not_simulated(NO_MODES),
    "cp": cp,
    "df": _not_simulated("disks are not simulated here"),
    "ln": _not_simulated("links between files are not simulated here; use: cp"),
    "mkdir": mkdir,
    "mv": mv,
    "rm": rm,
    "rmdir": rmdir,
    "touch": touch,
}
