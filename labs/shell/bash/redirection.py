"""Redirections: from the operators to the streams of a command (POSIX.1-2017, XCU §2.7)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from labs.net.filesystem import FileError, FileSystem
from labs.net.process import Pipe, Wait, Writer
from labs.shell.bash.expansion import Expander
from labs.shell.bash.streams import FileWriter, Streams
from labs.shell.bash.syntax import Redirection

__all__ = ["RedirectionError", "Redirector"]


class RedirectionError(Exception):
    """A redirection that the shell or the kernel refuses; str is the sentence."""


class Redirector:
    """Opens streams for one shell. `directory` is asked each time; `dash` chooses the wording of failures."""

    def __init__(self, expander: Expander, files: FileSystem, directory: Callable[[], str], *, dash: bool) -> None:
        self._expander = expander
        self._files = files
        self._directory = directory
        self._dash = dash

    def streams(self, redirections: Sequence[Redirection], streams: Streams) -> Generator[Wait, None, Streams]:
        """The streams after the redirections. Raises RedirectionError."""
        table: dict[int, Pipe | Writer] = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr}
        for redirection in redirections:
            if redirection.descriptor > 2:
                raise RedirectionError(f"{redirection.descriptor}: descriptors above 2 are not simulated here")
            if redirection.operator in ("<<", "<<<"):
                table[redirection.descriptor] = Pipe((yield from self._here(redirection)), closed=True)
            else:
                yield from self._one(redirection, table)
        stdin = table[0] if isinstance(table[0], Pipe) else Pipe(closed=True)
        return Streams(stdin, table[1], table[2])

    def _here(self, redirection: Redirection) -> Generator[Wait, None, str]:
        if redirection.document is not None:
            return (yield from self._expander.text(redirection.document.body, tilde=False))
        return (yield from self._expander.text(redirection.target)) + "\n"

    def _one(self, redirection: Redirection, table: dict[int, Pipe | Writer]) -> Generator[Wait, None, None]:
        operator, descriptor = redirection.operator, redirection.descriptor
        found = yield from self._expander.fields([redirection.target])
        if len(found) != 1:
            raise RedirectionError(f"{redirection.target.source}: ambiguous redirect")
        target = found[0]
        if operator in (">&", "<&"):
            if target == "-":
                table[descriptor] = Pipe(closed=True) if descriptor == 0 else Writer()
                return
            if target.isdecimal():
                if int(target) not in table:
                    raise RedirectionError(f"{target}: Bad file descriptor")
                table[descriptor] = table[int(target)]
                return
            if operator == "<&":
                raise RedirectionError(f"{target}: ambiguous redirect")
            operator = "&>"
        try:
            stream = self._open(target, operator, table)
        except FileError as error:
            raise RedirectionError(self._failure(target, operator, str(error))) from None
        if operator.startswith("&"):
            table[1] = table[2] = stream
        else:
            table[descriptor] = stream

    def _failure(self, target: str, operator: str, error: str) -> str:
        if not self._dash:
            return f"{target}: {error}"
        if operator == "<":
            return f"cannot open {target}: {'No such file' if error.startswith('No such') else error}"
        return f"cannot create {target}: {'Directory nonexistent' if error.startswith('No such') else error}"

    def _open(self, target: str, operator: str, table: dict[int, Pipe | Writer]) -> Pipe | Writer:
        if not target:
            raise FileError("No such file or directory")
        files = self._files
        path = files.resolve(target, self._directory())
        standard = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
        if path in standard:
            return table[standard[path]]
        if path == "/dev/tty":
            return Pipe(closed=True) if operator == "<" else table[2]
        if path == "/dev/null":
            return Pipe(closed=True) if operator in ("<", "<>") else Writer()
        if operator not in ("<", "<>"):
            return FileWriter(files, path, append=operator in (">>", "&>>"))
        if operator == "<>" and not files.exists(path):
            files.write(path, "")
        if files.is_directory(path) and not files.is_file(path):
            raise FileError("Is a directory")
        return Pipe(files.read(path), closed=True)
