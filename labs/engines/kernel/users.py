"""Root, or an ordinary user in a user namespace: whether the users of daemons can be had, and how.

Before changing this file read user_namespaces(7), subuid(5), newuidmap(1). An ordinary user has one number; in a
namespace with that one alone nobody can become another user, so daemons and tcpdump could not give up rights and do not
start. Hence numbers from /etc/subuid, or a refusal.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["SEARCH", "User", "unshare_command"]

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NEEDED = 1000  # numbers of the users of daemons are below it (login.defs(5), SYS_UID_MAX)
FIRST, COUNT = 100_000, 65_536  # what useradd(8) gives to the first user (login.defs(5), SUB_UID_MIN, SUB_UID_COUNT)
FILES = ("/etc/subuid", "/etc/subgid")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the engine, as the kernel and /etc see it."""

    number: int
    name: str = ""
    read: Callable[[str], str] = _read

    @classmethod
    def now(cls) -> User:
        """Whoever runs this process."""
        import pwd

        number = os.geteuid()
        try:
            return cls(number, pwd.getpwuid(number).pw_name)
        except KeyError:
            return cls(number)

    @property
    def numbers(self) -> str:
        """The first range of numbers that is kept for this user, `100000-165535`; empty where one file has none."""
        found = [self._range(path) for path in FILES]
        return found[0] if all(found) else ""

    def _range(self, path: str) -> str:
        own = (self.name, str(self.number))
        kept = (span for owner, span in self._spans(path) if owner in own and len(span) >= NEEDED)
        return next((f"{span[0]}-{span[-1]}" for span in kept), "")

    def _spans(self, path: str) -> Iterator[tuple[str, range]]:
        """Lines `owner:first:count`; others are passed over."""
        for line in self.read(path).splitlines():
            owner, *words = line.strip().split(":")
            if len(words) == 2 and all(word.isdecimal() for word in words):
                yield owner, range(int(words[0]), int(words[0]) + int(words[1]))

    @property
    def _free(self) -> str:
        """A range that nobody has."""
        first = max([FIRST, *(span.stop for path in FILES for _, span in self._spans(path))])
        return f"{first}-{first + COUNT - 1}"

    @property
    def alone(self) -> bool:
        """True for root of a container that has hardly another user."""
        maps = [line.split() for line in self.read("/proc/self/uid_map").splitlines()]
        return bool(maps) and sum(int(words[2]) for words in maps) < NEEDED

    def lacking(self) -> tuple[str, str]:
        """Why the users of daemons cannot be had, and how to mend that; empty where they can."""
        if self.number == 0:
            if self.alone:
                return "this container has no users beside root", "start it with a range of users"
            return "", ""
        if not self.name:
            return f"the user {self.number} has no name in /etc/passwd", "start netwerf as a user with a name"
        if not self.numbers:
            added = f"--add-subuids {self._free} --add-subgids {self._free}"
            return f"{' or '.join(FILES)} keeps no numbers for {self.name}", f"sudo usermod {added} {self.name}"
        return "", ""


def unshare_command() -> list[str]:
    """The command line that makes the namespaces of a lab: as an ordinary user inside a user namespace."""
    command = ["unshare", "--net", "--pid", "--mount", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
    if os.geteuid() == 0:
        return [*command, "--mount-proc"]
    mapped = ["--user", "--map-root-user"]
    if shutil.which("newuidmap", path=SEARCH) and User.now().numbers:
        mapped.append("--map-auto")
    return [*command, *mapped, "--mount-proc"]
