"""What paths are made of and what files are (GNU coreutils): basename, dirname, realpath, stat, du, file."""

from __future__ import annotations

import posixpath
import re

from labs.net.process import Process, Program
from labs.shell.commandline import begin, fail
from labs.shell.commands.files import BLOCK, is_directory, resolve_path, walk
from labs.shell.commands.ls import human_size

__all__ = ["COMMANDS"]


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
        path = resolve_path(process, name)
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
        path = resolve_path(process, name)
        if not files.exists(path):
            status = fail(process, f"cannot statx '{name}': No such file or directory")
            continue
        directory = is_directory(files, path)
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
        path = resolve_path(process, name)
        if not files.exists(path):
            status = fail(process, f"cannot access '{name}': No such file or directory")
            continue
        places = (
            [path]
            if "s" in flags or not is_directory(files, path)
            else [*reversed([p for p in walk(files, path) if is_directory(files, p)]), path]
        )
        for place in places:
            inside = [place, *walk(files, place)] if is_directory(files, place) else [place]
            size = sum(
                BLOCK if is_directory(files, p) else -(-len(files.read(p).encode()) // BLOCK) * BLOCK for p in inside
            )
            shown = name.rstrip("/") + place[len(path) :] if place != path else name
            process.print(f"{human_size(size) if 'h' in flags else size // 1024}\t{shown}")
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
        path = resolve_path(process, name)
        if is_directory(files, path):
            kind = "directory"
        elif not files.is_file(path):
            kind = f"cannot open `{name}' (No such file or directory)"
        else:
            text = files.read(path)
            script = text.startswith("#!") and text.partition("\n")[0][2:].strip()
            if not text:
                kind = "empty"
            elif script:
                shell = "POSIX shell" if script.endswith("sh") else f"a {script}"
                shell = "Bourne-Again shell" if script.endswith("bash") else shell
                kind = f"{shell} script, ASCII text executable"
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


COMMANDS: dict[str, Program] = {
    "basename": basename,
    "dirname": dirname,
    "du": du,
    "file": file,
    "readlink": realpath,
    "realpath": realpath,
    "stat": stat,
}
