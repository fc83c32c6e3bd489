"""What a forked program says in its journal."""

from __future__ import annotations

import contextlib
import os

__all__ = ["reason", "say"]


def say(*lines: str) -> None:
    """Print for the journal."""
    for line in lines:
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())


def reason(error: OSError) -> str:
    """An error as a person reads it."""
    return "Connection timed out" if isinstance(error, TimeoutError) else (error.strerror or str(error))
