"""The files of a device: a flat table of absolute paths, with directories implied by the names below them.

What every Debian machine has stands in `given_files` and is not stored. `/run` and `/tmp` are lost at reboot;
`/proc` and `/sys` are answered by whoever mounts a provider there.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Protocol

from labs.net.given_files import GIVEN

__all__ = ["FileError", "FileSystem", "Provider"]

MAX_FILE_CHARACTERS = 1 << 20
MAX_FILES = 4096
VOLATILE = ("/run/", "/tmp/", "/dev/shm/", "/dev/fd/")  # noqa: S108 - a path inside the simulated device
STANDARD_DIRECTORIES = (
    "/", "/etc", "/root", "/home", "/run", "/tmp", "/var", "/var/log", "/var/lib", "/proc", "/dev", "/dev/fd",  # noqa: S108
)  # fmt: skip


class FileError(Exception):
    """The answer of the kernel to a bad path, in the words of strerror(3)."""


class Provider(Protocol):
    """Answers for a part of the tree that is not stored, such as /proc/sys."""

    def read(self, path: str) -> str | None:
        """The content, or None where there is no such file."""

    def write(self, path: str, text: str) -> bool:
        """Take new content; False where there is no such file. Raises FileError."""

    def names(self) -> list[str]:
        """Every path answered."""


class FileSystem:
    """Paths and texts. Relative paths are resolved against `directory`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files: dict[str, str] = dict(files)
        self._unwritten: dict[str, Callable[[], str]] = {}  # files whose text is made when somebody reads it
        self._removed: set[str] = set()  # of what every machine has
        self._directories: set[str] = set(STANDARD_DIRECTORIES)
        self._providers: dict[str, Provider] = {}
        self.watchers: list[Callable[[str], None]] = []

    def mount(self, prefix: str, provider: Provider) -> None:
        """Let `provider` answer for every path below `prefix`."""
        self._providers[prefix] = provider

    @staticmethod
    def resolve(path: str, directory: str = "/") -> str:
        """An absolute, normalised path."""
        if path == "~" or path.startswith("~/"):
            path = "/root" + path[1:]
        resolved = posixpath.normpath(posixpath.join(directory, path))
        return resolved[1:] if resolved.startswith("//") else resolved

    def _provider(self, path: str) -> Provider | None:
        for prefix, provider in self._providers.items():
            if path.startswith(prefix):
                return provider
        return None

    def stored(self) -> dict[str, str]:
        """Every stored file that survives a reboot."""
        for path in [path for path in self._unwritten if not path.startswith(VOLATILE)]:
            self._settle(path)
        return {path: text for path, text in self._files.items() if not path.startswith(VOLATILE)}

    def is_file(self, path: str) -> bool:
        """True for a file."""
        provider = self._provider(path)
        if provider is not None:
            try:
                return provider.read(path) is not None
            except FileError:
                return True  # it is there, and cannot be read now
        return path in self._files or self._is_given(path)

    def _is_given(self, path: str) -> bool:
        return path in GIVEN and path not in self._removed

    def is_directory(self, path: str) -> bool:
        """True for a directory, made or implied."""
        if path in self._directories or path == "/":
            return True
        start = path.rstrip("/") + "/"
        for name in self._files:
            if name.startswith(start):
                return True
        if start in ("/sys/", "/sys/class/"):
            return True
        return any(
            name.startswith(start)
            for prefix, provider in self._providers.items()
            if prefix.startswith(start) or start.startswith(prefix)  # the names of the others cannot be meant
            for name in provider.names()
        )

    def _paths(self) -> list[str]:
        names = [*self._files, *(path for path in GIVEN if self._is_given(path))]
        for provider in self._providers.values():
            names.extend(provider.names())
        return names

    def exists(self, path: str) -> bool:
        """True for a file or directory."""
        return self.is_file(path) or self.is_directory(path)

    def read(self, path: str) -> str:
        """The content of a file. Raises FileError."""
        provider = self._provider(path)
        if path in self._unwritten:
            self._settle(path)
        text = provider.read(path) if provider is not None else self._files.get(path)
        if text is None and self._is_given(path):
            return GIVEN[path]
        if text is not None:
            return text
        raise FileError("Is a directory" if self.is_directory(path) else "No such file or directory")

    def get(self, path: str, default: str = "") -> str:
        """The content of a stored file, or `default`."""
        if path in self._unwritten:
            self._settle(path)
        return self._files.get(path, default)

    def write(self, path: str, text: str) -> None:
        """Create or replace a file. Raises FileError."""
        provider = self._provider(path)
        if provider is not None:
            if not provider.write(path, text):
                raise FileError("No such file or directory")
            return
        if path not in self._files:
            if self.is_directory(path):
                raise FileError("Is a directory")
            if not self.is_directory(posixpath.dirname(path)):
                raise FileError("No such file or directory")
            if len(self._files) >= MAX_FILES:
                raise FileError("No space left on device")
        if len(text) > MAX_FILE_CHARACTERS:
            raise FileError("File too large")
        self._files[path] = text
        self._unwritten.pop(path, None)
        for watcher in self.watchers:
            watcher(path)

    def write_later(self, path: str, text: Callable[[], str]) -> None:
        """Create or replace a file whose text is only made if somebody reads it: it must not change until then.

        Meant for a status of a few lines that is written again with every event. Raises FileError.
        """
        if path in self._files:
            self._unwritten[path] = text
            for watcher in self.watchers:
                watcher(path)
        else:
            self.write(path, text())

    def _settle(self, path: str) -> None:
        self._files[path] = self._unwritten.pop(path)()

    def append(self, path: str, text: str) -> None:
        """Add to the end of a file, which is made if need be. Raises FileError."""
        self.write(path, (self.read(path) if self.is_file(path) else "") + text)

    def remove(self, path: str) -> None:
        """Delete a file. Raises FileError."""
        if path not in self._files and not self._is_given(path):
            raise FileError("Is a directory" if self.is_directory(path) else "No such file or directory")
        parent = posixpath.dirname(path)
        self._files.pop(path, None)
        if path in GIVEN:
            self._removed.add(path)
        self._unwritten.pop(path, None)
        self._directories.add(parent)

    def make_directory(self, path: str) -> None:
        """Create a directory. Raises FileError."""
        if self.exists(path):
            raise FileError("File exists")
        if not self.is_directory(posixpath.dirname(path)):
            raise FileError("No such file or directory")
        self._directories.add(path)

    def remove_directory(self, path: str) -> None:
        """Delete an empty directory. Raises FileError."""
        if not self.is_directory(path):
            raise FileError("Not a directory" if self.is_file(path) else "No such file or directory")
        if self.list(path):
            raise FileError("Directory not empty")
        self._directories.discard(path)

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises FileError."""
        if not self.is_directory(path):
            raise FileError("Not a directory" if self.is_file(path) else "No such file or directory")
        start = path.rstrip("/") + "/"
        every = [*self._paths(), *self._directories]
        below = (name[len(start) :] for name in every if name.startswith(start))
        return sorted({name.split("/")[0] for name in below} - {""})

    def forget_volatile(self) -> None:
        """What a reboot does to /run and /tmp."""
        for path in [path for path in self._files if path.startswith(VOLATILE)]:
            del self._files[path]
            self._unwritten.pop(path, None)
