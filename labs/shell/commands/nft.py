"""`nft` on a device: the adapter between a process and the pure command in `labs.shell.nft`."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from labs.net.filesystem import FileError
from labs.net.process import Process, Program, Routine
from labs.shell.bash.patterns import paths
from labs.shell.nft import nft as run

if TYPE_CHECKING:
    from labs.net.linux.node import LinuxNode

__all__ = ["COMMANDS"]


def nft(process: Process) -> Routine:
    """Read or change the ruleset of the device."""
    node = process.node
    arguments = process.argv[1:]
    reads_stdin = any(a in ("-f-", "--file=-") for a in arguments) or any(
        a in ("-f", "--file") and b in ("-", "/dev/stdin") for a, b in pairwise(arguments)
    )
    stdin = (yield from process.stdin.read_all()) if reads_stdin else ""
    if reads_stdin:
        arguments = ["-" if a == "/dev/stdin" else a for a in arguments]

    def read_file(path: str) -> str:
        try:
            return node.files.read(node.files.resolve(path, process.directory))
        except FileError as error:
            raise OSError(0, str(error)) from None

    netfilter = node.netfilter
    netfilter.state.now_ns = node.now
    result = run(
        arguments,
        netfilter.ruleset,
        netfilter.state,
        read_file,
        stdin,
        interfaces=list(node.interfaces),
        find_files=lambda pattern: paths(node.files, process.directory, pattern),
    )
    process.stdout.write(result.text)
    process.stderr.write(result.error)
    if result.ruleset is not netfilter.ruleset:
        netfilter.replace(result.ruleset)
        _age(node)
    return result.status


def _age(node: LinuxNode) -> None:
    """Elements of sets end by themselves."""
    end = node.netfilter.age(node.now)
    if end is not None:
        node.call_at(end, partial(_age, node))


COMMANDS: dict[str, Program] = {"nft": nft}
