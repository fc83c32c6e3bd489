"""Checksums and dumps of files: md5sum, sha1sum, sha256sum, hexdump -C, xxd."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine, Wait
from labs.shell.commandline import Lines, begin, fail

__all__ = ["COMMANDS"]


def _bytes(lines: Lines) -> Generator[Wait, None, bytes]:
    return "".join((yield from lines.rest())).encode()


def _checksum(algorithm: str) -> Program:
    def run(process: Process) -> Routine:
        usage = f"{algorithm}sum [-c] [FILE]...\n  -c  check the sums that the files hold"
        parsed = begin(process, "cbt", ["check", "quiet", "status"], usage=usage)
        if isinstance(parsed, int):
            return parsed
        options, names = parsed
        lines = Lines(process, names)
        check = any(option in ("-c", "--check") for option, _ in options)
        wrong = 0
        while lines.open():
            data = yield from _bytes(lines)
            if check:
                wrong += _check(process, algorithm, data.decode(), dict(options))
            else:
                process.print(f"{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}  {lines.name}")
        if wrong and ("--status", "") not in options:
            fail(process, f"WARNING: {wrong} computed checksum{'s' if wrong > 1 else ''} did NOT match")
        return int(lines.failed or bool(wrong))

    return run


def _check(process: Process, algorithm: str, text: str, options: dict[str, str]) -> int:
    wrong = 0
    for line in text.splitlines():
        digest, _, name = line.partition(" ")
        name = name.lstrip(" *")
        try:
            data = process.node.files.read(process.node.files.resolve(name, process.directory)).encode()
        except FileError as error:
            fail(process, f"{name}: {error}")
            process.print(f"{name}: FAILED open or read")
            continue
        good = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == digest.lower()
        if "--status" not in options and not (good and "--quiet" in options):
            process.print(f"{name}: {'OK' if good else 'FAILED'}")
        wrong += not good
    return wrong


def _visible(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def hexdump(process: Process) -> Routine:
    """Offsets, bytes and characters."""
    name = process.name.rpartition("/")[2]
    parsed = begin(process, "Cn:s:v", usage=f"{name} -C [-n N] [FILE]...\n  -n N  only N bytes")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    values = dict(options)
    if ("-C" not in values and name != "hd") or "-s" in values:
        return fail(process, "only -C and -n are simulated here")
    lines = Lines(process, names)
    data = b""
    while lines.open():
        data += yield from _bytes(lines)
    if values.get("-n", "0").isdecimal():
        data = data[: int(values["-n"])] if "-n" in values else data
    before, starred = None, False
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        if row == before and len(row) == 16 and "-v" not in values:
            if not starred:
                process.print("*")
            starred = True
            continue
        before, starred = row, False
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        process.print(f"{offset:08x}  {left:<23}  {right:<23}  |{_visible(row)}|")
    if data:
        process.print(f"{len(data):08x}")
    return int(lines.failed)


def xxd(process: Process) -> Routine:
    """A dump in pairs of bytes."""
    parsed = begin(process, "l:p", usage="xxd [-p] [-l N] [FILE]\n  -p  digits only    -l N  only N bytes")
    if isinstance(parsed, int):
        return parsed
    options, names = parsed
    values = dict(options)
    lines = Lines(process, names[:1])
    data = b""
    while lines.open():
        data += yield from _bytes(lines)
    if values.get("-l", "").isdecimal():
        data = data[: int(values["-l"])]
    if "-p" in values:
        for offset in range(0, len(data), 30):
            process.print(data[offset : offset + 30].hex())
        return int(lines.failed)
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        pairs = " ".join(row[i : i + 2].hex() for i in range(0, len(row), 2))
        process.print(f"{offset:08x}: {pairs:<39}  {_visible(row)}")
    return int(lines.failed)


COMMANDS: dict[str, Program] = {
    "hd": hexdump,
    "hexdump": hexdump,
    "md5sum": _checksum("md5"),
    "sha1sum": _checksum("sha1"),
    "sha256sum": _checksum("sha256"),
    "sha512sum": _checksum("sha512"),
    "xxd": xxd,
}
