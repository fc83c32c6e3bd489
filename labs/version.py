"""The version of Netwerf."""

from __future__ import annotations

from functools import cache

__all__ = ["version"]

UNINSTALLED = "0+checkout"


@cache
def version() -> str:
    """The installed version, or `0+checkout` where the folders are used without being installed.

    A function, because importlib.metadata takes a sixth of the time that importing `labs` may take.
    """
    from importlib import metadata

    try:
        return metadata.version("netwerf")
    except metadata.PackageNotFoundError:
        return UNINSTALLED
