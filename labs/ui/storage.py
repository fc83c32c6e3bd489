"""Where labs are kept between sittings: the terminal and the notebook open the same file, one of them at a time.

A lab is `HOME/SCENARIO-SEED.netwerf`, where HOME is NETWERF_HOME, or `~/netwerf`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import IO

__all__ = [
    "SUFFIX",
    "FileLock",
    "LabInUse",
    "autosave_path",
    "home",
    "is_writable",
    "keep_copy",
    "set_aside",
    "write_whole",
]

SUFFIX = ".netwerf"
MAX_SEED_CHARACTERS = 40


class LabInUse(Exception):
    """Another window has the lab open. One line for the person who opens it a second time."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"this lab is open in another window ({path}); close it there (exit, or stop the notebook's kernel), "
            "or take another seed"
        )


def home() -> Path:
    """The folder of the labs: NETWERF_HOME, or `~/netwerf`."""
    value = os.environ.get("NETWERF_HOME", "")
    return Path(value).expanduser() if value else Path.home() / "netwerf"


def is_writable(folder: Path) -> bool:
    """True where a file can be made; the folder is made if need be. The disk is asked: permissions do not tell all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def autosave_path(scenario_id: str, seed: int | str, folder: Path | None = None) -> Path:
    """The file of a lab, in HOME or another folder. Characters of a seed that a file name cannot hold become `_`."""
    word = re.sub(r"[^A-Za-z0-9.-]", "_", str(seed))[:MAX_SEED_CHARACTERS]
    return (folder or home()) / f"{scenario_id}-{word}{SUFFIX}"


def set_aside(path: Path) -> Path | None:
    """Rename the file of a lab, so that a new one can begin; returns its new path, None where there was none."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.name}.bak-{number}")).exists():
        number += 1
    path.replace(kept)
    return kept


def keep_copy(path: Path, text: str) -> Path | None:
    """Before `text` is written to `path`: rename a file of that name that holds something else than its beginning."""
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return set_aside(path)
    return None if text.startswith(old) else set_aside(path)


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file that is never seen half written. Text becomes UTF-8 with bare newlines. Raises OSError."""
    content = data.encode() if isinstance(data, str) else data
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if os.name == "posix":  # mkstemp makes files that nobody else may read
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


class FileLock:
    """Holds a lab for this process. The system gives it back when the process ends, however it ends.

    Where the system has no locks (a browser), everything may be held: there is one process.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock of the lab in `path`. Raises LabInUse."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] | None = path.with_name(f".{path.name}.lock").open("a", encoding="utf-8")
        try:
            _lock(self._file)
        except OSError:
            self.release()
            raise LabInUse(path) from None

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[str]) -> None:
    """Take the whole file or raise OSError at once."""
    try:
        import fcntl
    except ImportError:
        _lock_elsewhere(file)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_elsewhere(file: IO[str]) -> None:
    """Windows; nothing on a system that knows neither way."""
    try:
        import msvcrt
    except ImportError:
        return
    file.seek(0)
    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
