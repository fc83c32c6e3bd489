"""Files and directories (GNU coreutils, findutils). Owners, permissions, links and times are not kept."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from labs.net.filesystem import FileError, FileSystem
from labs.net.process import Process, Program
from labs.shell.bash import patterns
from labs.shell.bash.streams import is_terminal
from labs.shell.commandline import begin, fail
from labs.shell.commands.date import clock_text

__all__ = ["COMMANDS"]

LS = """ls [-laAh1RdFr] [FILE]...
  -l  sizes and kinds    -a, -A  names with a dot too    -1  one per line    -R  what is below too
  -d  directories themselves    -F  a slash after directories    -r  the other way round    -h  sizes with K, M"""
CP = """cp [-rvn] SOURCE... TARGET
  -r  directories too    -v  say what is done    -n  never overwrite"""
MV = """mv [-vn] SOURCE... TARGET
  -v  say what is done    -n  never overwrite"""
RM = """rm [-rfv] FILE...
  -r  directories too    -f  no complaints about missing files    -v  say what is done"""
MKDIR = """mkdir [-pv] DIRECTORY...
  -p  parents too, and no complaint where it exists    -v  say what is done"""
FIND = """find [PATH]... [-maxdepth N] [-mindepth N] [TEST]...
  -name GLOB    -iname GLOB    -path GLOB    -type f|d    -empty    -not TEST    -print    -delete"""
WIDTH = 80
BLOCK = 4096
MAX_COPIES = 2000


def _resolve(process: Process, name: str) -> str:
    return process.node.files.resolve(name, process.directory)


def _is_directory(files: FileSystem, path: str) -> bool:
    return files.is_directory(path) and not files.is_file(path)


# ls


def ls(process: Process) -> int:
    """List a directory."""
    parsed = begin(
        process,
        "laAh1RdFrtSCgonGsi",
        ["all", "almost-all", "recursive", "directory", "color=", "reverse"],
        usage=LS,
        status=2,
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    words = {"--all": "a", "--almost-all": "A", "--recursive": "R", "--directory": "d", "--reverse": "r"}
    flags = {words.get(option, option[1:]) for option, _ in options}
    for refused in ("t", "S", "s", "i"):
        if refused in flags:
            return fail(process, f"-{refused} is not simulated here", 2)
    files, status = process.node.files, 0
    plain, directories = [], []
    for name in sorted(names or ["."]):
        path = _resolve(process, name)
        if not files.exists(path) or (name.endswith("/") and files.is_file(path)):
            why = "Not a directory" if files.is_file(path) else "No such file or directory"
            status = fail(process, f"cannot access '{name}': {why}", 2)
        elif _is_directory(files, path) and "d" not in flags:
            directories.append(name)
        else:
            plain.append(name)
    listing = _Listing(process, flags)
    listing.names([(name, _resolve(process, name)) for name in plain])
    titles = len(names) > 1 or "R" in flags
    first = not plain
    for name in directories:
        first = listing.directory(name, title=titles, first=first)
    return status


class _Listing:
    def __init__(self, process: Process, flags: set[str]) -> None:
        self.process = process
        self.files = process.node.files
        self.flags = flags
        self.stamp = clock_text(process.node.world.wall_clock(0), "%b %e %H:%M")

    def directory(self, name: str, *, title: bool, first: bool) -> bool:
        """One directory, and with -R those below; returns False: what follows is not the first."""
        pending = [name]
        while pending:
            shown = pending.pop(0)
            path = _resolve(self.process, shown)
            if title:
                self.process.print(*([] if first else [""]), f"{shown}:")
            first = False
            inside = [n for n in self.files.list(path) if self.flags & {"a", "A"} or not n.startswith(".")]
            entries = [(n, f"{path.rstrip('/')}/{n}") for n in inside]
            if "a" in self.flags:
                entries = [(".", path), ("..", posixpath.dirname(path)), *entries]
            if "l" in self.flags:
                self.process.print(f"total {sum(self._blocks(p) for _, p in entries)}")
            self.names(entries)
            if "R" in self.flags:
                below = [
                    f"{shown.rstrip('/')}/{n}"
                    for n, p in entries
                    if n not in (".", "..") and _is_directory(self.files, p)
                ]
                pending = below + pending
        return first

    def _size(self, path: str) -> int:
        return BLOCK if _is_directory(self.files, path) else len(self.files.read(path).encode())

    def _blocks(self, path: str) -> int:
        return -(-self._size(path) // BLOCK) * 4 if not path.startswith(("/proc/", "/sys/", "/dev/")) else 0

    def names(self, entries: Sequence[tuple[str, str]]) -> None:
        """Print entries the way the flags ask."""
        entries = list(reversed(entries)) if "r" in self.flags else list(entries)
        if not entries:
            return
        if "l" in self.flags:
            self._long(entries)
            return
        shown = [self._decorated(name, path) for name, path in entries]
        if "1" in self.flags or not (is_terminal(self.process.stdout) or "C" in self.flags):
            self.process.print(*shown)
        else:
            self.process.print(*_columns(shown))

    def _decorated(self, name: str, path: str) -> str:
        return name + "/" if "F" in self.flags and _is_directory(self.files, path) else name

    def _long(self, entries: list[tuple[str, str]]) -> None:
        sizes = [_human(self._size(path)) if "h" in self.flags else str(self._size(path)) for _, path in entries]
        links = [2 if _is_directory(self.files, path) else 1 for _, path in entries]
        width, link_width = max(map(len, sizes)), max(len(str(n)) for n in links)
        for (name, path), size, link in zip(entries, sizes, links, strict=True):
            kind = (
                "drwxr-xr-x"
                if _is_directory(self.files, path)
                else "crw-rw-rw-"
                if path.startswith("/dev/")
                else "-rw-r--r--"
            )
            self.process.print(
                f"{kind} {link:{link_width}d} root root {size:>{width}} {self.stamp} {self._decorated(name, path)}"
            )


def _human(size: int) -> str:
    if size < 1024:
        return str(size)
    value = size / 1024
    for unit in "KMG":
        if value < 1024:
            return f"{-(-value * 10 // 1) / 10:.1f}{unit}" if value < 10 else f"{int(-(-value // 1))}{unit}"
        value /= 1024
    return f"{value:.0f}T"


def _columns(names: list[str]) -> list[str]:
    """Names down the columns, as many columns as fit."""
    for rows in range(1, len(names) + 1):
        columns = [names[i : i + rows] for i in range(0, len(names), rows)]
        widths = [max(map(len, column)) + 2 for column in columns]
        if sum(widths) - 2 < WIDTH or rows == len(names):
            lines = []
            for row in range(rows):
                cells = [
                    (column[row], width) for column, width in zip(columns, widths, strict=True) if row < len(column)
                ]
                lines.append("".join(cell.ljust(width) for cell, width in cells[:-1]) + cells[-1][0])
            return lines
    return []


# cp, mv, rm, mkdir, rmdir, touch


def _below(files: FileSystem, path: str) -> Iterator[str]:
    """Every file and directory below a directory, parents first."""
    for name in files.list(path):
        inner = f"{path.rstrip('/')}/{name}"
        yield inner
        if _is_directory(files, inner):
            yield from _below(files, inner)


def _destination(process: Process, names: list[str]) -> tuple[list[str], str, bool] | int:
    """Sources, target, and whether the target is a directory to put them in."""
    tool = process.name
    if not names:
        fail(process, "missing file operand")
    elif len(names) == 1:
        fail(process, f"missing destination file operand after '{names[0]}'")
    else:
        *sources, target = names
        inside = _is_directory(process.node.files, _resolve(process, target))
        if len(sources) > 1 and not inside:
            return fail(
                process,
                f"target '{target}' is not a directory"
                if process.node.files.exists(_resolve(process, target))
                else f"target '{target}': No such file or directory",
            )
        return sources, target, inside
    process.error(f"Try '{tool} --help' for more information.")
    return 1


def cp(process: Process) -> int:
    """Copy."""
    parsed = begin(process, "rRavnfpi", ["recursive", "archive", "verbose", "no-clobber", "force"], usage=CP)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] for option, _ in options}
    found = _destination(process, names)
    if isinstance(found, int):
        return found
    sources, target, inside = found
    files, status = process.node.files, 0
    for source in sources:
        origin = _resolve(process, source)
        shown = f"{target.rstrip('/')}/{posixpath.basename(origin)}" if inside else target
        goal = _resolve(process, shown)
        try:
            if _is_directory(files, origin):
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
                if target.endswith("/") and not inside:
                    status = fail(process, f"cannot create regular file '{target}': Not a directory")
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
    for count, path in enumerate(list(_below(files, origin))):
        if count > MAX_COPIES:
            raise FileError("No space left on device")
        copy = goal + path[len(origin) :]
        if _is_directory(files, path):
            if not files.is_directory(copy):
                files.make_directory(copy)
        else:
            files.write(copy, files.read(path))


def _remove_tree(files: FileSystem, path: str) -> None:
    for inner in reversed(list(_below(files, path))):
        if _is_directory(files, inner):
            files.remove_directory(inner)
        else:
            files.remove(inner)
    files.remove_directory(path)


def mv(process: Process) -> int:
    """Rename or move."""
    parsed = begin(process, "vnfi", ["verbose", "no-clobber", "force"], usage=MV)
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option.lstrip("-")[0] for option, _ in options}
    found = _destination(process, names)
    if isinstance(found, int):
        return found
    sources, target, inside = found
    files, status = process.node.files, 0
    for source in sources:
        origin = _resolve(process, source)
        shown = f"{target.rstrip('/')}/{posixpath.basename(origin)}" if inside else target
        goal = _resolve(process, shown)
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
            if _is_directory(files, origin):
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
        path = _resolve(process, name)
        if path == "/":
            status = fail(process, "it is dangerous to operate recursively on '/'")
            continue
        if name.rstrip("/").rpartition("/")[2] in (".", ".."):
            status = fail(process, f"refusing to remove '.' or '..' directory: skipping '{name}'")
            continue
        try:
            if _is_directory(files, path):
                if "r" not in flags:
                    status = fail(process, f"cannot remove '{name}': Is a directory")
                    continue
                _remove_tree(files, path)
                if "v" in flags:
                    process.print(f"removed directory '{name}'")
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
        path = _resolve(process, name)
        wanted = [path]
        while "p" in flags and wanted[0] != "/" and not files.exists(posixpath.dirname(wanted[0])):
            wanted.insert(0, posixpath.dirname(wanted[0]))
        try:
            for each in wanted:
                if not ("p" in flags and _is_directory(files, each)):
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
            process.node.files.remove_directory(_resolve(process, name))
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
        path = _resolve(process, name)
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


# find


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
        path = _resolve(process, start)
        if not files.exists(path):
            status = fail(process, f"‘{start}’: No such file or directory")
            continue
        pending = [(start, path, 0)]
        found: list[tuple[str, str]] = []
        while pending:
            shown, path, depth = pending.pop()
            if tests.hold(files, shown, path, depth):
                found.append((shown, path))
            if _is_directory(files, path) and depth < tests.deepest:
                prefix = shown if shown.endswith("/") else shown + "/"
                pending.extend((prefix + n, f"{path.rstrip('/')}/{n}", depth + 1) for n in reversed(files.list(path)))
        for shown, path in reversed(found) if tests.delete else found:
            if not tests.delete:
                process.print(shown)
                continue
            try:
                (files.remove_directory if _is_directory(files, path) else files.remove)(path)
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
        directory = _is_directory(files, path)
        if word == "-type":
            return directory == (value == "d")
        if word == "-empty":
            return not files.list(path) if directory else not files.read(path)
        if word == "-path":
            return patterns.matches(value, shown)
        if word == "-iname":
            return patterns.matches(value.lower(), name.lower())
        return patterns.matches(value, name)


# Names of files


def basename(process: Process) -> int:
    """The last part of a path."""
    parsed = begin(process, "as:", usage="basename NAME [SUFFIX]")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    if not names:
        fail(process, "missing operand")
        process.error("Try 'basename --help' for more information.")
        return 1
    suffix = dict(options).get("-s", "")
    if not options and len(names) == 2:
        suffix = names.pop()
    elif not options and len(names) > 2:
        return fail(process, f"extra operand ‘{names[2]}’")
    for name in names:
        base = name.rstrip("/").rpartition("/")[2] or ("/" if name.startswith("/") else "")
        process.print(base.removesuffix(suffix) if base != suffix else base)
    return 0


def dirname(process: Process) -> int:
    """All but the last part of a path."""
    parsed = begin(process, "", usage="dirname NAME...")
    if isinstance(parsed, int):
        return parsed
    if not parsed[1]:
        fail(process, "missing operand")
        process.error("Try 'dirname --help' for more information.")
        return 1
    for name in parsed[1]:
        parent = name.rstrip("/").rpartition("/")[0].rstrip("/")
        process.print(parent or ("/" if name.startswith("/") else "."))
    return 0


def realpath(process: Process) -> int:
    """The absolute path."""
    parsed = begin(process, "efmqs", usage="realpath [-e] FILE...\n  -e  it must exist")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    strict, status = any(option == "-e" for option, _ in options), 0
    readlink = process.name.rpartition("/")[2] == "readlink"
    if readlink and not options:
        return 1  # nothing here is a symbolic link
    for name in names:
        path = _resolve(process, name)
        if not process.node.files.exists(path if strict else posixpath.dirname(path)):
            status = 1 if readlink else fail(process, f"{name}: No such file or directory")
            continue
        process.print(path)
    return status


def stat(process: Process) -> int:
    """What is known of a file."""
    parsed = begin(
        process,
        "c:",
        ["format="],
        usage="stat [-c FORMAT] FILE...\n  FORMAT knows %n name, %s size, %F kind, %a %A mode, %U owner",
    )
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    form = dict(options).get("-c", dict(options).get("--format"))
    status = 0
    if not names:
        fail(process, "missing operand")
        process.error("Try 'stat --help' for more information.")
        return 1
    files = process.node.files
    for name in names:
        path = _resolve(process, name)
        if not files.exists(path):
            status = fail(process, f"cannot statx '{name}': No such file or directory")
            continue
        directory = _is_directory(files, path)
        size = BLOCK if directory else len(files.read(path).encode())
        kind = "directory" if directory else "regular file" if size else "regular empty file"
        mode = ("0755", "drwxr-xr-x") if directory else ("0644", "-rw-r--r--")
        if form is not None:
            values = {
                "n": name,
                "s": str(size),
                "F": kind,
                "a": mode[0][1:],
                "A": mode[1],
                "U": "root",
                "G": "root",
                "%": "%",
            }
            process.print(re.sub(r"%([nsFaAUG%])", lambda match: values[match[1]], form))  # noqa: B023 - used at once
        else:
            blocks = -(-size // BLOCK) * 8
            process.print(
                f"  File: {name}",
                f"  Size: {size:<10}\tBlocks: {blocks:<10} IO Block: {BLOCK}   {kind}",
                f"Access: ({mode[0]}/{mode[1]})  Uid: (    0/    root)   Gid: (    0/    root)",
            )
    return status


def du(process: Process) -> int:
    """How much the files below a directory take."""
    parsed = begin(process, "shab", usage="du [-sh] [FILE]...\n  -s  sums only    -h  with K, M")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    flags = {option[1] for option, _ in options}
    files, status = process.node.files, 0
    for name in names or ["."]:
        path = _resolve(process, name)
        if not files.exists(path):
            status = fail(process, f"cannot access '{name}': No such file or directory")
            continue
        places = (
            [path]
            if "s" in flags or not _is_directory(files, path)
            else [*reversed([p for p in _below(files, path) if _is_directory(files, p)]), path]
        )
        for place in places:
            inside = [place, *_below(files, place)] if _is_directory(files, place) else [place]
            size = sum(
                BLOCK if _is_directory(files, p) else -(-len(files.read(p).encode()) // BLOCK) * BLOCK for p in inside
            )
            shown = name.rstrip("/") + place[len(path) :] if place != path else name
            process.print(f"{_human(size) if 'h' in flags else size // 1024}\t{shown}")
    return status


def file(process: Process) -> int:
    """What kind of file it is."""
    parsed = begin(process, "b", usage="file [-b] FILE...\n  -b  without the name")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    files = process.node.files
    width = max((len(name) for name in names), default=0) + 1
    for name in names:
        path = _resolve(process, name)
        if _is_directory(files, path):
            kind = "directory"
        elif not files.is_file(path):
            kind = f"cannot open `{name}' (No such file or directory)"
        else:
            text = files.read(path)
            script = text.startswith("#!") and text.partition("\n")[0][2:].strip()
            if not text:
                kind = "empty"
            elif script:
                kind = f"{'Bourne-Again shell' if 'bash' in script else 'POSIX shell' if script.endswith('sh') else 'a ' + script} script, ASCII text executable"
            else:
                kind = "ASCII text" if text.isascii() else "Unicode text, UTF-8 text"
                kind += (
                    ", with no line terminators"
                    if "\n" not in text
                    else ", with CRLF line terminators"
                    if "\r\n" in text
                    else ""
                )
        process.print(kind if options else f"{name + ':':<{width}} {kind}")
    return 0


NO_MODES = "owners and permissions are not simulated here: root may read, write and run every file"

COMMANDS: dict[str, Program] = {
    "basename": basename,
    "chgrp": _not_simulated(NO_MODES),
    "chmod": _not_simulated(NO_MODES),
    "chown": _not_simulated(NO_MODES),
    "cp": cp,
    "df": _not_simulated("disks are not simulated here"),
    "dirname": dirname,
    "du": du,
    "file": file,
    "find": find,
    "ln": _not_simulated("links between files are not simulated here; use: cp"),
    "ls": ls,
    "mkdir": mkdir,
    "mv": mv,
    "readlink": realpath,
    "realpath": realpath,
    "rm": rm,
    "rmdir": rmdir,
    "stat": stat,
    "touch": touch,
}
