"""The files of a device as its own init sees them, with the names of the simulator's."""

from __future__ import annotations

import os
import stat
from itertools import islice

from labs.net.filesystem import FileError

__all__ = ["RealFiles"]

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

    def is_directory(self, path: str) -> bool:
        """True for a directory."""
        return os.path.isdir(path)
