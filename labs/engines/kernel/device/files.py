"""The files of a device: as its own init sees them, and as others do from outside, with the names of the simulator."""

from __future__ import annotations

import fcntl
import os
import stat
from itertools import islice

from labs.net.filesystem import FileError

__all__ = ["KEPT", "FilesBelow", "RealFiles", "out_of_the_way"]

KEPT = 1024
"""From this number on a forked program keeps what its init had open."""
READ_LIMIT = 1 << 22
CHUNK = 1 << 16


class RealFiles:
    """The files of the device, with the names of `labs.net.filesystem.FileSystem`."""

    def get(self, path: str, default: str = "") -> str:
        """The text, or `default` where there is no such file."""
        return self.read(path) if self.is_file(path) else default

    def read(self, path: str) -> str:
        """The text. Raises FileError."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb"):
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise FileError("Is a directory")
                parts = iter(lambda: os.read(descriptor, CHUNK), b"")  # a kernel setting refuses to fill more
                return b"".join(islice(parts, READ_LIMIT // CHUNK)).decode("utf-8", "replace")
        except OSError as error:
            raise FileError(error.strerror or str(error)) from None

    def write(self, path: str, text: str) -> None:
        """Replace or make a file. Raises FileError."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
        except OSError as error:
            raise FileError(error.strerror or str(error)) from None

    def remove(self, path: str) -> None:
        """Remove a file. Raises FileError."""
        try:
            os.unlink(path)
        except OSError as error:
            raise FileError(error.strerror or str(error)) from None

    def make_directory(self, path: str) -> None:
        """Make a directory. Raises FileError."""
        try:
            os.mkdir(path)
        except OSError as error:
            raise FileError(error.strerror or str(error)) from None

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(path))

    def is_file(self, path: str) -> bool:
        """True for a regular file."""
        return os.path.isfile(path)

    def exists(self, path: str) -> bool:
        """True for whatever there is."""
        return os.path.lexists(path)

    def is_directory(self, path: str) -> bool:
        """True for a directory."""
        return os.path.isdir(path)


def out_of_the_way(descriptor: int) -> int:
    """The same, where a forked program closes none (`things.fork`): it may use what its init got before all else."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, KEPT)
    os.close(descriptor)
    return moved


class FilesBelow:
    """The files of a device for whoever stands outside it. No link is followed: whoever works there could set one.

    A path to another place than a regular file reads as no file at all.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        found = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._root = out_of_the_way(found)

    def close(self) -> None:
        """Give the directory back."""
        os.close(self._root)

    def _open(self, path: str, flags: int) -> int:
        *folders, name = path.strip("/").split("/")
        here = os.dup(self._root)
        try:
            for folder in folders:
                below = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                os.close(here)
                here = below
            return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=here)
        finally:
            os.close(here)

    def get(self, path: str, default: str = "") -> str:
        """The text, or `default` where there is no such file."""
        try:
            descriptor = self._open(path, os.O_RDONLY)
        except OSError:
            return default
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return default
        with os.fdopen(descriptor, "rb") as file:
            return file.read(READ_LIMIT).decode("utf-8", "replace")

    def is_file(self, path: str) -> bool:
        """True for a regular file."""
        try:
            descriptor = self._open(path, os.O_PATH)
        except OSError:
            return False
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)

    def write(self, path: str, text: str) -> None:
        """Replace or make a file in a folder that is there. Raises FileError."""
        try:
            descriptor = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            raise FileError(error.strerror or str(error)) from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
